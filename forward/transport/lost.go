package transport

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
)

// onceMore asks again what was asked over a connection that stood open and was lost before a byte of the answer came: after a
// sleep or on another network all of them may be dead, which says nothing of the upstream. Only what may be asked twice (RFC
// 9110, section 9.2.2) and has no body is, and nothing that was waited for until its time was over.
func onceMore(req *http.Request, carry func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	if req.Method != http.MethodGet && req.Method != http.MethodHead || req.Body != nil && req.Body != http.NoBody {
		return carry(req)
	}
	var stood, began atomic.Bool
	resp, err := carry(req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		GotConn:              func(info httptrace.GotConnInfo) { stood.Store(info.Reused) },
		GotFirstResponseByte: func() { began.Store(true) },
	})))
	if late := net.Error(nil); err == nil || !stood.Load() || began.Load() || req.Context().Err() != nil || errors.As(err, &late) && late.Timeout() {
		return resp, err
	}
	return carry(req)
}
