package transport

import (
	"context"
	"crypto/tls"
	"net/http/httptrace"
)

// trace tells whoever listens to a request how its connection over HTTP/3 comes about. nil and nil functions are not called.
type trace struct{ *httptrace.ClientTrace }

func traceOf(ctx context.Context) trace { return trace{httptrace.ContextClientTrace(ctx)} }

func (t trace) handshakeStart() {
	if t.ClientTrace != nil && t.TLSHandshakeStart != nil {
		t.TLSHandshakeStart()
	}
}

func (t trace) handshakeDone(conn *quicConn, err error) {
	if t.ClientTrace == nil || t.TLSHandshakeDone == nil {
		return
	}
	var state tls.ConnectionState
	if err == nil {
		state = conn.ConnectionState().TLS
	}
	t.TLSHandshakeDone(state, err)
}

func (t trace) gotConn(s *socket, reused bool) {
	if t.ClientTrace != nil && t.GotConn != nil {
		t.GotConn(httptrace.GotConnInfo{Conn: s.udp, Reused: reused})
	}
}
