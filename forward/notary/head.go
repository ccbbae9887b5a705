package notary

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/note"

	"hither/cache"
)

// storeWait is how long the store may take for a head. It is a few bytes on the disk.
const storeWait = 10 * time.Second

// head is the newest tree head a database signed, as far as we know. It is pinned in the store: who forgets it can be shown
// another history. If the disk fails, memory has to do until the restart.
type head struct {
	gosum     *GoSum
	name      cache.Name // holds the key's hash, so that a new key begins anew
	verifiers note.Verifiers

	mu     sync.Mutex
	last   []byte // as last read or written
	memory bool   // the store could not be read the last time, or there is none
	absent bool   // it had no head the last time: last is one that it did not take, or has lost
}

func (h *head) init(g *GoSum, v note.Verifier) {
	h.gosum = g
	h.name = cache.Name(fmt.Sprintf("gosum/%s+%08x/latest", v.Name(), v.KeyHash()))
	h.verifiers = note.VerifierList(v)
	h.memory = g.Store == nil
}

// read returns the head, empty if there is none yet.
func (h *head) read() ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.gosum.Store == nil {
		return h.last, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeWait) //nolint:forbidigo // sumdb.ClientOps has no context; storeWait ends it
	defer cancel()
	entry, err := h.gosum.Store.Lookup(ctx, h.name)
	h.absent = errors.Is(err, cache.ErrNotFound)
	h.memory = err != nil && !h.absent
	if h.memory {
		h.gosum.log().Warn("cannot read the signed tree head; going on with the one in memory", "name", h.name, "error", err)
	}
	if err != nil {
		return h.last, nil
	}
	if _, err := note.Open(entry.Value, h.verifiers); err != nil {
		return nil, fmt.Errorf("the signed tree head in the cache is damaged (%w); if you know why, stop Hither and delete the directory cache in its state directory", err)
	}
	h.last = entry.Value
	return h.last, nil
}

// write replaces old by new, or returns sumdb.ErrWriteConflict if old is not the head any more.
func (h *head) write(old, new []byte) error {
	new, err := h.clean(new)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if (h.memory || h.absent) && !bytes.Equal(old, h.last) {
		return sumdb.ErrWriteConflict
	}
	if h.absent {
		old = nil
	}
	if !h.memory {
		err = h.swap(old, new)
	}
	if errors.Is(err, cache.ErrConflict) {
		return sumdb.ErrWriteConflict
	}
	if err != nil {
		h.gosum.log().Warn("cannot keep the signed tree head; after a restart an older one counts", "name", h.name, "error", err)
	}
	h.last, h.absent = new, h.absent && err != nil
	return nil
}

func (h *head) swap(old, new []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), storeWait) //nolint:forbidigo // sumdb.ClientOps has no context; storeWait ends it
	defer cancel()
	now := h.gosum.now()
	return h.gosum.Store.Swap(ctx, h.name,
		cache.Entry{Value: old},
		cache.Entry{Value: new, Stored: now, Checked: now, Pinned: true, Vouched: "gosum"})
}

// clean drops signatures of others. Who carries a head may add a hundred, and make it too long to be kept.
func (h *head) clean(msg []byte) ([]byte, error) {
	n, err := note.Open(msg, h.verifiers)
	if err != nil {
		return nil, err
	}
	n.UnverifiedSigs = nil
	return note.Sign(n)
}
