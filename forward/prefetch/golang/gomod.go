package golang

import (
	goversion "go/version"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"

	"hither/forward/project"
)

// goMod is what matters of another module's go.mod: replacements and exclusions count only in the main one.
type goMod struct {
	requires []module.Version
	direct   int  // so many of them, the first, are not marked indirect
	old      bool // it is of a go before 1.17, so that the graph behind it is not pruned
	bare     bool // the proxy made it up, because the module has none (modfetch.LegacyGoMod)
}

// readGoMod reads a go.mod of another module; false: it is none, or too large to be read.
func readGoMod(body []byte) (m goMod, ok bool) {
	if len(body) > project.MaxGoMod {
		return m, false
	}
	file, err := modfile.ParseLax("go.mod", body, nil)
	if err != nil {
		return m, false
	}
	required := file.Require[:min(len(file.Require), maxNames)]
	for _, indirect := range [...]bool{false, true} {
		for _, r := range required {
			if r.Indirect == indirect {
				m.requires = append(m.requires, r.Mod)
			}
		}
		if !indirect {
			m.direct = len(m.requires)
		}
	}
	m.bare = file.Module != nil && string(body) == "module "+modfile.AutoQuote(file.Module.Mod.Path)+"\n"
	m.old = file.Go == nil || goversion.Compare("go"+file.Go.Version, "go1.17") < 0
	return m, true
}
