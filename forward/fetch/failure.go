package fetch

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"hither/forward/notary"
)

// Advice is what every [Failure] ends with.
const Advice = ". Look with `hither mirrors` which upstreams are reachable, and try again."

// Failure tells that no source gave the bytes, and what each of them did.
type Failure struct {
	Name  string
	Tries []Try
	Cause error // why it ended if not by the tries alone: an authority that contradicts itself, a deadline; may be nil
}

// Error names every source, so that the reader sees each.
func (f *Failure) Error() string {
	text := "nobody gave us " + f.Name
	if reasons := f.reasons(); len(reasons) > 0 {
		text += ": " + strings.Join(reasons, "; ")
	}
	return text + Advice
}

// Lines is Error for who shows the first lines of it only: what to do, the refusal of an origin, and then the rest.
func (f *Failure) Lines() string {
	reasons := f.reasons()
	if t := f.refusal(); t != nil {
		first := t.told()
		reasons = append([]string{first}, slices.DeleteFunc(reasons, func(r string) bool { return r == first })...)
	}
	return "nobody gave us " + f.Name + Advice + "\n" + strings.ReplaceAll(strings.Join(reasons, "\n"), "; ", "\n")
}

func (f *Failure) reasons() (all []string) {
	if f.Cause != nil {
		all = append(all, strings.ReplaceAll(f.Cause.Error(), Advice, "")) // it may be a Failure, too
	}
	for _, t := range f.Tries {
		all = append(all, t.told())
	}
	return all
}

func (f *Failure) Unwrap() error { return f.Cause }

// Status is what a gateway answers: the refusal of an origin if it refused, for clients try again what failed in other ways;
// 504 if the last one was too slow, 502 for everything else. Never 404: that word is the origin's.
func (f *Failure) Status() int {
	if t := f.refusal(); t != nil {
		return t.Status
	}
	late := len(f.Tries) > 0 && f.Tries[len(f.Tries)-1].late
	if errors.Is(f.Cause, notary.ErrSecurity) || !late {
		return http.StatusBadGateway
	}
	return http.StatusGatewayTimeout
}

// Limits are the header fields in which the origin that refused says what its limits are, and when to ask again.
func (f *Failure) Limits() http.Header {
	if t := f.refusal(); t != nil {
		return t.Limits
	}
	return nil
}

// refusal is the answer of an origin that refused; nil: none did.
func (f *Failure) refusal() *Try {
	i := slices.IndexFunc(f.Tries, func(t Try) bool { return t.Origin && refuses(t.Status) })
	if i < 0 {
		return nil
	}
	return &f.Tries[i]
}

// maxLimit bounds a field that limitsIn takes, in bytes.
const maxLimit = 256

// limitsIn are the fields that tell of limits: Retry-After (RFC 9110, 10.2.3), RateLimit and RateLimit-Policy
// (draft-ietf-httpapi-ratelimit-headers), and those that were before them, some of which have a vendor's name in front.
func limitsIn(h http.Header) http.Header {
	limits := make(http.Header)
	for name, values := range h {
		told := name == "Retry-After" || strings.HasPrefix(name, "Ratelimit") || strings.HasPrefix(name, "X-Ratelimit-") || name == "Docker-Ratelimit-Source"
		if told && len(values) == 1 && len(values[0]) <= maxLimit {
			limits[name] = values
		}
	}
	return limits
}

// refuses says whether a status is a no that its client would have heard, too: not one to our own conditions and ranges.
func refuses(status int) bool {
	switch status {
	case http.StatusNotFound, http.StatusGone, http.StatusProxyAuthRequired, http.StatusPreconditionFailed, http.StatusRequestedRangeNotSatisfiable:
		return false
	}
	return status >= 400 && status < 500
}

// refused says that the origin knows the thing and does not give it to us.
func (f *Failure) refused() bool {
	return slices.ContainsFunc(f.Tries, func(t Try) bool {
		switch t.Status {
		case http.StatusUnauthorized, http.StatusForbidden, http.StatusUnavailableForLegalReasons:
			return t.Origin
		}
		return false
	})
}

// told says who did what.
func (t Try) told() string { return t.Base + " " + t.words() }

// words says what the upstream did, for a person.
func (t Try) words() string {
	if t.Err != "" {
		return t.Err
	}
	return fmt.Sprintf("answered %d", t.Status)
}

// errLate is the cause of a canceled request that waited too long.
type errLate struct {
	what string
	wait time.Duration
}

func (e errLate) Error() string { return fmt.Sprintf("%s for %s", e.what, e.wait) }
