// Package lookup finds the addresses of hosts for our own connections, past the system's resolver, which may be us, and what their
// HTTPS records offer. Answers are kept as long as they say.
//
//	resolver := &lookup.Resolver{Exchange: upstreams, Hosts: &hosts.File{}}
//	addrs, err := resolver.LookupNetIP(ctx, "registry.npmjs.org")
package lookup

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"hither/resolver/exchange"
	"hither/resolver/hosts"
)

const (
	// budget is for one look-up, after which it fails whatever the exchangers do.
	budget = 5 * time.Second
	// grace is how long the second family may take once the first has addresses. Without it a server that drops AAAA
	// questions costs each look-up all its patience (RFC 8305, 3).
	grace = 100 * time.Millisecond
	// staleAfter is how long a look-up may take before an old answer is given instead (RFC 8767, 5: 1.8 s at most).
	staleAfter = 400 * time.Millisecond
)

// ErrNotFound says that the name servers answered and there is no such name, or no address under it.
var ErrNotFound = errors.New("there is no such host")

// Resolver finds the addresses of hosts. It asks as the name stands: search domains are not tried. Answers are kept as
// long as they say, within bounds, and old ones are used for an hour while nobody answers. Fields are set before first
// use; then it may be used from many goroutines.
type Resolver struct {
	Exchange exchange.Exchanger
	Hosts    *hosts.File      // asked first; nil: not asked
	Now      func() time.Time // nil: time.Now

	mu     sync.Mutex
	memory memory
	asking map[string]*question
}

// question is a look-up under way. It belongs to nobody: it runs on when those who wait for it leave.
type question struct {
	done   chan struct{} // closed when answer stands
	answer answer
}

// LookupNetIP returns the addresses of host, which is a DNS name in ASCII or an address itself. Its errors wrap
// [ErrNotFound] if the name servers say so; else they could not be asked. Equal look-ups are merged.
func (r *Resolver) LookupNetIP(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr}, nil
	}
	name, err := canonical(host)
	if err != nil {
		return nil, err
	}
	if name == "localhost." || strings.HasSuffix(name, ".localhost.") { // RFC 6761, 6.3: never asked
		return []netip.Addr{netip.IPv6Loopback(), netip.AddrFrom4([4]byte{127, 0, 0, 1})}, nil
	}
	if addrs := r.Hosts.Lookup(name); len(addrs) > 0 {
		return addrs, nil
	}
	known, q := r.begin(ctx, name)
	if q == nil {
		return known.result()
	}
	return q.wait(ctx, known)
}

// canonical spells a name as it is asked: lower case, with the dot at the end.
func canonical(host string) (string, error) {
	name := dns.Fqdn(strings.ToLower(host))
	_, ok := dns.IsDomainName(name)
	odd := func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '\\' || c == '/' || c == ':' || c == '%' }
	if !ok || name == "." || strings.ContainsFunc(name, odd) {
		return "", fmt.Errorf("%.300q is not a host name", host)
	}
	return name, nil
}

// begin returns what is known of name. Unless that is fresh, it returns the question under way too, which it starts if
// nobody has.
func (r *Resolver) begin(ctx context.Context, name string) (answer, *question) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	known := r.memory.recall(name, now)
	if now.Before(known.fresh) {
		return known, nil
	}
	q := r.asking[name]
	if q == nil {
		q = &question{done: make(chan struct{})}
		if r.asking == nil {
			r.asking = map[string]*question{}
		}
		r.asking[name] = q
		go r.settle(context.WithoutCancel(ctx), name, q)
	}
	return known, q
}

// settle asks and gives the answer to everybody who waits, and to the memory.
func (r *Resolver) settle(ctx context.Context, name string, q *question) {
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	found := r.ask(ctx, name)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.asking[name] == q {
		q.answer = r.memory.keep(name, found, r.now())
		delete(r.asking, name)
	} else { // the network is another one now: this is for those who wait alone
		q.answer = r.memory.weigh(name, found, r.now())
	}
	close(q.done)
}

// Forget has all names asked for anew, because the machine has another network, where they may lead elsewhere, as with a VPN. What
// was known is of use only while nobody answers.
func (r *Resolver) Forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.memory.doubt()
	clear(r.asking)
}

// Doubt has host be asked for anew by who comes next, because nobody answers at the addresses that it had since then, or somebody else: it
// has moved, or the network's sign-in page had told to be it. false: they were found just before that, or not by the name servers.
func (r *Resolver) Doubt(host string, since time.Time) bool {
	name, err := canonical(host)
	if err != nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.memory.mistrust(name, since, r.now())
}

// wait takes the answer, or known if that has addresses and the answer is late.
func (q *question) wait(ctx context.Context, known answer) ([]netip.Addr, error) {
	var late <-chan time.Time
	if len(known.addrs) > 0 {
		timer := time.NewTimer(staleAfter)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-q.done:
		return q.answer.result()
	case <-late:
		return known.result()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// ask puts both questions at once.
func (r *Resolver) ask(ctx context.Context, name string) found {
	ctx, cancel := context.WithCancel(ctx)
	families := make(chan found, 2)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	for _, qtype := range []uint16{dns.TypeAAAA, dns.TypeA} {
		running.Go(func() { families <- r.family(ctx, name, qtype) })
	}
	first := <-families
	if len(first.addrs) == 0 {
		return first.with(<-families)
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case second := <-families:
		return first.with(second)
	case <-timer.C:
		return first.with(found{err: context.DeadlineExceeded})
	}
}

func (r *Resolver) family(ctx context.Context, name string, qtype uint16) found {
	if r.Exchange == nil {
		return found{err: errors.New("there is no name server to ask; name one in the setting dns-upstream")}
	}
	q := new(dns.Msg).SetQuestion(name, qtype)
	reply, err := r.Exchange.Exchange(ctx, q)
	if err != nil {
		return found{err: fmt.Errorf("look up %s: %w", strings.TrimSuffix(name, "."), err)}
	}
	return read(reply, name, qtype)
}

func (r *Resolver) now() time.Time {
	if r.Now != nil {
		return r.Now()
	}
	return time.Now()
}

// result gives each caller a copy of its own.
func (a answer) result() ([]netip.Addr, error) {
	if len(a.addrs) == 0 {
		return nil, a.err
	}
	return slices.Clone(a.addrs), nil
}
