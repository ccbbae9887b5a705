// Package files carries what starts Hither by itself, units and property lists, and stands beside what runs it in containers: the
// latter is for who has this tree, and in no binary. Each is valid as it stands; those for services name the program /usr/bin/hither or
// /usr/local/bin/hither, which is replaced.
package files

import "embed"

// services holds them at its root.
//
//go:embed *.service *.plist *.openrc
var services embed.FS

// Read returns one: "hither.service".
func Read(name string) ([]byte, error) { return services.ReadFile(name) }
