package tools

import (
	"path"
	"slices"
	"strings"

	"hither/install"
	"hither/install/lines"
	"hither/install/proxyname"
)

// goDefault is what the go command asks if nobody says otherwise.
const goDefault = "https://proxy.golang.org,direct"

// goPublic are proxies that hold what everybody may have. A list that begins with one of them may begin with ours: no
// name is told to anybody who would not have heard it.
func goPublic() []string {
	return []string{
		"https://proxy.golang.org", "https://goproxy.cn", "https://goproxy.io", "https://mirrors.aliyun.com/goproxy",
		"https://mirrors.huaweicloud.com/goproxy", "https://mirrors.tencent.com/go", "https://mirrors.cloud.tencent.com/go",
	}
}

// goSteps writes what `go env -w GOPROXY=` writes, without the go command: in a module that wants a newer Go, even
// `go env` downloads a toolchain first. GOPRIVATE, GONOPROXY, GONOSUMDB and GOFLAGS are left alone.
func goSteps(m *install.Machine, t Tooling) []install.Step {
	const what = "send the go command through Hither"
	gateway, ok := t.gateway("go")
	file := m.Getenv("GOENV")
	if file == "" {
		file = m.Join(m.ConfigHome(), "go", "env")
	}
	name := what + " in " + file
	switch set := m.Getenv("GOPROXY"); {
	case !ok:
		return []install.Step{install.Refusal(what, install.Refuse("no rule has a gateway for Go modules: put the rule go back, or leave go out"))}
	case file == "off":
		return []install.Step{install.Refusal(what, install.Refuse("GOENV=off keeps the go command from reading its settings: unset GOENV, or leave go out"))}
	case set != "" && !strings.HasPrefix(set, gateway):
		return []install.Step{install.Refusal(name, install.Refuse("the variable GOPROXY is set and goes before %s: unset it where you set it, or put %s| before its value, or leave go out", file, gateway))}
	}
	base := goRootProxy(m)
	return []install.Step{install.Edit{
		On: m, Name: name, Path: file, Mode: 0o644,
		Change: func(old []byte, _ bool) ([]byte, error) {
			out, err := putGoProxy(old, gateway, base)
			return out, install.InFile(file, err)
		},
	}}
}

// goRootProxy is GOPROXY in GOROOT/go.env, which distributions change; without one it is Go's own default.
func goRootProxy(m *install.Machine) string {
	root := m.Getenv("GOROOT")
	for _, command := range []string{"go", "/usr/local/go/bin/go"} {
		if root != "" {
			break
		}
		if found := m.Find(command); found != "" {
			if real, err := m.Resolve(m.Path(found)); err == nil {
				root = path.Dir(path.Dir(strings.ReplaceAll(m.Below(real), `\`, "/")))
			}
		}
	}
	if root != "" {
		if data, err := m.Read(m.Join(root, "go.env")); err == nil {
			if value, _ := lines.GoSetting(string(data), "GOPROXY"); value != "" {
				return value
			}
		}
	}
	return goDefault
}

// putGoProxy puts the gateway before the list that is in force. A bar follows it, so that Go passes on to the user's
// list whatever happens to us; a comma would stop at a refused connection.
func putGoProxy(text []byte, gateway, base string) ([]byte, error) {
	list, at := lines.GoSetting(string(text), "GOPROXY")
	if strings.HasPrefix(list, gateway+"|") {
		return text, nil
	}
	if list == "" {
		list = base
	}
	list = withoutOldGateway(list, gateway)
	if err := mayPrecede(list, gateway); err != nil {
		return nil, err
	}
	written := slices.Collect(strings.Lines(string(text)))
	line := "GOPROXY=" + gateway + "|" + list + "\n"
	if at >= 0 {
		written[at] = line
		return []byte(strings.Join(written, "")), nil
	}
	if n := len(written); n > 0 && !strings.HasSuffix(written[n-1], "\n") {
		written[n-1] += "\n"
	}
	return []byte(strings.Join(append(written, line), "")), nil
}

// withoutOldGateway takes away one of ours that listened on another port.
func withoutOldGateway(list, gateway string) string {
	first, rest, ok := strings.Cut(list, "|")
	ours := gateway[strings.LastIndexByte(gateway, '/'):]
	if ok && rest != "" && strings.HasPrefix(first, "http://127.0.0.1:") && strings.HasSuffix(first, ours) && strings.Count(first, "/") == 3 {
		return rest
	}
	return list
}

// mayPrecede refuses a list whose head is not a public proxy: direct and off say that none shall be asked, and a
// company's proxy is asked for names that the public must not hear of.
func mayPrecede(list, gateway string) error {
	first := list
	if i := strings.IndexAny(list, ",|"); i >= 0 {
		first = list[:i]
	}
	first = strings.TrimRight(strings.TrimSpace(first), "/")
	switch {
	case slices.Contains(goPublic(), first):
		return nil
	case first == "direct" || first == "off":
		return install.Refuse("says GOPROXY=%s, so no proxy shall be asked: `go env -u GOPROXY` or `go env -w GOPROXY=%s` lets Hither stand before it, else leave go out", list, goDefault)
	}
	return install.Refuse("names the proxy %s, which may know names that nobody else should hear: `go env -w GOPROXY='%s|%s'` puts Hither before it all the same, else leave go out",
		proxyname.Shown(first), gateway, redactList(list))
}

// redactList hides the passwords of a GOPROXY list.
func redactList(list string) string {
	var out strings.Builder
	for list != "" {
		i := strings.IndexAny(list, ",|")
		if i < 0 {
			i = len(list)
		}
		out.WriteString(proxyname.Shown(list[:i]))
		out.WriteString(list[i:min(i+1, len(list))])
		list = list[min(i+1, len(list)):]
	}
	return out.String()
}
