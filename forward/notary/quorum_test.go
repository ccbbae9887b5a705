package notary

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hither/rules"
)

const quorumRule = `
name = "hub"
[[host]]
name = "hub.example"
%s
[[path]]
match   = "/v2/{repo...}/manifests/{tag}"
keep    = "30s"
from    = %q
notary  = "tag"
subject = "{repo}"
type    = "application/"
accept  = ["application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json"]
`

const (
	indexKind    = "application/vnd.oci.image.index.v1+json"
	manifestKind = "application/vnd.oci.image.manifest.v1+json"
)

// says is what one upstream answers, and when.
type says struct {
	base   string // mirrors only
	status int    // 0: it does not answer
	header http.Header
	after  time.Duration // negative: never, until it is not waited for any more
}

// poll is a registry, its mirrors, and how they are asked.
type poll struct {
	t       testing.TB
	from    rules.From
	origin  says
	mirrors []says
	one     []string // trust-one-mirror
	extra   string   // more keys of every mirror's table

	mu     sync.Mutex
	asked  []string
	asking int // at the same time, now and at most
	most   int
	log    lines
}

func (p *poll) match() rules.Match {
	tables := ""
	for _, m := range p.mirrors {
		tables += fmt.Sprintf("[[mirror]]\nurl = %q\n%s\n", m.base, p.extra)
	}
	set := mustLoad(p.t, fmt.Sprintf(quorumRule, tables, p.from))
	return mustMatch(p.t, set, "hub.example", "/v2/app/manifests/3.20")
}

func (p *poll) tag() *Tag {
	return &Tag{
		Head: func(ctx context.Context, _ rules.Match) (http.Header, int, error) { return p.origin.answer(ctx) },
		Poll: p.ask, TrustOne: p.one, Log: slog.New(slog.NewTextHandler(&p.log, nil)),
	}
}

func (p *poll) ask(ctx context.Context, m rules.Match, src rules.Source) (http.Header, int, error) {
	p.mu.Lock()
	p.asked = append(p.asked, hostOf(src.Base))
	p.asking++
	p.most = max(p.most, p.asking)
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.asking--
		p.mu.Unlock()
	}()
	if want := src.Base + "/v2/app/manifests/3.20"; src.URL != want || src.Origin || m.Clean == "" {
		p.t.Errorf("asked a mirror\ngot  %s\nwant %s", src.URL, want)
	}
	for _, s := range p.mirrors {
		if s.base == src.Base {
			return s.answer(ctx)
		}
	}
	p.t.Errorf("asked %s, which is no mirror", src.Base)
	return nil, 0, errors.New("no such host")
}

func (s says) answer(ctx context.Context) (http.Header, int, error) {
	after := s.after
	if after < 0 {
		after = 1000 * time.Hour
	}
	select {
	case <-time.After(after):
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	}
	if s.status == 0 {
		return nil, 0, errors.New("no route to host")
	}
	return s.header.Clone(), s.status, nil
}

// sum is a digest by its letter.
func sum(letter string) string { return "sha256:" + strings.Repeat(letter, 64) }

func names(letter string) http.Header {
	return http.Header{"Docker-Content-Digest": {sum(letter)}, "Content-Type": {indexKind}, "Content-Length": {"42"}}
}

// name is a mirror that names the digest of a letter.
func name(host, letter string, after time.Duration) says {
	return says{"https://" + host, 200, names(letter), after}
}

// fails is a mirror that answers with a status and says nothing; 0: it does not answer.
func fails(host string, status int) says { return says{"https://" + host, status, nil, 0} }

// with changes one header.
func (s says) with(key string, values ...string) says {
	s.header = s.header.Clone()
	s.header[key] = values
	return s
}

// short is an answer in a line.
func short(a Attestation, err error) string {
	switch {
	case errors.Is(err, ErrGone):
		return "gone"
	case errors.Is(err, ErrUnknown):
		return "unknown"
	case err != nil:
		return "error"
	case a.By == "":
		return a.Digest.Sum()[:1] + " by the origin"
	}
	return a.Digest.Sum()[:1] + " by " + a.By
}

const second = time.Second

