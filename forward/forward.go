// Package forward is the HTTP side of Hither: four doors in, one way on.
//
// A client comes by the proxy (an absolute URL, or CONNECT), by our own address (a gateway path such as /go, or our
// own pages), by a bare TLS connection that DNS led here, or by a transparent door of [listener]. What is for a host in no
// rule is passed on unseen. What is for a host in the rules is answered from [fetch], or sent to its origin as it came.
//
//	s := &forward.Server{Rules: rules, Fetch: fetcher.Fetch, Pass: pool, Dial: dialer.DialContext, CA: ca, Self: self}
//	go s.Serve(listener)
//	defer s.Shutdown(ctx)
//
// goproxy decides about CONNECT and tunnels. A CONNECT to a host in the rules is hijacked and handed, as an accepted
// connection, to an ordinary http.Server with real HTTP/2: goproxy's own loop was measured to stall uploads and to drop
// cancellation.
package forward

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elazarl/goproxy"

	"hither/forward/fetch"
	"hither/forward/h2"
	"hither/rules"
)

// CA vouches for the hosts in the rules; authority.CA is one. Its methods may be called from many goroutines.
type CA interface {
	// Certificate answers a client that named its host (SNI).
	Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error)
	// CertificateFor answers one that did not: host is what its CONNECT named, without port.
	CertificateFor(host string) (*tls.Certificate, error)
	// TLSConfig is what the listener speaks: versions, curves, ALPN in order of preference.
	TLSConfig() *tls.Config
}

// Server is set up once, then it serves any number of listeners until Shutdown. Rules, Pass and Dial must be set.
type Server struct {
	// Rules returns the set in force. It is asked for every request, so that a reload needs no restart.
	Rules func() *rules.Set
	// Fetch answers what a rule lets us keep; nil: everything goes to the origin.
	Fetch func(context.Context, fetch.Request) (*fetch.Answer, error)
	// Pass carries what is not for the cache. It must not follow redirects, nor decompress, nor ask a proxy from the
	// environment, which may be us.
	Pass http.RoundTripper
	// Persist has ask send a request to base, or connect to it, and again when the machine's network is back if it is away:
	// fetch.Fetcher.Persist. Only what may be asked twice is left to it. nil: nothing is asked again.
	Persist func(ctx context.Context, base string, ask func(context.Context) error) error
	// Anonymous is Pass for clients that read by a gateway whose registry hands tokens to everybody (auth = "bearer"), and show
	// nothing: the gateway has told them that they need none, so it has its own. nil: Pass.
	Anonymous http.RoundTripper
	// Dial opens blind tunnels. It resolves past our own DNS and refuses our own listeners.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// CA vouches for intercepted hosts; nil: their TLS is tunnelled blind, as everybody's.
	CA CA
	// Self says whether HOST:PORT is one of our own listeners, by any name; nil: none is.
	Self func(hostport string) bool
	// Own says whether we opened a connection between these a moment ago: dial.Dialer.Own. A redirect rule that does not
	// exempt us leads it to a transparent door of ours, and without an end. nil: none is ours.
	Own func(local, remote netip.AddrPort) bool
	// Console serves what is on our own address and below no gateway; nil: 404, in words.
	Console http.Handler
	// Log gets one Info record a request, and a Warn for our own failures; nil: nothing is logged.
	Log *slog.Logger
	// Done is told of every answer and tunnel; it must not block. nil: nobody is.
	Done func(Done)
	// Again is told of every answer that lay ready and was given without Fetch, so that who watches what clients ask for
	// misses nothing: the request with the client of this time, and the report as Fetch would have made it. Left out is one
	// that its connection got the last time, too: that costs as much to follow as to send, and tells nothing new. It must
	// not block. nil: nobody is.
	Again func(fetch.Request, fetch.Report)
	// Greeted is told of each request to read that a rule speaks of and Fetch is not asked about: a client that asks whether a
	// registry is there, or for a token, wants more from it next. It must not block. nil: nobody is.
	Greeted func(*rules.Rule)
	// Changed is told of what a client has changed at its origin, before it hears that it has: what Fetch keeps of it counts no
	// more. nil: nobody is.
	Changed func(context.Context, rules.Match)
	// Short is called where no connection could be accepted, most likely since this process has as many files open as it may: whoever
	// keeps connections for later lets go of them. It must not block for long. nil: nobody is told.
	Short func()
	// ID tells this Hither from others in Via, by which loops are found. Two that may stand in a row need different ones.
	ID string

	once     sync.Once
	ctx      context.Context // ends what outlives its request: upgraded connections, tunnels
	cancel   context.CancelFunc
	proxy    *goproxy.ProxyHttpServer
	plain    *http.Server // requests in the clear
	sealed   *http.Server // requests inside TLS that we ended, in HTTP/1.1
	h2       *h2.Server   // and in HTTP/2
	toPlain  *handoff     // connections for plain
	toSealed *handoff     // connections for sealed
	browsers http.CrossOriginProtection
	buffers  buffers
	wide     buffers // of wideSize
	tls      *tls.Config
	ready    readies
	calendar calendar
	warnings seldom
	keeping  sync.Mutex  // held while crowded changes
	crowded  atomic.Bool // hardly more files may be open than sources need
	closing  atomic.Bool // Shutdown has begun: nothing is answered but by the servers, who say goodbye

	serving   sync.WaitGroup
	listeners held
	shakes    held // TLS handshakes
	conns     held // connections that no http.Server knows: new ones and tunnels
}

