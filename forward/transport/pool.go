package transport

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"hither/forward/dial"
	"hither/forward/footing"
	"hither/forward/huddle"
	"hither/forward/mark"
	"hither/forward/terse"
)

const (
	// streamWindow is how much of one HTTP/2 response may be under way, in bytes. Go's 4 MiB make 40 MB/s at 100 ms.
	// The documentation allows no more than those, the code does; a test guards it. It is also what a stream whose
	// reader sleeps can hold in memory.
	streamWindow = 32 << 20
	// connWindow is the same for all streams of a connection.
	connWindow = 256 << 20
	// frameSize is the least that may be, in bytes: nothing of an HTTP/2 frame is handed on before all of it is here, and on a
	// slow line a body would seem to stand still. Frames of 1 MiB save about a tenth of the CPU of both ends.
	frameSize = 16 << 10
	// pingAfter and pingPatience find an HTTP/2 connection that died in silence (sleep, another route) in 20 s. Where the
	// kernel tells, one that a request waits on is found in 2 s or so: see footing.
	pingAfter, pingPatience = 15 * time.Second, 5 * time.Second
	// writePatience ends an upload of which the upstream takes no byte.
	writePatience = 30 * time.Second
	// headerPatience is for the first byte of an answer: GO-ORIGIN takes up to 60 s to say 404.
	headerPatience = 75 * time.Second
	// handshakePatience is for TLS.
	handshakePatience = 10 * time.Second
	// perHost bounds the connections to one host, idle ones included. HTTP/1.1 needs one for each request under way.
	perHost = 64
	// idleConns and idleTime bound the warm connections to all hosts.
	idleConns, idleTime = 256, 90 * time.Second
	// buffer is for each direction of a connection, in bytes.
	buffer = 64 << 10
	// maxHeader bounds the header of an answer, in bytes.
	maxHeader = 1 << 20
)

// Config is what a Pool is made of. The zero Config reaches addresses and localhost.
type Config struct {
	Dial          func(ctx context.Context, network, addr string) (net.Conn, error) // nil: that of the zero dial.Dialer
	Proxy         func(*http.Request) (*url.URL, error)                             // dial.Dialer.PlainProxy; nil: none
	RootCAs       *x509.CertPool                                                    // nil: the system's
	UserAgent     string                                                            // who we are, for requests that do not say; empty: "hither"
	HeaderTimeout time.Duration                                                     // for the first byte of an answer; 0: 75 s

	// Doubt is told of a host that shows somebody else's certificate, and since when it was asked there, and says whether it is worth looking
	// up anew: dial.Dialer.Doubt. nil: it is not.
	Doubt func(host string, since time.Time) bool

	// Datagrams tells where UDP packets for HOST:PORT may be sent, best first: dial.Dialer.Datagrams. Only HTTP/3 needs it.
	// nil: that of the zero dial.Dialer if Dial is nil too, else HTTP/3 is an error.
	Datagrams func(ctx context.Context, addr string) ([]netip.AddrPort, error)
	// HeadStart is what an address of Datagrams has over the next: dial.Dialer.HeadStart. nil: 250 ms.
	HeadStart func(addr netip.AddrPort) time.Duration

	// Offers says which hosts are known to speak HTTP/3; nil: only those that say so themselves, in Alt-Svc fields.
	Offers func(host string) bool
	// HTTPS tells what the HTTPS record of a host offers (RFC 9460): lookup.Resolver.LookupHTTPS. It is asked beside the
	// requests, once an hour for each host; nil: not asked.
	HTTPS func(ctx context.Context, host string) (alpn []string, port uint16, err error)
	// Sessions is a file in which TLS sessions, QUIC's address tokens, Alt-Svc offers and what came of them are kept for the next
	// start. It holds secrets and is readable by its owner only. A damaged one is passed over. Empty: nothing is kept.
	Sessions string
	// Log hears that Sessions cannot be read or written; nil: nobody does.
	Log *slog.Logger
}

