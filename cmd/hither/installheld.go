package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"

	"hither/install"
	"hither/rules"
)

// held is what a running Hither keeps in force on this machine, as `hither install` has left word in upkeep. Without Hither
// none of it may be: release takes it back at the end, the guard and `hither restore` do so after a crash. Its methods may
// be called at once.
type held struct {
	upkeep  upkeep
	machine *install.Machine
	log     *slog.Logger

	mu     sync.Mutex
	scoped *install.Held // nil: the names are led by steps, or not at all
	dns    []install.Step
	over   bool // released: nothing is changed any more
}

// hold brings in force what upkeep asks for. Call it when the proxy and the resolver answer and the guard watches. dns is where
// the resolver listens; none: the machine's DNS is left alone. What cannot be done is logged, and the rest is done. An upkeep
// that cannot be read is an error, and holds nothing.
func hold(ctx context.Context, s Settings, set *rules.Set, dns []netip.AddrPort, env environment, log *slog.Logger) (*held, error) {
	u, err := readUpkeep(s.State)
	if err != nil {
		return nil, err
	}
	h := &held{upkeep: u, machine: u.machine(s.State, env), log: log}
	h.again(ctx, s, set, dns)
	return h, nil
}

// again brings in force what is not, after the guard has taken everything back although Hither lives: it was stopped a while.
func (h *held) again(ctx context.Context, s Settings, set *rules.Set, dns []netip.AddrPort) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over {
		return
	}
	h.apply(ctx, h.leadLocked(ctx, set, dns))
	if h.upkeep.Proxy {
		h.apply(ctx, install.Proxy(ctx, h.machine, install.Proxying{Address: s.Listen[0], Upstream: s.UpstreamProxy}))
	}
	i := &installation{upkeep: h.upkeep, settings: s, machine: h.machine, rules: set}
	tools, err := install.Tools(h.machine, i.tooling(), h.upkeep.Tools...)
	if err != nil {
		h.failed(ctx, "tools", err)
	}
	h.apply(ctx, tools)
}

// leadLocked returns the steps that lead names to the resolver at dns, or holds them. A link that was held before renews itself.
func (h *held) leadLocked(ctx context.Context, set *rules.Set, dns []netip.AddrPort) []install.Step {
	if h.upkeep.DNS == "" || h.scoped != nil {
		return nil
	}
	steps, err := install.DNS(ctx, h.machine, h.upkeep.DNS, install.Resolver{Addrs: dns, Names: dnsNames(set)})
	if errors.Is(err, install.ErrHeld) {
		h.scoped, err = install.HoldScoped(ctx, install.Scope{Names: dnsNames(set), All: h.upkeep.DNS == install.Full, Server: dns[0], Log: h.log})
	}
	if err != nil {
		h.failed(ctx, dnsInWords(string(h.upkeep.DNS)), err)
	}
	h.dns = steps
	return steps
}

// watch puts DNS settings back that others write over, until ctx ends or it gives in. Where a link is held, its keeper does
// that.
func (h *held) watch(ctx context.Context) {
	h.mu.Lock()
	steps := h.dns
	h.mu.Unlock()
	if len(steps) == 0 {
		return
	}
	if err := (&install.Watch{Steps: steps, Paths: install.Files(steps...), Log: h.log}).Run(ctx); err != nil {
		h.failed(ctx, dnsInWords(string(h.upkeep.DNS)), err)
	}
}

// setNames follows a change of the rules.
func (h *held) setNames(ctx context.Context, set *rules.Set) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.scoped == nil || h.over {
		return nil
	}
	return h.scoped.SetNames(ctx, dnsNames(set))
}

// apply does the volatile ones of the steps, each by itself.
func (h *held) apply(ctx context.Context, steps []install.Step) {
	for _, step := range steps {
		if !install.IsVolatile(step) {
			continue
		}
		if err := install.Apply(ctx, step); err != nil {
			h.failed(ctx, step.String(), err)
		}
	}
}

func (h *held) failed(ctx context.Context, what string, err error) {
	h.log.WarnContext(ctx, "this machine is not changed as it should be", "step", what, "reason", err)
}

// release takes back what hold and its like did. ctx must outlive the end of Hither.
func (h *held) release(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
	var errs []error
	if h.scoped != nil {
		errs = append(errs, h.scoped.Close())
	}
	_, err := install.Restore(ctx, h.machine, install.Volatile)
	return errors.Join(append(errs, err)...)
}

// dnsNames are the hosts of the rules without the ports that some have.
func dnsNames(set *rules.Set) []string {
	var names []string
	for _, host := range set.Hosts() {
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if net.ParseIP(host) == nil {
			names = append(names, host)
		}
	}
	return names
}
