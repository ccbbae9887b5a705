package forward

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"time"

	"hither/forward/h2"
)

// newH2 is the server for clients that speak HTTP/2 inside TLS.
func (s *Server) newH2() *h2.Server {
	return &h2.Server{
		Handler: s.watch(s.serveSealed), Ready: s.readyH2,
		IdleTimeout: idleWait, ReadHeaderTimeout: headerWait, WriteTimeout: patience, MaxHeaderBytes: maxHeader,
		ErrorLog:    s.serverLog(),
		BaseContext: func(net.Listener) context.Context { return s.ctx },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			// httputil.ReverseProxy breaks a body off only if it believes to stand in net/http's server; else it ends it cleanly.
			return withOrigin(context.WithValue(ctx, http.ServerContextKey, s.sealed), c)
		},
	}
}

// readyH2 answers what lies ready, as hot does in HTTP/1.1.
func (s *Server) readyH2(head *h2.Head) (*h2.Reply, bool) {
	from, _ := head.Context.Value(originKey{}).(origin)
	if head.Method != http.MethodGet || head.Scheme != "https" || from.tls == nil || s.closing.Load() {
		return nil, false
	}
	accept, integrity, ok := telling(head)
	if !ok {
		return nil, false
	}
	place := realm("https", sealedPlace(from.tls, from.target))
	now := time.Now()
	r := s.ready.find(appendKey(nil, place, head.Authority, head.Path, accept, integrity), s.Rules(), now)
	if r == nil {
		return nil, false
	}
	s.tellAgain(r, from.client, now)
	s.tell(r, now, int64(len(r.body)))
	age := strconv.AppendInt(nil, r.age(now), 10)
	return &h2.Reply{Block: r.block, More: h2.AppendField(nil, "age", string(age)), Body: r.body}, true
}

// telling are the fields that decide between answers. False: there is one that may mean anything.
func telling(head *h2.Head) (accept, integrity string, ok bool) {
	for _, f := range head.Fields {
		if f.Value == "" || !harmless(f.Name, f.Value) {
			return "", "", false
		}
		switch f.Name {
		case "accept":
			if accept != "" {
				return "", "", false
			}
			accept = f.Value
		case "pacote-integrity":
			if integrity != "" {
				return "", "", false
			}
			integrity = f.Value
		}
	}
	return accept, integrity, true
}
