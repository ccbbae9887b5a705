package prefetch

import (
	goversion "go/version"
	"path"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// goMod is what matters of another module's go.mod: replacements and exclusions count only in the main one.
type goMod struct {
	requires []module.Version
	direct   int  // so many of them, the first, are not marked indirect
	old      bool // it is of a go before 1.17, so that the graph behind it is not pruned
}

// readGoMod reads a go.mod of another module; false: it is none.
func readGoMod(body []byte) (m goMod, ok bool) {
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
	m.old = file.Go == nil || goversion.Compare("go"+file.Go.Version, "go1.17") < 0
	return m, true
}

// need is what a command of go fetches.
type need int

const (
	nothing    need = iota // or nobody knows what
	modules                // the graph, and the .info of all modules
	graph                  // the graph
	downloads              // the graph, and .info and zip of all requirements of go.mod
	packages               // the zips that are imported, with their siblings; the graph is not read (lazy loading)
	everything             // the graph, and the zips that are imported
)

// needOf understands the arguments of a process.
func needOf(args []string) need {
	if len(args) == 0 || !isGo(args[0]) {
		return nothing
	}
	words, flags := split(args[1:])
	if len(words) == 0 {
		return nothing
	}
	switch command, rest := words[0], words[1:]; command {
	case "mod":
		return needOfMod(rest)
	case "list":
		switch {
		case !slices.Contains(flags, "m"):
			return packages
		case slices.Contains(rest, "all"):
			return modules
		}
		return graph
	case "build", "install", "run", "test", "vet", "generate", "fix":
		if slices.ContainsFunc(rest, func(w string) bool { return strings.Contains(w, "@") }) {
			return nothing // go install example.com/tool@latest looks at no go.mod
		}
		return packages
	}
	return nothing
}

func needOfMod(words []string) need {
	switch {
	case len(words) == 0:
		return nothing
	case words[0] == "download" && len(words) == 1:
		return downloads
	case words[0] == "download" && words[1] == "all":
		return downloads
	case words[0] == "graph", words[0] == "why":
		return graph
	case words[0] == "tidy":
		return everything
	case words[0] == "vendor":
		return packages
	}
	return nothing
}

// isGo knows the go command by its name: go, go.exe, go1.26.
func isGo(name string) bool {
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	name = strings.TrimSuffix(name, ".exe")
	return name == "go" || goversion.IsValid(name)
}

// split tells words from flags. The value of a flag that stands by itself is taken for a word, which does no harm: what
// is looked for is in front, or is a pattern that no value has.
func split(args []string) (words, flags []string) {
	for i := 0; i < len(args); i++ {
		flag, isFlag := strings.CutPrefix(args[i], "-")
		if !isFlag {
			words = append(words, args[i])
			continue
		}
		flag, _, set := strings.Cut(strings.TrimPrefix(flag, "-"), "=")
		flags = append(flags, flag)
		if flag == "C" && !set {
			i++ // the process is in that directory by now
		}
	}
	return words, flags
}
