package dial

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpproxy"
	"golang.org/x/net/proxy"

	"hither/forward/mark"
)

// maxConsent bounds what an upstream proxy may say before the tunnel begins, in bytes.
const maxConsent = 64 << 10

// proxied says whether host is reached by the upstream proxy. This machine, private addresses and names without a dot
// are not: the proxy stands elsewhere and knows others under them.
func (d *Dialer) proxied(host string) bool {
	if d.Proxy == nil || OwnNetwork(host) {
		return false
	}
	_, err := netip.ParseAddr(host)
	if err != nil && !strings.Contains(strings.TrimSuffix(host, "."), ".") {
		return false
	}
	return d.Bypass == nil || !d.Bypass(host)
}

// PlainProxy is for http.Transport's Proxy field: requests for http:// URLs go to an http proxy as they are, because many
// of those refuse CONNECT to any port but 443. For all others it returns nil, and DialContext does what is needed.
func (d *Dialer) PlainProxy(req *http.Request) (*url.URL, error) {
	host := req.URL.Hostname()
	if mark.IsPublic(req.Context()) && ownOrOdd(host) {
		return nil, fmt.Errorf("an upstream sends us to %s: %w", host, ErrPrivate)
	}
	if req.URL.Scheme != "http" || !d.proxied(host) || d.Proxy.Scheme != "http" {
		return nil, nil
	}
	return d.Proxy, nil
}

// dialProxy makes a tunnel to addr.
func (d *Dialer) dialProxy(ctx context.Context, addr string) (net.Conn, error) {
	var conn net.Conn
	var err error
	switch d.Proxy.Scheme {
	case "http", "https":
		conn, err = d.dialConnect(ctx, addr)
	case "socks5", "socks5h":
		conn, err = d.dialSocks(ctx, addr)
	default:
		err = errors.New("its kind is not known; use http://, https:// or socks5://")
	}
	if err != nil {
		return nil, fmt.Errorf("upstream proxy %s://%s: %w", d.Proxy.Scheme, d.Proxy.Host, err)
	}
	return conn, nil
}

// toProxy connects to the proxy itself, in plain TCP. It is the user's choice, wherever it stands.
func (d *Dialer) toProxy(ctx context.Context) (net.Conn, error) {
	host, port, err := split(HostPort(d.Proxy))
	if err != nil {
		return nil, err
	}
	return d.dialDirect(mark.Private(ctx), "tcp", host, port)
}

func (d *Dialer) dialSocks(ctx context.Context, addr string) (net.Conn, error) {
	var auth *proxy.Auth
	if user := d.Proxy.User; user != nil {
		password, _ := user.Password()
		auth = &proxy.Auth{User: user.Username(), Password: password}
	}
	dialer, err := proxy.SOCKS5("tcp", HostPort(d.Proxy), auth, forward{d})
	if err != nil {
		return nil, err
	}
	return dialer.(proxy.ContextDialer).DialContext(ctx, "tcp", addr)
}

// forward is how x/net/proxy reaches the proxy.
type forward struct{ d *Dialer }

func (f forward) Dial(network, addr string) (net.Conn, error) {
	return f.DialContext(context.Background(), network, addr) //nolint:forbidigo // proxy.Dialer has no context; nobody calls it who has one
}

func (f forward) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	return f.d.toProxy(ctx)
}

// dialConnect asks the proxy for a tunnel (RFC 9110, 9.3.6).
func (d *Dialer) dialConnect(ctx context.Context, addr string) (net.Conn, error) {
	conn, err := d.toProxy(ctx)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	tunnel, err := d.tunnel(ctx, conn, addr)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if stranger := new(tls.CertificateVerificationError); errors.As(err, &stranger) {
		d.Doubt(d.Proxy.Hostname(), time.Now()) // for who comes next
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return tunnel, nil
}

func (d *Dialer) tunnel(ctx context.Context, conn net.Conn, addr string) (net.Conn, error) {
	if d.Proxy.Scheme == "https" {
		secure := tls.Client(conn, &tls.Config{ServerName: d.Proxy.Hostname(), RootCAs: d.RootCAs, MinVersion: tls.VersionTLS12})
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		conn = secure
	}
	if _, err := io.WriteString(conn, d.request(addr)); err != nil {
		return nil, err
	}
	r := bufio.NewReader(io.LimitReader(conn, maxConsent))
	resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return nil, fmt.Errorf("no answer to CONNECT %s: %w", addr, err)
	}
	if resp.StatusCode == http.StatusProxyAuthRequired {
		return nil, WantsPassword(d.Proxy)
	}
	if resp.StatusCode/100 != 2 {
		err := fmt.Errorf("it answered %q to CONNECT %s", resp.Status, addr)
		if resp.StatusCode/100 == 4 { // others may be for want of a network there
			return nil, denial{err}
		}
		return nil, err
	}
	early, _ := r.Peek(r.Buffered())
	if len(early) == 0 {
		return conn, nil
	}
	return &begun{Conn: conn, rest: io.MultiReader(bytes.NewReader(early), conn)}, nil
}

// WantsPassword says what to do about a 407.
func WantsPassword(proxy *url.URL) error {
	if proxy.User != nil {
		return denial{errors.New("it does not take the user and password in its address; write those it knows, with %XX for what is no letter or digit")}
	}
	return denial{errors.New("it wants a user and a password; write them into its address as http://USER:PASSWORD@HOST:PORT")}
}

// denial is a proxy's refusal.
type denial struct{ error }

func (d denial) Is(target error) bool { return target == ErrDenied }

func (d *Dialer) request(addr string) string {
	auth := ""
	if user := d.Proxy.User; user != nil {
		password, _ := user.Password()
		auth = "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password)) + "\r\n"
	}
	return "CONNECT " + addr + " HTTP/1.1\r\nHost: " + addr + "\r\n" + auth + "\r\n"
}

// begun is a tunnel whose first bytes came with the proxy's consent.
type begun struct {
	net.Conn
	rest io.Reader
}

// NetConn is the connection to the proxy.
func (b *begun) NetConn() net.Conn { return b.Conn }

func (b *begun) Read(p []byte) (int, error) { return b.rest.Read(p) }

// HostPort is where the server of a URL listens: at its port, else at that of its scheme, which is 1080 for SOCKS.
func HostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	if port == "" {
		port = "1080"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// Port is where the server of a URL listens: at its port, else 443 for https and 80 for all others.
func Port(u *url.URL) string {
	if u.Port() == "" && u.Scheme == "https" {
		return "443"
	}
	if u.Port() == "" {
		return "80"
	}
	return u.Port()
}

// ParseProxy reads the address of an upstream proxy; without a scheme it is http. Its errors do not tell the value.
func ParseProxy(value string) (*url.URL, error) {
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	u, err := url.Parse(value)
	if err != nil || u.Hostname() == "" || !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) {
		return nil, errors.New("this is not the address of a proxy; write http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT")
	}
	return u, nil
}

// BypassFromEnvironment reads NO_PROXY, in either case, for Dialer's Bypass.
func BypassFromEnvironment() func(host string) bool {
	without := httpproxy.FromEnvironment().NoProxy
	ask := (&httpproxy.Config{HTTPSProxy: "http://proxy.invalid", NoProxy: without}).ProxyFunc()
	return func(host string) bool {
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		u, err := ask(&url.URL{Scheme: "https", Host: host})
		return err == nil && u == nil
	}
}
