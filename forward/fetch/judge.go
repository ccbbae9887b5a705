package fetch

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/pquerna/cachecontrol/cacheobject"

	"hither/forward/measure"
	"hither/forward/terse"
	"hither/rules"
)

// maxGone bounds what is read of the body of a no. That of a 404 is repeated to the client; cmd/go prints the first lines of it.
const maxGone = 16 << 10

// judge looks at the head of an answer. done means that there is no body to fetch.
func (w *fill) judge(src rules.Source, t *carried, resp *http.Response) (done bool, err error) {
	kind := t.header["Content-Type"]
	switch code := resp.StatusCode; {
	case code == http.StatusNotModified && t.conditional:
		t.verdict, t.Outcome = unchanged, measure.OK
		return true, nil
	case code == http.StatusNotFound || code == http.StatusGone:
		t.Outcome = measure.Missing
		if src.Origin {
			t.verdict = absent
			t.body = explanation(resp)
		}
		return src.Origin, fmt.Errorf("answered %d", code)
	case code == http.StatusOK, code == http.StatusPartialContent && t.ranged():
	case code == http.StatusRequestedRangeNotSatisfiable && t.ranged():
		w.afresh, t.Outcome = src.Base, measure.Canceled // perhaps too much came before
		return true, fmt.Errorf("has nothing behind byte %d", t.offset)
	default:
		t.Outcome, t.retry = refusal(resp, t.URL), measure.RetryAfter(resp.Header, w.f.now())
		why := ""
		if src.Origin {
			t.Limits, why = limitsIn(resp.Header), excuse(resp)
		}
		return true, fmt.Errorf("answered %d%s%s%s", code, elsewhere(resp, t.URL), why, advice(src, code))
	}
	if isPage(w.req.Path, kind) {
		t.Outcome = measure.Page
		return true, errors.New("sent a web page instead of the thing" + elsewhere(resp, t.URL))
	}
	if w.older(src, t) {
		t.Outcome = measure.Outdated
		return true, errors.New("sent an older one than what is kept")
	}
	if asked := w.req.Path.Accept; len(asked) > 0 && !src.Origin && !slices.Contains(asked, mediaType(kind)) {
		t.Outcome = measure.Refused // a digest does not cover what it calls the bytes, and the name would be kept with them
		return true, fmt.Errorf("sent %q, which is none of the kinds that were asked for", kind)
	}
	if want := w.req.Path.Type; want != "" && !src.Origin && !strings.HasPrefix(kind, want) {
		t.Outcome = measure.Refused
		return true, fmt.Errorf("sent %q instead of %q", kind, want)
	}
	return false, nil
}

// isPage says that somebody's web page came in the place of the thing.
func isPage(p *rules.Path, kind string) bool {
	return strings.HasPrefix(kind, "text/html") && !strings.HasPrefix(p.Type, "text/html")
}

// advice is what to do about an answer; empty: nothing in particular.
func advice(src rules.Source, code int) string {
	if src.Origin && code == http.StatusTooManyRequests {
		return ": its limit is reached; wait, or log in with the client"
	}
	return ""
}

// refusal says of which kind an answer is that is neither the thing nor its absence.
func refusal(resp *http.Response, asked string) measure.Outcome {
	switch code := resp.StatusCode; {
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") != "":
		return measure.Limited
	case code >= 500:
		return measure.Broken
	case elsewhere(resp, asked) != "" && strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html"):
		return measure.Page
	}
	return measure.Refused
}

// elsewhere names the host that a redirect led to: a login, a ban page, a mirror of the mirror.
func elsewhere(resp *http.Response, asked string) string {
	if resp.Request == nil || strings.Contains(asked, "//"+resp.Request.URL.Host+"/") {
		return ""
	}
	return ", where it redirected to " + resp.Request.URL.Host
}

// older says that a mirror's document is older than the one that is kept. The origin may take a version back.
func (w *fill) older(src rules.Source, t *carried) bool {
	if src.Origin || w.want != "" || w.word.pending() || !w.flight.whole {
		return false
	}
	kept, err1 := http.ParseTime(w.kept.Header["Last-Modified"])
	sent, err2 := http.ParseTime(t.header["Last-Modified"])
	return err1 == nil && err2 == nil && sent.Before(kept)
}

// explanation is the body of a no, as far as it can be read.
func explanation(resp *http.Response) []byte {
	body, _, err := decode(resp)
	if err != nil {
		return nil
	}
	text, _ := io.ReadAll(io.LimitReader(body, maxGone))
	return text
}

// maxExcuse is in bytes.
const maxExcuse = 240