// Pool sends requests over warm connections, HTTP/2 where the upstream speaks it. It follows no redirects and opens no
// compression. A request without a User-Agent field is ours and gets our name; one that has the field, even empty (as
// httputil.ReverseProxy makes it), is a client's and goes as it is. It may be used from many goroutines.
//
// GET and HEAD requests travel over HTTP/3 where the upstream offers it and answers sooner that way; Response.Proto tells.
// No request waits for that to be found out. But where several come for a host that may speak HTTP/2 and has no connection,
// the others wait for the first one's handshake instead of connecting too.
type Pool struct {
	chosen    *lanes // where the user sent us
	strangers *lanes // where a stranger sent us: its connections are dialled under Public, and shared with nobody else
	patient   *lanes // where the user sent us, for those who wait as long as they like: lane 0 alone
	config    Config // with its defaults
	agent     string
	proxy     func(*http.Request) (*url.URL, error)
	doubt     func(host string, since time.Time) bool
	sessions  *sessions
	quic      []*contest // of those whom the user sent, and of strangers; empty: no HTTP/3
}

// New makes a Pool. Close frees what it holds.
func New(c Config) *Pool {
	c = c.withDefaults()
	kept, offers := newSessions(c.Sessions, c.Log)
	tight, under := new(tightHosts), new(footing.Watch)
	p := &Pool{
		chosen: openLanes(c, kept.shelves[chosenTCP], kept.plain, tight, under), strangers: openLanes(c, kept.shelves[strangersTCP], kept.plain, tight, under),
		config: c, agent: c.UserAgent, proxy: c.Proxy, doubt: c.Doubt, sessions: kept,
	}
	p.patient = &lanes{plain: kept.plain, tight: tight, under: under, make: func(int) *http.Transport {
		t := p.chosen.make(0)
		t.ResponseHeaderTimeout, t.MaxConnsPerHost = 0, 0
		return t
	}}
	under.Died = p.closeIdle
	if c.Datagrams == nil {
		return p
	}
	p.quic = []*contest{
		newContest(c, false, kept.shelves[chosenQUIC], kept.tokens[chosenQUIC]),
		newContest(c, true, kept.shelves[strangersQUIC], kept.tokens[strangersQUIC]),
	}
	now := time.Now()
	for _, o := range offers {
		p.contestOf(o.Public).recall(o, now)
	}
	kept.offers = p.keptOffers
	return p
}

func openLanes(c Config, resume tls.ClientSessionCache, plain *plainHosts, tight *tightHosts, under *footing.Watch) *lanes {
	return &lanes{plain: plain, tight: tight, under: under, make: func(lane int) *http.Transport {
		t := newTransport(c, resume)
		if lane > 0 {
			narrow(t)
		}
		return t
	}}
}

// contestOf is the HTTP/3 of one kind of request; nil: none.
func (p *Pool) contestOf(public bool) *contest {
	if len(p.quic) == 0 {
		return nil
	}
	if public {
		return p.quic[1]
	}
	return p.quic[0]
}

func (p *Pool) keptOffers() (all []keptOffer) {
	for _, c := range p.quic {
		all = append(all, c.keptOffers()...)
	}
	return all
}

func (c Config) withDefaults() Config {
	if c.Dial == nil {
		c.Dial = new(dial.Dialer).DialContext
		if c.Datagrams == nil {
			c.Datagrams = new(dial.Dialer).Datagrams
		}
	}
	c.UserAgent = cmp.Or(c.UserAgent, "hither")
	c.HeaderTimeout = cmp.Or(c.HeaderTimeout, headerPatience)
	return c
}

func newTransport(c Config, resume tls.ClientSessionCache) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	return &http.Transport{
		DialContext:            huddle.Gathering(c.Dial),
		Proxy:                  c.Proxy,
		TLSClientConfig:        &tls.Config{RootCAs: c.RootCAs, MinVersion: tls.VersionTLS12, ClientSessionCache: resume},
		TLSHandshakeTimeout:    handshakePatience,
		ResponseHeaderTimeout:  c.HeaderTimeout,
		ExpectContinueTimeout:  time.Second,
		DisableCompression:     true, // digests are of the bytes as they are
		MaxIdleConns:           idleConns,
		MaxIdleConnsPerHost:    perHost,
		MaxConnsPerHost:        perHost,
		IdleConnTimeout:        idleTime,
		ReadBufferSize:         buffer,
		WriteBufferSize:        buffer,
		MaxResponseHeaderBytes: maxHeader,
		Protocols:              protocols,
		HTTP2: &http.HTTP2Config{
			MaxReadFrameSize:              frameSize,
			MaxReceiveBufferPerStream:     streamWindow,
			MaxReceiveBufferPerConnection: connWindow,
			SendPingTimeout:               pingAfter,
			PingTimeout:                   pingPatience,
			WriteByteTimeout:              writePatience,
		},
	}
}

