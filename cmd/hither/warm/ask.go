package warm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"hither/cmd/hither/mirrors"
	"hither/cmd/hither/redact"
	"hither/cmd/hither/terminal"
)

const (
	// stallTime is how long Hither may send nothing. It has shorter deadlines of its own, so only a sick one takes longer.
	stallTime = 5 * time.Minute
	// dialTime is for a connection on this machine.
	dialTime = 5 * time.Second
	// mostAfter bounds the pause that a registry asks for.
	mostAfter = 30 * time.Second
	// mostExcuse bounds what is read of a refusal, in bytes.
	mostExcuse = 4 << 10
)

// answer is what an object came with.
type answer struct {
	size   int64
	body   []byte // only of a want with More
	source string // base URL that sent the bytes
	hit    bool   // it was in the cache
}

var errStall = errors.New("Hither sent nothing for five minutes")

// ask has Hither fetch a want, and drops the bytes. want.Size is set when the answer tells it.
//
// The request is GET https://HOST/PATH in the clear, as a proxy gets it for plain hosts (RFC 9112, section 3.2.2): Hither
// answers for the hosts in its rules, and no TLS is spent within the machine.
func (w *Warmer) ask(ctx context.Context, want *Want) (got answer, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(stallTime, func() { cancel(errStall) })
	defer stall.Stop()
	req := w.request(want).WithContext(ctx)
	resp, err := w.transport().RoundTrip(req)
	if err != nil {
		return got, brokenOff(ctx, err)
	}
	defer resp.Body.Close()
	if w.Dry && resp.StatusCode == http.StatusGatewayTimeout { // RFC 9111, section 5.2.1.7
		return got, &fault{says: "it is not here", absent: true}
	}
	if resp.StatusCode != http.StatusOK {
		return got, refusedBy(resp)
	}
	state := resp.Header.Get("Cache-Status")
	if !strings.HasPrefix(state, "Hither") || strings.Contains(state, "fwd=bypass") {
		return got, passedOn(want)
	}
	got.hit = strings.HasPrefix(state, "Hither; hit")
	got.source = resp.Header.Get("Hither-Source")
	if want.Size == 0 && resp.ContentLength > 0 {
		want.Size = resp.ContentLength
		w.Tally.learn(*want)
	}
	body := &countedBody{from: resp.Body, tally: w.Tally, stall: stall}
	defer body.settle()
	if want.More == nil {
		_, err = io.Copy(io.Discard, body)
	} else if got.body, err = io.ReadAll(io.LimitReader(body, maxManifest+1)); err == nil && len(got.body) > maxManifest {
		return got, &fault{says: "the manifest, or the configuration, is larger than 4 MiB, which no image's is", next: "is this the name of an image?"}
	}
	got.size = body.n
	if err != nil {
		return got, brokenOff(ctx, err)
	}
	return got, nil
}

func (w *Warmer) request(want *Want) *http.Request {
	req := &http.Request{
		Method: http.MethodGet, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
		URL: &url.URL{Scheme: "http", Host: w.Proxy, Opaque: want.URL}, Host: mirrors.HostOf(want.URL),
	}
	req.Header.Set("User-Agent", w.Agent)
	if len(want.Accept) > 0 {
		req.Header["Accept"] = want.Accept
	}
	if want.Claim != "" {
		req.Header.Set("Pacote-Integrity", sriOf(want.Claim))
	}
	if w.Dry {
		req.Header.Set("Cache-Control", "only-if-cached")
	}
	return req
}

// transport speaks to Hither alone, whatever proxies the environment names.
func (w *Warmer) transport() *http.Transport {
	w.once.Do(func() {
		w.http = &http.Transport{
			DialContext:         (&net.Dialer{Timeout: dialTime}).DialContext,
			MaxIdleConnsPerHost: AtOnce,
			DisableCompression:  true,
		}
	})
	return w.http
}

// brokenOff is a transfer that did not end well: Hither went away, or it found that the bytes were wrong.
func brokenOff(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return &fault{says: "it broke off (" + err.Error() + ")", next: "look with `hither status` what went wrong, and give the same command again", again: true}
}

// passedOn is an answer that Hither took from the origin as it was and does not keep. It does so with bytes that are not
// what the client expects: whether that is wrong, the client decides.
func passedOn(want *Want) error {
	e := &fault{says: "Hither does not keep what came", next: "look with `hither why " + want.URL + "`", again: true}
	if want.Claim != "" {
		e.says = "the registry sends other bytes than the lock file expects"
		e.next += " what is kept, and do not work around it"
	}
	return e
}

// refusedBy turns an answer that is no success into a reason and a next step.
func refusedBy(resp *http.Response) error {
	data, _ := io.ReadAll(io.LimitReader(resp.Body, mostExcuse)) // half an excuse is better than none
	e := &fault{says: excuse(resp, data)}
	switch status := resp.StatusCode; {
	case status == http.StatusNotFound || status == http.StatusGone:
		e.says = fmt.Sprintf("the registry does not have it (%d)", status)
		e.next = "correct the name, or ask whether it was withdrawn or is private"
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		e.says = fmt.Sprintf("the registry does not give it to strangers (%d)", status)
		e.next = "correct the name, or fetch it with its own client, which has your credentials"
	case status == http.StatusTooManyRequests:
		e.next, e.again = "the registry limits how much it gives: wait, and give the same command again", true
	case status >= 500:
		e.next, e.again = "look with `hither mirrors` who can be reached, and give the same command again", true
	default:
		e.next = "look at it with its own client"
	}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		e.after = min(time.Duration(min(seconds, 3600))*time.Second, mostAfter)
	}
	return e
}

// excuse is what the answer says of itself, in one line: the first message of a registry's errors (distribution-spec,
// "Error Codes"), or the sentence of Hither.
func excuse(resp *http.Response, data []byte) string {
	var oci struct{ Errors []struct{ Message string } }
	text := string(data)
	if json.Unmarshal(data, &oci) == nil && len(oci.Errors) > 0 {
		text = oci.Errors[0].Message
	}
	text = strings.TrimSuffix(terminal.Plain(redact.Text(text)), ".")
	if text == "" || strings.HasPrefix(text, "<") { // a page for people
		return fmt.Sprintf("it was answered with %d", resp.StatusCode)
	}
	return terminal.Shorten(text, 400)
}

// countedBody counts what comes.
type countedBody struct {
	from  io.Reader
	tally *Tally
	stall *time.Timer
	n     int64
}

// Read counts, and winds up the clock.
func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	b.stall.Reset(stallTime)
	b.n += int64(n)
	b.tally.moving.Add(int64(n))
	b.tally.received.Add(int64(n))
	return n, err
}

// settle takes back what was counted as under way.
func (b *countedBody) settle() { b.tally.moving.Add(-b.n) }
