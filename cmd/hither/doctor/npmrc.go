package doctor

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
)

// npmSettings are npm's settings by name, each from the place that wins: the environment, then the npmrc files of the
// project, the user and the machine (npm's documentation, "config" and "npmrc").
type npmSettings map[string]setting

// npmSettings reads what npm would read in the working directory.
func (p *Patient) npmSettings() npmSettings {
	found := npmSettings{}
	for _, name := range []string{"registry", "proxy", "https-proxy", "noproxy", "cafile", "ca", "strict-ssl"} {
		variable := "npm_config_" + strings.ReplaceAll(name, "-", "_")
		if s := p.first(variable, strings.ToUpper(variable)); s.said() {
			found[name] = s
		}
	}
	for _, file := range p.npmrcFiles() {
		data, err := p.read(file)
		if err != nil {
			continue
		}
		for name, s := range parseNpmrc(string(data), p.lookup) {
			if _, said := found[name]; !said {
				s.Name = fmt.Sprintf("%s in %s", s.Name, file)
				found[name] = s
			}
		}
	}
	for name, s := range found {
		if s.Value == "" || s.Value == "null" {
			delete(found, name)
		}
	}
	return found
}

// npmrcFiles has the strongest first. Npm looks for the project's root upwards from the working directory.
func (p *Patient) npmrcFiles() (files []string) {
	for dir := p.Dir; dir != ""; dir = filepath.Dir(dir) {
		if dir == p.Home {
			break // the user's own file comes below
		}
		files = append(files, filepath.Join(dir, ".npmrc"))
		if p.exists(filepath.Join(dir, "package.json")) || filepath.Dir(dir) == dir {
			break
		}
	}
	if user := p.first("npm_config_userconfig", "NPM_CONFIG_USERCONFIG"); user.said() {
		files = append(files, user.Value)
	} else if p.Home != "" {
		files = append(files, p.home(".npmrc"))
	}
	if global := p.first("npm_config_globalconfig", "NPM_CONFIG_GLOBALCONFIG"); global.said() {
		return append(files, global.Value)
	}
	return append(files, "/usr/etc/npmrc", "/usr/local/etc/npmrc", "/etc/npmrc")
}

// parseNpmrc reads an npmrc. Lists (ca[]) are joined; of equal keys the last one counts. ${NAME} is the environment's, and
// stays as it is if there is no such variable, as with npm.
func parseNpmrc(text string, lookup func(string) string) npmSettings {
	out := npmSettings{}
	for _, l := range parseINI(text, false) {
		if l.Section != "" {
			continue
		}
		name, list := strings.CutSuffix(l.Key, "[]")
		value := expandNpm(unquote(l.Value), lookup)
		if before, said := out[name]; list && said {
			value = before.Value + "\n" + value
		}
		out[name] = setting{Name: name, Value: value}
	}
	return out
}

// unquote takes quotes off as npm's ini does: double ones hold JSON.
func unquote(text string) string {
	if len(text) < 2 || text[0] != text[len(text)-1] {
		return text
	}
	switch text[0] {
	case '\'':
		return text[1 : len(text)-1]
	case '"':
		var out string
		if json.Unmarshal([]byte(text), &out) == nil {
			return out
		}
	}
	return text
}

func expandNpm(text string, lookup func(string) string) string {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			out.WriteString("${" + rest)
			return out.String()
		}
		bareName, optional := strings.CutSuffix(name, "?")
		if value := lookup(bareName); value != "" || optional {
			out.WriteString(value)
		} else {
			out.WriteString("${" + name + "}")
		}
		text = after
	}
}
