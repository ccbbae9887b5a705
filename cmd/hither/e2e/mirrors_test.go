package e2e_test

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// thing is what the registry of these tests has.
const thing = "the thing that every mirror must have"

func blobOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "/blob/sha256:" + hex.EncodeToString(sum[:])
}

// mirrorWorld is a registry whose blobs name themselves, and its mirrors; the origin is the first and the slowest.
func mirrorWorld(t *testing.T, waits ...time.Duration) (*world, []*wire) {
	t.Helper()
	w := newWorld(t)
	var all []*wire
	file := "name = \"lab\"\ngateway = \"/lab\"\n[[host]]\nname = \"lab.test\"\norigin = [%q]\n"
	for i, wait := range waits {
		wire := w.serve(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			for n := range 100 {
				if text := thing + strings.Repeat(" ", n); r.URL.Path == blobOf(text) {
					_, _ = rw.Write([]byte(text))
					return
				}
			}
			http.NotFound(rw, r)
		}))
		wire.Bend(lags(wait))
		all = append(all, wire)
		if i > 0 {
			file += fmt.Sprintf("[[mirror]]\nurl = %q\n", wire.URL)
		}
	}
	file = fmt.Sprintf(file, all[0].URL) + fmt.Sprintf("[probe]\npath = %q\ndigest = %q\n", blobOf(thing), strings.TrimPrefix(blobOf(thing), "/blob/")) +
		"[[path]]\nmatch = \"/blob/{digest:digest}\"\nkeep = \"forever\"\nfrom = \"any\"\nnotary = \"path\"\n"
	w.write(filepath.Join("rules.d", "lab.toml"), []byte(file))
	return w, all
}

// survey is what this test reads of `hither mirrors --json`.
type survey struct {
	Daemon bool `json:"daemon"`
	Rules  []struct {
		Working   bool `json:"working"`
		Upstreams []struct {
			Base     string `json:"base"`
			Verdict  string `json:"verdict"`
			Measured []struct {
				Connect struct{ P50 time.Duration } `json:"connect"`
				TLS     struct{ P50 time.Duration } `json:"tls"`
				TTFB    struct{ P50 time.Duration } `json:"ttfb"`
				Total   struct{ P50 time.Duration } `json:"total"`
			} `json:"measured"`
		} `json:"upstreams"`
	} `json:"rules"`
}

// Done when 5: the figures agree with those of curl. Orders are compared, not times.
func TestMirrorsAreOrderedAsCurlDoes(t *testing.T) {
	w, wires := mirrorWorld(t, 400*time.Millisecond, 150*time.Millisecond, 0)
	h := w.lightHither()
	var s survey
	w.must(json.Unmarshal([]byte(h.CLI("mirrors", "lab", "--json", "--interval", "100ms")), &s))
	same(t, "measured by the daemon", strconv.FormatBool(s.Daemon), "true")
	type phases struct{ connect, tls, first, total time.Duration }
	hither, curl := map[string]phases{}, map[string]phases{}
	var bases []string
	for _, u := range s.Rules[0].Upstreams {
		bases = append(bases, u.Base)
		m := u.Measured[0]
		hither[u.Base] = phases{m.Connect.P50, m.TLS.P50, m.TTFB.P50, m.Total.P50}
	}
	for _, wire := range wires {
		out := w.shell(w.dir, h.env, "curl", "-so", "/dev/null", "-w", "%{time_connect} %{time_appconnect} %{time_starttransfer} %{time_total}", wire.URL+blobOf(thing))
		var at [4]time.Duration // since the beginning, unlike ours
		for i, text := range strings.Fields(out) {
			seconds, err := strconv.ParseFloat(text, 64)
			w.must(err)
			at[i] = time.Duration(seconds * float64(time.Second))
		}
		curl[wire.URL] = phases{at[0], at[1], at[2] - at[0], at[3]}
	}
	by := func(of map[string]phases, phase func(phases) time.Duration) string {
		sorted := sortedKeys(of)
		slices.SortFunc(sorted, func(a, b string) int { return cmp.Compare(phase(of[a]), phase(of[b])) })
		return strings.Join(sorted, " ")
	}
	first := func(p phases) time.Duration { return p.first }
	total := func(p phases) time.Duration { return p.total }
	same(t, "order by first bytes", by(hither, first), by(curl, first))
	same(t, "order by totals", by(hither, total), by(curl, total))
	same(t, "order of the choice", strings.Join(bases, " "), by(curl, first))
	for base, ours := range hither {
		theirs := curl[base]
		same(t, "whether there was a TCP handshake", strconv.FormatBool(ours.connect > 0), strconv.FormatBool(theirs.connect > 0))
		same(t, "whether there was TLS", strconv.FormatBool(ours.tls > 0), strconv.FormatBool(theirs.tls > 0))
		same(t, "phases in order", strconv.FormatBool(ours.connect <= ours.total && ours.first <= ours.total), "true")
	}
}

// status runs a command that may fail.
func (h *hither) status(args ...string) (int, string) {
	h.w.t.Helper()
	cmd := exec.Command(h.bin, append(args, "--state", h.state, "--rules", h.w.rules)...)
	cmd.Env, cmd.Dir = h.env, h.w.dir
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		h.w.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

func TestMirrorsWithoutADaemonAndWithoutASource(t *testing.T) {
	w, wires := mirrorWorld(t, 0, 0)
	h := w.newHither(plainHither, nil)
	code, out := h.status("mirrors", "lab", "--count", "1")
	same(t, "one works: "+out, strconv.Itoa(code), "0")
	has(t, "the table", out, "choice: http://127.0.0.1", "h1   p50")
	for _, wire := range wires {
		wire.Bend(logsIn)
	}
	code, out = h.status("mirrors", "lab", "--count", "1")
	same(t, "none works: "+out, strconv.Itoa(code), "4")
	has(t, "the table", out, "choice: none works", "dead: web page (1 of 1)", "no source works for lab")
	code, out = h.status("mirrors", "gem")
	same(t, "no such rule: "+out, strconv.Itoa(code), "2")
}

// What the user sets holds for the next request, and what a mirror did survives a restart.
func TestChoicesAndQuarantineHold(t *testing.T) {
	w, wires := mirrorWorld(t, 100*time.Millisecond, 0, 50*time.Millisecond)
	fast, slow := wires[1], wires[2]
	h := w.lightHither()
	n := 0
	fetch := func() {
		n++
		w.shell(w.dir, h.env, "curl", "-sfo", "/dev/null", "http://"+h.addr+"/lab"+blobOf(thing+strings.Repeat(" ", n)))
	}
	asks := func(wire *wire) int { return wire.Asked(gotten(blobOf(thing + strings.Repeat(" ", n)))) }
	fetch() // the first tells that the rule is in use, and is public
	h.CLI("mirrors", "set", "lab", slow.addr)
	fetch()
	same(t, "the pinned one was asked", strconv.Itoa(asks(slow)), "1")
	has(t, "why", h.CLI("why", "/lab"+blobOf(thing+"    ")), "because you pinned it")
	h.CLI("mirrors", "off", slow.addr, "a test")
	fetch()
	same(t, "the one that is off was not asked", strconv.Itoa(asks(slow)), "0")
	h.CLI("mirrors", "on", slow.addr)
	h.CLI("mirrors", "set", "lab", fast.addr)
	fast.Bend(flips)
	fetch()
	has(t, "status", h.CLI("mirrors", "lab", "--count", "1", "--brief"), "wrong bytes")
	h.Stop()
	h.Start()
	fast.Bend(nil)
	fetch()
	same(t, "the liar after a restart", strconv.Itoa(asks(fast)), "0")
}
