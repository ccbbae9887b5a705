// Package files carries what ships beside the program: units, property lists, and what runs Hither in containers. Each is valid
// as it stands; those for services name the program /usr/bin/hither or /usr/local/bin/hither, which is replaced.
package files

import "embed"

// shipped holds them at its root.
//
//go:embed *.service *.socket *.plist *.openrc *.yaml Dockerfile all:devcontainer
var shipped embed.FS

// Read returns one: "compose.yaml", "devcontainer/hither/install.sh".
func Read(name string) ([]byte, error) { return shipped.ReadFile(name) }
