package notary

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	"golang.org/x/mod/sumdb/tlog"

	"hither/rules"
)

// Finding is what an inspection finds.
type Finding int

const (
	Unproven Finding = iota // nothing speaks against it
	Doubtful                // it, or what it is held against, is wrong, and nobody knows which
	Proven                  // it never needs to be looked at again
)

// Inspector looks at small documents whose digest nobody names, before they are kept and when they come out of the cache. It
// asks nobody. Its methods may be called from many goroutines.
type Inspector interface {
	// Inspects says whether a match is for it, and whether such a document can be proven.
	Inspects(m rules.Match) (ok, provable bool)
	// Inspect returns an error if the document is surely not what the match means.
	Inspect(ctx context.Context, m rules.Match, document []byte) (Finding, error)
}

// Inspects implements Inspector, for the pages of a checksum database, and for what a module proxy says of a version.
func (g *GoSum) Inspects(m rules.Match) (ok, provable bool) {
	if m.Host.Key != "" {
		provable = isRecord(m) || strings.HasPrefix(m.Clean, "/tile/")
		return provable || m.Clean == "/latest", provable
	}
	isInfo := strings.HasSuffix(m.Clean, "/@latest") || strings.HasSuffix(m.Clean, ".info") && strings.Contains(m.Clean, "/@v/")
	return isInfo && keyed(m.Rule) != nil, false
}

func isRecord(m rules.Match) bool { return strings.HasPrefix(m.Clean, "/lookup/") }

// Inspect implements Inspector. A record and a tile are proven by the tiles in the cache that lead from them to a tree which
// the key signed: after the first client that proved them for itself, these are there.
func (g *GoSum) Inspect(ctx context.Context, m rules.Match, document []byte) (Finding, error) {
	if m.Host.Key == "" {
		return Unproven, inspectInfo(m, document)
	}
	db, err := g.database(m.Host)
	switch {
	case err != nil:
		return Unproven, nil //nolint:nilerr // the key is wrong, not the document; who asks for a hash is told
	case isRecord(m):
		return db.inspectRecord(ctx, m, document)
	case m.Clean == "/latest":
		tree, finding, err := db.signed(document)
		db.heads.add(tree)
		return finding, err
	}
	tile, err := tlog.ParseTilePath(strings.TrimPrefix(m.Clean, "/"))
	if err != nil || tile.L < 0 {
		return Unproven, nil //nolint:nilerr // none that go asks for
	}
	if len(document) != tile.W*hashSize {
		return Unproven, fmt.Errorf("a tile of %d hashes is %d bytes long, not %d", tile.W, tile.W*hashSize, len(document))
	}
	if tile.H != tileHeight {
		return Unproven, nil
	}
	return db.inspectTile(ctx, m, tile, document)
}

// inspectInfo reads what a proxy says of a version as strictly as go does (modfetch, proxyRepo).
func inspectInfo(m rules.Match, document []byte) error {
	var info struct {
		Version string
		Time    time.Time
		Origin  *struct{ VCS, URL, Subdir, Hash, TagPrefix, TagSum, Ref, RepoSum string } // go fails at one of another shape
	}
	if err := json.Unmarshal(document, &info); err != nil {
		return fmt.Errorf("it tells no version: %w", err)
	}
	if !semver.IsValid(info.Version) {
		return fmt.Errorf("it tells %q, which is no version", brief(info.Version))
	}
	path, err1 := module.UnescapePath(m.Vars["module"])
	asked, err2 := module.UnescapeVersion(m.Vars["version"])
	if err1 == nil && err2 == nil && asked == module.CanonicalVersion(asked) && module.Check(path, asked) == nil && asked != info.Version {
		return fmt.Errorf("it tells of %s", brief(info.Version))
	}
	return nil
}

// inspectRecord checks that a record is for the version that was asked for, that a signed tree came with it, and that it is
// in a signed tree.
func (db *database) inspectRecord(ctx context.Context, m rules.Match, document []byte) (Finding, error) {
	id, text, rest, err := tlog.ParseRecord(document)
	if err != nil {
		return Unproven, err
	}
	tree, finding, err := db.signed(rest)
	if err != nil || finding == Doubtful {
		return finding, err
	}
	if id < 0 || id >= tree.N {
		return Unproven, fmt.Errorf("it is record %d, and its tree has %d", id, tree.N)
	}
	if err := speaksOf(m, text); err != nil {
		return Unproven, err
	}
	db.heads.add(tree)
	for _, tree := range db.heads.all(db) {
		if id >= tree.N {
			continue
		}
		hashes, err := tlog.TileHashReader(tree, db.kept(ctx, m)).ReadHashes([]int64{tlog.StoredHashIndex(0, id)})
		switch {
		case err != nil: // of what leads there something is missing, or wrong
		case hashes[0] != tlog.RecordHash(text):
			return Unproven, fmt.Errorf("it is not record %d of the tree", id)
		default:
			return Proven, nil
		}
	}
	return Unproven, nil
}

// speaksOf says whether a record has the hashes of what was asked for. The tree does not tell: that of another module is in it, too.
func speaksOf(m rules.Match, text []byte) error {
	path, err1 := module.UnescapePath(m.Vars["module"])
	version, err2 := module.UnescapeVersion(m.Vars["version"])
	if err1 != nil || err2 != nil || version != module.CanonicalVersion(version) {
		return nil //nolint:nilerr // none that go asks for
	}
	for _, q := range []string{version, version + "/go.mod"} {
		if !strings.Contains("\n"+string(text), "\n"+path+" "+q+" ") {
			return fmt.Errorf("it does not speak of %s %s", path, q)
		}
	}
	return nil
}

// inspectTile holds a tile against the tiles around it, in the trees that it is part of.
func (db *database) inspectTile(ctx context.Context, m rules.Match, tile tlog.Tile, document []byte) (Finding, error) {
	if tile.L*tileHeight >= maxLevel || tile.N > maxTree>>tileHeight {
		return Unproven, nil
	}
	finding := Unproven
	for _, tree := range db.heads.all(db) {
		if tile.N<<tileHeight+int64(tile.W) > tree.N>>(tileHeight*tile.L) {
			continue
		}
		around := db.kept(ctx, m)
		around.tile, around.document = tile, document
		reader := tlog.TileHashReader(tree, around)
		right, err := tlog.ReadTileData(tile, reader)
		switch {
		case err == nil && !bytes.Equal(right, document):
			return Unproven, errOtherHashes
		case err == nil:
			return Proven, nil
		case errors.Is(err, errNotKept) || !around.used:
			continue
		}
		// Of all that was read something is wrong. If the tree is right down to the tile above, it is this one.
		finding = Doubtful
		if tile.W == 1<<tileHeight {
			if _, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(tileHeight*(tile.L+1), tile.N)}); err == nil {
				return Unproven, errOtherHashes
			}
		}
	}
	return finding, nil
}

var errOtherHashes = errors.New("the signed tree has other hashes there")
