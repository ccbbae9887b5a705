//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"

	"hither/bench/lab"
)

const (
	gateway  = "/lab"
	listPath = "/v2/lab/tags/list"
)

// writeRules writes the one rule file of the lab into a directory of its own.
func writeRules(dir string, probe object, links []lab.Link) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "lab.toml"), []byte(ruleFile(probe, links)), 0o644)
}

// ruleFile speaks of blobs as that of Docker Hub does. The mirrors stand there the worst first, so that their order is
// of no help.
func ruleFile(probe object, links []lab.Link) string {
	var b strings.Builder
	b.WriteString("name = \"lab\"\ngateway = \"" + gateway + "\"\n\n[[host]]\nname = \"" + hostName(links[0].Name) + "\"\n")
	for i := len(links) - 1; i > 0; i-- {
		b.WriteString("\n[[mirror]]\nurl = \"https://" + hostName(links[i].Name) + "\"\n")
	}
	b.WriteString("\n[probe]\npath = \"" + probe.path() + "\"\ndigest = \"sha256:" + probe.digest + "\"\n" + `
[[path]]
match   = "/v2/{repo...}/blobs/{digest:digest}"
keep    = "forever"
from    = "any"
notary  = "path"
subject = "{repo}"

[[path]]
match   = "/v2/{repo...}/tags/list"
keep    = "1s"
from    = "any"
why     = "it names nothing that a digest does not prove"
subject = "{repo}"
`)
	return b.String()
}