// RoundTrip implements http.RoundTripper.
func (p *Pool) RoundTrip(req *http.Request) (*http.Response, error) {
	tcp := p.way(req.Context())
	carry := tcp.RoundTrip
	if c := p.contestOf(mark.IsPublic(req.Context())); c != nil && fits(req) {
		carry = func(req *http.Request) (*http.Response, error) { return c.carry(req, tcp) }
	}
	resp, err := p.elsewhere(tcp.tight.again(carry))(named(req, p.agent))
	if err == nil && resp.StatusCode == http.StatusProxyAuthRequired {
		resp, err = p.refusedByProxy(req, resp)
	}
	if err != nil {
		return nil, explain(req, err)
	}
	terse.Answer(resp)
	return resp, nil
}

// refusedByProxy makes an error of the upstream proxy's own 407, which is to us: the client has no password to give.
func (p *Pool) refusedByProxy(req *http.Request, resp *http.Response) (*http.Response, error) {
	if p.proxy == nil {
		return resp, nil
	}
	proxy, err := p.proxy(req)
	if proxy == nil || err != nil {
		return resp, nil
	}
	resp.Body.Close()
	return nil, fmt.Errorf("upstream proxy %s://%s: %w", proxy.Scheme, proxy.Host, dial.WantsPassword(proxy))
}

// way is the transport for a request that is marked so.
func (p *Pool) way(ctx context.Context) *gated {
	switch {
	case mark.IsPublic(ctx):
		return p.strangers.take(mark.LaneOf(ctx))
	case mark.IsPatient(ctx):
		return p.patient.take(0)
	}
	return p.chosen.take(mark.LaneOf(ctx))
}

// named says who we are in a request that does not say who sends it.
func named(req *http.Request, agent string) *http.Request {
	if _, said := req.Header["User-Agent"]; said {
		return req
	}
	ours := *req
	ours.Header = req.Header.Clone()
	if ours.Header == nil {
		ours.Header = http.Header{}
	}
	ours.Header.Set("User-Agent", agent)
	return &ours
}

// explain adds the next step to an error that has one, and shortens what a server said in it.
func explain(req *http.Request, err error) error {
	err = terse.Error(err)
	if invalid := new(x509.CertificateInvalidError); errors.As(err, invalid) && invalid.Reason == x509.Expired {
		return fmt.Errorf("%s shows a certificate that is not valid today (%w); if the clock of this machine is wrong, correct it", req.URL.Host, err)
	}
	if other := new(x509.HostnameError); errors.As(err, other) {
		return fmt.Errorf("%s shows somebody else's certificate (%w); if this network has a sign-in page, open any page in a browser and sign in", req.URL.Host, err)
	}
	if unknown := new(tls.CertificateVerificationError); errors.As(err, &unknown) {
		return fmt.Errorf("%s shows a certificate that is not vouched for (%w); if your network re-signs TLS, name its root certificate in the setting ca-files", req.URL.Host, err)
	}
	return err
}

// CloseIdleConnections closes the connections that carry nothing now. The others carry on what they do, and nothing new:
// after a change of the network they may be dead, which may show after 20 s only: each is asked for a sign of life. What HTTP/3 was like
// there is forgotten.
func (p *Pool) CloseIdleConnections() {
	tight := new(tightHosts)
	p.chosen.renew(tight)
	p.strangers.renew(tight)
	p.patient.renew(tight)
	p.chosen.under.Stir() // which is that of all
	for _, c := range p.quic {
		c.renew()
	}
}

// CloseIdle closes the connections that carry nothing now, and no more: for who needs the files that they are.
func (p *Pool) CloseIdle() {
	p.closeIdle()
	for _, c := range p.quic {
		c.closeIdle()
	}
}

// closeIdle is that of TCP, and for a way that has forgotten a connection. It has forgotten those that carry nothing, too, and what was
// asked over that one would be asked over each of them in turn, and wait on each.
func (p *Pool) closeIdle() {
	p.chosen.closeIdle()
	p.strangers.closeIdle()
	p.patient.closeIdle()
}

// Close closes the connections that carry nothing, ends what is under way over HTTP/3 and keeps the sessions. A request
// that comes later has a connection, but not over HTTP/3; CloseIdleConnections closes that.
func (p *Pool) Close() {
	p.sessions.close() // before the offers are forgotten, as on another network
	p.CloseIdleConnections()
	for _, c := range p.quic {
		c.close()
	}
}
