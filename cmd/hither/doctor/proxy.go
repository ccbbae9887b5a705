package doctor

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"hither/cmd/hither/doctor/told"
	"hither/forward/dial"
)

// proxies looks at the proxy variables of this shell.
type proxies struct{}

// Name implements Check.
func (proxies) Name() string { return "proxy" }

// proxySettings are the proxy variables that are set.
func proxySettings(p *Patient) (out []told.Setting) {
	names := []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"}
	if p.system() == "windows" { // where letters do not differ
		names = []string{"HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"}
	}
	for _, name := range names {
		if s := p.first(name); s.Said() {
			out = append(out, s)
		}
	}
	return out
}

// Run implements Check.
func (c proxies) Run(ctx context.Context, p *Patient) (out []Finding) {
	for _, pair := range [][2]string{{"HTTPS_PROXY", "https_proxy"}, {"HTTP_PROXY", "http_proxy"}, {"ALL_PROXY", "all_proxy"}} {
		upper, lower := p.first(pair[0]), p.first(pair[1])
		if upper.Said() && lower.Said() && !sameProxy(upper.Value, lower.Value) {
			out = append(out, warn(fmt.Sprintf("%s is %s and %s is %s: each tool reads the one it likes", upper.Name, bare(upper.Value), lower.Name, bare(lower.Value)),
				"Make them equal: `"+p.Shell.Copy(pair[1], pair[0])+"`; or for this shell: `"+p.thisShell()+"`."))
		}
	}
	seen := map[string]bool{}
	for _, s := range proxySettings(p) {
		if key := bare(s.Value); !seen[key] {
			seen[key] = true
			out = append(out, c.judge(ctx, p, s)...)
		}
	}
	return out
}

// judge looks where one variable leads.
func (proxies) judge(ctx context.Context, p *Patient, s told.Setting) (out []Finding) {
	u, ok := parseProxy(s.Value)
	if !ok {
		return []Finding{fail(s.Name+" is no address of a proxy", "Correct it: `"+p.export(s.Name, "http://"+p.proxyAddress())+"`.")}
	}
	if u.User != nil {
		if _, secret := u.User.Password(); secret {
			out = append(out, note(s.Name+" carries a password, which every program of yours can read", ""))
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	conn, err := p.dial(ctx, "tcp", dial.HostPort(u))
	if err != nil {
		remedy := "Send this shell to Hither: `" + p.thisShell() + "`"
		if p.isOurs(dial.HostPort(u)) {
			remedy = "Start Hither: " + p.start()
		}
		return append(out, fail(s.Name+" is "+bare(s.Value)+", where nobody listens, so tools that read it reach nothing", remedy+"; or do without the proxy: `"+p.Shell.Unset(s.Name)+"`.").with("error", err.Error()))
	}
	conn.Close()
	if p.isOurs(dial.HostPort(u)) {
		if u.Scheme == "https" {
			return append(out, fail(s.Name+" is "+bare(s.Value)+", and Hither's proxy speaks plain HTTP on loopback, not TLS", "Write http: `"+p.export(s.Name, "http://"+u.Host)+"`."))
		}
		return append(out, well(s.Name+" leads to Hither: "+bare(s.Value)))
	}
	f := warn(s.Name+" is "+bare(s.Value)+", which is not Hither, so tools go past it", "Send this shell to Hither, which goes out through that proxy: `"+p.thisShell()+"`, with "+p.set("upstream-proxy", bare(s.Value))+".")
	return append(out, f)
}

func sameProxy(a, b string) bool {
	first, ok := parseProxy(a)
	second, ok2 := parseProxy(b)
	return ok && ok2 && identity(first) == identity(second)
}

// identity is scheme, user and address: what two variables must have in common.
func identity(u *url.URL) string { return u.Scheme + "://" + u.User.String() + "@" + dial.HostPort(u) }
