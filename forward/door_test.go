package forward_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hither/forward"
	"hither/forward/dial"
	"hither/forward/fetch"
	"hither/forward/listener"
)

// where a client of the door was on its way to.
const (
	toTLS  = "192.0.2.7:443"
	toHTTP = "192.0.2.7:80"
	toOdd  = "192.0.2.7:2222"
	toSelf = "127.0.0.1:443"
	toMeta = "169.254.169.254:80"
)

// door is a transparent door whose clients the kernel led to it on their way to original; empty: DNS did. neighbours are
// clients of another machine or container.
func (w *world) door(original string, neighbours bool) string {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	d := doorway{Listener: l, local: !neighbours}
	if original != "" {
		d.original = netip.MustParseAddrPort(original)
	}
	go w.server.Serve(d)
	return l.Addr().String()
}

type doorway struct {
	net.Listener
	original netip.AddrPort
	local    bool
}

func (d doorway) Accept() (net.Conn, error) {
	c, err := d.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return listener.NewConn(c.(*net.TCPConn), d.original, d.local), nil
}

// call sends bytes to a door.
func (w *world) call(door, text string) (net.Conn, *bufio.Reader) {
	w.t.Helper()
	conn, err := net.Dial("tcp", door)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(conn, text)
	return conn, bufio.NewReader(conn)
}

// answer reads one answer as "STATUS body"; "closed" if there is none.
func answer(r *bufio.Reader) string {
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		return "closed"
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return "broken"
	}
	return fmt.Sprintf("%d %s", res.StatusCode, strings.TrimSpace(string(body)))
}

func (w *world) dialledLast() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.dialed) == 0 {
		return "nobody"
	}
	return w.dialed[len(w.dialed)-1]
}

