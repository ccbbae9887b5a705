package shell

import (
	"path/filepath"
	"regexp"
	"strings"

	"hither/cmd/hither/environ"
	"hither/cmd/hither/paths"
)

// Calling is what to type for a command of Hither's that finds the same state directory. env says which is found by itself.
func Calling(sh Language, name, state string, env environ.List) string {
	text := "hither " + name
	if home, err := paths.Find(env); err != nil || filepath.Clean(state) != home.State {
		text += " --state " + sh.Quote(state)
	}
	return text
}

// Advise is a text in which each call of Hither, which stands between backquotes, finds the same state directory.
func Advise(text string, sh Language, state string, env environ.List) string {
	return regexp.MustCompile("`hither ([^`]+)`").ReplaceAllStringFunc(text, func(call string) string {
		if strings.Contains(call, " --state ") {
			return call
		}
		return "`" + Calling(sh, strings.TrimPrefix(strings.Trim(call, "`"), "hither "), state, env) + "`"
	})
}
