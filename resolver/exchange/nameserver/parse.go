// Package nameserver asks name servers. [Parse] reads one: plain ([Plain]), over TLS, HTTPS or QUIC. [Split] asks the servers of
// the system's links for the names that they claim; [Roster] asks servers of a list that changes. All of these have Close, and
// Forget for when the network changed; those made of others also have Probe and Seen, by which servers are found that lead back
// to us.
//
//	upstream, err := nameserver.Parse("tls://dns.example#192.0.2.1", nameserver.Options{Self: isOurs})
//	network := &nameserver.Split{Self: isOurs}
//	upstreams := &group.Group{Upstreams: []exchange.Exchanger{upstream}, Fallback: network}
//	split := &nameserver.Split{Else: upstreams, Self: isOurs}
//	reply, err := split.Exchange(ctx, q)
package nameserver

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

	"hither/resolver/exchange"
	"hither/resolver/exchange/letter"
	"hither/resolver/exchange/lookup"
)

const (
	plainPort = 53
	tlsPort   = 853 // DNS over TLS (RFC 7858, 3.1) and over QUIC (RFC 9250, 4.1.1)
	httpsPort = 443
	// maxURL bounds the text of an upstream, in bytes.
	maxURL = 2048
)

// Options is what [Parse] needs to know beside the URL. The zero value works.
type Options struct {
	// Lookup finds the addresses of a host whose URL does not say them; [lookup.Resolver.LookupNetIP] fits. It must not ask us. nil: the servers this machine
	// is set up with, without those that are we.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Doubt is told of a host that did not answer, or was somebody else, so that Lookup asks anew; [lookup.Resolver.Doubt] fits. nil: nobody is.
	Doubt func(host string, since time.Time) bool
	// Self says which addresses are our own listeners; an upstream there is refused. nil: none.
	Self func(netip.AddrPort) bool
	// RootCAs are whom an encrypted upstream's certificate must come from. nil: those the system trusts.
	RootCAs *x509.CertPool
}

// Parse reads an upstream:
//
//	192.0.2.1   192.0.2.1:5353   [2001:db8::1]:53   udp://192.0.2.1   UDP, and TCP where that fails
//	tcp://192.0.2.1                                                   TCP alone
//	tls://dns.example   tls://dns.example:853#192.0.2.1,2001:db8::1   DNS over TLS (RFC 7858)
//	https://dns.example/dns-query   https://dns.example/q{?dns}       DNS over HTTPS (RFC 8484) by POST; by GET
//	h3://dns.example/dns-query                                        the same over HTTP/3 alone
//	quic://dns.example                                                DNS over QUIC (RFC 9250)
//
// Behind # stand the addresses of the host, so that it need not be looked up. Nothing is connected before the first
// question. The Exchanger has String, and Close and Forget like [group.Group]'s, which hands them on. Errors say what to write.
func Parse(text string, o Options) (exchange.Exchanger, error) {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > maxURL {
		return nil, errors.New("an upstream is empty or too long; write an address like 192.0.2.1 or a URL like tls://dns.example")
	}
	if !strings.Contains(text, "://") {
		server, err := parsePlain(text)
		if err != nil {
			return nil, err
		}
		return o.plain(text, "udp", server)
	}
	text, template := strings.CutSuffix(text, "{?dns}")
	if head, tail, found := strings.Cut(text, "{?dns}#"); found {
		text, template = head+"#"+tail, true
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%q is not a URL of an upstream; write it like tls://dns.example or https://dns.example/dns-query", redact(text))
	}
	return o.parse(u, template)
}

func (o Options) parse(u *url.URL, template bool) (exchange.Exchanger, error) {
	scheme := strings.ToLower(u.Scheme)
	web := scheme == "https" || scheme == "h3"
	switch {
	case u.User != nil:
		return nil, fmt.Errorf("%s: a name server takes no user name or password; leave them out", u.Redacted())
	case scheme == "sdns":
		return nil, errors.New("sdns:// stamps are not understood; write the server they stand for, as tls:// or https://")
	case scheme == "http":
		return nil, fmt.Errorf("%s: without TLS anybody on the way can answer; write https://", u.Redacted())
	case !web && (u.Path != "" && u.Path != "/" || u.RawQuery != "" || template):
		return nil, fmt.Errorf("%s: only https:// and h3:// have a path; leave it out", u.Redacted())
	}
	e, err := o.endpoint(u, map[string]uint16{"udp": plainPort, "tcp": plainPort, "https": httpsPort, "h3": httpsPort}[scheme])
	if err != nil {
		return nil, err
	}
	name := (&url.URL{Scheme: scheme, Host: u.Host, Path: u.Path}).String()
	switch scheme {
	case "udp", "tcp":
		addr, err := netip.ParseAddr(e.host)
		if err != nil || len(e.addrs) > 0 {
			return nil, fmt.Errorf("%s: %s needs an address, not a name; write %s://192.0.2.1", u.Redacted(), scheme, scheme)
		}
		return o.plain(name, scheme, netip.AddrPortFrom(addr.Unmap(), e.port))
	case "tls":
		return overTLS(name, e), nil
	case "quic":
		return overQUIC(name, e), nil
	case "https", "h3":
		return newWebUpstream(name, newPage(u, template), e, scheme == "h3"), nil
	}
	return nil, fmt.Errorf("%s: %q is not a way to ask a name server; write udp, tcp, tls, https, h3 or quic before ://", u.Redacted(), u.Scheme)
}

