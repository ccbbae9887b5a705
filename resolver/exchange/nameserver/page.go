package nameserver

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"hither/resolver/exchange/letter"
)

const (
	dnsMessage = "application/dns-message"
	// pingAfter and pingPatience find a dead HTTP/2 connection; without them it costs each question all its patience until
	// the kernel gives up after a quarter of an hour (golang/go#36026).
	pingAfter, pingPatience = 5 * time.Second, 2 * time.Second
	// webIdle is how long an HTTP connection without questions is kept.
	webIdle = 60 * time.Second
)

// page is where questions are asked over HTTP (RFC 8484).
type page struct {
	url *url.URL
	get atomic.Bool  // by GET; else by POST
	alt func(string) // told of Alt-Svc; nil: nobody wants to know
}

// ask puts one question. The id is 0, so that equal questions are equal to caches on the way (RFC 8484, 4.1). broke says
// that the connection was the trouble.
func (p *page) ask(ctx context.Context, by http.RoundTripper, l letter.Letter) (reply *dns.Msg, broke bool, err error) {
	l = l.Under(0)
	resp, err := by.RoundTrip(p.request(ctx, l))
	if err != nil {
		return nil, ctx.Err() == nil, late(ctx, err)
	}
	defer resp.Body.Close()
	if p.alt != nil {
		p.alt(resp.Header.Get("Alt-Svc"))
	}
	if resp.StatusCode == http.StatusMethodNotAllowed && p.get.CompareAndSwap(false, true) {
		return p.ask(ctx, by, l) // POST is not liked here: never again
	}
	if resp.StatusCode != http.StatusOK {
		return nil, false, fmt.Errorf("it answers HTTP %d; look whether the path of the URL is right, most often it is /dns-query", resp.StatusCode)
	}
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind != dnsMessage {
		return nil, false, fmt.Errorf("it answers with %.40q instead of DNS; look whether the path of the URL is right or a sign-in page stands between", kind)
	}
	packet, err := io.ReadAll(io.LimitReader(resp.Body, dns.MaxMsgSize+1))
	if err != nil {
		return nil, ctx.Err() == nil, late(ctx, err)
	}
	reply, err = l.Answered(packet)
	if err != nil {
		return nil, false, err
	}
	age(reply, resp.Header.Get("Age"))
	return reply, false, nil
}

func (p *page) request(ctx context.Context, l letter.Letter) *http.Request {
	at := *p.url
	req := (&http.Request{Method: http.MethodPost, URL: &at, Host: at.Host, Header: http.Header{
		"Accept": {dnsMessage}, "User-Agent": {"hither"},
	}}).WithContext(ctx)
	if p.get.Load() {
		req.Method = http.MethodGet
		query := at.Query()
		query.Set("dns", base64.RawURLEncoding.EncodeToString(l.Wire))
		at.RawQuery = query.Encode()
		return req
	}
	req.Header.Set("Content-Type", dnsMessage)
	req.ContentLength = int64(len(l.Wire))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(l.Wire)), nil }
	req.Body, _ = req.GetBody()
	return req
}

// age takes the time that a reply lay in a cache off its TTLs (RFC 8484, 5.1).
func age(reply *dns.Msg, field string) {
	seconds, err := strconv.ParseUint(field, 10, 31)
	if err != nil {
		return
	}
	for _, section := range [][]dns.RR{reply.Answer, reply.Ns, reply.Extra} {
		for _, r := range section {
			if h := r.Header(); h.Rrtype != dns.TypeOPT {
				h.Ttl -= min(h.Ttl, uint32(seconds))
			}
		}
	}
}

// webCarrier is an HTTP connection.
type webCarrier struct {
	page   *page
	by     http.RoundTripper
	ended  func() bool // nil: broken alone tells
	end    func()
	last   atomic.Int64 // Unix nanoseconds
	broken atomic.Bool
}

func (c *webCarrier) ask(ctx context.Context, l letter.Letter) (*dns.Msg, error) {
	reply, broke, err := c.page.ask(ctx, c.by, l)
	if broke {
		c.broken.Store(true)
	}
	if err == nil {
		c.last.Store(time.Now().UnixNano())
	}
	return reply, err
}

func (c *webCarrier) heard() time.Time { return time.Unix(0, c.last.Load()) }
func (c *webCarrier) dead() bool       { return c.broken.Load() || c.ended != nil && c.ended() }
func (c *webCarrier) close()           { c.end() }

// overHTTP2 makes a carrier that connects when it is first asked. A server without HTTP/2 is asked by HTTP/1.1.
func overHTTP2(ctx context.Context, p *page, e *endpoint) carrier {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // it ends with the carrier
	t := &http.Transport{
		DialContext: func(dialing context.Context, _, _ string) (net.Conn, error) {
			dialing, stop := context.WithTimeout(dialing, openPatience)
			defer stop()
			defer context.AfterFunc(ctx, stop)()
			conn, err := e.dialTCP(dialing)
			if err != nil {
				return nil, err
			}
			return &tied{conn, context.AfterFunc(ctx, func() { conn.Close() })}, nil
		},
		TLSClientConfig: e.secure(), TLSHandshakeTimeout: openPatience, Protocols: protocols,
		HTTP2:           &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingPatience},
		IdleConnTimeout: webIdle, MaxIdleConnsPerHost: 4, MaxConnsPerHost: 32,
		MaxResponseHeaderBytes: 32 << 10, DisableCompression: true,
	}
	c := &webCarrier{page: p, by: t, end: func() { cancel(); t.CloseIdleConnections() }}
	c.last.Store(time.Now().UnixNano())
	return c
}

// tied is a connection that is closed with the carrier: the transport itself closes only idle ones.
type tied struct {
	net.Conn
	untie func() bool
}

func (t *tied) Close() error {
	t.untie()
	return t.Conn.Close()
}

// overHTTP3 makes a carrier that is connected. Its transport holds nothing beside the connection.
func overHTTP3(ctx context.Context, p *page, e *endpoint, port uint16) (carrier, error) {
	conn, err := e.dialQUIC(ctx, port, http3.NextProtoH3)
	if err != nil {
		return nil, err
	}
	t := &http3.Transport{DisableCompression: true, MaxResponseHeaderBytes: 32 << 10}
	c := &webCarrier{
		page: p, by: t.NewClientConn(conn.Conn), ended: func() bool { return conn.Context().Err() != nil },
		end: func() { conn.hangUp(quic.ApplicationErrorCode(http3.ErrCodeNoError)) },
	}
	c.last.Store(time.Now().UnixNano())
	return c, nil
}
