package tools

import (
	"bytes"

	"hither/install"
	"hither/install/lines"
	"hither/install/proxyname"
)

// dockerSteps puts Hither at the head of dockerd's registry-mirrors, before those of the user. They serve Docker Hub
// alone, and dockerd passes on to the next, and to Docker Hub, when one does not answer: so nothing breaks without us.
func dockerSteps(m *install.Machine, t Tooling) []install.Step {
	const file = "/etc/docker/daemon.json"
	name := "put Hither before the registry mirrors in " + file
	gateway, ok := t.gateway("docker")
	switch {
	case m.System() != "linux":
		return []install.Step{install.Refusal(name, install.Refuse("Docker Desktop's engine runs in a machine of its own, whose loopback is not this one: name http://host.docker.internal:%s in its Settings, Resources, Proxies, or leave docker out", proxyname.Port(t.Proxy)))}
	case !ok:
		return []install.Step{install.Refusal(name, install.Refuse("no rule has a gateway for Docker: put the rule docker back, or leave docker out"))}
	case gateway != t.proxyURL()+"/v2":
		return []install.Step{install.Refusal(name, install.Refuse("the gateway for Docker is %s, but dockerd takes only one at /v2: change it in the rule, or leave docker out", gateway))}
	}
	return []install.Step{install.Noted{
		Step: install.Edit{
			On: m, Name: name, Path: file, Mode: 0o644,
			Change: func(old []byte, _ bool) ([]byte, error) {
				if where := dockerFlag(m); where != "" {
					return nil, install.Refuse("%s gives dockerd the flag --registry-mirror, and dockerd does not start with both: move that mirror into %s, or leave docker out", where, file)
				}
				out, err := lines.PutFirst(old, "registry-mirrors", t.proxyURL())
				return out, install.InFile(file, err)
			},
		},
		Note: "dockerd reads its mirrors anew with `systemctl reload docker` (or kill -HUP), which stops no container; it was not told to",
	}}
}

// dockerFlag names a file that starts dockerd with mirrors on the command line.
func dockerFlag(m *install.Machine) string {
	for _, pattern := range []string{
		"/etc/systemd/system/docker.service", "/etc/systemd/system/docker.service.d/*.conf", "/run/systemd/system/docker.service.d/*.conf",
		"/lib/systemd/system/docker.service", "/usr/lib/systemd/system/docker.service", "/usr/lib/systemd/system/docker.service.d/*.conf",
		"/etc/default/docker", "/etc/sysconfig/docker", "/etc/conf.d/docker",
	} {
		for _, file := range m.Glob(pattern) {
			data, err := m.Read(file)
			if err != nil {
				continue
			}
			for line := range bytes.Lines(data) {
				if !lines.IsBlank(string(line)) && bytes.Contains(line, []byte("--registry-mirror")) {
					return file
				}
			}
		}
	}
	return ""
}