func newPage(u *url.URL, template bool) *page {
	at := *u
	at.Scheme, at.Fragment, at.RawFragment = "https", "", ""
	if at.Path == "" {
		at.Path = "/dns-query"
	}
	p := &page{url: &at}
	p.get.Store(template)
	return p
}

// plain makes an upstream without encryption.
func (o Options) plain(name, scheme string, server netip.AddrPort) (exchange.Exchanger, error) {
	if o.Self != nil && o.Self(server) {
		return nil, fmt.Errorf("%s is Hither itself, which would ask itself for ever; name another server", name)
	}
	if scheme == "udp" {
		return NewPlain(server), nil
	}
	return &stream{url: name, as: letter.Open, trusted: letter.OfThisMachine(server.Addr()), line: &warm{open: func(ctx context.Context) (carrier, error) { return dialPipe(ctx, server) }}}, nil
}

// endpoint reads host, port and addresses of a URL.
func (o Options) endpoint(u *url.URL, port uint16) (*endpoint, error) {
	e := &endpoint{host: strings.TrimSuffix(strings.ToLower(u.Hostname()), "."), port: port, lookup: o.Lookup, doubt: o.Doubt, self: o.Self, roots: o.RootCAs}
	if port == 0 {
		e.port = tlsPort
	}
	if text := u.Port(); text != "" {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("%s: %q is not a port; leave it out or write one from 1 to 65535", u.Redacted(), text)
		}
		e.port = uint16(n)
	}
	var err error
	if e.addrs, err = bootstrap(u.Fragment); err != nil {
		return nil, fmt.Errorf("%s: %w", u.Redacted(), err)
	}
	if addr, err := netip.ParseAddr(e.host); err == nil {
		if at := netip.AddrPortFrom(addr.Unmap(), e.port); o.Self != nil && o.Self(at) {
			return nil, fmt.Errorf("%s is Hither itself, which would ask itself for ever; name another server", u.Redacted())
		}
		if len(e.addrs) == 0 && u.Scheme != "udp" && u.Scheme != "tcp" {
			e.addrs = []netip.Addr{addr.Unmap()}
		}
	} else if _, ok := dns.IsDomainName(e.host); !ok || e.host == "" || strings.ContainsAny(e.host, " \\/:%") {
		return nil, fmt.Errorf("%s: %q is not a host; write it like tls://dns.example", u.Redacted(), e.host)
	}
	if e.lookup == nil {
		names := &lookup.Resolver{Exchange: &Split{Self: o.Self}}
		e.lookup, e.doubt = names.LookupNetIP, names.Doubt
	}
	return e, nil
}

// bootstrap reads addresses with commas between.
func bootstrap(text string) (addrs []netip.Addr, err error) {
	if text == "" {
		return nil, nil
	}
	for word := range strings.SplitSeq(text, ",") {
		addr, err := netip.ParseAddr(strings.Trim(word, " []"))
		if err != nil {
			return nil, fmt.Errorf("%.60q behind # is not an address; write #192.0.2.1,2001:db8::1", word)
		}
		addrs = append(addrs, addr.Unmap())
	}
	return addrs[:min(len(addrs), maxBootstrap)], nil
}

// parsePlain reads ADDRESS or ADDRESS:PORT.
func parsePlain(text string) (netip.AddrPort, error) {
	if addr, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return netip.AddrPortFrom(addr.Unmap(), plainPort), nil
	}
	server, err := netip.ParseAddrPort(text)
	if err == nil && server.Port() != 0 {
		return netip.AddrPortFrom(server.Addr().Unmap(), server.Port()), nil
	}
	host, _, err := net.SplitHostPort(text)
	if err != nil {
		host = text
	}
	_, isAddr := netip.ParseAddr(host)
	if _, ok := dns.IsDomainName(host); ok && isAddr != nil && strings.Contains(host, ".") && !strings.ContainsAny(host, "/ :") {
		return netip.AddrPort{}, fmt.Errorf("%q is a name, and plain DNS needs an address: write 192.0.2.1, or tls://%s or https://%s/dns-query if it speaks those", text, host, host)
	}
	return netip.AddrPort{}, fmt.Errorf("%q is not the address of a DNS server: write 192.0.2.1 or 192.0.2.1:53, or a URL like tls://dns.example", text)
}

// redact leaves out what may be a password in a URL that does not parse.
func redact(text string) string {
	scheme, rest, _ := strings.Cut(text, "://")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		rest = "…" + rest[at:]
	}
	return scheme + "://" + rest
}
