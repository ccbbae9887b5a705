package transport

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"hither/forward/dial"
	"hither/forward/field"
	"hither/forward/mark"
)

// errMoved says that an address that answered before is none of the host's any more.
var errMoved = errors.New("the host has other addresses now")

// contest is HTTP/3 beside TCP, for one kind of request. It learns who offers it, connects beside the requests, so that none
// waits for a handshake, measures both and sends requests where they are answered sooner. Whatever goes wrong over UDP
// happens again over TCP, and is not tried for a while.
type contest struct {
	config Config
	public bool // for strangers
	resume *shelf
	tokens *addressTokens
	root   context.Context // of connections, which outlive the requests; close ends it
	stop   context.CancelFunc

	running sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	origins map[string]*origin
	lines   map[lineKey]*line
	alive   map[*line]struct{} // those with a connection, retired ones too
}

func newContest(c Config, public bool, resume *shelf, tokens *addressTokens) *contest {
	root, stop := context.WithCancel(context.Background()) //nolint:forbidigo // close ends it
	if public {
		root = mark.Public(root)
	}
	return &contest{
		config: c, public: public, resume: resume, tokens: tokens, root: root, stop: stop,
		origins: map[string]*origin{}, lines: map[lineKey]*line{}, alive: map[*line]struct{}{},
	}
}

// fits says whether a request may be sent twice, as a lost race does, and is none of a connection of its own.
func fits(req *http.Request) bool {
	return (req.Method == http.MethodGet || req.Method == "" || req.Method == http.MethodHead) &&
		(req.Body == nil || req.Body == http.NoBody) && req.Header.Get("Upgrade") == "" && !mark.IsPatient(req.Context())
}

// way is how one request goes.
type way struct {
	req    *http.Request
	name   string // of the origin
	host   string
	origin *origin // see aboutLocked; nil: nothing is known of it
	kind   kind
	choice bool           // both protocols can be had: it is measured
	line   *line          // taken; nil: TCP
	early  netip.AddrPort // valid: line has no connection yet, and the request shall begin it
	late   time.Duration  // when TCP is asked too
	trial  bool           // HTTP/3 is not what is chosen, or not yet proven: the client shall not pay for our curiosity
}

// carry sends a request that fits. tcp is its other way.
func (c *contest) carry(req *http.Request, tcp *gated) (*http.Response, error) {
	name := originOf(req.URL)
	if name == "" {
		return tcp.RoundTrip(req)
	}
	w := c.choose(req, name, tcp)
	var resp *http.Response
	var err error
	switch {
	case w.line != nil:
		resp, err = c.race(w, tcp)
	case w.choice:
		resp, err = c.overTCP(w, tcp)
	default:
		resp, err = tcp.RoundTrip(req)
	}
	if err == nil {
		c.learn(name, resp)
	}
	return resp, err
}

// choose takes a line if HTTP/3 is the way and connected. If it is the way and not connected, that begins, and the request
// does not wait for it.
func (c *contest) choose(req *http.Request, name string, tcp *gated) *way {
	w := &way{req: req, name: name, host: strings.ToLower(strings.TrimSuffix(req.URL.Hostname(), "."))}
	w.kind = kindOf(req)
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.originLocked(name, now)
	w.origin = o
	if o == nil || c.closed || !o.usable(now) {
		return w
	}
	w.choice = true
	if _, size := spanOf(req.Header.Get("Range")); !o.dares(w.kind, size) {
		return w
	}
	w.trial = !o.chosen[w.kind]
	if !o.turn(w.kind) && (w.trial || tcp.open.has(name)) { // nor is TCP tried at the price of a handshake
		return w
	}
	l := c.lineLocked(w, o)
	if l == nil {
		return w
	}
	o.sent(w.kind)
	c.takeLocked(l)
	w.line = l
	w.late = o.patience()
	if w.trial = w.trial || o.unproven; w.trial {
		w.late = min(w.late, max(trialTimes*o.tcp.wait, trialLeast))
	}
	if o.unproven && !tcp.open.has(name) {
		w.late = min(w.late, trialLeast) // if UDP is gone TCP's handshake was not put off, and if not it is not sent the request
	}
	return w
}

// lineLocked finds a line that carries the request; nil: none is ready, and one is being made. What is small needs no line of
// its own: while that of its lane is made, or HTTP/3 is on trial only, the common one carries it.
func (c *contest) lineLocked(w *way, o *origin) *line {
	common := lineKey{w.name, 0}
	own := lineKey{w.name, laneNumber(mark.LaneOf(w.req.Context()))}
	if w.kind == whole && w.trial {
		own = common
	}
	l, shared := c.lines[own], c.lines[common]
	switch {
	case l != nil && l.ready:
		return l
	case w.kind == whole && shared != nil && shared.ready:
		c.dialLocked(own, o)
		return shared
	case l == nil && c.mayBeEarlyLocked(w, o):
		l = &line{key: own}
		c.lines[own], w.early = l, o.last
		return l
	}
	c.dialLocked(own, o)
	return nil
}

