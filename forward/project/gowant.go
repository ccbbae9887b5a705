package project

import (
	goversion "go/version"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/mod/module"
)

// Reasons of the wants of a Go project; see Want.Why.
const (
	WhyGoSum       = "a go.mod that go.sum names"
	WhyGoMod       = "the go.mod of a requirement"
	WhyInfo        = "the .info of a requirement"
	WhyDirectZip   = "the zip of a direct requirement"
	WhyGraphZip    = "the zip of a module of the graph"
	WhyIndirectZip = "the zip of an indirect requirement"
	WhyToolchain   = "the go command that the project wants"
)

// Mods are the go.mod files that the go command reads for the module graph, and to list it: all that go.sum names, in its order,
// then those of requirements that it does not name. Which of them are private is for the caller to say.
func (g *Go) Mods(registry string) []Want { return g.mods(registry, g.sums) }

// GraphMods are Mods for a command that reads the graph, and does not list it: go.work.sum names little else than what is listed,
// or was.
func (g *Go) GraphMods(registry string) []Want { return g.mods(registry, g.sums[:g.graphSum]) }

func (g *Go) mods(registry string, sums []module.Version) []Want {
	out := make([]Want, 0, len(sums))
	known := make(map[module.Version]bool, len(sums))
	for _, m := range sums {
		known[m] = true
		out = appendModule(out, registry, m, ".mod", WhyGoSum)
	}
	for _, q := range g.requires {
		if !known[q.Version] {
			out = appendModule(out, registry, q.Version, ".mod", WhyGoMod)
		}
	}
	return out
}

// Infos are the .info of the requirements, sorted by module path as the go command's build list is.
func (g *Go) Infos(registry string) []Want {
	sorted := slices.SortedStableFunc(slices.Values(g.requires), func(a, b require) int { return strings.Compare(a.Path, b.Path) })
	out := make([]Want, 0, len(sorted))
	for _, q := range sorted {
		out = appendModule(out, registry, q.Version, ".info", WhyInfo)
	}
	return out
}

// Lists says that the go command can list modules, by their paths, without the graph: go.mod selects each, since it is of go 1.17 or
// later and of no workspace (modload, rootSelected).
func (g *Go) Lists(paths []string) bool {
	selected := map[string]bool{}
	for _, m := range g.mains {
		if m.file.Module != nil {
			selected[m.file.Module.Mod.Path] = true
		}
		for _, q := range m.file.Require {
			selected[q.Mod.Path] = true
		}
	}
	return g.Pruned && !g.Workspace && !slices.ContainsFunc(paths, func(path string) bool { return !selected[path] })
}

// Zips are the zips of the requirements, in the order of go.mod: of the direct ones, and of those that are marked
// indirect. If the project is Pruned and no Workspace, both together are what `go mod download` fetches. Their Digest is
// empty: go.sum's h1 tells what is in a zip, but not which bytes come.
func (g *Go) Zips(registry string) (direct, indirect []Want) {
	return g.zips(registry, func(q require) (needed, isDirect bool) { return true, !q.indirect })
}

// ZipsAt are Zips for a build of packages in directories: what their modules require. Those of no module are left out; without
// any, all are needed.
func (g *Go) ZipsAt(registry string, dirs []string) (direct, indirect []Want) {
	isDirect := map[string]bool{} // by the paths of what is required
	for _, m := range g.around(dirs) {
		for _, q := range m.file.Require {
			isDirect[q.Mod.Path] = isDirect[q.Mod.Path] || !q.Indirect
		}
	}
	if len(isDirect) == 0 {
		return g.Zips(registry)
	}
	return g.zips(registry, func(q require) (needed, direct bool) {
		direct, needed = isDirect[q.path]
		return needed, direct
	})
}

func (g *Go) zips(registry string, needs func(require) (needed, isDirect bool)) (direct, indirect []Want) {
	for _, q := range g.requires {
		switch needed, isDirect := needs(q); {
		case isDirect:
			direct = appendModule(direct, registry, q.Version, ".zip", WhyDirectZip)
		case needed:
			indirect = appendModule(indirect, registry, q.Version, ".zip", WhyIndirectZip)
		}
	}
	return direct, indirect
}

// Toolchain is the zip of the go command that one of a version, as go1.26.0, fetches before all else, because the project wants
// a later one; nil: it does not (go.dev/doc/toolchain, "Go toolchain selection", with GOTOOLCHAIN=auto).
func (g *Go) Toolchain(registry, version string) []Want {
	best := version
	if !goversion.IsValid(version) || goversion.Compare(version, "go1.21") < 0 { // those before know no others
		return nil
	}
	for _, ask := range g.asks {
		if ask.toolchain == "default" {
			continue
		}
		if goversion.Compare(ask.toolchain, best) > 0 { // what is no version is less
			best = ask.toolchain
		}
		if goversion.Compare(ask.language, best) > 0 {
			if best = ask.language; goversion.Lang(best) == best { // go 1.27 is a language; its first toolchain is 1.27.0
				best += ".0"
			}
		}
	}
	if best == version || strings.Contains(best, "-") { // somebody's own, go1.27.1-corp, is no proxy's
		return nil
	}
	m := module.Version{Path: "golang.org/toolchain", Version: "v0.0.1-" + best + "." + runtime.GOOS + "-" + runtime.GOARCH}
	return appendModule(nil, registry, m, ".zip", WhyToolchain)
}

// around are the modules in which the directories are.
func (g *Go) around(dirs []string) (out []mainModule) {
	at := make(map[string]mainModule, len(g.mains))
	for _, m := range g.mains {
		at[unlinked(m.dir)] = m
	}
	for _, dir := range dirs {
		for above := range upFrom(unlinked(dir)) {
			if m, ok := at[above]; ok {
				out = append(out, m)
				break
			}
		}
	}
	return out
}

// appendModule adds $GOPROXY/MODULE/@v/VERSION.EXT; a name that no proxy has is left out.
func appendModule(to []Want, registry string, m module.Version, ext, why string) []Want {
	if module.Check(m.Path, m.Version) != nil {
		return to
	}
	path, err := module.EscapePath(m.Path)
	if err != nil {
		return to
	}
	version, err := module.EscapeVersion(m.Version)
	if err != nil {
		return to
	}
	return append(to, Want{URL: registry + "/" + path + "/@v/" + version + ext, Bulk: ext == ".zip", Why: why})
}
