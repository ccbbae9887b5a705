package golang

import (
	goversion "go/version"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

	"hither/forward/project"
)

// Work is the flag by which a command line is told of the client's GOWORK. The go command has none of that name.
const Work = "GOWORK"

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

// command is what a process of the go command was called for.
type command struct {
	need   need
	mod    string         // -mod; empty: it has none
	mode   project.GoMode // which files count
	words  []string       // without flags
	builds bool           // it builds or lists packages, for which a directory vendor may stand
	all    bool           // it downloads all modules of the graph, also where go.mod requires only some
	lists  []string       // modules that it lists as the project has them; for its own requirements it reads no graph
	apart  bool           // it is for a module by itself, and refused in a workspace

	updates  bool             // it looks for a newer version of each module of the graph
	upgrades bool             // and of each that the project requires
	patches  bool             // but only for one that mends it
	queries  []string         // modules or packages that it names, whose versions it looks for
	exact    []module.Version // and with their version
	above    bool             // they may be packages
}

// readCommand understands the arguments of a process.
func readCommand(args []string) (c command) {
	if !Is(args) {
		return c
	}
	words, flags := split(args[1:])
	if len(words) == 0 {
		return c
	}
	c.words = words
	c.mod, c.mode = flags["mod"], project.GoMode{ModFile: flags["modfile"], Work: flags[Work]}
	switch command, rest := words[0], words[1:]; command {
	case "mod":
		c.need = needOfMod(rest)
		c.all = len(rest) > 1 && rest[1] == "all"
		c.mode.Alone = len(rest) > 0 && rest[0] == "tidy"
		c.apart = len(rest) > 0 && rest[0] == "vendor"
	case "work":
		if len(rest) > 0 && (rest[0] == "sync" || rest[0] == "vendor") {
			c.need = everything
		}
	case "get":
		c.need, c.mode.Alone, c.above = graph, true, true
		c.queries, c.exact = queriesIn(rest, true)
		if has(flags, "u") && len(c.queries)+len(c.exact) == 0 {
			c.need, c.upgrades, c.patches = everything, true, flags["u"] == "patch"
		}
	case "list":
		c.need, c.builds = packages, true
		if has(flags, "m") {
			c.need, c.lists = needOfModules(rest)
			c.updates = has(flags, "u") && c.need == modules
			c.queries, c.exact = queriesIn(rest, has(flags, "u") || has(flags, "versions"))
		}
	case "install", "run":
		c.need, c.builds, c.above = packages, true, true
		if c.queries, c.exact = queriesIn(rest, false); len(c.queries)+len(c.exact) > 0 {
			c.need = nothing // go install example.com/tool@latest looks at no go.mod
		}
	case "build", "test", "vet", "generate", "fix":
		c.need, c.builds = packages, true
	case "tool":
		if len(rest) > 0 && !comesWithGo(rest[0]) {
			c.need, c.builds = packages, true
		}
	}
	return c
}

// comesWithGo knows the tools that are no module's (go help tool).
func comesWithGo(tool string) bool {
	switch tool {
	case "addr2line", "asm", "buildid", "cgo", "compile", "covdata", "cover", "dist", "doc", "fix", "link", "nm", "objdump", "pack",
		"pprof", "preprofile", "test2json", "trace", "vet":
		return true
	}
	return false
}

// vendors says that the command takes the packages of a project from its directory vendor, and fetches none.
func (c command) vendors(g *project.Go) bool {
	return c.builds && (c.mod == "vendor" || c.mod == "" && g.Vendored)
}

func has(flags map[string]string, flag string) bool {
	_, ok := flags[flag]
	return ok
}

// maxQueries is how many arguments are looked at.
const maxQueries = 100

// queriesIn are the paths among words of modules or packages whose versions the command looks for, and those that it looks for
// in one version. It does so of those with a query behind an @; of others only if bare says so.
func queriesIn(words []string, bare bool) (queries []string, exact []module.Version) {
	for _, word := range words[:min(len(words), maxQueries)] {
		name, version, at := strings.Cut(word, "@")
		switch {
		case !at && !bare || version == "none" || module.CheckPath(name) != nil:
		case isListed(version):
			queries = append(queries, name)
		default:
			exact = append(exact, module.Version{Path: name, Version: version})
		}
	}
	return queries, exact
}

// isListed says that the list of versions answers a query, and no version, branch or commit is asked for by its name
// (modload.IsRevisionQuery).
func isListed(query string) bool {
	switch {
	case query == "", query == "latest", query == "upgrade", query == "patch", strings.HasPrefix(query, "<"), strings.HasPrefix(query, ">"):
		return true
	}
	return semver.IsValid(query) && semver.Canonical(query) != query && strings.Count(query, ".") < 2 // v1, v1.2
}

