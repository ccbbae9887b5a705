package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"hither/rules"
)

// upstreams asks whether the registries themselves are to be reached from here, past Hither, and what Hither has met.
type upstreams struct{}

// Name implements Check.
func (upstreams) Name() string { return "upstreams" }

// reachWait bounds one question to a registry; half of it for the handshakes says where it hangs.
const reachWait = 5 * time.Second

// Run implements Check.
func (c upstreams) Run(ctx context.Context, p *Patient) (out []Finding) {
	for _, u := range p.Daemon.Upstreams {
		if u.Requests >= 5 && u.Failures*2 > u.Requests {
			out = append(out, warn(fmt.Sprintf("%s failed %d of %d requests of the running Hither", u.Base, u.Failures, u.Requests), "See why: `"+p.call("mirrors")+" "+p.Shell.Quote(u.Rule)+"`.").with("note", u.Note))
		}
	}
	set, err := p.rules()
	if err != nil || p.Quick {
		return out
	}
	list := set.Rules()
	list = list[:min(len(list), maxRegistries)]
	found := make([]Finding, len(list))
	var all sync.WaitGroup
	for i, rule := range list {
		all.Go(func() { found[i] = c.reach(ctx, p, rule) })
	}
	all.Wait()
	if len(found) > 1 && allOf(found, func(f Finding) bool { return f.Level == Warn }) {
		return append(out, fail("no registry is to be reached from here: "+found[0].Cause, "Look at the network first. If there is a proxy, name it: "+p.set("upstream-proxy", "http://HOST:PORT")+"."))
	}
	return append(out, slices.DeleteFunc(found, func(f Finding) bool { return f.Cause == "" })...)
}

// reach asks the origin of one rule; any answer will do.
func (upstreams) reach(ctx context.Context, p *Patient, rule *rules.Rule) Finding {
	if len(rule.Hosts) == 0 {
		return Finding{}
	}
	target := "https://" + rule.Hosts[0].Name
	if len(rule.Hosts[0].Origin) > 0 {
		target = rule.Hosts[0].Origin[0]
	}
	ctx, cancel := context.WithTimeout(ctx, reachWait)
	defer cancel()
	transport := p.direct()
	defer transport.CloseIdleConnections()
	var connected atomic.Bool
	dial := transport.DialContext
	transport.DialContext = noting(dial, &connected)
	answer, err := get(ctx, transport, http.MethodHead, target+"/")
	if err == nil {
		return well(rule.Name+": "+target+" answers").with("took", answer.Took.Round(time.Millisecond).String())
	}
	return unreached(p, rule, target, err, connected.Load())
}

// unreached names the cause as far as an error tells it.
func unreached(p *Patient, rule *rules.Rule, target string, err error, connected bool) Finding {
	stranger, invalid, wrong := x509.UnknownAuthorityError{}, x509.CertificateInvalidError{}, x509.HostnameError{}
	mirrors := "; while it is silent Hither asks mirrors for what can be proven"
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return warn(rule.Name+": the certificate of "+target+" has expired or is not valid yet", "Look at this machine's clock: `date -u`.")
	case errors.As(err, &stranger), errors.As(err, &wrong):
		return warn(rule.Name+": somebody between here and "+target+" shows a certificate of his own: "+err.Error(), "If that is your company, name its root: "+p.set("ca-files", "FILE.pem")+"; else do not trust this network.")
	case connected && errors.Is(err, context.DeadlineExceeded):
		return warn(rule.Name+": "+target+" takes connections and then falls silent, which a path that drops large packets does, or a filter by name"+mirrors,
			"See whether it is the packet size: `ping -M do -s 1400 -c 3 1.1.1.1`; if only smaller ones come through, lower the MTU: `sudo ip link set dev DEVICE mtu 1280`.")
	}
	return warn(rule.Name+": "+target+" cannot be reached from here: "+err.Error()+mirrors, "See who can: `"+p.call("mirrors")+" "+p.Shell.Quote(rule.Name)+"`; if there is a proxy, name it: "+p.set("upstream-proxy", "http://HOST:PORT")+".")
}
