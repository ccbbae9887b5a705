// Package told reads what tools are told of registries: whom they ask, by which proxy, and whom not by it. It looks where each tool
// looks, at variables and files, in its order. What is to be thought of that is for others to say.
//
//	tool := told.Go{Reader: told.Reader{On: machine, Read: read}}
//	if s := tool.Registry(); s.Said() { … }
package told

import (
	"context"
	"path/filepath"

	"hither/install"
)

// Setting is a value and where it was said. The zero Setting was said nowhere.
type Setting struct {
	Name  string // "HTTPS_PROXY", "cafile in /home/u/.npmrc"
	Value string
}

// Said is false where nobody said anything.
func (s Setting) Said() bool { return s.Value != "" }

// Tool is what one tool is told.
type Tool interface {
	// Host is the registry that it asks if nobody says otherwise.
	Host() string
	// Registry is what it is to ask instead, first of all.
	Registry() Setting
	// Proxy is the proxy that it takes for https.
	Proxy() Setting
	// Bypass is its NO_PROXY.
	Bypass() Setting
}

// Reader is where tools are told. It may be copied, and used by many at once. What has no word about its zero value is set.
type Reader struct {
	On     *install.Machine
	Dir    string                                           // where the tool works, without On's Root; empty: in no project
	GoRoot string                                           // whose go.env distributions change; empty: not known
	Read   func(name string) ([]byte, error)                // a file of the machine
	Has    func(command string) bool                        // is it installed
	Print  func(ctx context.Context, argv ...string) string // what a command prints that changes nothing; empty if it fails
}

// First is the first variable that is set and not empty.
func (r Reader) First(names ...string) Setting {
	for _, name := range names {
		if value := r.On.Getenv(name); value != "" {
			return Setting{Name: name, Value: value}
		}
	}
	return Setting{}
}

// AtHome is a file below the user's home; empty if there is none.
func (r Reader) AtHome(parts ...string) string {
	if r.On.Home == "" {
		return ""
	}
	return filepath.Join(append([]string{r.On.Home}, parts...)...)
}

// configFile is a file in the user's directory of settings, as os.UserConfigDir has it; empty: there is no home.
func (r Reader) configFile(parts ...string) string {
	base := ""
	switch r.On.System() {
	case "windows":
		base = r.On.Getenv("AppData")
	case "darwin":
		base = r.AtHome("Library", "Application Support")
	default:
		if base = r.On.Getenv("XDG_CONFIG_HOME"); base == "" {
			base = r.AtHome(".config")
		}
	}
	if base == "" {
		return ""
	}
	return filepath.Join(append([]string{base}, parts...)...)
}

// text is a file as text; empty if it cannot be read.
func (r Reader) text(name string) string {
	data, _ := r.Read(name)
	return string(data)
}
