package told

import (
	"fmt"
	"slices"
	"strings"

	"hither/install/lines"
	"hither/install/toolfile"
)

// Pip is pip; uv reads some of the same variables.
type Pip struct{ Reader }

// Host implements Tool.
func (Pip) Host() string { return "pypi.org" }

// Get looks where pip does: PIP_NAME, then the configuration files, the strongest first (pip's documentation,
// "Configuration"). A name without a value hides those of weaker files, and says nothing itself.
func (p Pip) Get(name string) Setting {
	if s := p.First("PIP_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))); s.Said() {
		return s
	}
	for _, section := range []string{"install", "global"} { // a command's own section goes before [global], of whatever file
		if s := p.inFiles(section, name); s.Said() {
			return s
		}
	}
	return Setting{}
}

// inFiles is what the strongest file says that has the name.
func (p Pip) inFiles(section, name string) Setting {
	for _, file := range slices.Backward(toolfile.Pip(p.On)) {
		if value, ok := findPip(p.text(file), section, name); ok {
			return Setting{Name: fmt.Sprintf("%s in %s", name, file), Value: value}
		}
	}
	return Setting{}
}

// findPip reads one section of one file; one that pip would not read says nothing.
func findPip(text, section, name string) (value string, ok bool) {
	file, err := lines.ParseINI([]byte(text), lines.PipStyle())
	if err != nil {
		return "", false
	}
	entry, ok := file.Get(section, name)
	return entry.Value, ok
}

// Registry implements Tool.
func (p Pip) Registry() Setting {
	s := p.Get("index-url")
	if strings.HasPrefix(s.Value, "https://"+p.Host()+"/") {
		return Setting{}
	}
	return s
}

// Proxy implements Tool: requests reads the small letters first.
func (p Pip) Proxy() Setting {
	if s := p.Get("proxy"); s.Said() {
		return s
	}
	return p.First("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
}

// Bypass implements Tool.
func (p Pip) Bypass() Setting { return p.First("no_proxy", "NO_PROXY") }