// mayBeEarlyLocked says whether a request may be the first packet of a connection. Whoever records that can send it to the
// server again, so that it must be a GET and without a secret; HTTP/3 must be what wins at this origin, and still be offered
// where it answered last.
func (c *contest) mayBeEarlyLocked(w *way, o *origin) bool {
	port, _ := o.offered(time.Now())
	return w.req.Method != http.MethodHead && o.chosen[w.kind] && o.last.IsValid() && o.last.Port() == port &&
		len(c.lines) < maxLines && speaksEarly && harmless(w.req) && c.resume.early(w.host)
}

// harmless says that neither a field nor the query can hold a secret. Registries have many names for theirs (Private-Token,
// X-JFrog-Art-Api), and storages for their signatures, so that those are listed that hold none; they are what we send ourselves.
func harmless(req *http.Request) bool {
	for field := range req.Header {
		switch field {
		case "Accept", "Accept-Encoding", "Cache-Control", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "Range", "User-Agent":
		default:
			return false
		}
	}
	query, err := url.ParseQuery(req.URL.RawQuery)
	delete(query, "service") // bearer.Tokens asks by these
	delete(query, "scope")
	return err == nil && len(query) == 0
}

// originLocked finds an origin; nil: nobody has a word for HTTP/3 there, nor is there anybody to ask.
func (c *contest) originLocked(name string, now time.Time) *origin {
	o := c.origins[name]
	if o == nil {
		host, _, ok := splitOrigin(name)
		if !ok || c.config.HTTPS == nil && (c.config.Offers == nil || !c.config.Offers(host)) {
			return nil
		}
		o = c.addLocked(name, now)
	}
	o.used = now
	o.revive()
	o.hinted = c.config.Offers != nil && c.config.Offers(o.host)
	c.askLocked(o, now)
	return o
}

// addLocked makes room by forgetting what was used longest ago.
func (c *contest) addLocked(name string, now time.Time) *origin {
	if len(c.origins) >= maxOrigins {
		oldest, at := "", now
		for n, o := range c.origins {
			if !o.used.After(at) {
				oldest, at = n, o.used
			}
		}
		delete(c.origins, oldest)
	}
	host, port, _ := splitOrigin(name)
	o := &origin{host: host, port: port, used: now}
	c.origins[name] = o
	return o
}

// learn takes what an answer says of other protocols.
func (c *contest) learn(name string, resp *http.Response) {
	if resp.Header.Get("Alt-Svc") == "" || resp.StatusCode == http.StatusMisdirectedRequest {
		return
	}
	found, clear, err := field.Alternatives(resp.Header)
	if err != nil {
		return
	}
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.origins[name]
	if o == nil {
		if clear || len(c.origins) >= maxOrigins && c.public {
			return // a stranger pushes nobody out
		}
		o = c.addLocked(name, now)
	}
	o.listen(found, clear, now)
}

// askLocked asks DNS now and then; the request does not wait.
func (c *contest) askLocked(o *origin, now time.Time) {
	_, err := netip.ParseAddr(o.host)
	if c.config.HTTPS == nil || c.closed || o.port != 443 || err == nil || dial.IsLocalhost(o.host) || !o.asked.IsZero() && now.Sub(o.asked) < httpsEvery {
		return
	}
	o.asked = now
	c.running.Go(func() {
		ctx, cancel := context.WithTimeout(c.root, httpsPatience)
		defer cancel()
		alpn, port, err := c.lookup(ctx, o.host)
		c.mu.Lock()
		defer c.mu.Unlock()
		o.record = offer{}
		for _, proto := range alpn {
			if err == nil && proto == "h3" && o.mayBe("", port) {
				o.record = offer{port: port, until: time.Now().Add(httpsEvery + httpsPatience)}
			}
		}
	})
}

// lookup asks for an HTTPS record, unless the host is one that UDP does not reach: behind an upstream proxy, which finds
// names itself, a name server must not hear of it.
func (c *contest) lookup(ctx context.Context, host string) (alpn []string, port uint16, err error) {
	if c.config.Datagrams != nil {
		if _, err := c.config.Datagrams(ctx, net.JoinHostPort(host, "443")); err != nil {
			return nil, 0, err
		}
	}
	return c.config.HTTPS(ctx, host)
}

// renew is after a change of the network: other paths, other ports blocked, and connections that may be dead.
func (c *contest) renew() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.lines {
		c.retireLocked(l)
	}
	for name, o := range c.origins {
		next := *o
		next.move()
		c.origins[name] = &next
	}
}

// aboutLocked is what the end of a request says something of; nil: nothing, because it began on another network, or its
// origin was forgotten since.
func (c *contest) aboutLocked(w *way) *origin {
	if o := c.origins[w.name]; o == w.origin {
		return o
	}
	return nil
}

// close ends everything, also what is under way, and waits for it.
func (c *contest) close() {
	c.stop()
	c.mu.Lock()
	c.closed = true
	for _, l := range c.lines {
		c.dropLocked(l)
	}
	alive := make([]*line, 0, len(c.alive))
	for l := range c.alive {
		alive = append(alive, l)
	}
	c.mu.Unlock()
	for _, l := range alive {
		hangUp(l.conn)
	}
	c.running.Wait()
}