func TestTLSAtATransparentDoor(t *testing.T) {
	tests := []struct {
		name, sni, original string
		neighbours          bool
		want                string // who answers, and whom we dialled
	}{
		{"a host of the rules", host, "", false, "we"},
		{"a host of the rules, redirected", host, toTLS, false, "we"},
		{"a host of the rules, on a port of its own", host, "192.0.2.7:8443", false, "origin at 192.0.2.7:8443"},
		{"a stranger that DNS led here", alien, "", false, "origin at " + alien + ":443"},
		{"a stranger, redirected", alien, toTLS, false, "origin at " + toTLS},
		{"no name", "", "", false, "alert unrecognized name"},
		{"no name, redirected", "", toTLS, false, "origin at " + toTLS},
		{"our own listener, redirected", alien, "SELF", false, "alert unrecognized name"},
		{"this machine, by its own program", alien, toSelf, false, "origin at " + toSelf},
		{"this machine, by a neighbour", alien, toSelf, true, "alert unrecognized name"},
		{"a host of the rules, by a neighbour", host, toTLS, true, "we"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.setFetch(content("ours", nil))
			if test.original == "SELF" {
				test.original = w.addr
			}
			conn, _ := w.call(w.door(test.original, test.neighbours), "")
			secure := tls.Client(conn, &tls.Config{ServerName: test.sni, InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
			got := "alert unrecognized name"
			if err := secure.Handshake(); err == nil {
				got = "we"
				if secure.ConnectionState().PeerCertificates[0].Equal(w.origin.Certificate()) {
					got = "origin at " + w.dialledLast()
				}
				fmt.Fprintf(secure, "GET /forever/a HTTP/1.1\r\nHost: %s\r\n\r\n", test.sni)
				if reply := answer(bufio.NewReader(secure)); !strings.HasPrefix(reply, "200 o") {
					t.Errorf("got:  %s\nwant: an answer", reply)
				}
			} else if !strings.Contains(err.Error(), "unrecognized name") {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("got:  %s\nwant: %s", got, test.want)
			}
		})
	}
}

func TestHTTPAtATransparentDoor(t *testing.T) {
	fetched := "200 ours"
	passed := func(line string) string { return "200 origin " + line }
	tests := []struct {
		name, text, original string
		want, dialled        string
	}{
		{"a host of the rules", "GET /forever/a HTTP/1.1\r\nHost: " + host + "\r\n\r\n", "", fetched, ""},
		{"a host of the rules, redirected", "GET /forever/a HTTP/1.1\r\nHost: " + host + "\r\n\r\n", toHTTP, fetched, ""},
		{"with its port", "GET /forever/a HTTP/1.1\r\nHost: " + host + ":80\r\n\r\n", "", fetched, ""},
		{"as a whole URL", "GET http://" + host + "/forever/a HTTP/1.1\r\nHost: x\r\n\r\n", "", fetched, ""},
		{"in HTTP/1.0", "GET /forever/a HTTP/1.0\r\nHost: " + host + "\r\n\r\n", "", fetched, ""},
		{"with bare line feeds", "GET /a HTTP/1.1\nHost: " + alien + "\n\n", "", passed("GET /a"), alien + ":80"},
		{"a stranger that DNS led here", "GET /a HTTP/1.1\r\nHost: " + alien + "\r\n\r\n", "", passed("GET /a"), alien + ":80"},
		{"a stranger, redirected", "GET /a HTTP/1.1\r\nHost: " + alien + "\r\n\r\n", toHTTP, passed("GET /a"), toHTTP},
		{"an address, redirected", "GET /a HTTP/1.1\r\nHost: 192.0.2.7\r\n\r\n", toHTTP, passed("GET /a"), toHTTP},
		{"a body that streams", "PUT /a HTTP/1.1\r\nHost: " + alien + "\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", "", passed("PUT /a hi"), alien + ":80"},
		{"no host", "GET / HTTP/1.0\r\n\r\n", "", "400", ""},
		{"no host, redirected", "GET / HTTP/1.0\r\n\r\n", toHTTP, passed("GET /"), toHTTP},
		{"two hosts", "GET / HTTP/1.1\r\nHost: " + host + "\r\nHost: " + alien + "\r\n\r\n", "", "400", ""},
		{"two hosts, redirected", "GET / HTTP/1.1\r\nHost: " + host + "\r\nHost: " + alien + "\r\n\r\n", toHTTP, "400", toHTTP},
		{"a field without a colon", "GET / HTTP/1.1\r\nHost: " + alien + "\r\nx\r\n\r\n", "", "400", ""},
		{"another port than clients are led here for", "GET / HTTP/1.1\r\nHost: " + alien + ":25\r\n\r\n", "", "421", ""},
		{"an address that DNS cannot have led here", "GET / HTTP/1.1\r\nHost: 192.0.2.9\r\n\r\n", "", "421", ""},
		{"a name that is none", "GET / HTTP/1.1\r\nHost: a/b@c\r\n\r\n", "", "421", ""},
		{"a stranger's whole URL: no proxy", "GET http://" + alien + "/ HTTP/1.1\r\nHost: " + alien + "\r\n\r\n", "", "421", ""},
		{"a stranger's whole URL to a proxy", "GET http://" + alien + "/ HTTP/1.1\r\nHost: " + alien + "\r\n\r\n", toHTTP, passed("GET http://" + alien + "/"), toHTTP},
		{"CONNECT: no proxy", "CONNECT " + alien + ":443 HTTP/1.1\r\nHost: " + alien + ":443\r\n\r\n", "", "405", ""},
		{"CONNECT to a host of the rules", "CONNECT " + host + ":443 HTTP/1.1\r\nHost: " + host + ":443\r\n\r\n", "", "405", ""},
		{"CONNECT to a proxy, redirected", "CONNECT " + host + ":443 HTTP/1.1\r\nHost: " + host + ":443\r\n\r\n", toHTTP, passed("CONNECT " + host + ":443"), toHTTP},
		{"our own address", "GET /reg/forever/a HTTP/1.1\r\nHost: SELF\r\n\r\n", "", "421", ""},
		{"a name of ours", "GET /reg/forever/a HTTP/1.1\r\nHost: hither.test\r\n\r\n", "", "508", ""},
		{"the gateway's path at a host of the rules", "GET /reg/forever/a HTTP/1.1\r\nHost: " + host + "\r\n\r\n", "", passed("GET /reg/forever/a"), ""},
		{"HTTP/2 in the clear", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "", "closed", ""},
		{"what is no HTTP", "SSH-2.0-x\r\n", "", "closed", ""},
		{"what is no text", "\x05\x01\x00", "", "closed", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.setFetch(content("ours", nil))
			w.setDial(func(ctx context.Context, network, addr string) (net.Conn, error) {
				if addr == "hither.test:80" {
					return nil, dial.ErrSelf
				}
				at := w.origin
				if strings.HasSuffix(addr, ":80") {
					at = w.clear
				}
				return new(net.Dialer).DialContext(ctx, network, at.Listener.Addr().String())
			})
			_, r := w.call(w.door(test.original, false), strings.ReplaceAll(test.text, "SELF", w.addr))
			got := answer(r)
			if got != test.want && (len(test.want) != 3 || !strings.HasPrefix(got, test.want+" ")) {
				t.Errorf("got:  %s\nwant: %s", got, test.want)
			}
			if test.dialled != "" && w.dialledLast() != test.dialled {
				t.Errorf("dialled\ngot:  %s\nwant: %s", w.dialledLast(), test.dialled)
			}
		})
	}
}

