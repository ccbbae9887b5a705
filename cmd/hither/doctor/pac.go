package doctor

import (
	"context"
	"regexp"
	"strings"

	"hither/forward/dial"
)

// pac looks at the desktop's proxy settings, which browsers read and command-line tools do not.
type pac struct{}

// Name implements Check.
func (pac) Name() string { return "pac" }

// Run implements Check.
func (c pac) Run(ctx context.Context, p *Patient) (out []Finding) {
	if s := p.first("auto_proxy", "AUTO_PROXY"); s.Said() {
		out = append(out, c.script(p, s.Name, s.Value))
	}
	mode, script := c.desktop(ctx, p)
	switch {
	case mode == "auto" && script != "":
		out = append(out, c.script(p, "the desktop", script))
	case mode == "auto":
		out = append(out, note("the desktop looks for a proxy script by itself (WPAD); command-line tools do not", ""))
	case mode == "manual" && script != "" && !p.isOurs(script):
		out = append(out, note("the desktop's proxy is "+script+", which command-line tools do not see", "If programs are to go through Hither: `"+p.thisShell()+"` in the shell that starts them."))
	}
	return out
}

func (pac) script(p *Patient, who, script string) Finding {
	if u, ok := parseProxy(script); ok && p.isOurs(dial.HostPort(u)) {
		return well(who + " reads Hither's own proxy script")
	}
	return note(who+" reads the proxy script "+bareURL(script)+", which command-line tools do not: what it says of registries is not looked at",
		"For Hither to go out through that proxy, name it: "+p.set("upstream-proxy", "http://HOST:PORT")+".")
}

// desktop is the mode (auto, manual, none, or empty: not known) and the script, or HOST:PORT of the proxy.
func (c pac) desktop(ctx context.Context, p *Patient) (mode, where string) {
	switch p.system() {
	case "darwin":
		return parseScutil(p.run(ctx, "scutil", "--proxy"))
	case "windows":
		return parseReg(p.run(ctx, "reg", "query", `HKCU\Software\Microsoft\Windows\CurrentVersion\Internet Settings`))
	}
	if !p.has("gsettings") {
		return "", ""
	}
	get := func(schema, key string) string {
		return strings.Trim(strings.TrimSpace(p.run(ctx, "gsettings", "get", schema, key)), "'")
	}
	switch mode = get("org.gnome.system.proxy", "mode"); mode {
	case "auto":
		where = get("org.gnome.system.proxy", "autoconfig-url")
	case "manual":
		where = get("org.gnome.system.proxy.https", "host") + ":" + get("org.gnome.system.proxy.https", "port")
	}
	return mode, where
}

// parseScutil reads "KEY : VALUE" lines.
func parseScutil(text string) (mode, where string) {
	values := map[string]string{}
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(line, " : "); ok {
			values[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	switch {
	case values["ProxyAutoConfigEnable"] == "1":
		return "auto", values["ProxyAutoConfigURLString"]
	case values["ProxyAutoDiscoveryEnable"] == "1":
		return "auto", ""
	case values["HTTPSEnable"] == "1":
		return "manual", values["HTTPSProxy"] + ":" + values["HTTPSPort"]
	}
	return "none", ""
}

// regLine is a line of reg.exe: name, type, value.
var regLine = [...]*regexp.Regexp{regexp.MustCompile(`(?m)^\s+(\S+)\s+REG_\w+\s+(.*?)\s*$`)}

func parseReg(text string) (mode, where string) {
	values := map[string]string{}
	for _, m := range regLine[0].FindAllStringSubmatch(text, 200) {
		values[m[1]] = m[2]
	}
	switch {
	case values["AutoConfigURL"] != "":
		return "auto", values["AutoConfigURL"]
	case values["ProxyEnable"] == "0x1":
		return "manual", values["ProxyServer"]
	}
	return "none", ""
}
