// Package shell writes what a person types, in the language of the shell that is open: variables, and calls of Hither.
//
//	sh, err := shell.Find("", shell.Parent(), env)
//	line, err := sh.Set("GOPROXY", list)
package shell

import (
	"fmt"
	"path/filepath"
	"strings"

	"hither/cmd/hither/environ"
	"hither/install"
)

// Language is a language in which variables are set.
type Language string

// The shells that are known. Bash, zsh, dash and sh differ in nothing that matters here.
const (
	bash       Language = "bash"
	zsh        Language = "zsh"
	posix      Language = "sh"
	fish       Language = "fish"
	powerShell Language = "powershell"
	cmdExe     Language = "cmd"
)

// Names are the shells that are known, by the names that Find takes.
func Names() []string {
	return []string{string(bash), string(zsh), string(posix), string(fish), string(powerShell), string(cmdExe)}
}

// Find takes the name a user gave, else the parent process, else SHELL, else what the system comes with.
func Find(named, parent string, env environ.List) (Language, error) {
	if named != "" {
		if known, ok := parse(named); ok {
			return known, nil
		}
		return "", fmt.Errorf("the shell %q is not known here: name one of %s", named, strings.Join(Names(), ", "))
	}
	for _, name := range []string{parent, env.Get("SHELL")} {
		if known, ok := parse(name); ok {
			return known, nil
		}
	}
	return System, nil
}

// parse takes a program's name: /usr/bin/zsh, -bash (as login shells call themselves), pwsh.exe.
func parse(program string) (Language, bool) {
	name := strings.TrimPrefix(filepath.Base(strings.ReplaceAll(strings.TrimSpace(program), `\`, "/")), "-")
	name = strings.TrimSuffix(strings.ToLower(name), ".exe")
	switch name {
	case "bash", "zsh", "sh", "fish", "powershell", "cmd":
		return Language(name), true
	case "dash", "ash", "busybox", "ksh", "mksh":
		return posix, true
	case "pwsh":
		return powerShell, true
	}
	return "", false
}

// Set is the line that gives a variable to the shell and its children.
func (s Language) Set(name, value string) (string, error) {
	if strings.ContainsRune(value, 0) {
		return "", fmt.Errorf("the value of %s has a zero byte, which no environment holds", name)
	}
	switch s {
	case fish:
		return "set -gx " + name + " '" + quoteFish(value) + "'", nil
	case powerShell:
		return "$env:" + name + " = " + install.QuotePowerShell(value), nil
	case cmdExe:
		// There is no way to write a quote or a new line that every use of the line would survive.
		if strings.ContainsAny(value, "\"\r\n") {
			return "", fmt.Errorf("the value of %s has a quote or a new line, which cmd cannot be told: use --shell powershell", name)
		}
		return `set "` + name + "=" + value + `"`, nil
	}
	return "export " + name + "='" + install.QuotePosix(value) + "'", nil
}

// Copy is the line that gives a variable the value of another one, without showing it.
func (s Language) Copy(to, from string) string {
	switch s {
	case fish:
		return "set -gx " + to + " $" + from
	case powerShell:
		return "$env:" + to + " = $env:" + from
	case cmdExe:
		return `set "` + to + "=%" + from + `%"`
	}
	return "export " + to + `="$` + from + `"`
}

// Unset is the line that takes variables away.
func (s Language) Unset(names ...string) string {
	switch s {
	case fish:
		return "set -e " + strings.Join(names, " ")
	case powerShell:
		return "Remove-Item Env:" + strings.Join(names, ", Env:") + " -ErrorAction SilentlyContinue"
	case cmdExe:
		return `set "` + strings.Join(names, `=" & set "`) + `="`
	}
	return "unset " + strings.Join(names, " ")
}

// Use is what a person types to run the lines of a command in the shell that is open.
func (s Language) Use(command string) string {
	switch s {
	case fish:
		return command + " | source"
	case powerShell:
		return command + " | Out-String | Invoke-Expression"
	case cmdExe:
		return `for /f "delims=" %i in ('` + command + `') do @%i`
	}
	return `eval "$(` + command + `)"`
}

// Quote makes a word of a text that is to be typed.
func (s Language) Quote(text string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-:+@", r)
	}
	if text != "" && strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		return text
	}
	switch s {
	case fish:
		return "'" + quoteFish(text) + "'"
	case powerShell:
		return install.QuotePowerShell(text)
	case cmdExe:
		return `"` + text + `"`
	}
	return "'" + install.QuotePosix(text) + "'"
}

func quoteFish(text string) string {
	return strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text)
}
