package projects

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"hither/cmd/hither/environ"
	"hither/forward/npmrc"
	"hither/forward/peer"
	"hither/forward/project"
)

// NpmSettings finds what npm is told in dir; empty: its working directory is gone. Everything that the project says counts.
func NpmSettings(env environ.List, home, dir string) npmrc.Reader {
	r := npmrc.Reader{Env: env, Lookup: env.Lookup, Home: home, Dir: dir, Project: true}
	if dir != "" {
		r.Root = project.Root(dir)
	}
	r.Node, r.NPM = npmrc.Installed()
	return r
}

// clientSettings is NpmSettings for a process of the same user, of whose environment only some is known. Its node may be another
// than the one that Hither would find.
func clientSettings(process peer.Process, env environ.List) npmrc.Reader {
	env = append(environ.List{"PREFIX=" + os.Getenv("PREFIX")}, env...)
	r := NpmSettings(env, homeOf(env), process.Dir)
	if npmrc.ProgramName(process.Program) == "node" {
		r.Node = filepath.Dir(filepath.Dir(process.Program))
	}
	return r
}

// homeOf is a client's home directory; where its environment does not say, it is Hither's own: it is the same user.
func homeOf(env environ.List) string {
	home := env.Get("HOME")
	if home == "" {
		home, _ = os.UserHomeDir()
	}
	return home
}

// npmArgs knows npm by its arguments as it was started, `node /usr/bin/npm ci`, and as it writes them then, in one word, and
// returns those behind its name. What only has npm among its arguments, a shell or git, works elsewhere or on something else.
func npmArgs(args []string) (rest []string, ok bool) {
	if len(args) > 0 && npmrc.ProgramName(args[0]) == "node" {
		args = args[1:]
		for len(args) > 0 && strings.HasPrefix(args[0], "-") {
			args = args[1:]
		}
	}
	if len(args) == 0 {
		return nil, false
	}
	if command, ok := strings.CutPrefix(args[0], "npm "); ok {
		return strings.Fields(command), true
	}
	return args[1:], npmrc.ProgramName(args[0]) == "npm"
}

// withNpmSettings is how a process was called, with what the settings of npm, or the go command's, add to it that says what is
// asked for.
func withNpmSettings(process peer.Process, env environ.List) []string {
	rest, ok := npmArgs(process.Args)
	if !ok {
		return withGoFlags(process.Args, env)
	}
	r := clientSettings(process, env)
	r.Args = rest
	out := slices.Clone(process.Args)
	words := npmWords(r)
	switch {
	case len(words) == 0:
	case strings.HasPrefix(out[0], "npm "):
		out[0] = "npm " + strings.Join(words, " ") + out[0][len("npm"):]
	default:
		out = slices.Insert(out, len(out)-len(rest), words...)
	}
	return out
}

// npmWords are the options that say what npm's settings add to its arguments: that it installs no peers, and what it leaves out.
func npmWords(r npmrc.Reader) (words []string) {
	settings := r.Read()
	if settings.Is("legacy-peer-deps") {
		words = append(words, "--legacy-peer-deps")
	}
	omitted, known := settings.Omitted()
	alone := npmrc.OmittedBy(r.Args)
	for _, kind := range npmrc.Kinds() {
		switch omits := slices.Contains(omitted, kind); {
		case !known || omits == slices.Contains(alone, kind):
		case omits:
			words = append(words, "--omit="+kind)
		default:
			words = append(words, "--include="+kind)
		}
	}
	return words
}

// IsNpm says that a process is npm, by its arguments as it was started, or as it writes them then.
func IsNpm(args []string) bool {
	_, ok := npmArgs(args)
	return ok
}

// IsGlobalNpm finds the calls of npm that work on the whole machine: with them it does not read the project's file.
func IsGlobalNpm(args []string, env environ.List) bool {
	if strings.ToLower(npmrc.ProgramName(args[0])) != "npm" {
		return false
	}
	return npmrc.Reader{Args: args[1:], Env: env}.Read().Global()
}
