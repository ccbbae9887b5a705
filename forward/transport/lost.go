package transport

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"

	"hither/forward/footing"
)

// onceMore asks again what was asked over a connection that stood open and was lost before a byte of the answer came: after a
// sleep or on another network all of them may be dead, which says nothing of the upstream. Only what may be asked twice (RFC
// 9110, section 9.2.2) and has no body is, and nothing that was waited for until its time was over, or that the upstream itself
// has refused over a connection that lives: net/http has asked again already where that may help. A new connection that the
// machine itself took the ground from is as good as one that stood. HTTP/3 that is asked beside is not waited for: where the ground is
// gone it is silent for idleTime.
func onceMore(req *http.Request, carry func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	if req.Method != http.MethodGet && req.Method != http.MethodHead || req.Body != nil && req.Body != http.NoBody {
		return carry(req)
	}
	var stood, began atomic.Bool
	resp, err := carry(req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		GotConn:              func(info httptrace.GotConnInfo) { stood.Store(info.Reused) },
		GotFirstResponseByte: func() { began.Store(true) },
	})))
	if err == nil || began.Load() || req.Context().Err() != nil || !isLoss(err) {
		return resp, err
	}
	if !stood.Load() && !errors.Is(err, footing.ErrUprooted) {
		return resp, err
	}
	return carry(req)
}

// isLoss says that an error is neither the end of our patience nor the upstream's word about one request.
func isLoss(err error) bool {
	var late net.Error
	var refused http2.StreamError
	return !(errors.As(err, &late) && late.Timeout()) && !errors.As(err, &refused)
}

// elsewhere is carry, which asks once more, where the name leads by now, for what nobody but a stranger answered: the host has moved, or a
// sign-in page has said that all names are its own. Nothing was sent yet.
func (p *Pool) elsewhere(carry func(*http.Request) (*http.Response, error)) func(*http.Request) (*http.Response, error) {
	return func(req *http.Request) (*http.Response, error) {
		since := time.Now()
		resp, err := carry(req)
		var stranger *tls.CertificateVerificationError
		if err == nil || p.doubt == nil || req.Body != nil && req.Body != http.NoBody || !errors.As(err, &stranger) || !p.doubt(req.URL.Hostname(), since) {
			return resp, err
		}
		return carry(req)
	}
}
