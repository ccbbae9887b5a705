package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// dnsPath asks whether the names of registries lead to Hither, as every program on this machine sees them.
type dnsPath struct{}

// Name implements Check.
func (dnsPath) Name() string { return "dns" }

// Patience is longer than a stub takes to give up on one mute server (5 s), so that this can be said.
func (dnsPath) Patience() time.Duration { return 9 * time.Second }

// lookWait bounds one look-up by the system.
const lookWait = 6 * time.Second

// Run implements Check.
func (c dnsPath) Run(ctx context.Context, p *Patient) []Finding {
	if !p.Daemon.Running {
		return nil
	}
	if len(p.Daemon.DNS) == 0 {
		return []Finding{well("Hither answers no DNS; tools come to it by their proxy or gateway")}
	}
	set := p.resolvConf()
	var own, seen, leaks []Finding
	var all sync.WaitGroup
	all.Go(func() { own = c.own(ctx, p) })
	all.Go(func() { seen = c.seen(ctx, p, set) })
	all.Go(func() { leaks = c.leaks(ctx, p, set) })
	all.Wait()
	return slices.Concat(own, seen, leaks, c.loops(p, set))
}

// own asks our sockets themselves.
func (dnsPath) own(ctx context.Context, p *Patient) (out []Finding) {
	hosts := p.registries()
	if len(hosts) == 0 {
		return nil
	}
	for _, at := range servers(p.Daemon.DNS) {
		began := p.now()
		reply, err := p.ask(ctx, at, new(dns.Msg).SetQuestion(dns.Fqdn(hosts[0]), dns.TypeA))
		switch {
		case err != nil:
			out = append(out, fail(fmt.Sprintf("Hither's DNS on %s does not answer, and each look-up of this machine may wait for it: %v", at, err),
				"Give the machine its old DNS back at once: `"+p.call("restore")+"`; then start Hither again: "+p.again()+"."))
		case !slices.ContainsFunc(answers(reply), p.isDoor):
			out = append(out, warn(fmt.Sprintf("Hither's DNS on %s gives %s its real address: it has stepped aside, because its own TLS door did not answer or its root is not trusted", at, hosts[0]),
				"See why: `"+p.call("status")+"`; look at its log, then start it again.").with("answer", join(answers(reply), netip.Addr.String)))
		default:
			out = append(out, well(fmt.Sprintf("Hither's DNS on %s answers", at)).with("took", p.now().Sub(began).Round(time.Microsecond).String()))
		}
	}
	return out
}

// answers are the addresses in a reply.
func answers(reply *dns.Msg) (addrs []netip.Addr) {
	for _, record := range reply.Answer {
		switch r := record.(type) {
		case *dns.A:
			if addr, ok := netip.AddrFromSlice(r.A); ok {
				addrs = append(addrs, addr.Unmap())
			}
		case *dns.AAAA:
			if addr, ok := netip.AddrFromSlice(r.AAAA); ok {
				addrs = append(addrs, addr)
			}
		}
	}
	return addrs
}

// seen looks every registry up as programs do.
func (c dnsPath) seen(ctx context.Context, p *Patient, set resolvConf) (out []Finding) {
	hosts := p.registries()
	found := make([][]netip.Addr, len(hosts))
	errs := make([]error, len(hosts))
	var all sync.WaitGroup
	for i, host := range hosts {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, lookWait)
			defer cancel()
			found[i], errs[i] = p.look(ctx, host)
		})
	}
	all.Wait()
	var through, past []string
	for i, host := range hosts {
		if len(found[i]) > 0 && allOf(found[i], p.isDoor) {
			through = append(through, host)
		} else {
			past = append(past, host)
		}
	}
	if len(through) > 0 {
		out = append(out, well("this machine's look-ups of "+strings.Join(through, ", ")+" lead to Hither"))
	}
	if len(past) > 0 {
		i := slices.Index(hosts, past[0])
		out = append(out, c.explain(ctx, p, set, past, found[i], errs[i]))
	}
	return out
}

func allOf[T any](list []T, is func(T) bool) bool {
	return !slices.ContainsFunc(list, func(item T) bool { return !is(item) })
}

// leaks asks the machine's servers for HTTPS records: browsers and some clients take the addresses in them, past ours.
func (dnsPath) leaks(ctx context.Context, p *Patient, set resolvConf) []Finding {
	hosts := p.registries()
	if len(hosts) == 0 || len(set.Servers) == 0 {
		return nil
	}
	host := hosts[0]
	first := netip.AddrPortFrom(set.Servers[0], dnsPort)
	reply, err := p.ask(ctx, first, new(dns.Msg).SetQuestion(dns.Fqdn(host), dns.TypeA))
	if err != nil || !slices.ContainsFunc(answers(reply), p.isDoor) {
		return nil // it does not lead to us at all, which is said elsewhere
	}
	reply, err = p.ask(ctx, first, new(dns.Msg).SetQuestion(dns.Fqdn(host), dns.TypeHTTPS))
	if err != nil || !slices.ContainsFunc(reply.Answer, func(r dns.RR) bool { return r.Header().Rrtype == dns.TypeHTTPS }) {
		return nil
	}
	return []Finding{fail(fmt.Sprintf("%s answers an HTTPS record (type 65) for %s, whose addresses lead clients past Hither", first, host),
		"Let nobody stand between this machine and Hither: "+set.directly(p)).with("record", reply.Answer[0].String())}
}

// loops finds servers that lead back to themselves, and search domains that swallow a registry.
func (dnsPath) loops(p *Patient, set resolvConf) (out []Finding) {
	ours := servers(p.Daemon.DNS)
	isOurs := func(addr netip.Addr) bool {
		return slices.ContainsFunc(ours, func(at netip.AddrPort) bool { return at.Addr() == addr && at.Port() == dnsPort })
	}
	behind := parseResolvConf(p.text("/run/systemd/resolve/resolv.conf")).Servers
	if slices.ContainsFunc(set.Servers, isOurs) && slices.ContainsFunc(behind, isOurs) {
		out = append(out, note("systemd-resolved and resolv.conf both ask Hither; if Hither's own servers are systemd-resolved's, that is a loop, which Hither breaks at each start",
			"See whom Hither asks: `"+p.call("config")+"`, key dns-upstream."))
	}
	if set.Dots > 3 && len(set.Search) > 0 {
		out = append(out, warn(fmt.Sprintf("resolv.conf has ndots:%d, so registry names are first looked up below %s, each of which waits for an answer", set.Dots, strings.Join(set.Search, ", ")),
			"Take the option out of resolv.conf; in Kubernetes set dnsConfig.options ndots to 1."))
	}
	if set.Rotate && len(set.Servers) > 1 && slices.ContainsFunc(set.Servers, isOurs) {
		out = append(out, warn("resolv.conf has the option rotate, so only some look-ups come to Hither", "Take it out: `sudo sed -i 's/ rotate//' /etc/resolv.conf`."))
	}
	return out
}
