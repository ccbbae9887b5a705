package truststore

import (
	"cmp"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"hither/install"
	"hither/install/toolfile"
)

// naming is a configuration that may name a bundle of roots. A tool that is told one knows no others, so our root goes
// into it; a tool that is told none is left to take the system's.
type naming struct {
	tool  string
	files []string       // below nothing; patterns
	names *regexp.Regexp // its first group is the path
}

// bundles returns a step for each bundle that a tool is told to take its roots from. Nothing is replaced.
func bundles(m *install.Machine, root Certificate) []install.Step {
	var steps []install.Step
	var seen []string
	add := func(tool, file string) {
		real, err := m.Resolve(m.Path(file))
		if err != nil || !m.Exists(file) || underSystem(m, file) || slices.Contains(seen, real) {
			return
		}
		if text, err := m.Read(file); err != nil || !isBundle(string(text)) {
			return // a tool that reads it says so better than we can
		}
		seen = append(seen, real)
		file = m.Below(real)
		steps = append(steps, install.Edit{On: m, Name: "trust the root certificate in " + file + ", for " + tool, Path: file, Change: root.addTo})
	}
	for _, n := range namings(m) {
		for _, pattern := range n.files {
			for _, file := range m.Glob(pattern) {
				base := path.Dir(filepath.ToSlash(file))
				if n.tool == "cargo" {
					base = toolfile.CargoBase(file)
				}
				text, _ := m.Read(file) // what cannot be read names nothing
				for _, found := range n.names.FindAllStringSubmatch(string(text), -1) {
					add(n.tool, expand(m, found[1], base))
				}
			}
		}
	}
	for _, name := range []string{
		"NODE_EXTRA_CA_CERTS", "npm_config_cafile", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "GIT_SSL_CAINFO", "CARGO_HTTP_CAINFO",
		"SSL_CERT_FILE", "DENO_CERT", "YARN_HTTPS_CA_FILE_PATH",
	} {
		if file := m.Getenv(name); file != "" && m.IsAbs(file) {
			add(name, file)
		}
	}
	return steps
}

// isBundle says that a file holds certificates and nothing secret: who names a key of root's in a setting must not have it written to.
func isBundle(text string) bool {
	return strings.Contains(text, "CERTIFICATE-----") && !strings.Contains(text, "PRIVATE KEY-----")
}

func namings(m *install.Machine) []naming {
	home, config := m.Home, m.ToolConfig()
	list := []naming{
		{"npm", []string{
			cmp.Or(m.Getenv("NPM_CONFIG_USERCONFIG"), home+"/.npmrc"), m.Getenv("npm_config_globalconfig"), "/etc/npmrc", "/usr/etc/npmrc", "/usr/local/etc/npmrc",
			"/opt/homebrew/etc/npmrc", home + "/.nvm/versions/node/*/etc/npmrc", home + "/.npm-global/etc/npmrc", home + `/AppData/Roaming/npm/etc/npmrc`,
		}, setting("cafile")},
		{"yarn", []string{home + "/.yarnrc.yml"}, regexp.MustCompile(`(?m)^\s*httpsCaFilePath\s*:\s*(.*?)\s*$`)},
		{"pip", toolfile.Pip(m), setting("cert")},
		{"conda", []string{m.Getenv("CONDARC"), home + "/.condarc", home + "/.conda/.condarc", config + "/conda/.condarc", "/etc/conda/.condarc"},
			regexp.MustCompile(`(?m)^\s*ssl_verify\s*:\s*(.*?)\s*$`)},
		{"git", toolfile.Git(m), setting("sslCAInfo")},
		{"cargo", []string{toolfile.CargoConfig(m, toolfile.CargoHome(m))}, regexp.MustCompile(`(?m)^\s*(?:http\.|proxy-)?cainfo\s*=\s*(.*?)\s*$`)},
	}
	for i := range list {
		list[i].files = slices.DeleteFunc(list[i].files, func(f string) bool {
			return !m.IsAbs(f) || m.System() != "windows" && strings.HasPrefix(f, "C:")
		})
	}
	return list
}

// setting matches a line "name = path" in files like ini.
func setting(name string) *regexp.Regexp {
	return regexp.MustCompile(`(?mi)^\s*` + name + `\s*=\s*(.*?)\s*$`)
}

// expand reads a path as the tools do: quotes, ${VARIABLE}, ~/, and below base.
func expand(m *install.Machine, value, base string) string {
	value = strings.TrimSpace(value)
	if len(value) > 1 && (value[0] == '"' || value[0] == '\'') && value[len(value)-1] == value[0] {
		quote := value[0]
		value = value[1 : len(value)-1]
		if quote == '"' {
			value = strings.ReplaceAll(value, `\\`, `\`)
		}
	}
	value = regexp.MustCompile(`\$\{(\w+)\}`).ReplaceAllStringFunc(value, func(s string) string {
		if name := s[2 : len(s)-1]; name != "HOME" {
			return m.Getenv(name)
		}
		return m.Home
	})
	if rest, ok := strings.CutPrefix(value, "~/"); ok {
		return m.Home + "/" + rest
	}
	if value == "" || m.IsAbs(value) {
		return value
	}
	return path.Join(base, value)
}