func TestMirrorsAreAskedOnlyWhileTheOriginIsSilent(t *testing.T) {
	for _, row := range []struct {
		name   string
		origin says
		want   string
		asked  bool
	}{
		{"the origin answers", says{status: 200, header: names("a")}, "a by the origin", false},
		{"the origin takes its time", says{status: 200, header: names("a"), after: 50 * second}, "a by the origin", false},
		{"the origin has no such tag", says{status: 404}, "gone", false},
		{"the origin has no such tag any more", says{status: 410}, "gone", false},
		{"the origin's limit is reached", says{status: 429}, "error", false},
		{"the origin wants a name", says{status: 401}, "error", false},
		{"the origin forbids it", says{status: 403}, "error", false},
		{"the origin knows no HEAD", says{status: 405}, "unknown", false},
		{"the origin redirects and nobody followed", says{status: 307, header: names("a")}, "error", false},
		{"the origin names nothing", says{status: 200}, "unknown", false},
		{"the origin cannot be reached", says{}, "b by quorum of one.test and two.test", true},
		{"the origin fails", says{status: 500}, "b by quorum of one.test and two.test", true},
		{"the origin has a bad gateway", says{status: 502, header: names("a")}, "b by quorum of one.test and two.test", true},
		{"the origin is overloaded", says{status: 503}, "b by quorum of one.test and two.test", true},
		{"the origin's gateway waits in vain", says{status: 504}, "b by quorum of one.test and two.test", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &poll{t: t, from: rules.FromQuorum, origin: row.origin, mirrors: []says{name("one.test", "b", 0), name("two.test", "b", 0)}}
				if got := short(p.tag().Attest(t.Context(), p.match())); got != row.want {
					t.Errorf("\ngot  %s\nwant %s", got, row.want)
				}
				if got := len(p.asked) > 0; got != row.asked {
					t.Errorf("mirrors were asked\ngot  %v\nwant %v", p.asked, row.asked)
				}
				if said := strings.Contains(p.log.String(), "level=WARN"); said != row.asked {
					t.Errorf("log\ngot  %s\nwant a warning: %v", p.log.String(), row.asked)
				}
			})
		})
	}
}

func TestARuleWithoutQuorumHasNone(t *testing.T) {
	p := &poll{t: t, from: rules.FromAny, mirrors: []says{name("one.test", "a", 0), name("two.test", "a", 0)}}
	if got := short(p.tag().Attest(t.Context(), p.match())); got != "error" || len(p.asked) > 0 {
		t.Errorf("from = \"any\"\ngot  %s, asked %v\nwant error, asked nobody", got, p.asked)
	}
	p.from = rules.FromQuorum
	tag := p.tag()
	tag.Poll = nil
	if got := short(tag.Attest(t.Context(), p.match())); got != "error" {
		t.Errorf("without Poll\ngot  %s\nwant error", got)
	}
}

