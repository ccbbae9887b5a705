package upkeep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"hither/cmd/hither/environ"
	"hither/cmd/hither/settings"
	"hither/install"
	"hither/install/sysdns"
	"hither/install/sysproxy"
	"hither/install/tools"
	"hither/rules"
)

// Held is what a running Hither keeps in force on this machine, as `hither install` has left word in Upkeep. Without Hither
// none of it may be: Release takes it back at the end, the guard and `hither restore` do so after a crash. Fields in front
// of mu are set before the first use; the methods may be called at once.
type Held struct {
	upkeep   Upkeep
	settings settings.Settings // Listen is where the proxy listens in fact
	machine  *install.Machine
	rules    func() *rules.Set
	dns      []netip.AddrPort     // where the resolver listens; none: the machine's DNS is left alone
	Trusted  func() error         // why the machine's programs would refuse our certificates; nil, or nil error: they do not
	Troubled func(trouble string) // told of what is not in force, in words; empty: all is. nil: nobody is
	log      *slog.Logger

	mu      sync.Mutex
	scoped  *sysdns.Held   // nil: the names are led by steps, or not at all
	steps   []install.Step // by which names are led
	led     chan struct{}  // closed when there are other steps
	gaveIn  error          // why we have stopped to lead names: somebody else wants the machine's DNS more than we do
	over    bool           // released: nothing is changed any more
	trouble map[string]string
	untold  error // why a tool goes without our root, though the disk alone keeps us from telling it; nil: none does
}

// TryAgain is how long after a fault the machine is changed again: systemd-resolved may have been away, or a disk full.
const TryAgain = 30 * time.Second

// NewHeld changes nothing yet.
func NewHeld(u Upkeep, s settings.Settings, set func() *rules.Set, dns []netip.AddrPort, env environ.List, log *slog.Logger) *Held {
	return &Held{
		upkeep: u, settings: s, machine: u.Machine(s.State, env), rules: set, dns: dns, log: log,
		led: make(chan struct{}), trouble: map[string]string{},
	}
}

// Hold brings in force what is not. Call it when the proxy and the resolver answer and the guard watches; and again, after the
// guard has taken everything back although Hither lives, since it was stopped a while. What cannot be done is told, and the
// rest is done.
func (h *Held) Hold(ctx context.Context) { h.bring(ctx, func(string) bool { return true }) }

// bring does the steps that are wanted, by their names.
func (h *Held) bring(ctx context.Context, wanted func(step string) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over {
		return
	}
	before := h.trouble
	h.trouble = map[string]string{}
	i := &Installation{Upkeep: h.upkeep, Settings: h.settings, Machine: h.machine, Rules: h.rules()}
	proxy := sysproxy.Steps(ctx, h.machine, i.proxying(), h.upkeep.Proxy...)
	sent, err := tools.Steps(h.machine, i.tooling(), h.upkeep.Tools...)
	if err != nil {
		h.trouble["tools"] = err.Error()
	}
	unwanted := func(s install.Step) bool { return !wanted(s.String()) }
	_ = h.applyLocked(ctx, slices.DeleteFunc(proxy, unwanted)) // it is told by trouble
	h.untold = ofFullDisk(h.applyLocked(ctx, slices.DeleteFunc(sent, unwanted)))
	h.leadLocked(ctx)
	h.tellLocked(ctx, before)
}

// SetNames follows a change of the rules.
func (h *Held) SetNames(ctx context.Context) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over || h.upkeep.DNS == "" {
		return
	}
	before := maps.Clone(h.trouble)
	delete(h.trouble, h.leading())
	h.leadLocked(ctx)
	h.tellLocked(ctx, before)
}

// leading is the step that leads names to us, in words.
func (h *Held) leading() string { return dnsInWords(string(h.upkeep.DNS)) }

// leadLocked leads the names of the rules to the resolver, and no others any more. None are led whom our certificates would
// only frighten.
func (h *Held) leadLocked(ctx context.Context) {
	if h.upkeep.DNS == "" {
		return
	}
	names := DNSNames(h.rules())
	err := h.mayLead(names)
	switch {
	case h.gaveIn != nil:
		err = h.gaveIn
	case err != nil:
		err = errors.Join(err, h.unleadLocked(ctx))
	case h.scoped != nil:
		err = h.scoped.SetNames(ctx, names) // after an error the keeper of the link goes on trying
	default:
		err = h.beginLocked(ctx, names)
	}
	if err != nil {
		h.trouble[h.leading()] = err.Error()
	}
}

// mayLead says why names must not be led to us now.
func (h *Held) mayLead(names []string) error {
	switch {
	case len(h.dns) == 0:
		return errors.New("Hither answers no DNS: see above why, or give it an address with --dns")
	case len(names) == 0:
		return errors.New("the rules have no host that can be led to Hither")
	case h.untold != nil:
		return fmt.Errorf("a tool that cannot be told of Hither's root would refuse what it finds: %w", h.untold)
	case h.Trusted != nil:
		return h.Trusted()
	}
	return nil
}

