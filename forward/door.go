package forward

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"time"

	"hither/forward/listener"
	"hither/forward/mark"
)

// oddWait is for the first bytes of a client that was on its way to another port than 80 and 443, where perhaps the server
// speaks first (SSH, SMTP). Then it is passed on, as seen so far.
const oddWait = 300 * time.Millisecond

// refuseWait is for a client to hear that it is refused.
const refuseWait = 500 * time.Millisecond

// speech is what a client speaks first.
type speech int

const (
	silence speech = iota // it waits for the server
	jargon                // neither of the two below
	inTLS
	inHTTP // HTTP/1
)

// caller is a client at a transparent door, as far as it has introduced itself.
type caller struct {
	speaks speech
	name   string // HOST or HOST:PORT that it wants; empty: it does not say
	proxy  bool   // what it says is meant for a proxy: CONNECT, or a whole URL
	tunnel bool   // it says CONNECT
	door   *listener.Conn
	origin netip.AddrPort // where it was on its way to; zero: here, or nobody knows
}

// admitDoor lets a client in that came by a transparent door, which knows nothing of us. A host in the rules is answered as
// if the client had sent a CONNECT to it, so that nothing but that host is to be had: not the console, no gateway, no other
// host. All others are passed on untouched, so that a client, and a page in a browser, gets what it would get without us.
func (s *Server) admitDoor(g *guest, door *listener.Conn) {
	c := &caller{door: door}
	if origin, err := door.Original(); err == nil {
		c.origin = origin
		if port := origin.Port(); port != 80 && port != 443 {
			g.wait = oddWait
		}
	}
	if !g.introduce(c) {
		g.Close()
		return
	}
	place := c.place()
	switch {
	case s.Own != nil && s.Own(g.client.From, g.client.To):
		s.warn("Hither's own connection was led back to it", "to", g.client.To,
			"error", "exempt Hither in the redirect rule: add `meta skuid != hither` to nft, or `-m owner ! --uid-owner hither` to iptables")
		g.Close()
	case place != "" && !c.tunnel && s.answers(c, place):
		g.target, g.wait = place, 0
		s.welcome(g, c)
	case c.origin.IsValid():
		s.toOrigin(g, c)
	case place != "" && !c.proxy && c.speaks != silence:
		// The mark keeps names out of the private network: what DNS leads here are names in the rules, and pages that had
		// their own name point at us (DNS rebinding).
		s.passOn(mark.Public(s.ctx), g, c, place)
	default:
		s.dismiss(g, c)
	}
}

// introduce hears what the client says first, and leaves it to be read. False: the client has left without a word, as
// browsers do that connect ahead of time.
func (g *guest) introduce(c *caller) bool {
	first, err := g.peek()
	switch {
	case err != nil:
		return errors.Is(err, os.ErrDeadlineExceeded)
	case first == tlsHandshake:
		c.speaks, c.name = inTLS, g.serverName()
	case isToken(first):
		g.readHead(c)
	default:
		c.speaks = jargon
	}
	return true
}

// place is HOST:PORT that the client wants; empty: it does not say, or it is none. A name alone has the port that the client
// was on its way to, or else the usual one.
func (c *caller) place() string {
	host, port := splitHost(c.name)
	usual := defaultPort("http")
	if c.speaks == inTLS {
		usual = defaultPort("https")
	}
	if c.origin.IsValid() {
		port = cmp.Or(port, strconv.Itoa(int(c.origin.Port())))
	}
	_, err := netip.ParseAddr(host)
	switch {
	case host == "" || err == nil: // of an address it could only be us
		return ""
	case !c.origin.IsValid() && port != "" && port != usual: // nobody is led here for another port
		return ""
	}
	place := net.JoinHostPort(host, cmp.Or(port, usual))
	if !validTarget(place) {
		return ""
	}
	return place
}

// answers says whether a place is ours to answer for.
func (s *Server) answers(c *caller, place string) bool {
	if c.speaks == inTLS {
		return s.vouches(place)
	}
	_, ruled := s.Rules().Host(place)
	return ruled
}

func (s *Server) welcome(g *guest, c *caller) {
	if c.speaks == inTLS {
		s.admitTLS(g)
		return
	}
	s.toPlain.offer(s.newHot(g, realm("http", g.target), nil, g.client))
}

// toOrigin passes a client on to where it was on its way to. Of a neighbour only what leads through this machine is
// believed, and not what would be on it: its way there may be barred, ours is not.
func (s *Server) toOrigin(g *guest, c *caller) {
	at := c.origin.Addr()
	here := at.IsLoopback() || at.IsLinkLocalUnicast() || at.IsUnspecified() || at.IsMulticast()
	if here && !c.door.Local() || s.isSelf(c.origin.String()) {
		s.dismiss(g, c)
		return
	}
	s.passOn(s.ctx, g, c, c.origin.String())
}

// passOn tunnels to addr.
func (s *Server) passOn(ctx context.Context, g *guest, c *caller, addr string) {
	began := time.Now()
	far, err := s.reach(ctx, addr)
	if err != nil {
		s.warn("a tunnel could not be opened", "to", addr, "error", err)
		status, sentence := describe(cmp.Or(c.name, addr), err)
		g.refuse(c, status, sentence)
		return
	}
	s.done(Done{Tunnel: true})
	s.log().Info("tunnel", "to", addr, "for", c.name, "took", time.Since(began).Round(time.Millisecond))
	join(g, far)
}

// dismiss is for clients that nobody can be found for.
func (s *Server) dismiss(g *guest, c *caller) {
	status, sentence := http.StatusMisdirectedRequest, "This host is not served here, and where else it is nobody said. Look at DNS and the hosts file, which led here."
	switch {
	case c.tunnel:
		status, sentence = http.StatusMethodNotAllowed, "This is no proxy. Ask the proxy's own address."
	case c.proxy:
		sentence = "This is no proxy. Ask the proxy's own address."
	case c.name == "":
		status, sentence = http.StatusBadRequest, "The request names no host. Send a Host field."
	}
	g.refuse(c, status, sentence)
}

// refuse says no in the client's language, as far as we have it, and closes. What the client still sends is read for a
// moment: the system would take back our word otherwise.
func (g *guest) refuse(c *caller, status int, sentence string) {
	defer g.Close()
	g.Conn.SetDeadline(time.Now().Add(refuseWait))
	switch c.speaks {
	case inHTTP:
		_ = rejection(nil, status, sentence).Write(g) // a client that has left needs no answer
	case inTLS:
		_, _ = g.Write([]byte{tlsAlert, 3, 3, 0, 2, fatal, unrecognizedName})
	default:
		return
	}
	_ = g.CloseWrite()
	_, _ = io.CopyN(io.Discard, g, maxHeader)
}

// The alert of a server that has nobody of that name (RFC 6066, section 3; RFC 8446, section 6).
const (
	tlsAlert         = 0x15
	fatal            = 2
	unrecognizedName = 112
)