func TestWhatMirrorsSayWhileTheOriginIsSilent(t *testing.T) {
	html := fails("html.test", 200)
	html.header = http.Header{"Content-Type": {"text/html"}, "Docker-Content-Digest": {sum("a")}}
	for _, row := range []struct {
		name    string
		mirrors []says
		one     bool
		extra   string
		want    string
		in      time.Duration
	}{
		{"two agree", []says{name("b.test", "a", second), name("a.test", "a", 2*second)}, false, "", "a by quorum of a.test and b.test", 2 * second},
		{"two agree and a third is slow", []says{name("a.test", "a", second), {"https://c.test", 200, names("a"), -1}, name("b.test", "a", second)}, false, "", "a by quorum of a.test and b.test", second},
		{"two agree and a liar was first", []says{name("liar.test", "f", 0), name("a.test", "a", second), name("b.test", "a", second)}, false, "", "a by quorum of a.test and b.test", second},
		{"two agree and a liar hopes for another", []says{name("liar.test", "f", 0), name("a.test", "a", second), name("b.test", "a", second), {"https://d.test", 200, nil, -1}}, false, "", "a by quorum of a.test and b.test", 2 * second},
		{"two agree and two others contradict in time", []says{name("a.test", "a", second), name("c.test", "f", second+1), name("b.test", "a", second+2), name("d.test", "f", second+9)}, false, "", "error", second + 9},
		{"two agree, and two others contradict too late", []says{name("a.test", "a", second), name("c.test", "f", second+1), name("b.test", "a", second+2), name("d.test", "f", 3*second)}, false, "", "a by quorum of a.test and b.test", 2*second + 2},
		{"two disagree", []says{name("a.test", "a", second), name("b.test", "b", second)}, false, "", "error", second},
		{"one answers", []says{name("a.test", "a", second), fails("b.test", 0)}, false, "", "error", second},
		{"one answers and the other never does", []says{name("a.test", "a", second), {"https://b.test", 200, names("a"), -1}}, false, "", "error", 5 * second},
		{"one answers and the others do not have it", []says{name("a.test", "a", 0), fails("b.test", 404), fails("c.test", 410)}, false, "", "error", 0},
		{"nobody has it", []says{fails("a.test", 404), fails("b.test", 404)}, false, "", "error", 0},
		{"nobody answers", []says{{"https://a.test", 200, names("a"), -1}, {"https://b.test", 200, names("a"), -1}}, false, "", "error", 5 * second},
		{"there is no mirror", nil, false, "", "error", 0},
		{"two are of the same domain", []says{name("x.a.test", "a", 0), name("y.a.test", "a", 0)}, false, "", "error", 0},
		{"two are of the same host", []says{name("a.test:1", "a", 0), name("a.test:2", "a", 0)}, false, "", "error", 0},
		{"two are of the same operator", []says{name("a.test", "a", 0), name("b.test", "a", 0)}, false, "operator = \"same\"", "error", 0},
		{"two are of the same domain and a third agrees", []says{name("x.a.test", "a", 0), name("y.a.test", "a", second), name("b.test", "a", 2*second)}, false, "", "a by quorum of b.test and x.a.test", 2 * second},
		{"one is asked without TLS", []says{{"http://a.test", 200, names("a"), 0}, name("b.test", "a", 0)}, false, "", "error", 0},
		{"one is on this machine", []says{{"http://127.0.0.1:9", 200, names("a"), 0}, name("b.test", "a", 0)}, false, "", "a by quorum of 127.0.0.1:9 and b.test", 0},
		{"one is a page", []says{html, name("b.test", "a", 0)}, false, "", "error", 0},
		{"one has another kind", []says{name("a.test", "a", 0).with("Content-Type", "application/json"), name("b.test", "a", 0)}, false, "", "error", 0},
		{"one has no kind", []says{name("a.test", "a", 0).with("Content-Type"), name("b.test", "a", 0)}, false, "", "error", 0},
		{"one has a kind with a parameter", []says{name("a.test", "a", 0).with("Content-Type", indexKind+"; charset=utf-8"), name("b.test", "a", 0)}, false, "", "a by quorum of a.test and b.test", 0},
		{"one redirects", []says{{"https://a.test", 302, names("a"), 0}, name("b.test", "a", 0)}, false, "", "error", 0},
		{"one wants a token and names a digest all the same", []says{{"https://a.test", 401, names("a"), 0}, name("b.test", "a", 0)}, false, "", "error", 0},
		{"one names two digests", []says{name("a.test", "a", 0).with("Docker-Content-Digest", sum("a"), sum("b")), name("b.test", "a", 0)}, false, "", "error", 0},
		{"one names a digest in capitals", []says{name("a.test", "a", 0).with("Docker-Content-Digest", strings.ToUpper(sum("a"))), name("b.test", "a", 0)}, false, "", "error", 0},
		{"both name a weak digest", []says{name("a.test", "a", 0).with("Docker-Content-Digest", "sha1:"+sha1A), name("b.test", "a", 0).with("Docker-Content-Digest", "sha1:"+sha1A)}, false, "", "error", 0},
		{"both name a path", []says{name("a.test", "a", 0).with("Docker-Content-Digest", "../../x"), name("b.test", "a", 0).with("Docker-Content-Digest", "../../x")}, false, "", "error", 0},

		{"one will do and one answers", []says{name("a.test", "a", second), fails("b.test", 0)}, true, "", "a by the word of one mirror, a.test", second},
		{"one will do and two agree", []says{name("a.test", "a", 0), name("b.test", "a", second/2)}, true, "", "a by quorum of a.test and b.test", second / 2},
		{"one will do and the other is slow", []says{name("a.test", "a", second), name("b.test", "a", 4*second)}, true, "", "a by the word of one mirror, a.test", 2 * second},
		{"one will do and two disagree", []says{name("a.test", "a", 0), name("b.test", "b", 0)}, true, "", "error", 0},
		{"one will do and two of the same domain agree", []says{name("x.a.test", "a", 0), name("y.a.test", "a", second/2)}, true, "", "a by the word of one mirror, x.a.test", second / 2},
		{"one will do and nobody has it", []says{fails("a.test", 404), fails("b.test", 404)}, true, "", "error", 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &poll{t: t, from: rules.FromQuorum, mirrors: row.mirrors, extra: row.extra}
				if row.one {
					p.one = []string{"other", "hub"}
				}
				began := time.Now()
				a, err := p.tag().Attest(t.Context(), p.match())
				if got := short(a, err); got != row.want {
					t.Errorf("\ngot  %s (%v)\nwant %s", got, err, row.want)
				}
				if in := time.Since(began); in != row.in {
					t.Errorf("in\ngot  %s\nwant %s", in, row.in)
				}
				if p.asking != 0 {
					t.Errorf("still asked\ngot  %d mirrors\nwant none", p.asking)
				}
				if err == nil && (a.Path != "/v2/app/manifests/"+a.Digest.String() || a.Header["Docker-Content-Digest"] != a.Digest.String() || !Hearsay(a.By)) {
					t.Errorf("\ngot  %+v\nwant the manifest by its digest, as hearsay", a)
				}
			})
		})
	}
}

func TestOnlyAFewMirrorsAreAskedAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &poll{t: t, from: rules.FromQuorum}
		for i := range 30 {
			p.mirrors = append(p.mirrors, says{fmt.Sprintf("https://m%02d.m%02d.test", i, i), 200, names("a"), -1})
		}
		began := time.Now()
		_, err := p.tag().Attest(t.Context(), p.match())
		if got, want := fmt.Sprintf("%d at once, %s", p.most, time.Since(began)), "4 at once, 15s"; got != want || err == nil {
			t.Errorf("\ngot  %s, %v\nwant %s and an error", got, err, want)
		}
		if strings.Join(p.asked[:4], " ") > "m03.m03.test" {
			t.Errorf("\ngot  %v first\nwant the first of the file", p.asked[:4])
		}
	})
}

func TestAClientThatLeavesEndsThePoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &poll{t: t, from: rules.FromQuorum, mirrors: []says{name("a.test", "a", 0), {"https://b.test", 200, names("a"), -1}}}
		ctx, cancel := context.WithTimeout(t.Context(), second)
		defer cancel()
		began := time.Now()
		_, err := p.tag().Attest(ctx, p.match())
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != second {
			t.Errorf("\ngot  %v after %s\nwant %v after 1s", err, time.Since(began), context.DeadlineExceeded)
		}
		p.asked = nil
		if _, err := p.tag().Attest(ctx, p.match()); err == nil || len(p.asked) > 0 {
			t.Errorf("asked for nobody\ngot  %v, asked %v\nwant an error, and no mirror asked", err, p.asked)
		}
	})
}

// A mirror's header is not covered by the digest.
func TestOnlyWhatMirrorsAgreeOnIsToldTheClient(t *testing.T) {
	for _, row := range []struct{ name, kind, want string }{
		{"they agree on the kind", indexKind, "map[Content-Type:" + indexKind + " Docker-Content-Digest:" + sum("a") + "]"},
		{"they do not", manifestKind, "map[Docker-Content-Digest:" + sum("a") + "]"},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := &poll{t: t, from: rules.FromQuorum, mirrors: []says{name("a.test", "a", 0), name("b.test", "a", 0).with("Content-Type", row.kind)}}
			a, err := p.tag().Attest(t.Context(), p.match())
			if got := fmt.Sprint(a.Header); err != nil || got != row.want {
				t.Errorf("\ngot  %s, %v\nwant %s", got, err, row.want)
			}
		})
	}
}

func TestAWordOfMirrorsIsLoggedOnce(t *testing.T) {
	p := &poll{t: t, from: rules.FromQuorum, mirrors: []says{name("a.test", "a", 0), name("b.test", "a", 0)}}
	tag, m := p.tag(), p.match()
	for _, step := range []struct {
		letter string
		want   int
	}{{"a", 1}, {"a", 1}, {"b", 2}, {"a", 2}} {
		p.mirrors[0].header, p.mirrors[1].header = names(step.letter), names(step.letter)
		if _, err := tag.Attest(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(p.log.String(), "level=WARN"); got != step.want {
			t.Errorf("warnings\ngot  %d\nwant %d\n%s", got, step.want, p.log.String())
		}
	}
	for _, want := range []string{"name=" + m.Name, "digest=" + sum("a"), `by="quorum of a.test and b.test"`, "no route to host"} {
		if !strings.Contains(p.log.String(), want) {
			t.Errorf("\ngot  %s\nwant %s in it", p.log.String(), want)
		}
	}
}

func TestWhyThereIsNoQuorumIsTold(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	for _, row := range []struct {
		name    string
		mirrors []says
		want    string
	}{
		{"they disagree", []says{name("a.test", "a", 0), fails("b.test", 404), name("c.test", "c", 0)}, "no two of different operators agree"},
		{"only one speaks", []says{name("a.test", "a", 0), fails("b.test", 404)}, "b.test: answered 404"},
		{"and what can be done", []says{name("a.test", "a", 0), fails("b.test", 404)}, "name the rule in trust-one-mirror"},
		{"none speaks", []says{fails("a.test", 0)}, "a.test: no route to host"},
		{"one is a page", []says{name("a.test", "a", 0).with("Content-Type", "text/html")}, `sent ["text/html"], which is no kind`},
		{"one talks too much", []says{name("a.test", "a", 0).with("Docker-Content-Digest", long), name("b.test", "a", 0).with("Content-Type", long)}, "…"},
		{"there is no mirror", nil, "the rule hub has no mirror to ask in its place; try again later"},
		{"the origin is named first", nil, "asking the registry what /v2/app/manifests/3.20 means: no route to host"},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := &poll{t: t, from: rules.FromQuorum, mirrors: row.mirrors}
			_, err := p.tag().Attest(t.Context(), p.match())
			if err == nil || !strings.Contains(err.Error(), row.want) || len(err.Error()) > 2000 {
				t.Errorf("\ngot  %.3000v\nwant %s in less than 2000 bytes", err, row.want)
			}
		})
	}
}
