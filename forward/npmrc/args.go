package npmrc

import (
	"path"
	"slices"
	"strconv"
	"strings"
)

// Arg is one argument of npm, or an option and its value.
type Arg struct {
	Word   string // a word of the command; empty: it is an option
	Option string // its name without dashes, as npm calls it in full
	Value  string // of the option; "true" and "false" of those that have none
	// Known says that npm knows the option. The word behind one that is not known npm takes for a word of the command; who
	// wrote it may have thought otherwise.
	Known bool
	Given bool // the value was written behind =
}

// ParseArgs reads npm's arguments, without the program, as npm 11 does (nopt 9): with any number of dashes, short ones in one
// word, names cut short as long as they are plain, --no- before a name, and values behind = or a blank. Behind -- there are
// words only.
func ParseArgs(args []string) (out []Arg) {
	rest := slices.Clone(args)
	slices.Reverse(rest) // the next one is the last
	for len(rest) > 0 {
		arg := rest[len(rest)-1]
		rest = rest[:len(rest)-1]
		switch {
		case isEnd(arg):
			for _, word := range slices.Backward(rest) {
				out = append(out, Arg{Word: word})
			}
			return out
		case !strings.HasPrefix(arg, "-") || arg == "-":
			out = append(out, Arg{Word: arg})
			continue
		}
		name, value, given := strings.Cut(arg, "=")
		if given {
			rest = append(rest, value)
		}
		if long := lengthen(strings.TrimLeft(name, "-")); len(long) > 0 {
			for _, word := range slices.Backward(long) {
				rest = append(rest, word)
			}
			continue
		}
		option, took := takeOption(strings.TrimLeft(name, "-"), rest, given)
		out, rest = append(out, option), rest[:len(rest)-took]
	}
	return out
}

// lengthen is what short options stand for, in words; none: it is no short one.
func lengthen(name string) (long []string) {
	if optionKind(name) != unknown {
		return nil
	}
	if long := shortOption(name); long != "" {
		return strings.Fields(long)
	}
	for _, letter := range name {
		words := strings.Fields(shortOption(string(letter)))
		if len(words) == 0 {
			long = nil
			break
		}
		long = append(long, words...)
	}
	if len(long) == 0 && inFull(name) == "" {
		long = strings.Fields(shortOption(onlyBeginning(name, shortNames())))
	}
	return long
}

// takeOption reads an option, and how many of the arguments behind it are its value. The next one of them is the last. Given
// says that it was written with =.
func takeOption(name string, rest []string, given bool) (o Arg, took int) {
	negated, no := false, false
	for len(name) >= len("no-") && strings.EqualFold(name[:len("no-")], "no-") {
		negated, no, name = true, !no, name[len("no-"):]
	}
	if full := inFull(name); full != "" {
		name = full
	}
	next, there, kind := "", len(rest) > 0, optionKind(name)
	if there {
		next = rest[len(rest)-1]
	}
	o = Arg{Option: name, Known: kind != unknown, Given: given}
	switch {
	case negated, kind == boolean, kind == unknown && !given:
		o.Value, took = takeTruth(name, next, no)
	case kind == text && (!there || isOption(next)): // it has none
	case !there, isEnd(next):
		o.Value = "true"
	default:
		o.Value, took = next, 1
	}
	return o, took
}

// takeTruth is the value of an option that needs none, but may have one.
func takeTruth(name, next string, no bool) (value string, took int) {
	switch {
	case next == "true" || next == "false":
		return strconv.FormatBool((next == "true") != no), 1
	case next == "null" && strings.Contains(nullOptions, " "+name+" "),
		name == "color" && next == "always",
		name == "browser" && next != "" && (next[0] != '-' || len(next) < 2 || next[1] == '-'):
		return next, 1
	}
	return strconv.FormatBool(!no), 0
}

// isEnd says that what follows are words only.
func isEnd(arg string) bool { return len(arg) >= 2 && strings.Trim(arg, "-") == "" }

// isOption says that a word cannot be the value of an option that takes text.
func isOption(word string) bool {
	bare := strings.TrimPrefix(strings.TrimPrefix(word, "-"), "-")
	return strings.HasPrefix(word, "-") && bare != "" && bare[0] != '-'
}

// readArgs is the level of the command line. Of several that are no list the last counts.
func readArgs(args []string) Level {
	var out Level
	for _, arg := range ParseArgs(args) {
		if arg.Option != "" {
			out.set(arg.Option, arg.Value, "--"+arg.Option, slices.Contains([]string{"ca", "noproxy", "omit", "include", "workspace"}, arg.Option))
		}
	}
	return out
}

// ProgramName is a program's name by the file that runs it, without what Windows and Node end it with: npm for
// "/usr/lib/node_modules/npm/bin/npm-cli.js", pnpm for "pnpm.cjs", node for `C:\node\node.exe`.
func ProgramName(file string) string {
	file = strings.ReplaceAll(file, `\`, "/")
	name := path.Base(file)
	switch strings.ToLower(path.Ext(name)) {
	case ".exe", ".cmd", ".ps1", ".js", ".cjs", ".mjs":
		name = name[:len(name)-len(path.Ext(name))]
	}
	switch name {
	case "npm-cli", "npx-cli":
		return strings.TrimSuffix(name, "-cli")
	case "yarnpkg", "yarn-berry":
		return "yarn"
	case "cli":
		if strings.HasSuffix(file, "/yarn/lib/cli.js") { // as Yarn 1 calls itself in a workspace
			return "yarn"
		}
	}
	if version, ok := strings.CutPrefix(name, "yarn-"); ok && version != "" && '0' <= version[0] && version[0] <= '9' { // .yarn/releases
		return "yarn"
	}
	return name
}