const (
	// headerWait is for the first byte of a connection and for the head of a request. Without it, silent clients pile up.
	headerWait = 30 * time.Second
	// idleWait keeps a client's connection between requests. npm pauses for a minute while it unpacks.
	idleWait = 3 * time.Minute
	// dialWait is for the far end of a tunnel. Clients give up on a CONNECT after 30 to 60 s.
	dialWait = 30 * time.Second
	// leastPause is until another connection is accepted where there are hardly files for it.
	leastPause = 5 * time.Millisecond
	// maxHeader is for the head of one request, in bytes. Registry tokens reach 8 KiB.
	maxHeader = 64 << 10
)

// Serve takes connections from l until Shutdown, then returns http.ErrServerClosed. It closes l. Each connection may
// begin with a proxy request, a request for ourselves, or TLS; those of a listener.Listener know nothing of us and are
// answered as their hosts would. Several listeners may be served at once.
func (s *Server) Serve(l net.Listener) error {
	s.begin()
	var err error
	if !s.listeners.during(l, func() { err = s.accept(l) }) {
		return http.ErrServerClosed
	}
	return err
}

// Handler answers requests in the clear: by proxy and by our own address. Serve is the way in for connections; a handler
// is for tests, and for those who have a server of their own.
func (s *Server) Handler() http.Handler {
	s.begin()
	return s.plain.Handler
}

// Shutdown stops the listeners, lets running requests end until ctx does, and then breaks what is left. Blind tunnels are
// broken last. It returns ctx's error if requests had to be broken.
func (s *Server) Shutdown(ctx context.Context) error {
	s.begin()
	s.listeners.close()
	s.closing.Store(true)
	s.ready.close()
	errs := make([]error, 3)
	var both sync.WaitGroup
	for i, srv := range []*http.Server{s.plain, s.sealed} {
		both.Go(func() {
			if errs[i] = srv.Shutdown(ctx); errs[i] != nil {
				srv.Close()
			}
		})
	}
	both.Go(func() {
		s.shakes.drain(ctx)
		errs[2] = s.h2.Shutdown(ctx)
	})
	both.Wait()
	s.cancel()
	s.conns.close()
	s.serving.Wait()
	return errors.Join(errs...)
}

// Forget is for who took something out of the cache: Fetch is asked again for all that lies ready.
func (s *Server) Forget() { s.ready.forget() }

// begin makes the two servers on first use, and starts them.
func (s *Server) begin() {
	s.once.Do(func() {
		s.ctx, s.cancel = context.WithCancel(context.Background()) //nolint:forbidigo // Shutdown ends it
		s.wide.size = wideSize
		s.toPlain, s.toSealed = newHandoff(), newHandoff()
		s.proxy = s.newProxy()
		s.plain = s.newServer(s.serveOpen)
		s.sealed = s.newServer(s.serveSealed)
		s.tls = s.tlsConfig()
		s.h2 = s.newH2()
		s.serving.Go(func() { s.ended(s.plain.Serve(s.toPlain)) })
		s.serving.Go(func() { s.ended(s.sealed.Serve(s.toSealed)) })
	})
}

// ended tells of a server that stopped without being asked.
func (s *Server) ended(err error) {
	if !errors.Is(err, http.ErrServerClosed) && s.ctx.Err() == nil {
		s.log().Error("a door is shut: restart Hither", "error", err)
	}
}

func (s *Server) newServer(answer func(*reply, *http.Request)) *http.Server {
	return &http.Server{
		Handler:           s.watch(answer),
		ReadHeaderTimeout: headerWait,
		IdleTimeout:       idleWait,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          s.serverLog(),
		BaseContext:       func(net.Listener) context.Context { return s.ctx },
		ConnContext:       withOrigin,
		ConnState:         turn,
	}
}

// accept hands each connection to a goroutine of its own, which waits for the first byte.
func (s *Server) accept(l net.Listener) error {
	for pause := time.Duration(0); ; s.sleep(pause) {
		conn, err := l.Accept()
		if err == nil {
			pause = lateness(conn) // the others need files for their sources
			s.crowd(pause > 0)
			s.admit(newGuest(conn))
			continue
		}
		if s.listeners.isClosed() {
			return http.ErrServerClosed
		}
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		// Most likely there are no file descriptors left; they come back.
		if s.Short != nil {
			s.Short()
		}
		pause = min(max(2*pause, leastPause), time.Second)
		s.log().Warn("a connection could not be accepted", "error", err, "pause", pause)
	}
}

// crowd lets clients keep their connections after an answer, or has them make room for others.
func (s *Server) crowd(is bool) {
	if s.crowded.Load() == is {
		return
	}
	s.keeping.Lock()
	defer s.keeping.Unlock()
	s.crowded.Store(is)
	s.plain.SetKeepAlivesEnabled(!is)
	s.sealed.SetKeepAlivesEnabled(!is)
}

func (s *Server) sleep(d time.Duration) {
	if d == 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-s.ctx.Done():
	}
}

func (s *Server) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}
