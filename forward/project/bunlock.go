package project

import (
	"bytes"
	"encoding/json"
	"strings"
)

// parseBunLock reads "packages" of a bun.lock: JSON with commas before closing brackets. A package of a registry is
// ["NAME@VERSION", URL of the tarball or "", {os, cpu, …}, INTEGRITY]; others have fewer parts.
func parseBunLock(data []byte) ([]Package, error) {
	var out []Package
	d := json.NewDecoder(bytes.NewReader(withoutTrailingCommas(data)))
	err := eachMember(d, func(name string) error {
		if name != "packages" {
			return skip(d)
		}
		return eachMember(d, func(string) error {
			if len(out) >= maxEntries {
				return errTooMany
			}
			var parts []json.RawMessage
			if err := d.Decode(&parts); err != nil {
				return err
			}
			if p, ok := bunPackage(parts); ok {
				out = append(out, p)
			}
			return nil
		})
	})
	return out, err
}

func bunPackage(parts []json.RawMessage) (p Package, ok bool) {
	var name string
	var info struct{ OS, CPU, Libc words }
	if len(parts) != 4 || json.Unmarshal(parts[0], &name) != nil || json.Unmarshal(parts[1], &p.URL) != nil ||
		json.Unmarshal(parts[2], &info) != nil || json.Unmarshal(parts[3], &p.Integrity) != nil {
		return Package{}, false
	}
	p.Name, p.Version = CutVersion(name)
	p.For = Systems{OS: info.OS, CPU: info.CPU, Libc: info.Libc}
	if !strings.HasSuffix(p.URL, ".tgz") { // the address of another registry: the tarball is at the usual place of that one
		at, ok := "", p.URL == ""
		if !ok {
			at, ok = tarball(strings.TrimSuffix(p.URL, "/"), p.Name, p.Version)
		}
		p.URL = at
		return p, ok
	}
	return p, true
}

// withoutTrailingCommas puts blanks where JSON allows no comma: before a closing bracket. It changes data.
func withoutTrailingCommas(data []byte) []byte {
	comma, quoted := -1, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted, comma = !quoted, -1
		case quoted || c == ' ' || c == '\n' || c == '\r' || c == '\t':
		case c == ',':
			comma = i
		case (c == ']' || c == '}') && comma >= 0:
			data[comma], comma = ' ', -1
		default:
			comma = -1
		}
	}
	return data
}
