package sysproxy

import (
	"context"
	"fmt"
	"strings"

	"hither/install"
	"hither/install/proxyname"
)

// networksetupSteps name the proxy to each network service, as System Settings does. Services that are switched off are
// left alone.
func networksetupSteps(ctx context.Context, m *install.Machine, p Proxying) []install.Step {
	const what = "name the proxy to the network services"
	out, err := m.Command(ctx, "networksetup", "-listallnetworkservices")
	if err != nil {
		return []install.Step{install.VolatileRefusal(m, what, fmt.Errorf("list the network services: %w; leave the proxy settings out", err))}
	}
	var steps []install.Step
	for _, service := range install.ServiceNames(out) {
		n := netService{m: m, p: p, name: service}
		steps = append(steps, n.bypass(), n.proxy("webproxy"), n.proxy("securewebproxy"))
	}
	return steps
}

// netService is one network service: Wi-Fi, Ethernet.
type netService struct {
	m    *install.Machine
	p    Proxying
	name string
}

// webProxy is what networksetup -getwebproxy prints.
type webProxy struct {
	on            bool
	server, port  string
	authenticated bool
}

func parseWebProxy(text string) webProxy {
	var w webProxy
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch value = strings.TrimSpace(value); name {
		case "Enabled":
			w.on = value == "Yes"
		case "Server":
			w.server = value
		case "Port":
			w.port = value
		case "Authenticated Proxy Enabled":
			w.authenticated = value == "1"
		}
	}
	return w
}

// proxy is one of a service's proxies, as the text that networksetup prints.
func (n netService) proxy(kind string) install.Setting {
	host, number := n.p.split()
	check := []string{"networksetup", "-get" + kind, n.name}
	return install.Setting{
		On: n.m, Name: fmt.Sprintf("set the %s of the network service %s", kind, n.name), Volatile: true, Check: check,
		Get: func(ctx context.Context) (string, bool, error) {
			out, err := n.m.Command(ctx, check...)
			if err == nil {
				err = n.mayTake(ctx, parseWebProxy(string(out)))
			}
			return strings.TrimSpace(string(out)), true, err
		},
		Want: func(string, bool) string {
			return fmt.Sprintf("Enabled: Yes\nServer: %s\nPort: %s\nAuthenticated Proxy Enabled: 0", host, number)
		},
		Set: func(ctx context.Context, _ string) error {
			_, err := n.m.Command(ctx, "networksetup", "-set"+kind, n.name, host, number)
			return err
		},
		UndoSet: func(old string) []string {
			w := parseWebProxy(old)
			// To name a server switches it on, so the switch comes second.
			script, state := `networksetup -set`+kind+` "$1" "$2" "$3" && networksetup -set`+kind+`state "$1" "$4"`, "off"
			if w.on {
				state = "on"
			}
			if w.port == "0" {
				w.port = ""
			}
			return []string{"sh", "-c", script, "sh", n.name, w.server, w.port, state}
		},
		UndoUnset: func(string) []string { return []string{"networksetup", "-set" + kind + "state", n.name, "off"} },
	}
}

// mayTake refuses a script and another proxy. One with a password could not be put back: networksetup does not tell it.
func (n netService) mayTake(ctx context.Context, now webProxy) error {
	out, err := n.m.Command(ctx, "networksetup", "-getautoproxyurl", n.name)
	if err != nil {
		return err
	}
	if parseWebProxy(string(out)).on {
		return install.Refuse("the proxy of %s is chosen by a script: switch that off in System Settings and name the proxy with upstream-proxy in Hither's config.toml, or leave the proxy settings out", n.name)
	}
	if !now.on || now.server == "" {
		return nil
	}
	if now.authenticated {
		return install.Refuse("the proxy of %s has a password, which could not be put back later: switch it off in System Settings and name it with upstream-proxy in Hither's config.toml, or leave the proxy settings out", n.name)
	}
	return n.p.mayTake("the network service "+n.name, now.server+":"+now.port)
}

// bypass keeps the user's list of domains, and ours after it.
func (n netService) bypass() install.Setting {
	check := []string{"networksetup", "-getproxybypassdomains", n.name}
	set := func(list []string) []string {
		if len(list) == 0 {
			list = []string{"Empty"} // networksetup's word
		}
		return append([]string{"networksetup", "-setproxybypassdomains", n.name}, list...)
	}
	return install.Setting{
		On: n.m, Name: "set the proxy's exceptions of the network service " + n.name, Volatile: true, Check: check,
		Get: func(ctx context.Context) (string, bool, error) {
			out, err := n.m.Command(ctx, check...)
			return strings.Join(bypassDomains(string(out)), "\n"), true, err
		},
		Want: func(old string, _ bool) string {
			return strings.Join(proxyname.Unique(append(strings.Fields(old), n.p.direct(n.m)...)), "\n")
		},
		Set: func(ctx context.Context, value string) error {
			_, err := n.m.Command(ctx, set(strings.Fields(value))...)
			return err
		},
		UndoSet:   func(old string) []string { return set(strings.Fields(old)) },
		UndoUnset: func(string) []string { return set(nil) },
	}
}

// bypassDomains reads one domain a line. A sentence says that there are none, in the user's language: no domain has blanks.
func bypassDomains(text string) []string {
	var list []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.Contains(line, " ") {
			list = append(list, line)
		}
	}
	return list
}
