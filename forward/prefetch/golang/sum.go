package golang

import (
	"slices"

	"golang.org/x/mod/module"

	"hither/forward/notary"
	"hither/forward/project"
	"hither/rules"
)

const (
	whyLookup = "the checksum record of a module"
	whyTile   = "a tile that proves a checksum record"
)

// askedLookup wants the records of all that the client brings home without a go.sum: each is looked up once.
func (w *Walk) askedLookup(m rules.Match) []project.Want {
	if w.database != "" {
		return nil
	}
	w.database = "https://" + m.Host.Name
	var out []project.Want
	for _, v := range slices.Concat(w.mods, w.beyond) {
		out = w.record(out, v)
	}
	return out
}

// record wants the record of a module, if the client looks records up at all.
func (w *Walk) record(to []project.Want, v module.Version) []project.Want {
	if w.database == "" {
		return to
	}
	path, err := module.EscapePath(v.Path)
	version, err2 := module.EscapeVersion(v.Version)
	if err != nil || err2 != nil {
		return to
	}
	return append(to, project.Want{URL: w.database + "/lookup/" + path + "@" + version, Why: whyLookup})
}

// tiles wants what proves a record. It is no place for trust; the go command checks the tree's signature, and what is
// derived from a wrong one is asked for in vain.
func (w *Walk) tiles(m rules.Match, body []byte) []project.Want {
	needed, largest := notary.Proof(body, w.tree)
	w.tree = largest
	out := make([]project.Want, 0, len(needed))
	for _, t := range needed {
		out = append(out, project.Want{URL: "https://" + m.Host.Name + "/" + t.Path(), Why: whyTile})
	}
	return out
}
