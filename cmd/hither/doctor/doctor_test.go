package doctor

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// checkOf is a check made of a function.
type checkOf func(ctx context.Context, p *Patient) []Finding

func (checkOf) Name() string                                    { return "test" }
func (c checkOf) Run(ctx context.Context, p *Patient) []Finding { return c(ctx, p) }

func TestNoCheckHoldsTheDoctorUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		deaf := checkOf(func(context.Context, *Patient) []Finding { <-end; return nil })
		slow := checkOf(func(ctx context.Context, _ *Patient) []Finding {
			<-ctx.Done()
			return []Finding{well("as far as I got")}
		})
		began := time.Now()
		r := Examine(t.Context(), []Check{deaf, slow, deaf}, &Patient{})
		if took := time.Since(began); took > whole+grace {
			t.Errorf("it took\n got %v\nwant at most %v", took, whole+grace)
		}
		holds(t, r.Findings, "test warn: this check found no end", "test ok: as far as I got")
		close(end)
	})
}

func TestACheckThatBreaksIsOneFinding(t *testing.T) {
	r := Examine(t.Context(), []Check{
		checkOf(func(context.Context, *Patient) []Finding { panic("boom") }),
		checkOf(func(context.Context, *Patient) []Finding { return []Finding{fail("a", "b")} }),
	}, &Patient{})
	holds(t, r.Findings, "this check broke: boom", "test fail: a")
	if r.Worst() != Fail || r.Count(Warn) != 1 {
		t.Errorf("worst\n got %v, %d warnings\nwant fail, 1", r.Worst(), r.Count(Warn))
	}
}

func TestSecretsAreInNoFinding(t *testing.T) {
	w := newWorld(t)
	w.Redact = func(text string) string { return strings.ReplaceAll(text, "hush", "…") }
	w.env["HTTPS_PROXY"] = "http://me:hush@proxy.corp:3128"
	w.env["GOPROXY"] = "https://me:hush@goproxy.corp,direct"
	w.write("/home/u/.npmrc", "https-proxy=http://me:hush@proxy.corp:3128\nregistry=https://me:hush@npm.corp/\n//npm.corp/:_authToken=hush\n")
	w.write("/home/u/.config/mihomo/config.yaml", "external-controller: 127.0.0.1:9999\nsecret: hush\n")
	w.write("/etc/docker/daemon.json", `{"proxies": {"https-proxy": "http://me:hush@proxy.corp:3128"}}`)
	w.write("/home/u/.docker/config.json", `{"auths": {"x": {"auth": "hush"}}, "proxies": {"default": {"httpsProxy": "http://me:hush@127.0.0.1:3128"}}}`)
	w.write("/home/u/.config/pip/pip.conf", "[global]\nindex-url = https://me:hush@pip.corp/simple\n")
	r := Examine(t.Context(), Checks(), w.Patient)
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), "hush") {
		t.Errorf("a secret is told:\n%s", data)
	}
	w.Redact = nil // the causes themselves leave passwords out, too
	for _, f := range Examine(t.Context(), Checks(), w.Patient).Findings {
		if strings.Contains(f.Cause+f.Remedy, "hush") {
			t.Errorf("a secret is told even before redaction: %v", f)
		}
	}
}

// Nothing is changed on the machine: no file appears, and no command but those that only look.
func TestNothingIsChanged(t *testing.T) {
	w := newWorld(t)
	w.dns("full")
	var mu sync.Mutex // the checks run at once
	asked := map[string]bool{}
	w.Run = func(_ context.Context, argv ...string) ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		asked[strings.Join(argv[:min(2, len(argv))], " ")] = true
		return nil, nil
	}
	Examine(t.Context(), Checks(), w.Patient)
	mu.Lock() // one may have been left behind
	defer mu.Unlock()
	for command := range asked {
		switch command {
		case "docker info", "git config", "gsettings get", "resolvectl domain", "resolvectl dnssec":
		default:
			t.Errorf("a command that may do more than look: %s", command)
		}
	}
}
