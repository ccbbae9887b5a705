package notary

import (
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"hither/rules"
)

// hashSize is what one hash takes in a tile, in bytes.
const hashSize = tlog.HashSize

// maxHeight bounds how many tiles are wider. The go command's are of height 8.
const maxHeight = 8

// WiderTiles are the tiles of a checksum database that begin with the bytes of a partial one (golang.org/x/mod/sumdb/tlog,
// Tile): the full tile, and the wider partial ones, the widest first. Size is how many bytes of them it is. Both are zero
// for what is no partial tile. A tree only grows, so whoever kept a wider tile need not ask for a narrower one.
func WiderTiles(m rules.Match) (wider []rules.Match, size int64) {
	path, ok := strings.CutPrefix(m.Clean, "/")
	if !ok || m.Host.Key == "" {
		return nil, 0
	}
	tile, err := tlog.ParseTilePath(path)
	if err != nil || tile.L < 0 || tile.H > maxHeight {
		return nil, 0
	}
	full := 1 << tile.H
	for w := full; w > tile.W; w-- {
		t := tile
		t.W = w
		if at, ok := m.Rule.Match(m.Host.Name, "/"+t.Path()); ok {
			wider = append(wider, at)
		}
	}
	if wider == nil {
		return nil, 0
	}
	return wider, int64(tile.W) * hashSize
}
