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
	var b strings.Builder
	fmt.Fprintf(&b, "nobody gave us %s", f.Name)
	sep := ": "
	if f.Cause != nil {
		b.WriteString(sep + f.Cause.Error())
		sep = "; "
	}
	for _, t := range f.Tries {
		b.WriteString(sep + t.Base + " " + t.words())
		sep = "; "
	}
	b.WriteString(Advice)
	return b.String()
}

func (f *Failure) Unwrap() error { return f.Cause }

// Status is what a gateway answers: the refusal of an origin if it refused, for clients try again what failed in other ways;
// 504 if the last one was too slow, 502 for everything else. Never 404: that word is the origin's.
func (f *Failure) Status() int {
	late := false
	for _, t := range f.Tries {
		if t.Origin && refuses(t.Status) {
			return t.Status
		}
		late = t.late
	}
	if errors.Is(f.Cause, notary.ErrSecurity) || !late {
		return http.StatusBadGateway
	}
	return http.StatusGatewayTimeout
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
