package tools

import (
	"hither/install"
	"hither/install/lines"
	"hither/install/proxyname"
	"hither/install/toolfile"
)

// pipSteps sets pip's proxy. Its index-url stays, because another one would stand in lock files. A cert is added only if
// there is none: it replaces all other roots, so it has to be complete; pip from 24.2 knows those of the system without.
func pipSteps(m *install.Machine, t Tooling) []install.Step {
	file := pipConfig(m)
	name := "send pip through Hither in " + file
	if toolfile.IsNull(m, file) {
		why := install.Refuse("PIP_CONFIG_FILE=%s keeps pip from reading its settings: unset it, or leave pip out", file)
		return []install.Step{install.VolatileRefusal(m, "send pip through Hither", why)}
	}
	return []install.Step{install.Edit{
		On: m, Name: name, Path: file, Volatile: true, Mode: 0o600, // an index-url may hold a password
		Change: func(old []byte, _ bool) ([]byte, error) {
			if err := pipElsewhere(m, t); err != nil {
				return nil, err
			}
			out, err := putPipProxy(old, t)
			return out, install.InFile(file, err)
		},
	}}
}

// pipConfig is the last of the files that pip reads in each environment, which counts most. One that PIP_CONFIG_FILE names and
// that is not there is not made: pip would read it instead of the user's.
func pipConfig(m *install.Machine) string {
	if file := m.Getenv("PIP_CONFIG_FILE"); toolfile.IsNull(m, file) || file != "" && m.Exists(file) {
		return file
	}
	files := toolfile.PipUser(m)
	return files[len(files)-1]
}

// pipElsewhere looks for a proxy in the files that ours goes before.
func pipElsewhere(m *install.Machine, t Tooling) error {
	ours := pipConfig(m)
	for _, file := range toolfile.Pip(m) {
		if file == ours {
			return nil
		}
		data, err := m.Read(file)
		if err != nil {
			continue
		}
		f, err := lines.ParseINI(data, lines.PipStyle())
		if err != nil {
			continue // pip's to complain of
		}
		now, _ := f.Get("global", "proxy")
		if err := t.mayTake(file, now.Value); err != nil {
			return err
		}
	}
	return nil
}

func putPipProxy(text []byte, t Tooling) ([]byte, error) {
	f, err := lines.ParseINI(text, lines.PipStyle())
	if err != nil {
		return nil, err
	}
	now, _ := f.Get("global", "proxy")
	if err := t.mayTake("in [global]", now.Value); err != nil {
		return nil, err
	}
	if _, ok := f.Get("global", "cert"); !ok && t.Bundle != "" {
		f.Set("global", "cert", t.Bundle)
	}
	if !proxyname.Same(now.Value, t.proxyURL()) {
		f.Set("global", "proxy", t.proxyURL())
	}
	return f.Bytes(), nil
}
