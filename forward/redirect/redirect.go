// Package redirect goes where answers send us: wrapped around an http.RoundTripper, [Follow] takes redirects for its caller, who
// gets the answer at their end. With a [Trail] other requests for the same body take the last step at once.
//
//	plain := &redirect.Follow{Next: pool}
//	ctx = redirect.Along(ctx, trail)
package redirect

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"hither/forward/dial"
	"hither/forward/mark"
	"hither/forward/terse"
)

const (
	// maxHops is as many as the go command and most clients follow.
	maxHops = 10
	// drainBytes and drainPatience are what a redirect's body may cost, so that its connection can be used again.
	drainBytes    = 16 << 10
	drainPatience = 200 * time.Millisecond
)

// Follow follows the redirects of GET and HEAD requests; others come back as they are. The answer's Request tells the
// last URL. It never goes from https to http, drops credentials when the scheme, host or port changes, and marks such
// hops [mark.Public], unless the first host is itself written as a private address or localhost: then its neighbours are
// nothing to protect. A redirect to a page is followed; whoever asked judges what came.
type Follow struct {
	Next http.RoundTripper // never nil
}

// RoundTrip implements http.RoundTripper.
func (f *Follow) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		return f.Next.RoundTrip(req)
	}
	if resp, err := f.shortcut(req); resp != nil || err != nil {
		return resp, err
	}
	first := req.URL
	seen := []string{first.String()}
	home, trail := req.Context(), trailOf(req.Context())
	lost := func(err error) (*http.Response, error) { trail.note(first, nil); return nil, err }
	if mark.IsOutset(home) {
		req = req.WithContext(mark.Lane(home, 0))
	}
	for {
		began := time.Now()
		resp, err := f.Next.RoundTrip(req)
		if err != nil && calledBack(home, began) {
			return nil, err
		}
		if err != nil {
			return lost(err)
		}
		resp.Request = req
		target, err := location(resp)
		if err != nil {
			Discard(resp)
			return lost(err)
		}
		if target == nil && ownsIt(home, resp) {
			Discard(resp)
			req = req.WithContext(home)
			continue
		}
		if target == nil {
			if !isPart(resp.StatusCode) {
				trail.note(first, nil)
			}
			return resp, nil
		}
		Discard(resp)
		if slices.Contains(seen, target.String()) {
			return lost(fmt.Errorf("%s redirects in a circle", first.Host+first.Path))
		}
		if seen = append(seen, target.String()); len(seen) > maxHops+1 {
			return lost(fmt.Errorf("%s redirects more than %d times", first.Host+first.Path, maxHops))
		}
		trail.note(first, target) // others need not wait until something has come from there
		req = hop(req.WithContext(home), first, target)
		home = req.Context()
	}
}

// wayside is how many bytes of a body may come over the connection that is for asking the way.
const wayside = 64 << 10

// ownsIt says that who was only asked the way sends a body itself, over the connection by which all are asked the way. There the
// bodies of an image would share what a lost packet leaves of one, so that each is asked for again, over that which it was given.
func ownsIt(home context.Context, resp *http.Response) bool {
	return mark.LaneOf(resp.Request.Context()) != mark.LaneOf(home) && resp.ProtoMajor > 1 && isPart(resp.StatusCode) && resp.ContentLength > wayside
}

// location is where the answer sends us; nil if it does not.
func location(resp *http.Response) (*url.URL, error) {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, nil
	}
	to, from := resp.Header.Get("Location"), resp.Request.URL
	if to == "" {
		return nil, nil
	}
	target, err := from.Parse(to)
	if err != nil || !terse.IsHost(target.Host) || target.Scheme != "http" && target.Scheme != "https" {
		return nil, fmt.Errorf("%s redirects to something that is no URL", from.Host)
	}
	if from.Scheme == "https" && target.Scheme == "http" {
		return nil, fmt.Errorf("%s redirects from https to http at %s; that is not followed", from.Host, target.Host)
	}
	target.Fragment, target.RawFragment, target.User = "", "", nil
	return target, nil
}

// hop is the next request. Range, Accept and the like are kept; the body of a GET is not, nor what [mark.Granted] wants to know.
func hop(req *http.Request, first, target *url.URL) *http.Request {
	ctx := mark.Granted(req.Context(), nil)
	if !SameOrigin(first, target) && !dial.OwnNetwork(first.Hostname()) {
		ctx = mark.Public(ctx)
	}
	next := req.Clone(ctx)
	next.Body, next.GetBody, next.ContentLength, next.TransferEncoding = nil, nil, 0, nil
	if !SameOrigin(req.URL, target) {
		next.Host = ""
		for _, secret := range []string{"Authorization", "Proxy-Authorization", "Cookie", "Cookie2"} {
			next.Header.Del(secret)
		}
	}
	next.URL = target
	return next
}

// SameOrigin says whether two URLs have the same scheme, host and port.
func SameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && dial.Port(a) == dial.Port(b)
}

// Discard closes an answer whose body nobody wants, so that its connection can be used again if that costs little. A short one is read to the end, but not waited for.
func Discard(resp *http.Response) {
	if resp.ContentLength <= drainBytes {
		timer := time.AfterFunc(drainPatience, func() { resp.Body.Close() })
		_, _ = io.CopyN(io.Discard, resp.Body, drainBytes)
		timer.Stop()
	}
	resp.Body.Close()
}