func TestAServerThatSpeaksFirstIsReachedOnItsPort(t *testing.T) {
	w := newWorld(t)
	far := w.far()
	_, r := w.call(w.door(toOdd, false), "")
	origin, err := far.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer origin.Close()
	io.WriteString(origin, "220 welcome\r\n")
	if got := line(r); got != "220 welcome" || w.dialledLast() != toOdd {
		t.Errorf("got:  %s from %s\nwant: 220 welcome from %s", got, w.dialledLast(), toOdd)
	}
}

// A head that comes slowly on such a port is passed on, as far as it came.
func TestAHalfHeadIsPassedOnFromAnOddPort(t *testing.T) {
	w := newWorld(t)
	far := w.far()
	conn, _ := w.call(w.door(toOdd, false), "GET / HTTP/1.1\r\nHo")
	origin, err := far.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer origin.Close()
	io.WriteString(conn, "st: x\r\n\r\n")
	origin.SetDeadline(time.Now().Add(20 * time.Second))
	got := make([]byte, 27)
	if io.ReadFull(origin, got); string(got) != "GET / HTTP/1.1\r\nHost: x\r\n\r\n" {
		t.Errorf("got:  %q\nwant: all of it", got)
	}
}

func TestAHeadThatComesInPiecesIsUnderstood(t *testing.T) {
	w := newWorld(t)
	w.setFetch(content("ours", nil))
	conn, r := w.call(w.door("", false), "")
	for _, c := range "GET /forever/a HTTP/1.1\r\nHost: " + host + "\r\n\r\n" {
		io.WriteString(conn, string(c))
	}
	if got := answer(r); got != "200 ours" {
		t.Errorf("got:  %s\nwant: 200 ours", got)
	}
}

func TestOurOwnConnectionThatWasLedBackIsClosed(t *testing.T) {
	var client, destination atomic.Value
	w := newWorld(t, func(s *forward.Server) {
		s.Own = func(local, remote netip.AddrPort) bool {
			client.Store(local)
			destination.Store(remote)
			return true
		}
	})
	conn, r := w.call(w.door(toHTTP, false), "GET / HTTP/1.1\r\nHost: "+alien+"\r\n\r\n")
	if got := answer(r); got != "closed" || w.dialledLast() != "nobody" {
		t.Errorf("got:  %s, dialled %s\nwant: closed, dialled nobody", got, w.dialledLast())
	}
	if client.Load().(netip.AddrPort).String() != conn.LocalAddr().String() || destination.Load().(netip.AddrPort).String() != toHTTP {
		t.Errorf("got:  %v to %v\nwant: %v to %s", client.Load(), destination.Load(), conn.LocalAddr(), toHTTP)
	}
	if !strings.Contains(w.log.String(), "meta skuid") {
		t.Errorf("the log\ngot:  %s\nwant: how to exempt Hither", w.log)
	}
}

// Our own connection comes back by a name that leads to the door, too; the door then knows of no destination but itself.
func TestOurOwnConnectionByNameIsClosed(t *testing.T) {
	w := newWorld(t, func(s *forward.Server) {
		s.Own = func(_, remote netip.AddrPort) bool { return remote.Addr().IsLoopback() }
	})
	_, r := w.call(w.door("", false), "GET / HTTP/1.1\r\nHost: "+alien+"\r\n\r\n")
	if got := answer(r); got != "closed" || w.dialledLast() != "nobody" {
		t.Errorf("got:  %s, dialled %s\nwant: closed, dialled nobody", got, w.dialledLast())
	}
}

