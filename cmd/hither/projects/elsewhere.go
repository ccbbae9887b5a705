package projects

import (
	"path/filepath"
	"slices"
	"strings"

	"hither/cmd/hither/environ"
	"hither/cmd/hither/goenv"
	"hither/forward/npmrc"
	"hither/forward/peer"
	"hither/forward/prefetch/golang"
	"hither/forward/project"
)

// elsewhere are patterns of what a client gets from others than the public registries, by its environment and the files of
// its user and its project: those must not hear the names because of a guess. Hither's own environment says nothing of it.
func (p *Finder) elsewhere(process peer.Process, env environ.List) []string {
	registries := p.registries(process, env)
	private := append(privateModules(process.Args, env), registries.Private()...)
	if registries.Default != "" {
		for _, public := range []string{project.NPMRegistry, project.YarnRegistry} {
			private = append(private, strings.TrimPrefix(public, "https://")+"/*")
		}
	}
	return private
}

// maxScopes bounds the patterns that each name is compared with. Nobody has so many; a project that has is not trusted with more.
const maxScopes = 1000

// registries takes any file that names another registry than npm's for the one that counts: which does is up to the program,
// and to how it was called. So does one that cannot be read. Only of npm is it known that its environment goes before all files.
func (p *Finder) registries(process peer.Process, env environ.List) (found project.Registries) {
	settings, home := clientSettings(process, env).ReadAbove(), homeOf(env)
	others, blind := project.Others{Env: env, Home: home, Dir: process.Dir}.Read()
	note := func(namings []npmrc.Naming, all bool) {
		for _, n := range namings {
			if (all || n.Scope != "") && !isPublicNPM(n.URL, p.Own) {
				found.Replace(n)
			}
		}
	}
	ahead := settings.AheadNamings()
	chosen := IsNpm(process.Args) && slices.ContainsFunc(ahead, func(n npmrc.Naming) bool { return n.Scope == "" })
	note(settings.FileNamings(), !chosen)
	note(ahead, true)
	note(others, true)
	if other := found.Scopes[settings.Scope()]; found.Default == "" && other != "" {
		found.Default = other
	}
	if found.Default == "" && (blind || settings.Blind || home == "") { // programs find a home in the system's list of users
		found.Default = unreadRegistry
	}
	if len(found.Scopes) > maxScopes {
		return project.Registries{Default: unreadRegistry}
	}
	return found
}

// privateModules are those that the go command does not ask the public proxy for, or does not check with the public database. What its environment itself says of them
// peer.Process.Private has.
func privateModules(args []string, env environ.List) (private []string) {
	settings := goenv.Settings{Env: env, ReadFile: npmrc.ReadFile, Root: clientGoRoot(args, env)}
	for _, name := range peer.GoPrivate() {
		private = append(private, peer.GoPatterns(name, settings.Get(name))...)
	}
	if settings.Blind() || goenv.GoesElsewhere(settings.Get("GOPROXY")) {
		private = append(private, strings.TrimPrefix(goenv.PublicProxy, "https://")+"/*")
	}
	return private
}

// clientGoRoot is goenv.FindRoot for a client, which may have been called by its path.
func clientGoRoot(args []string, env environ.List) string {
	if env.Get("GOROOT") == "" && golang.Is(args) && filepath.IsAbs(args[0]) {
		return goenv.ProgramRoot(args[0])
	}
	return goenv.FindRoot(env)
}
