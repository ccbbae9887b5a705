package notary

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"hither/cache"
	"hither/rules"
)

// maxHeads is how many signed trees are remembered. Records come with older ones, too, and clients have their own; the tiles at
// the edge of one of them are in the cache, those of the others perhaps not.
const maxHeads = 8

// heads are the largest trees that came with the key's signature, the largest first. Nobody checked that one holds the other.
type heads struct {
	begun sync.Once
	mu    sync.Mutex
	trees []tlog.Tree
}

// signed reads a tree head that the key signed. One that another key signed is doubtful, and the tree zero: the database may have
// a new key, which clients know before we do.
func (db *database) signed(msg []byte) (tree tlog.Tree, f Finding, err error) {
	n, err := note.Open(msg, db.head.verifiers)
	if stranger := (*note.UnverifiedNoteError)(nil); errors.As(err, &stranger) {
		return tree, Doubtful, nil
	}
	if err == nil {
		tree, err = tlog.ParseTree([]byte(n.Text))
	}
	if err == nil && tree.N > maxTree {
		err = fmt.Errorf("it has %d records", tree.N)
	}
	if err != nil {
		return tlog.Tree{}, Unproven, fmt.Errorf("there is no tree that %s signed: %w", db.verifier.Name(), err)
	}
	return tree, Unproven, nil
}

// add remembers a signed tree; the zero one is none.
func (h *heads) add(tree tlog.Tree) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at, known := slices.BinarySearchFunc(h.trees, tree.N, func(t tlog.Tree, n int64) int { return cmp.Compare(n, t.N) })
	if known || tree.N < 1 || at == maxHeads {
		return
	}
	h.trees = slices.Insert(slices.Clone(h.trees[:min(len(h.trees), maxHeads-1)]), at, tree)
}

// all begins with the head that was kept before a restart.
func (h *heads) all(db *database) []tlog.Tree {
	h.begun.Do(func() {
		if msg, err := db.head.read(); err == nil && len(msg) > 0 {
			tree, _, _ := db.signed(msg)
			h.add(tree)
		}
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.trees // add makes a new one
}

// keptTiles reads the tiles that are here (tlog.TileReader): those that were verified, and those in the cache, which may be wrong.
type keptTiles struct {
	ctx      context.Context //nolint:containedctx // tlog.TileReader has none
	db       *database
	match    rules.Match // of whose host they are
	tile     tlog.Tile   // the one that is inspected; zero: none is
	document []byte      // its hashes, as they came
	used     bool        // and they were read
}

// errNotKept says that a tile is not here.
var errNotKept = errors.New("the tile is not in the cache")

func (db *database) kept(ctx context.Context, m rules.Match) *keptTiles {
	return &keptTiles{ctx: ctx, db: db, match: m}
}

// Height is part of tlog.TileReader.
func (*keptTiles) Height() int { return tileHeight }

// ReadTiles is part of tlog.TileReader.
func (k *keptTiles) ReadTiles(tiles []tlog.Tile) (data [][]byte, err error) {
	for _, t := range tiles {
		d, err := k.read(t)
		if err != nil {
			return nil, err
		}
		data = append(data, d)
	}
	return data, nil
}

// SaveTiles is part of tlog.TileReader.
func (*keptTiles) SaveTiles([]tlog.Tile, [][]byte) {}

// read finds a tile, or the whole one that it is a part of.
func (k *keptTiles) read(t tlog.Tile) ([]byte, error) {
	whole := t
	whole.W = 1 << t.H
	for _, wide := range []tlog.Tile{t, whole} {
		data, ok := k.db.tiles.get(k.db.verifier.Name() + "/" + wide.Path())
		switch {
		case ok:
		case wide == k.tile:
			data, k.used = k.document, true
		default:
			data = k.stored(wide)
		}
		if len(data) == wide.W*hashSize {
			return data[:t.W*hashSize], nil
		}
	}
	return nil, fmt.Errorf("%w: %s", errNotKept, t.Path())
}

func (k *keptTiles) stored(t tlog.Tile) []byte {
	m, ok := k.match.Rule.Match(k.match.Host.Name, "/"+t.Path())
	store := k.db.gosum.Store
	if !ok || store == nil {
		return nil
	}
	entry, err := store.Lookup(k.ctx, cache.Name(m.Name))
	if err != nil || entry.Size != int64(t.W)*hashSize {
		return nil
	}
	blob, err := store.Open(k.ctx, entry.Digest)
	if err != nil {
		return nil
	}
	defer blob.Close()
	data := make([]byte, entry.Size)
	if _, err := io.ReadFull(blob, data); err != nil {
		return nil
	}
	return data
}
