package measure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"time"
)

const (
	// probePatience is for a whole question: a source that needs longer for a few bytes is of no use to a build.
	probePatience = 10 * time.Second
	// maxProbe bounds what is read of one answer, in bytes. Whoever answers may be hostile.
	maxProbe = 1 << 20
	// rateFrom is the least body that a rate is taken from, in bytes: smaller ones end within the first window.
	rateFrom = 256 << 10
)

// Target is one upstream and how to find out whether it serves the right thing.
type Target struct {
	Base   string             // the upstream (rules.Source.Base)
	URL    string             // of a small object that it must have
	Accept string             // media types that are asked for; empty: any. A web page is taken for the thing only if text/html is among them.
	Check  func([]byte) error // says what is wrong with the bytes; nil: any 200 will do, and 401, as registries greet who has no token
	Newest string             // URL of a small document that changes; empty: freshness is not asked
	Field  string             // of that JSON document, names its newest entry: "Version", or "dist-tags.latest" for one inside another; empty: likewise
	Origin bool               // it decides what is right
}

// Phases is where the time of one question went, each by itself. Over redirects they are summed up. Zero means that it did
// not happen: a written address has no DNS, plain HTTP has no TLS, nor has a failed connection. A phase that was under way
// when the question failed counts until then. In JSON they are nanoseconds.
type Phases struct {
	DNS     time.Duration `json:"dns"`     // the name's look-up; behind an upstream proxy it is in Connect
	Connect time.Duration `json:"connect"` // TCP; behind an upstream proxy until its consent
	TLS     time.Duration `json:"tls"`     // over HTTP/3 the one handshake, which connects too
	Wait    time.Duration `json:"wait"`    // from the request, when it was sent, to the first byte of its answer
	Body    time.Duration `json:"body"`    // from the first byte to the last
	Total   time.Duration `json:"total"`   // from the beginning to the end, and what lies between the phases
}

// Result is what came of one question. Its JSON keys are stable.
type Result struct {
	Base       string        `json:"base"`
	URL        string        `json:"url"`   // as asked; redirects may have led elsewhere
	Proto      string        `json:"proto"` // "h1", "h2" or "h3", as answered; without an answer as asked, which may be empty
	When       time.Time     `json:"when"`  // it began
	Phases     Phases        `json:"phases"`
	Status     int           `json:"status"`                // 0: no answer came
	Bytes      int64         `json:"bytes"`                 // of the object's body that came
	Cost       int64         `json:"cost"`                  // the same, and those of the changing document
	Addr       string        `json:"addr"`                  // whom it was asked of, ADDRESS:PORT; empty: nobody was reached
	Outcome    Outcome       `json:"outcome"`               // as a word
	RetryAfter time.Duration `json:"retry_after,omitempty"` // for how long it asked to be left alone, in nanoseconds
	Unspoken   bool          `json:"unspoken,omitempty"`    // it does not speak the protocol that was wanted, which is nothing against it; Outcome is "canceled"
	Newest     string        `json:"newest,omitempty"`      // its newest entry, as it says, which may be hostile: 200 printable bytes at most; empty: not known
	Err        string        `json:"err,omitempty"`         // why it is not "ok". It may quote the upstream: sanitise it for a terminal
	Origin     bool          `json:"origin,omitempty"`
}

// Rate is the goodput in bytes a second behind the first byte; 0: not known, for less than 256 KiB came.
func (r Result) Rate() float64 {
	if r.Bytes < rateFrom {
		return 0
	}
	return float64(r.Bytes) / max(r.Phases.Body, time.Millisecond).Seconds()
}

// Sample is the result for a Board. Wait and Took are what a transfer over a warm connection would have seen, for traffic
// has those. Only protocols that traffic uses should reach a Board; a result over HTTP/3 tells it nothing.
func (r Result) Sample() Sample {
	s := Sample{
		Base: r.Base, Size: r.Bytes, Outcome: r.Outcome, Wait: r.Phases.Wait, Took: r.Phases.Wait + r.Phases.Body,
		Bytes: r.Bytes, RetryAfter: r.RetryAfter, Probe: true,
	}
	if r.Status == 0 { // nothing was answered, and all of it was waiting for that
		s.Wait, s.Took = 0, r.Phases.Total
	}
	s.When = r.When.Add(r.Phases.Total - s.Took)
	if r.Proto == "h3" {
		s.Outcome, s.Wait = Canceled, 0
	}
	return s
}