// excuse is why an origin refuses, if it says so in plain text, as go shows it; in one line and in no more words than go shows beside ours.
func excuse(resp *http.Response) string {
	if !refuses(resp.StatusCode) || mediaType(resp.Header.Get("Content-Type")) != "text/plain" {
		return ""
	}
	words := strings.Join(strings.Fields(string(explanation(resp))), " ")
	words = strings.ToValidUTF8(words[:min(len(words), maxExcuse)], "")
	if words == "" {
		return ""
	}
	return ": " + terse.Error(errors.New(strings.TrimSuffix(words, "."))).Error()
}

// decode undoes a coding that we asked for. What a digest pins we never ask for encoded.
func decode(resp *http.Response) (body io.Reader, decoded bool, err error) {
	if resp.Request == nil || resp.Request.Header.Get("Accept-Encoding") != "gzip" || !strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip") {
		return resp.Body, false, nil
	}
	z, err := gzip.NewReader(resp.Body)
	if err != nil {
		return nil, false, fmt.Errorf("sent broken gzip: %w", err)
	}
	return &atMost{r: z, left: maxDecoded}, true, nil
}

// coded says that a body is in a coding which we did not ask for, so that only a digest could tell whether it is the thing.
func coded(resp *http.Response) bool {
	coding := resp.Header.Get("Content-Encoding")
	return coding != "" && !strings.EqualFold(coding, "identity")
}

// maxDecoded stops a gzip bomb. The largest packuments decode to 150 MB.
const maxDecoded = 1 << 30

// atMost fails behind so many bytes. To end there, as io.LimitReader does, would make a part look like the whole.
type atMost struct {
	r    io.Reader
	left int64
}

func (a *atMost) Read(p []byte) (int, error) {
	n, err := a.r.Read(p)
	if a.left -= int64(n); a.left < 0 {
		return 0, errors.New("sent more than anybody can want")
	}
	return n, err
}

// rangeTotal checks a 206: it must begin where we asked, end where we asked (upto; 0: at the end), and tell the whole length.
func rangeTotal(resp *http.Response, offset, upto int64) (int64, error) {
	said := resp.Header.Get("Content-Range")
	size := totalOf(said, offset)
	if upto == 0 || upto > size {
		upto = size
	}
	lied := resp.ContentLength >= 0 && resp.ContentLength != upto-offset
	if upto <= offset || !isRange(said, offset, upto, size) || lied {
		return 0, fmt.Errorf("answered a request for bytes from %d with Content-Range %s", offset, quoted(said))
	}
	return size, nil
}

// isRange says whether a Content-Range is of the bytes [from, to) of size (RFC 9110, section 14.4; the unit is of any case).
func isRange(said string, from, to, size int64) bool {
	return strings.EqualFold(said, fmt.Sprintf("bytes %d-%d/%d", from, to-1, size))
}

// quoted is what somebody said in a header, for an error: no more than a line of it, for he may have said a megabyte.
func quoted(said string) string { return strconv.Quote(said[:min(len(said), maxQuoted)]) }

// maxQuoted is in bytes.
const maxQuoted = 100

// totalOf is the whole length that a Content-Range tells which begins at from; -1: it is no such one.
func totalOf(said string, from int64) int64 {
	rest, ok := strings.CutPrefix(strings.ToLower(said), "bytes "+strconv.FormatInt(from, 10)+"-")
	_, total, cut := strings.Cut(rest, "/")
	size, err := strconv.ParseInt(total, 10, 64)
	if !ok || !cut || err != nil {
		return -1
	}
	return size
}

// storable says whether a shared cache may keep the answer (RFC 9111, section 3). What cannot change by its kind is kept
// whatever the server's defaults say.
func storable(p *rules.Path, resp *http.Response) bool {
	if p.Keep == rules.Forever {
		return true
	}
	for name := range strings.SplitSeq(strings.Join(resp.Header.Values("Vary"), ","), ",") {
		if strings.TrimSpace(name) == "*" {
			return false
		}
	}
	control := strings.Join(resp.Header.Values("Cache-Control"), ", ")
	said, err := cacheobject.ParseResponseCacheControl(control)
	if err != nil {
		control = strings.ToLower(control)
		return !strings.Contains(control, "no-store") && !strings.Contains(control, "private")
	}
	return !said.NoStore && !said.PrivatePresent
}

// mediaType is a Content-Type without its parameters.
func mediaType(kind string) string {
	kind, _, _ = strings.Cut(kind, ";")
	return strings.ToLower(strings.TrimSpace(kind))
}
