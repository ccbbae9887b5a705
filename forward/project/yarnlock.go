package project

import "strings"

// parseYarnLock reads a yarn.lock of yarn 1, whose entries have resolved and integrity, and of later ones ("berry"),
// whose entries have a resolution NAME@npm:VERSION, and a checksum that is of yarn's own zip and so of no use here.
func parseYarnLock(data []byte) ([]Package, error) {
	var out []Package
	var current *Package
	err := outline(data, func(keys []string, value string) error {
		if len(keys) == 1 {
			current = nil
			if keys[0] == "__metadata" || value != "" {
				return nil
			}
			if len(out) >= maxEntries {
				return errTooMany
			}
			out = append(out, Package{})
			current = &out[len(out)-1]
			return nil
		}
		if current != nil && len(keys) == 2 {
			yarnField(current, keys[1], value)
		}
		return nil
	})
	return out, err
}

func yarnField(p *Package, key, value string) {
	switch key {
	case "resolved":
		if strings.HasPrefix(value, "http") {
			p.URL = value
		}
	case "integrity":
		p.Integrity = value
	case "resolution":
		if name, rest := CutVersion(value); strings.HasPrefix(rest, "npm:") {
			p.Name, p.Version = name, rest[len("npm:"):]
			if version, archive, ok := strings.Cut(p.Version, "::"); ok { // with __archiveUrl: not where a registry has it
				p.Version = version
				if strings.Contains(archive, "__archiveUrl") {
					p.Name = ""
				}
			}
		}
	case "conditions":
		p.For = yarnConditions(value)
	}
}

// yarnConditions reads "os=linux & cpu=x64 & libc=glibc", or "(os=darwin | os=linux) & cpu=x64".
func yarnConditions(s string) (out Systems) {
	for _, all := range strings.Split(s, "&") {
		for _, any := range strings.Split(strings.Trim(strings.TrimSpace(all), "()"), "|") {
			key, value, _ := strings.Cut(strings.TrimSpace(any), "=")
			switch key {
			case "os":
				out.OS = append(out.OS, value)
			case "cpu":
				out.CPU = append(out.CPU, value)
			case "libc":
				out.Libc = append(out.Libc, value)
			}
		}
	}
	return out
}
