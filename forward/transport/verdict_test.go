package transport

import (
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"hither/forward/wiretest"
)

// judged is a file of a process in which HTTP/3 was chosen.
func judged(t *testing.T, w *twin) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sessions")
	p := resumed(t, w, file)
	prefer(t, w, p)
	until(t, "the ticket has come", func() bool { return p.quic[0].resume.early("127.0.0.1") })
	p.Close()
	return file
}

// change rewrites the file.
func change(t *testing.T, file string, with func(*keptOffer)) {
	t.Helper()
	k, err := readKept(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := range k.Offers {
		with(&k.Offers[i])
	}
	text, _ := json.Marshal(k)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTheFirstRequestAfterARestartGoesByTheVerdict(t *testing.T) {
	w := newTwin(t, false)
	p := resumed(t, w, judged(t, w))
	before := w.count("h3")
	if speaksEarly {
		want(t, wiretest.Get(t, p, w.url), "200 HTTP/3.0")
	} else {
		until(t, "HTTP/3 is connected", func() bool { return wiretest.Get(t, p, w.url) == "200 HTTP/3.0" })
	}
	if s := standing(p); !s.Used || !s.UsedParts || w.count("h3") == before || w.count("h3 early") == 0 && speaksEarly {
		t.Errorf("%v\ngot  %+v\nwant HTTP/3", w.log, s)
	}
	c := p.quic[0]
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range c.origins {
		if o.unproven {
			t.Error("an answer is no proof")
		}
	}
}

// A process in which nobody asked keeps what it was told.
func TestAVerdictThatNobodyNeededIsKept(t *testing.T) {
	w := newTwin(t, false)
	file := judged(t, w)
	resumed(t, w, file).Close()
	p := resumed(t, w, file)
	wiretest.Get(t, p, w.url)
	if s := standing(p); !s.Used {
		t.Errorf("got  %+v\nwant HTTP/3 chosen", s)
	}
}

func TestAVerdictIsForgotten(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*keptOffer)
		after  func(*Pool)
	}{
		{"on another network", func(k *keptOffer) { k.Verdict.From = netip.MustParseAddr("192.0.2.1") }, nil},
		{"when the network changes before it is needed", func(k *keptOffer) { k.Persist = true }, (*Pool).CloseIdleConnections},
		{"without a wait", func(k *keptOffer) { k.Verdict.HTTP3.Wait = 0 }, nil},
		{"with a wait of days", func(k *keptOffer) { k.Verdict.TCP.Wait = 48 * time.Hour }, nil},
		{"with a negative rate", func(k *keptOffer) { k.Verdict.TCP.Rate = -1 }, nil},
		{"with a negative size", func(k *keptOffer) { k.Verdict.Size[0] = -1 }, nil},
		{"of nobody", func(k *keptOffer) { k.Verdict.To = netip.AddrPort{} }, nil},
		{"of another port", func(k *keptOffer) { k.Verdict.To = netip.AddrPortFrom(k.Verdict.To.Addr(), 1) }, nil},
		{"that its own figures refute", func(k *keptOffer) { k.Verdict.HTTP3.Wait = 2 * k.Verdict.TCP.Wait }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newTwin(t, false)
			file := judged(t, w)
			change(t, file, c.change)
			p := resumed(t, w, file)
			if c.after != nil {
				c.after(p)
			}
			want(t, wiretest.Get(t, p, w.url), "200 HTTP/2.0")
			if s := standing(p); s.Used || s.Offered == "" {
				t.Errorf("got  %+v\nwant the offer, and no verdict", s)
			}
		})
	}
}

// UDP may have been blocked since: the first requests give TCP its start at once, and no line gets a second one that nobody
// has answered.
func TestAVerdictThatIsNotProvenCostsNoWait(t *testing.T) {
	if !speaksEarly {
		t.Skip("not under the race detector: quic-go/quic-go#4303")
	}
	w := newTwin(t, false)
	file := judged(t, w)
	w.stop()
	hole, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(w.udp))
	if err != nil {
		t.Fatal(err)
	}
	defer hole.Close()
	p := resumed(t, w, file)
	c := p.quic[0]
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url, nil)
	first := c.choose(req, originOf(req.URL), p.way(req.Context()))
	if !first.early.IsValid() || !first.trial || first.late != trialLeast {
		t.Fatalf("got  %+v\nwant an early request, and TCP after %s", first, trialLeast)
	}
	for range 5 {
		want(t, wiretest.Get(t, p, w.url), "200 HTTP/2.0") // first's line is not ready
	}
	resp, err := c.race(first, p.way(req.Context()))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	want(t, resp.Proto, "HTTP/2.0")
	if s := standing(p); s.Requests > 0 {
		t.Errorf("got  %+v\nwant none over HTTP/3", s)
	}
}