// directories are those of the packages that it builds from dir: of its words that name one, as ./a/... does, else dir itself.
func (c command) directories(dir string) (out []string) {
	for _, word := range c.words[1:] {
		word, _, _ = strings.Cut(filepath.ToSlash(word), "...")
		if word == "." || word == ".." || strings.HasPrefix(word, "./") || strings.HasPrefix(word, "../") {
			out = append(out, filepath.Join(dir, word))
		}
	}
	if len(out) == 0 {
		return []string{dir}
	}
	return out
}

// refused says that the command ends before it asks for anything: in a workspace it takes no other go.mod, nor changes any.
func (c command) refused(g *project.Go) bool {
	changes := c.builds && c.mod != "" && c.mod != "readonly" && c.mod != "vendor"
	return g.Workspace && (c.apart || changes || c.mode.ModFile != "" || c.need == packages && !g.Member)
}

// needOfModules is what go list -m needs of the graph (modload, listModules): nothing for the main module and for a query, unless
// that is of what is selected now. lists are the modules for which it depends on whether the project requires them itself.
func needOfModules(words []string) (n need, lists []string) {
	if slices.Contains(words, "all") {
		return modules, nil
	}
	for _, word := range words {
		name, version, at := strings.Cut(word, "@")
		if !at || version == "upgrade" || version == "patch" {
			n, lists = graph, append(lists, name) // a pattern, as example.com/..., is required by nobody
		}
	}
	return n, lists
}

func needOfMod(words []string) need {
	switch {
	case len(words) == 0:
		return nothing
	case words[0] == "download" && len(words) == 1:
		return downloads
	case words[0] == "download" && words[1] == "all":
		return downloads
	case words[0] == "graph", words[0] == "verify": // what is not in the client's cache is not verified
		return graph
	case words[0] == "tidy", words[0] == "why":
		return everything
	case words[0] == "vendor":
		return packages
	}
	return nothing
}

// Is knows the go command by its name: go, go.exe, go1.26.
func Is(args []string) bool {
	if len(args) == 0 {
		return false
	}
	name := path.Base(strings.ReplaceAll(args[0], `\`, "/"))
	name = strings.TrimSuffix(name, ".exe")
	return name == "go" || goversion.IsValid(name)
}

// Dir is the directory to which a go command goes at its start: what stands behind -C, its first flag (go help build); empty:
// it stays where it is.
func Dir(args []string) string {
	if !Is(args) {
		return ""
	}
	first := 1 + slices.IndexFunc(args[1:], func(arg string) bool { return strings.HasPrefix(arg, "-") })
	most := 2 // go build -C DIR
	if len(args) > 1 && (args[1] == "mod" || args[1] == "work") {
		most = 3
	}
	if first == 0 || first > most {
		return ""
	}
	flag, dir, set := strings.Cut(strings.TrimPrefix(args[first][1:], "-"), "=")
	if !set && first+1 < len(args) {
		dir = args[first+1]
	}
	if flag != "C" {
		return ""
	}
	return dir
}

// takesValue knows the flags of commands that name modules whose values may stand by themselves. Taken for words, those would be
// told to the registry: an overlay.json is as good a path as example.com.
func takesValue(flag string) bool {
	switch flag {
	case "C", "asmflags", "buildmode", "compiler", "covermode", "coverpkg", "debug-actiongraph", "debug-runtime-trace", "debug-trace",
		"exec", "f", "gccgoflags", "gcflags", "installsuffix", "ldflags", "mod", "modfile", "o", "overlay", "p", "pgo", "pkgdir", "reuse",
		"tags", "toolexec":
		return true
	}
	return false
}

// split tells words from flags with their values. The value of another flag that stands by itself is taken for a word, which
// does no harm: what is looked for is in front, or is a pattern that no value has.
func split(args []string) (words []string, flags map[string]string) {
	flags = make(map[string]string)
	for i := 0; i < len(args); i++ {
		flag, isFlag := strings.CutPrefix(args[i], "-")
		if !isFlag {
			words = append(words, args[i])
			if (words[0] == "run" || words[0] == "tool") && len(words) == 2 {
				break // what follows is for the program
			}
			continue
		}
		flag, value, set := strings.Cut(strings.TrimPrefix(flag, "-"), "=")
		if !set && i+1 < len(args) && takesValue(flag) {
			i++ // of -C, the process is in that directory by now
			value = args[i]
		}
		flags[flag] = value
	}
	return words, flags
}