// beginLocked holds the link, or does the steps that are new and undoes those that are not wanted any more.
func (h *Held) beginLocked(ctx context.Context, names []string) error {
	steps, err := sysdns.Steps(ctx, h.machine, h.upkeep.DNS, sysdns.Resolver{Addrs: h.dns, Names: names})
	if errors.Is(err, sysdns.ErrHeld) {
		h.scoped, err = sysdns.HoldScoped(ctx, sysdns.Scope{Names: names, All: h.upkeep.DNS == sysdns.Full, Server: h.dns[0], Log: h.log})
	}
	if err != nil {
		return err
	}
	kept := func(old install.Step) bool {
		return slices.ContainsFunc(steps, func(s install.Step) bool { return s.String() == old.String() })
	}
	err = undo(ctx, slices.DeleteFunc(slices.Clone(h.steps), kept))
	h.setSteps(steps)
	_ = h.applyLocked(ctx, steps) // it is told by trouble
	return err
}

// unleadLocked leads no name to us any more.
func (h *Held) unleadLocked(ctx context.Context) error {
	var err error
	if h.scoped != nil {
		err, h.scoped = h.scoped.Close(), nil
	}
	err = errors.Join(err, undo(ctx, h.steps))
	h.setSteps(nil)
	return err
}

func undo(ctx context.Context, steps []install.Step) error {
	var errs []error
	for _, step := range slices.Backward(steps) {
		errs = append(errs, step.Undo(ctx))
	}
	return errors.Join(errs...)
}

func (h *Held) setSteps(steps []install.Step) {
	if len(steps) == 0 && len(h.steps) == 0 {
		return
	}
	h.steps = steps
	close(h.led)
	h.led = make(chan struct{})
}

// applyLocked does the volatile ones of the steps, each by itself. The error joins what is noted as trouble.
func (h *Held) applyLocked(ctx context.Context, steps []install.Step) error {
	var errs []error
	for _, step := range steps {
		if !install.IsVolatile(step) {
			continue
		}
		var failed *install.Failed
		if errors.As(install.Apply(ctx, step), &failed) {
			h.trouble[step.String()] = failed.Why.Error()
			errs = append(errs, failed)
		}
	}
	return errors.Join(errs...)
}

// ofFullDisk is err if a full disk is among its reasons, else nil.
func ofFullDisk(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return err
	}
	return nil
}

// tellLocked tells what is not in force, each trouble once.
func (h *Held) tellLocked(ctx context.Context, before map[string]string) {
	if ctx.Err() != nil { // then it is the end that kept us from it
		return
	}
	var all []string
	for _, what := range slices.Sorted(maps.Keys(h.trouble)) {
		why := h.trouble[what]
		all = append(all, what+": "+why)
		if before[what] != why {
			h.log.WarnContext(ctx, "this machine is not changed as it should be; trying again now and then", "step", what, "reason", why)
		}
	}
	for _, what := range slices.Sorted(maps.Keys(before)) {
		if _, still := h.trouble[what]; !still {
			h.log.InfoContext(ctx, "this machine is changed as it should be again", "step", what)
		}
	}
	if h.Troubled != nil {
		h.Troubled(strings.Join(all, "; "))
	}
}

// Watch puts DNS settings back that others write over, and tries again what could not be done, until ctx ends. Where a link is
// held, its keeper does the former.
func (h *Held) Watch(ctx context.Context) {
	pace := time.NewTicker(TryAgain)
	defer pace.Stop()
	for ctx.Err() == nil {
		h.mu.Lock()
		steps, led := h.steps, h.led
		h.mu.Unlock()
		round, stop := context.WithCancel(ctx)
		var guarding sync.WaitGroup
		if len(steps) > 0 {
			guarding.Go(func() { h.putBack(round, steps) })
		}
		h.mend(ctx, pace.C, led)
		stop()
		guarding.Wait()
	}
}

// mend tries again what could not be done, until names are led in another way.
func (h *Held) mend(ctx context.Context, pace <-chan time.Time, led <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-led:
			return
		case <-pace:
		}
		h.mu.Lock()
		trouble := maps.Clone(h.trouble)
		h.mu.Unlock()
		if len(trouble) > 0 { // what was done stays as it is: if the user has changed it since, he means it
			h.bring(ctx, func(step string) bool { _, failed := trouble[step]; return failed })
		}
	}
}

// putBack ends with ctx, or when it gives in.
func (h *Held) putBack(ctx context.Context, steps []install.Step) {
	err := (&sysdns.Watch{Steps: steps, Paths: sysdns.Files(steps...), Log: h.log}).Run(ctx)
	if err == nil || ctx.Err() != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gaveIn = err
	before := maps.Clone(h.trouble)
	h.trouble[h.leading()] = err.Error()
	h.tellLocked(ctx, before)
}

// Release takes back what Hold and its like did. ctx must outlive the end of Hither.
func (h *Held) Release(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
	var err error
	if h.scoped != nil {
		err, h.scoped = h.scoped.Close(), nil
	}
	_, rest := install.Restore(ctx, h.machine, install.Volatile)
	return errors.Join(err, rest)
}

// DNSNames are the hosts of the rules that can be led to our doors, which are on ports 443 and 80: a host that a rule names
// with another port would be cut off there. Names of one label are no business of DNS.
func DNSNames(set *rules.Set) []string {
	odd := map[string]bool{}
	for _, rule := range set.Rules() {
		for _, host := range rule.Hosts {
			if name, _, err := net.SplitHostPort(host.Name); err == nil { // the usual ports are not written
				odd[name] = true
			}
		}
	}
	return slices.DeleteFunc(set.Hosts(), func(name string) bool {
		_, err := netip.ParseAddr(name)
		return err == nil || odd[name] || !strings.Contains(name, ".")
	})
}
