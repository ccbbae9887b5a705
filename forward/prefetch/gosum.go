package prefetch

import (
	"errors"
	"slices"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/tlog"

	"hither/forward/project"
	"hither/rules"
)

const (
	whyLookup = "the checksum record of a module"
	whyTile   = "a tile that proves a checksum record"
)

// tileHeight is what the go command asks for: 2^8 hashes in a tile.
const tileHeight = 8

// maxTree is more records than there will be, and few enough for the arithmetic of tlog.
const maxTree = 1 << 40

// askedLookup wants the records of all that the client brings home without a go.sum: each is looked up once.
func (w *goWalk) askedLookup(m rules.Match) []project.Want {
	if w.database != "" {
		return nil
	}
	w.database = "https://" + m.Host.Name
	var out []project.Want
	for _, v := range w.mods {
		out = w.record(out, v)
	}
	return out
}

// record wants the record of a module, if the client looks records up at all.
func (w *goWalk) record(to []project.Want, v module.Version) []project.Want {
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

// tiles wants what proves a record: tlog itself says which tiles those are. It is no place for trust; the go command
// checks the tree's signature, and what is derived from a wrong one is asked for in vain.
func (w *goWalk) tiles(m rules.Match, body []byte) []project.Want {
	id, _, rest, err := tlog.ParseRecord(body)
	if err != nil {
		return nil
	}
	tree, err := tlog.ParseTree(rest)
	if err != nil || tree.N > maxTree {
		return nil
	}
	if tree.N > w.tree.N {
		w.tree = tree
	}
	if id < 0 || id >= w.tree.N {
		return nil
	}
	var needed tileList
	_, _ = tlog.TileHashReader(w.tree, &needed).ReadHashes([]int64{tlog.StoredHashIndex(0, id)}) // it ends with errListed
	out := make([]project.Want, 0, len(needed))
	for _, t := range needed {
		out = append(out, project.Want{URL: "https://" + m.Host.Name + "/" + t.Path(), Why: whyTile})
	}
	return out
}

// tileList is a tlog.TileReader that only writes down which tiles it is asked for.
type tileList []tlog.Tile

// errListed ends a proof whose tiles are known now.
var errListed = errors.New("the tiles were only listed")

// Height is part of tlog.TileReader.
func (*tileList) Height() int { return tileHeight }

// ReadTiles is part of tlog.TileReader.
func (l *tileList) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	*l = slices.Clone(tiles)
	return nil, errListed
}

// SaveTiles is part of tlog.TileReader.
func (*tileList) SaveTiles([]tlog.Tile, [][]byte) {}