// Clients that try again and again do not fill the disk with our warnings.
func TestWarningsThatClientsCauseAreFew(t *testing.T) {
	w := newWorld(t)
	w.unreachable()
	door := w.door("", false)
	for range 50 {
		_, r := w.call(door, "GET / HTTP/1.1\r\nHost: "+alien+"\r\n\r\n")
		answer(r)
	}
	if got := strings.Count(w.log.String(), "a tunnel could not be opened"); got != 20 {
		t.Errorf("got:  %d warnings\nwant: 20", got)
	}
}

// Nor does a registry that fails while a client asks for hundreds of packages.
func TestWarningsOfFailedRequestsAreFew(t *testing.T) {
	w := newWorld(t)
	w.setFetch(func(fetch.Request) (*fetch.Answer, error) { return nil, errors.New("no route to host") })
	c := w.client(true)
	for range 50 {
		get(t, c, "https://"+host+"/minute/a")
	}
	if got := strings.Count(w.log.String(), "a request failed"); got != 20 {
		t.Errorf("got:  %d warnings\nwant: 20", got)
	}
}

func TestANeighbourDoesNotReachThisMachinesOwnServices(t *testing.T) {
	w := newWorld(t)
	request := "GET / HTTP/1.1\r\nHost: x.test\r\n\r\n"
	for _, original := range []string{toMeta, "127.0.0.1:80", "[fe80::1]:80", "0.0.0.0:80", "[::1]:80"} {
		if _, r := w.call(w.door(original, true), request); !strings.HasPrefix(answer(r), "421 ") {
			t.Errorf("%s\ngot:  an answer\nwant: 421", original)
		}
	}
	if _, r := w.call(w.door(toMeta, false), request); !strings.HasPrefix(answer(r), "200 ") {
		t.Error("a program of this machine\ngot:  no answer\nwant: as without us")
	}
}

type table map[string]string

func (t table) LookupNetIP(_ context.Context, host string) ([]netip.Addr, error) {
	if a, ok := t[host]; ok {
		return []netip.Addr{netip.MustParseAddr(a)}, nil
	}
	return nil, errors.New("no such host")
}

// DNS rebinding: a page has its own name point first at us, then into the private network.
func TestANameThatLeadsIntoThePrivateNetworkIsNotPassedOn(t *testing.T) {
	w := newWorld(t)
	reached := errors.New("reached")
	d := &dial.Dialer{
		Resolver: table{"rebind.test": "192.168.1.1", "loop.test": "127.0.0.1", "fine.test": "198.51.100.1"},
		Connect:  func(context.Context, string, string) (net.Conn, error) { return nil, reached },
	}
	var last error
	w.setDial(func(ctx context.Context, network, addr string) (net.Conn, error) {
		var conn net.Conn
		conn, last = d.DialContext(ctx, network, addr)
		return conn, last
	})
	for name, want := range map[string]error{"rebind.test": dial.ErrPrivate, "loop.test": dial.ErrPrivate, "fine.test": reached} {
		_, r := w.call(w.door("", false), "GET / HTTP/1.1\r\nHost: "+name+"\r\n\r\n")
		if got := answer(r); !strings.HasPrefix(got, "502 ") || !errors.Is(last, want) {
			t.Errorf("%s\ngot:  %s, %v\nwant: 502, %v", name, got, last, want)
		}
	}
}

// The peers of a redirected connection are known by the address that the client believes to speak to.
func TestAClientIsToldByWhereItWentTo(t *testing.T) {
	w := newWorld(t)
	w.setFetch(content("ours", nil))
	_, r := w.call(w.door(toHTTP, false), "GET /minute/a HTTP/1.1\r\nHost: "+host+"\r\n\r\n")
	answer(r)
	wish, ok := w.lastWish()
	if !ok || wish.Client == nil || wish.Client.To.String() != toHTTP {
		t.Errorf("got:  %+v\nwant: a client on its way to %s", wish.Client, toHTTP)
	}
}
