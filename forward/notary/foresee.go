package notary

import (
	"errors"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	// tileHeight is what sumdb.Client asks for: 2^8 hashes in a tile.
	tileHeight = 8
	// maxTree is more records than there will be, and few enough for the arithmetic of tlog.
	maxTree = 1 << maxLevel
	// maxLevel is that of the one hash above them all.
	maxLevel = 40
	// maxForeseen bounds the tiles of one session that were asked for and not yet taken; they hold 8 KiB each.
	maxForeseen = 512
)

// Proof lists the tiles that prove what a checksum database says of a module: the record itself, in the largest tree that
// is known, and that the tree it came with is a part of that one. lookup is the database's answer; largest is that tree, or
// the one of the answer, and nobody has checked either. nil: it is no such answer.
func Proof(lookup []byte, known tlog.Tree) (tiles []tlog.Tile, largest tlog.Tree) {
	id, _, rest, err := tlog.ParseRecord(lookup)
	if err != nil {
		return nil, known
	}
	tree, err := tlog.ParseTree(rest)
	if err != nil || tree.N > maxTree {
		return nil, known
	}
	if largest = known; tree.N > known.N {
		largest = tree
	}
	var needed tileList
	reader := tlog.TileHashReader(largest, &needed)
	if id >= 0 && id < largest.N {
		_, _ = reader.ReadHashes([]int64{tlog.StoredHashIndex(0, id)}) // it ends with errListed
	}
	_, _ = tlog.TreeHash(tree.N, reader) // the same
	return needed, largest
}

// foresee fetches the tiles that prove a record as soon as the record is here. The client asks for those that prove the tree
// first, and then for those of the record, a round trip later. Nothing is believed here: what comes waits until the client
// asks. But the tree must be signed: by a larger one that is not, all later records would be asked for in vain.
func (s *session) foresee(path string, lookup []byte) {
	if !strings.HasPrefix(path, "/lookup/") {
		return
	}
	_, _, tree, err := tlog.ParseRecord(lookup)
	if err != nil {
		return
	}
	if _, err := note.Open(tree, s.db.head.verifiers); err != nil {
		return
	}
	s.db.mu.Lock()
	tiles, largest := Proof(lookup, s.db.largest)
	s.db.largest = largest
	s.db.mu.Unlock()
	for _, t := range tiles {
		s.fetchTile("/" + t.Path())
	}
}

// tileCall is a tile that was asked for before the client did. Its fields are read after done is closed.
type tileCall struct {
	done chan struct{}
	data []byte
	err  error
}

// fetchTile asks for a tile, unless it was verified before, is on its way, or too many are.
func (s *session) fetchTile(path string) {
	if _, ok := s.db.tiles.get(s.db.verifier.Name() + path); ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.foreseen[path] != nil || len(s.foreseen) >= maxForeseen {
		return
	}
	if s.foreseen == nil {
		s.foreseen = make(map[string]*tileCall)
	}
	c := &tileCall{done: make(chan struct{})}
	s.foreseen[path] = c
	go func() {
		defer close(c.done)
		c.data, c.err = s.fetch(path, patience)
	}()
}

// tileAhead is a tile that was foreseen; nil: it was not, or did not come. Each is given once: the client keeps what it has
// verified.
func (s *session) tileAhead(path string) []byte {
	s.mu.Lock()
	c := s.foreseen[path]
	delete(s.foreseen, path)
	s.mu.Unlock()
	if c == nil {
		return nil
	}
	<-c.done // s.fetch has a deadline
	if c.err != nil {
		return nil
	}
	return c.data
}

// newest is the head that the database signs now, for who has none yet: with it, the heads of old records are in the past
// and need no more than a comparison, while without it each newer one would be merged after the other. nil: it did not come;
// the first record's head will do.
func (s *session) newest() []byte {
	data, err := s.fetch("/latest", headPatience)
	if err != nil {
		return nil
	}
	if _, err := note.Open(data, s.db.head.verifiers); err != nil {
		return nil
	}
	return data
}

// tileList is a tlog.TileReader that only writes down which tiles it is asked for.
type tileList []tlog.Tile

// errListed ends a proof whose tiles are known now.
var errListed = errors.New("the tiles were only listed")

// Height is part of tlog.TileReader.
func (*tileList) Height() int { return tileHeight }

// ReadTiles is part of tlog.TileReader.
func (l *tileList) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	for _, t := range tiles {
		if !slices.Contains(*l, t) {
			*l = append(*l, t)
		}
	}
	return nil, errListed
}

// SaveTiles is part of tlog.TileReader.
func (*tileList) SaveTiles([]tlog.Tile, [][]byte) {}
