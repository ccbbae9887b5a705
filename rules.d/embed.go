// Package rulesd carries the rule files in the binary: one TOML file a registry, data only.
//
// They are the first directory that rules.Load is handed. A file of the same name in the user's directory replaces the
// one in here, whole.
package rulesd

import "embed"

// Files holds the *.toml files of this directory, at its root.
//
//go:embed *.toml
var Files embed.FS
