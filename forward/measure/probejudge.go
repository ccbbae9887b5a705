package measure

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	// maxRetryAfter bounds how long somebody may ask to be left alone; nobody means a year.
	maxRetryAfter = 24 * time.Hour
	// maxEntry and maxReason bound what an upstream may have us repeat, in bytes.
	maxEntry, maxReason = 200, 500
)

// blame says what kind of failure it was that no judgeable answer came.
func (r *Result) blame(ctx context.Context, err error) {
	var other interface{ Unspoken() bool }
	var slow interface{ Timeout() bool }
	switch {
	case ctx.Err() != nil:
		r.Outcome = Canceled
	case errors.As(err, &other) && other.Unspoken():
		r.Outcome, r.Unspoken = Canceled, true
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &slow) && slow.Timeout():
		r.Outcome = Stalled
	case errors.Is(err, io.ErrUnexpectedEOF):
		r.Outcome = Short
	default:
		r.Outcome = Broken
	}
	r.Err = cut(strings.ReplaceAll(err.Error(), "\n", ": "), maxReason) // errors.Join makes lines
}

// answer is an answer that was read.
type answer struct {
	*http.Response
	body []byte
	more bool // than was read
	now  time.Time
}

// judge says what the answer is worth.
func (r *Result) judge(t Target, a answer) {
	var err error
	if rightStatus(t, a.StatusCode) {
		r.Outcome, err = judgeBody(t, a)
	} else {
		r.Outcome, err = judgeStatus(t, a)
		r.RetryAfter = RetryAfter(a.Header, a.now)
	}
	if err != nil {
		r.Err = cut(err.Error(), maxReason)
	}
}

// rightStatus says that the body decides.
func rightStatus(t Target, code int) bool {
	return code == http.StatusOK || code == http.StatusUnauthorized && t.Check == nil
}

func judgeBody(t Target, a answer) (Outcome, error) {
	if t.Check != nil && !a.more {
		err := t.Check(a.body)
		if err == nil {
			return OK, nil
		}
		if !isPage(t, a) {
			return badBytes(a, err)
		}
	}
	switch {
	case isPage(t, a):
		return Page, errors.New("sent a web page instead of the thing")
	case t.Check != nil:
		return Short, fmt.Errorf("sent more than the %d bytes that a probe reads", maxProbe)
	}
	return OK, nil
}

// badBytes spares who only packed the right bytes in a coding that nobody asked for: that is rude, but no lie.
func badBytes(a answer, err error) (Outcome, error) {
	if coding := a.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return Refused, fmt.Errorf("sent the coding %q, which was not asked for", coding)
	}
	return WrongBytes, err
}

func judgeStatus(t Target, a answer) (Outcome, error) {
	err := fmt.Errorf("answered %d", a.StatusCode)
	switch code := a.StatusCode; {
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable && a.Header.Get("Retry-After") != "":
		return Limited, err
	case code == http.StatusNotFound, code == http.StatusGone:
		return Missing, err
	case isPage(t, a) && a.Request != nil && a.Request.URL.String() != t.URL:
		return Page, fmt.Errorf("redirected to a web page, which answered %d", code)
	case code/100 == 4:
		return Refused, err
	}
	return Broken, err
}

// isPage says that the answer is for a browser: a ban, a captive portal, a login. What it calls itself counts, and what it
// begins with, for some call everything JSON.
func isPage(t Target, a answer) bool {
	if strings.Contains(t.Accept, "text/html") {
		return false
	}
	if kind := strings.ToLower(a.Header.Get("Content-Type")); strings.HasPrefix(kind, "text/html") || strings.HasPrefix(kind, "application/xhtml") {
		return true
	}
	start := bytes.ToLower(bytes.TrimLeft(a.body[:min(len(a.body), 512)], " \t\r\n\ufeff"))
	return bytes.HasPrefix(start, []byte("<!doctype html")) || bytes.HasPrefix(start, []byte("<html"))
}

// RetryAfter is for how long an upstream wants to be left alone (RFC 9110, 10.2.3): it says seconds or a date. 0: it said nothing that
// makes sense.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(text, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	if date, err := http.ParseTime(text); err == nil {
		return min(max(date.Sub(now), 0), maxRetryAfter)
	}
	return 0
}

// entryOf is the word at a place in a JSON document; dots in field lead from one object into the next. Empty: there is none,
// or none that one would show to a person.
func entryOf(document []byte, field string) string {
	for name := range strings.SplitSeq(field, ".") {
		var object map[string]json.RawMessage
		if json.Unmarshal(document, &object) != nil {
			return ""
		}
		document = object[name]
	}
	var word string
	if json.Unmarshal(document, &word) != nil {
		return ""
	}
	odd := func(c rune) bool { return c <= ' ' || c > '~' }
	if len(word) > maxEntry || strings.ContainsFunc(word, odd) {
		return ""
	}
	return word
}

// cut shortens a text that somebody else may have written.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
