package forward

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/elazarl/goproxy"
)

// newProxy is goproxy, for CONNECT alone. Its defaults would read HTTPS_PROXY, which may be us.
func (s *Server) newProxy() *goproxy.ProxyHttpServer {
	p := goproxy.NewProxyHttpServer()
	p.ConnectDial = nil
	p.Tr = &http.Transport{}
	p.Logger = proxyLog{s}
	p.OnRequest().HandleConnectFunc(s.choose)
	return p
}

// connect answers a CONNECT that names a place and nothing else.
func (s *Server) connect(w *reply, r *http.Request) {
	if r.RequestURI != r.URL.Host || !validTarget(r.URL.Host) || r.ContentLength != 0 {
		s.fail(w, r, http.StatusBadRequest, "CONNECT takes HOST:PORT with a port from 1 to 65535, and no body.")
		return
	}
	s.proxy.ServeHTTP(replay{w}, r)
}

// choose says what becomes of a CONNECT: ours and our hosts' are answered here, all others are tunnelled.
//
// The far end is dialled before goproxy hijacks the client: until then a client that leaves cancels the dial, and a
// failure can be told in HTTP.
func (s *Server) choose(host string, ctx *goproxy.ProxyCtx) (*goproxy.ConnectAction, string) {
	if s.isSelf(host) || s.vouches(host) {
		return &goproxy.ConnectAction{Action: goproxy.ConnectHijack, Hijack: s.enter}, host
	}
	began := time.Now()
	far, err := s.reach(ctx.Req.Context(), host)
	if err != nil {
		status, sentence := describe(host, err)
		s.warn("a tunnel could not be opened", "to", host, "error", err)
		ctx.Resp = rejection(ctx.Req, status, sentence)
		return &goproxy.ConnectAction{Action: goproxy.ConnectReject}, host
	}
	s.done(Done{Tunnel: true})
	s.log().Info("tunnel", "to", host, "took", time.Since(began).Round(time.Millisecond))
	unused := context.AfterFunc(ctx.Req.Context(), func() { far.Close() })
	ctx.Dialer = func(context.Context, string, string) (net.Conn, error) {
		unused()
		return far, nil
	}
	return &goproxy.ConnectAction{Action: goproxy.ConnectAccept}, host
}

// enter says that the connection stands and lets it in as a new one. Nothing is dialled: perhaps it is all in the cache.
func (s *Server) enter(r *http.Request, client net.Conn, _ *goproxy.ProxyCtx) {
	g, ok := client.(*guest)
	if !ok {
		g = newGuest(client)
	}
	g.target = r.URL.Host
	g.Conn.SetWriteDeadline(time.Now().Add(headerWait))
	if _, err := io.WriteString(g, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		g.Close()
		return
	}
	g.Conn.SetWriteDeadline(time.Time{})
	s.admit(g)
}

func rejection(r *http.Request, status int, sentence string) *http.Response {
	text := sentence + "\n"
	return &http.Response{
		StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Request: r, Close: true,
		Header:        http.Header{"Content-Type": {"text/plain; charset=utf-8"}, "Cache-Control": {"no-store"}},
		ContentLength: int64(len(text)),
		Body:          io.NopCloser(strings.NewReader(text)),
	}
}
