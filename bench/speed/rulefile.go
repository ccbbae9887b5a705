//go:build linux

package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	rulesd "hither/rules.d"
)

// writeRules writes the product's own rules into a directory, with other mirrors: the real ones are out of reach here, and
// to find that out would be part of what is measured. mirrors are URLs, for docker alone.
func (w *world) writeRules(mirrors []string) error {
	dir := filepath.Join(w.Dir, "rules")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	names, err := fs.Glob(rulesd.Files, "*.toml")
	if err != nil {
		return err
	}
	for _, name := range names {
		text, err := fs.ReadFile(rulesd.Files, name)
		if err != nil {
			return err
		}
		with := mirrors
		if name != "docker.toml" {
			with = nil
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(withMirrors(string(text), with)), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// withMirrors takes the mirrors out of a rule file, and puts others before its first path. A table ends with an empty line
// or where the next begins.
func withMirrors(text string, mirrors []string) string {
	var out strings.Builder
	inMirror, placed := false, false
	for line := range strings.Lines(text) {
		switch head := strings.TrimSpace(line); {
		case strings.HasPrefix(head, "[[mirror]]"):
			inMirror = true
		case head == "" || strings.HasPrefix(head, "["):
			inMirror = false
		}
		if !placed && strings.HasPrefix(strings.TrimSpace(line), "[[path]]") {
			for _, url := range mirrors {
				fmt.Fprintf(&out, "[[mirror]]\nurl = %q\n\n", url)
			}
			placed = true
		}
		if !inMirror {
			out.WriteString(line)
		}
	}
	return out.String()
}
