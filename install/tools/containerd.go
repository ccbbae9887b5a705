package tools

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"hither/install"
	"hither/install/lines"
	"hither/install/toolfile"
)

const containerdConfig = "/etc/containerd/config.toml"

// containerdSteps names Hither as the first host for docker.io in a hosts.toml, which containerd reads at every pull
// (containerd docs/hosts.md). Hosts that the user has there stay behind ours, and the registry itself behind them. Hither
// may resolve tags, because it asks the registry for them.
func containerdSteps(m *install.Machine, t Tooling) []install.Step {
	file := path.Join(toolfile.CertsDir, "docker.io", "hosts.toml")
	name := "put Hither before the hosts of docker.io in " + file
	gateway, ok := t.gateway("docker")
	switch {
	case m.System() != "linux":
		return []install.Step{install.Refusal(name, install.Refuse("containerd runs on Linux only: leave containerd out"))}
	case !ok || gateway != t.proxyURL()+"/v2":
		return []install.Step{install.Refusal(name, install.Refuse("no rule has a gateway for Docker at /v2: put the rule docker back, or leave containerd out"))}
	}
	return []install.Step{install.Noted{
		Step: install.Edit{
			On: m, Name: name, Path: file, Mode: 0o644,
			Change: func(old []byte, _ bool) ([]byte, error) {
				if err := errors.Join(certsDirUsed(m), defaultUsed(m)); err != nil {
					return nil, err
				}
				out, err := putHost(old, t.proxyURL())
				return out, install.InFile(file, err)
			},
		},
		Note: certsDirNote(m),
	}}
}

// defaultUsed refuses where docker.io has no directory of its own: containerd takes the first of that and _default that is there,
// so that ours would put the user's hosts for all registries out of force.
func defaultUsed(m *install.Machine) error {
	const own, all = toolfile.CertsDir + "/docker.io", toolfile.CertsDir + "/_default"
	if m.Exists(own) || !m.Exists(all) {
		return nil
	}
	return install.Refuse("%s holds for docker.io until that has a directory of its own: give it one with `sudo cp -r %s %s`, before whose hosts Hither is put then, or leave containerd out", all, all, own)
}

// putHost adds a host. containerd takes them in the order of the file.
func putHost(text []byte, host string) ([]byte, error) {
	f, err := lines.ParseTOML(text)
	if err != nil {
		return nil, err
	}
	if f.Table("host", host) != nil {
		return text, nil
	}
	block := fmt.Sprintf("[host.%q]\n  capabilities = [\"pull\", \"resolve\"]\n  dial_timeout = \"1s\"\n", host)
	at := f.Header("[host")
	want := func(tree map[string]any) {
		t := lines.Sub(tree, "host", host)
		t["capabilities"], t["dial_timeout"] = []any{"pull", "resolve"}, "1s"
	}
	switch {
	case len(strings.TrimSpace(string(text))) == 0:
		return f.Insert(f.End(), "server = \"https://registry-1.docker.io\"\n\n"+block, func(tree map[string]any) {
			want(tree)
			tree["server"] = "https://registry-1.docker.io"
		})
	case at >= 0:
		return f.Insert(at, block+"\n", want)
	}
	return f.Insert(f.End(), "\n"+block, want)
}

// certsDirs are the values of config_path in containerd's settings, and whether the key is there at all. Its name moved
// with version 3 of the settings, which came with containerd 2.
func certsDirs(m *install.Machine) (dirs []string, set bool, version int64, err error) {
	data, err := m.Read(containerdConfig)
	if err != nil {
		return nil, false, 0, nil //nolint:nilerr // without settings of its own containerd has its defaults
	}
	f, err := lines.ParseTOML(data)
	if err != nil {
		return nil, false, 0, install.InFile(containerdConfig, err)
	}
	version, _ = f.Tree["version"].(int64)
	for _, plugin := range []string{"io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.transfer.v1.local", "cri"} {
		for _, table := range []map[string]any{f.Table("plugins", plugin, "registry"), f.Table("plugins", plugin)} {
			if value, ok := table["config_path"]; ok {
				set = true
				text, _ := value.(string)
				dirs = append(dirs, strings.Split(text, ":")...)
			}
		}
	}
	return dirs, set, version, nil
}

// certsDirUsed refuses where the user keeps such files in another place, because ours would not be read.
func certsDirUsed(m *install.Machine) error {
	dirs, _, _, err := certsDirs(m)
	if err != nil {
		return err
	}
	dirs = slices.DeleteFunc(dirs, func(d string) bool { return strings.TrimSpace(d) == "" })
	if len(dirs) > 0 && !slices.ContainsFunc(dirs, func(d string) bool { return path.Clean(d) == toolfile.CertsDir }) {
		return install.Refuse("%s has its hosts in %s: put %s before it with a colon between, or leave containerd out", containerdConfig, strings.Join(dirs, ":"), toolfile.CertsDir)
	}
	return nil
}

// certsDirNote tells who does not read the file. nerdctl reads it always; Kubernetes only if config_path says so, which
// is the default from containerd 2 on.
func certsDirNote(m *install.Machine) string {
	dirs, set, version, err := certsDirs(m)
	if err == nil && slices.ContainsFunc(dirs, func(d string) bool { return path.Clean(d) == toolfile.CertsDir }) || !set && version >= 3 {
		return "containerd reads it at the next pull; nothing needs to be restarted"
	}
	return "nerdctl reads it at the next pull. For Kubernetes, containerd before 2.0 needs config_path = \"" + toolfile.CertsDir +
		"\" below [plugins.\"io.containerd.grpc.v1.cri\".registry] in " + containerdConfig + " and a restart; that file was not changed"
}
