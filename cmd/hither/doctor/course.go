package doctor

import (
	"context"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"hither/cmd/hither/doctor/told"
	"hither/forward/dial"
)

// client is a tool that asks registries, as its settings make it.
type client interface {
	Name() string
	// Told is what it is told of whom to ask, and how.
	Told(p *Patient) told.Tool
	// Roots is the store that it checks Hither's certificates against, and the command by which it comes to know ours.
	// False: it is not known which one, or it is the system's and that is no file.
	Roots(ctx context.Context, p *Patient) (s shelf, remedy string, known bool)
	// More is what else in its settings matters.
	More(p *Patient) []Finding
}

// course is the way a tool's requests take.
type course struct {
	Door string // "gateway", "proxy", "DNS"; empty: past us
	Why  string // what decides
}

// tool is the check that follows one client's requests.
type tool struct{ client }

// Run implements Check.
func (t tool) Run(ctx context.Context, p *Patient) []Finding {
	if !p.has(t.Name()) {
		return nil
	}
	host := t.Told(p).Host()
	if !p.ruled(host) {
		return append([]Finding{note("no rule speaks of "+host+", so what "+t.Name()+" asks there is not Hither's", "").with("host", host)}, t.More(p)...)
	}
	c := t.course(ctx, p)
	out := []Finding{t.judge(c, p).with("door", c.Door).with("host", host).with("because", c.Why)}
	if c.Door == "proxy" || c.Door == "DNS" {
		out = append(out, t.believes(ctx, p)...)
	}
	return append(out, t.More(p)...)
}

// judge says whether the course leads through us.
func (t tool) judge(c course, p *Patient) Finding {
	switch {
	case c.Door == "" && p.Daemon.Running:
		return warn(t.Name()+" goes past Hither: "+c.Why, t.remedy(p))
	case c.Door == "":
		return note(t.Name()+" does not go through Hither: "+c.Why, "")
	case !p.Daemon.Running:
		return fail(t.Name()+" is sent to Hither by "+c.Door+" ("+c.Why+"), and Hither does not run", "Start it: "+p.start()+".")
	}
	return well(t.Name() + " goes through Hither by " + c.Door + ": " + c.Why)
}

// advised is a client with another way to Hither than this shell's variables.
type advised interface{ Advice(p *Patient) string }

func (t tool) remedy(p *Patient) string {
	if a, ok := t.client.(advised); ok {
		return a.Advice(p)
	}
	return "For one command: `" + p.call("run") + " -- " + t.Name() + " …`; for this shell: `" + p.thisShell() + "`."
}

// course follows the settings as the tool would.
func (t tool) course(ctx context.Context, p *Patient) course {
	of := t.Told(p)
	host := of.Host()
	if s := of.Registry(); s.Said() {
		u, err := url.Parse(s.Value)
		switch {
		case err != nil || u.Host == "":
			return course{Why: s.Name + " is " + bareURL(s.Value)}
		case p.isOurs(dial.HostPort(u)):
			return course{"gateway", s.Name + " names " + u.Host}
		case !p.ruled(u.Host):
			return course{Why: s.Name + " names " + u.Host + ", of which no rule speaks"}
		}
		host = u.Hostname()
	}
	if s := of.Proxy(); s.Said() {
		return proxied(p, s, of.Bypass(), host)
	}
	return resolved(ctx, p, host)
}

// proxied is the course of a tool that has a proxy.
func proxied(p *Patient, s, bypass told.Setting, host string) course {
	if entry := hides(bypass.Value, host); entry != "" {
		return course{Why: bypass.Name + " has " + entry + ", which hides " + host}
	}
	u, ok := parseProxy(s.Value)
	if !ok {
		return course{Why: s.Name + " is no address of a proxy"}
	}
	if p.isOurs(dial.HostPort(u)) {
		return course{"proxy", s.Name + " is " + bare(s.Value)}
	}
	return course{Why: s.Name + " is " + bare(s.Value) + ", which is another proxy"}
}

// resolved is the course of a tool that looks the registry up itself.
func resolved(ctx context.Context, p *Patient, host string) course {
	addrs, err := p.look(ctx, host)
	if err == nil && len(addrs) > 0 && slices.ContainsFunc(addrs, p.isDoor) {
		return course{"DNS", host + " is " + addrs[0].String() + " to this machine"}
	}
	why := "no proxy is set, and its registry is not Hither"
	if len(p.Daemon.DNS) > 0 && err == nil && len(addrs) > 0 {
		why = "no proxy is set, and " + host + " is " + join(addrs, netip.Addr.String) + " to this machine, which is not Hither"
	}
	return course{Why: why}
}

// isDoor says whether our DNS would answer with that address.
func (p *Patient) isDoor(addr netip.Addr) bool {
	return slices.Contains(p.doorAddresses(), addr.Unmap())
}

// believes says whether the tool knows our root.
func (t tool) believes(ctx context.Context, p *Patient) []Finding {
	s, remedy, known := t.Roots(ctx, p)
	switch {
	case !known && remedy != "":
		return []Finding{fail(t.Name()+" does not know Hither's root certificate: it was told of no further roots", remedy)}
	case !known || len(p.root()) == 0:
		return nil
	case s.Ours && s.Late:
		return []Finding{warn(t.Name()+" began before "+s.place()+" was last written, and reads it but once: it may not know Hither's root certificate yet", remedy)}
	case s.Ours:
		return []Finding{well(t.Name() + " trusts Hither: the root in force is in " + s.place())}
	case s.Err != nil:
		return []Finding{fail(t.Name()+" cannot trust Hither: "+s.place()+" cannot be read: "+s.Err.Error(), remedy)}
	case s.wrong() != "":
		return []Finding{fail(t.Name()+" does not trust Hither: "+s.wrong()+", not the root in force", remedy).with("found", strings.Join(s.Others, ", ")).with("in force", p.rootFile())}
	}
	return []Finding{fail(t.Name()+" does not trust Hither: "+s.place()+" lacks Hither's root certificate", remedy).with("in force", p.rootFile())}
}

// bareURL is a URL without userinfo, for people; what is none is shown as it is.
func bareURL(text string) string {
	if u, err := url.Parse(text); err == nil && u.User != nil {
		u.User = url.User("…")
		return u.Scheme + "://…@" + u.Host + u.Path
	}
	return text
}

// environmentRoots is the store of a tool that reads one of the variables, else the system's.
func (p *Patient) environmentRoots(ctx context.Context, names ...string) (shelf, string, bool) {
	if s := p.first(names...); s.Said() {
		return p.shelf(s.Name, s.Value), p.appendRemedy(s.Value), true
	}
	s, known := p.systemShelf(ctx)
	return s, "Add it to the system's roots: `" + p.trustCommand() + "`; or for this shell: `" + p.thisShell() + "`.", known
}
