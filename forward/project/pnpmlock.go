package project

import "strings"

// parsePNPMLock reads "packages" of a pnpm-lock.yaml of version 5 to 9. Its keys are NAME@VERSION, /NAME@VERSION(PEERS)
// before version 9, and /NAME/VERSION_PEERS before version 6; resolution has the integrity, and the tarball's URL where
// it is not at the usual place.
func parsePNPMLock(data []byte) ([]Package, error) {
	var out []Package
	var current *Package
	err := outline(data, func(keys []string, value string) error {
		if keys[0] != "packages" || len(keys) < 2 {
			current = nil
			return nil
		}
		if len(keys) == 2 {
			if len(out) >= maxEntries {
				return errTooMany
			}
			out = append(out, pnpmPackage(keys[1]))
			current = &out[len(out)-1]
			return nil
		}
		pnpmField(current, keys[2:], value)
		return nil
	})
	return out, err
}

// pnpmPackage reads a key. What is of no registry has no name that one would know.
func pnpmPackage(key string) Package {
	key, old := strings.CutPrefix(key, "/")
	key, _, _ = strings.Cut(key, "(")
	parts := strings.SplitN(key, "/", 4)
	last := 1 // the part behind the name, if the version is one of its own
	if strings.HasPrefix(key, "@") {
		last = 2
	}
	if old && len(parts) > last {
		version, _, _ := strings.Cut(parts[last], "_")
		return Package{Name: strings.Join(parts[:last], "/"), Version: version}
	}
	name, version := CutVersion(key)
	return Package{Name: name, Version: version}
}

// maxField is more than any name of a field has, in bytes.
const maxField = 32

func pnpmField(p *Package, keys []string, value string) {
	if len(keys) > 2 || len(keys[0]) > maxField { // a key of a megabyte is not joined again for each line below it
		return
	}
	if keys[0] == "resolution" && len(keys) == 2 {
		pnpmResolution(p, keys[1], value)
		return
	}
	switch strings.Join(keys, ".") {
	case "resolution":
		fields, _ := flowMap(value)
		for key, value := range fields {
			pnpmResolution(p, key, value)
		}
	case "os":
		p.For.OS = flowList(value)
	case "cpu":
		p.For.CPU = flowList(value)
	case "libc":
		p.For.Libc = flowList(value)
	case "os.-":
		p.For.OS = append(p.For.OS, value)
	case "cpu.-":
		p.For.CPU = append(p.For.CPU, value)
	case "dev":
		p.Dev = value == "true"
	case "optional":
		p.Optional = value == "true"
	}
}

func pnpmResolution(p *Package, key, value string) {
	switch key {
	case "integrity":
		p.Integrity = value
	case "tarball":
		p.URL = value
	default: // a directory, a repository, or another registry: it has no usual place, but a tarball may be named
		p.Name = ""
	}
}