// Prober asks upstreams one small question each, over connections of its own. Fields are set before first use; then it may
// be used from many goroutines.
type Prober struct {
	// Single makes a RoundTripper that opens a connection for each request and speaks only proto ("h1", "h2", "h3"; empty:
	// h2 or h1, as traffic would), follows redirects, and says who we are: transport.Config.Single. The function closes it.
	// Its errors may have a method Unspoken: then the upstream does not speak proto. It must be set.
	Single   func(proto string) (http.RoundTripper, func(), error)
	Now      func() time.Time // nil: time.Now
	Patience time.Duration    // for each question; 0: 10 s
}

// Probe asks t's question over proto, which is "h1", "h2", "h3", or empty for what traffic would use, and what its newest
// entry is, if the question was answered rightly. It never fails: what went wrong is in the Result.
func (p *Prober) Probe(ctx context.Context, t Target, proto string) Result {
	began := p.now()
	r := Result{Base: t.Base, URL: t.URL, Proto: proto, When: began, Origin: t.Origin}
	carrier, done, err := p.Single(proto)
	if err != nil {
		r.Outcome, r.Err = Canceled, err.Error()
		return r
	}
	defer done()
	watch := &stopwatch{now: p.now}
	err = p.question(ctx, carrier, t, &r, watch)
	r.Phases, r.Addr = watch.stop(began)
	if err != nil {
		r.blame(ctx, err)
	}
	r.Cost = r.Bytes
	if r.Outcome == OK {
		newest, cost := p.newest(ctx, carrier, t)
		r.Newest, r.Cost = newest, r.Cost+cost
	}
	return r
}

// question asks for the object and judges the answer. Its error is for [Result.blame], and nil also when the answer is bad.
func (p *Prober) question(ctx context.Context, carrier http.RoundTripper, t Target, r *Result, watch *stopwatch) error {
	ctx, cancel := p.patient(ctx)
	defer cancel()
	resp, err := ask(httptrace.WithClientTrace(ctx, watch.trace()), carrier, t.URL, t.Accept)
	if err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	defer resp.Body.Close()
	r.Status, r.Proto = resp.StatusCode, protoOf(resp)
	body, more, err := read(resp.Body)
	r.Bytes = int64(len(body))
	// What we gave up may look as if it had ended well: the server hears of it first, and ends its body.
	if err = errors.Join(err, context.Cause(ctx)); err != nil && rightStatus(t, resp.StatusCode) {
		return err
	}
	r.judge(t, answer{Response: resp, body: body, more: more, now: p.now()})
	return nil
}

// Newest asks for t's newest entry alone. It returns what it cost, in bytes of body, too; the entry is empty if it was not to
// be known, for whatever reason.
func (p *Prober) Newest(ctx context.Context, t Target) (entry string, cost int64) {
	carrier, done, err := p.Single("")
	if err != nil {
		return "", 0
	}
	defer done()
	return p.newest(ctx, carrier, t)
}

func (p *Prober) newest(ctx context.Context, carrier http.RoundTripper, t Target) (entry string, cost int64) {
	if t.Newest == "" || t.Field == "" {
		return "", 0
	}
	ctx, cancel := p.patient(ctx)
	defer cancel()
	resp, err := ask(ctx, carrier, t.Newest, "application/json")
	if err != nil {
		return "", 0
	}
	defer resp.Body.Close()
	body, more, err := read(resp.Body)
	if resp.StatusCode == http.StatusOK && err == nil && !more {
		entry = entryOf(body, t.Field)
	}
	return entry, int64(len(body))
}

// errPatience is the end of a question that took too long.
type errPatience time.Duration

func (e errPatience) Error() string { return fmt.Sprintf("not done in %s", time.Duration(e)) }

func (e errPatience) Is(target error) bool { return target == os.ErrDeadlineExceeded }

func (p *Prober) patient(ctx context.Context) (context.Context, context.CancelFunc) {
	patience := cmp.Or(p.Patience, probePatience)
	return context.WithTimeoutCause(ctx, patience, errPatience(patience))
}

func (p *Prober) now() time.Time {
	if p.Now == nil {
		return time.Now()
	}
	return p.Now()
}

func ask(ctx context.Context, carrier http.RoundTripper, url, accept string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	return carrier.RoundTrip(req)
}

// read takes no more of a body than a probe may cost. more says that there was more.
func read(r io.Reader) (body []byte, more bool, err error) {
	body, err = io.ReadAll(io.LimitReader(r, maxProbe+1))
	if len(body) > maxProbe {
		return body[:maxProbe], true, nil
	}
	return body, false, err
}

func protoOf(resp *http.Response) string { return fmt.Sprintf("h%d", resp.ProtoMajor) }
