package tools

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"hither/install"
	"hither/install/lines"
	"hither/install/proxyname"
)

// yarnSteps sets the proxy of Yarn 2 and later, which reads neither npmrc nor HTTPS_PROXY. Its httpsCaFilePath replaces
// all other roots, so it is set only to a complete file, and only if there is none.
func yarnSteps(m *install.Machine, t Tooling) []install.Step {
	file := m.Join(m.Home, ".yarnrc.yml")
	return []install.Step{install.Edit{
		On: m, Name: "send Yarn through Hither in " + file, Path: file, Volatile: true, Mode: 0o600, // tokens may follow
		Change: func(old []byte, _ bool) ([]byte, error) {
			out, err := putYarnProxy(old, t)
			return out, install.InFile(file, err)
		},
	}}
}

func putYarnProxy(text []byte, t Tooling) ([]byte, error) {
	keys, err := yamlKeys(text)
	if err != nil {
		return nil, err
	}
	var add []string
	for _, name := range []string{"httpProxy", "httpsProxy"} {
		now, ok := keys[name]
		if ok && proxyname.Same(now, t.proxyURL()) {
			continue
		}
		if ok {
			// Even the proxy behind us is not replaced: what a YAML value is takes a whole reader of YAML to know.
			return nil, install.Refuse("has a %s of its own: take that line away and let Hither go out through that proxy with upstream-proxy in its config.toml, or leave yarn out", name)
		}
		add = append(add, fmt.Sprintf("%s: %q", name, t.proxyURL()))
	}
	if _, ok := keys["httpsCaFilePath"]; !ok && t.Bundle != "" {
		add = append(add, "httpsCaFilePath: '"+strings.ReplaceAll(t.Bundle, "'", "''")+"'")
	}
	return lines.Append(text, add), nil
}

// yamlKeys returns the keys of the outermost mapping, and their values so far as they are written on one line. It
// refuses every form to which a line at the end would not be added safely; Yarn writes none of them.
func yamlKeys(text []byte) (map[string]string, error) {
	if !utf8.Valid(text) || slices.Contains(text, 0) {
		return nil, errors.New("is not a text in UTF-8: save it as one")
	}
	keys := map[string]string{}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line = strings.TrimRight(line, " \t\r\n")
		if line == "" || strings.ContainsRune(" \t#", rune(line[0])) {
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		key = lines.Unquote(strings.TrimSpace(key))
		if !ok || key == "" || strings.ContainsAny(key, "{}[]\"'&*!|>%`,?#") || strings.HasPrefix(key, "-") || value != "" && value[0] != ' ' {
			return nil, fmt.Errorf("has no \"key: value\" in line %d: write it so, or leave yarn out", n) // it may hold a token
		}
		value, _, _ = strings.Cut(value, " #")
		keys[key] = lines.Unquote(strings.TrimSpace(value))
	}
	return keys, nil
}
