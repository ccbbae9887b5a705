package transport

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"hither/forward/mark"
	"hither/forward/wiretest"
)

// narrowPath is a way on which long packets get lost: a handshake hangs, unless its connection carries short ones.
type narrowPath struct {
	t      *testing.T
	server func(net.Conn)
	hangs  bool // short ones do not help
	dials  []bool
}

func (n *narrowPath) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	n.t.Cleanup(func() { near.Close(); far.Close() })
	n.dials = append(n.dials, mark.IsTight(ctx))
	if n.hangs || !mark.IsTight(ctx) {
		go io.Copy(io.Discard, far)
	} else {
		go n.server(far)
	}
	return near, nil
}

// What a router loses without a word is lost to us alone: the first message of many clients fits in a packet, ours does not.
func TestAHandshakeThatHangsIsTriedWithShortPackets(t *testing.T) {
	s, _ := slowHello(t, false, wiretest.Says("ok"))
	config := s.TLS.Clone()
	config.GetConfigForClient = nil
	serve := func(conn net.Conn) {
		for c := tls.Server(conn, config); ; {
			buf := make([]byte, 64<<10)
			if _, err := c.Read(buf); err != nil {
				return
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	}
	for _, c := range []struct {
		name  string
		hangs bool
		want  string
		dials int
		took  time.Duration
	}{
		{"they help", false, "200 ok", 2, handshakePatience},
		{"they do not", true, "net/http: TLS handshake timeout", 2, 2 * handshakePatience},
	} {
		synctest.Test(t, func(t *testing.T) {
			path := &narrowPath{t: t, server: serve, hangs: c.hangs}
			p := New(Config{RootCAs: rootsOf(s), Dial: path.dial})
			defer p.Close()
			began := time.Now()
			want(t, wiretest.Get(t, p, "https://example.com/"), c.want)
			if took := time.Since(began); took > c.took+time.Second || len(path.dials) != c.dials || path.dials[0] || !path.dials[1] {
				t.Errorf("%s\n got %s, dials %v\nwant %s, the second with short packets", c.name, took, path.dials, c.took)
			}
			p.CloseIdleConnections()
			p.chosen.tight.late("example.com:443", false)
			p.chosen.tight.late("example.com:443", c.hangs)
			began = time.Now()
			want(t, wiretest.Get(t, p, "https://example.com/"), c.want)
			if took := time.Since(began); c.hangs && took > handshakePatience+time.Second || !c.hangs && took > time.Second || path.dials[2] == c.hangs {
				t.Errorf("%s, from then on\n got %s, dials %v\nwant what helps alone", c.name, took, path.dials)
			}
		})
	}
}

func TestAnotherNetworkHasOtherPackets(t *testing.T) {
	p := New(Config{})
	defer p.Close()
	for range maxOrigins + 10 {
		p.chosen.tight.late(time.Now().String(), false)
	}
	p.chosen.tight.late("reg:443", false)
	if got := len(p.chosen.tight.hosts); got > maxOrigins || !p.chosen.tight.has("reg:443") {
		t.Errorf("known\n got %d\nwant %d at most, and the last one", got, maxOrigins)
	}
	p.CloseIdleConnections()
	if p.chosen.tight.has("reg:443") {
		t.Error("it is connected to with short packets on another network, too")
	}
}
