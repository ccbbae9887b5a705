//go:build linux

package lab

import (
	"context"
	"os"
	"path/filepath"
)

// World is one experiment's: the near end, a namespace for each server, and the links between them.
type World struct {
	Dir      string // of everything on disk
	Links    []Link
	Emulator *Emulator
	Undo
}

// MakeWorld makes it; hosts is the hosts file of all namespaces, and seed that of packet losses. Close removes it.
func (s *Site) MakeWorld(ctx context.Context, seed uint64, links []Link, hosts string) (_ *World, err error) {
	w := &World{Links: links}
	defer func() {
		if err != nil {
			w.Close()
		}
	}()
	if w.Dir, err = os.MkdirTemp(s.Dir, "run-"); err != nil {
		return nil, err
	}
	w.Add(func() { os.RemoveAll(w.Dir) })
	names := []string{Client}
	for _, link := range links {
		names = append(names, Space(link.Name))
	}
	last := context.WithoutCancel(ctx)
	for _, name := range names {
		w.Add(func() { RemoveSpace(last, name) })
		if err := AddSpace(ctx, name, hosts); err != nil {
			return nil, err
		}
	}
	if w.Emulator, err = Start(ctx, s.WAN, filepath.Join(w.Dir, "wan.sock"), seed, links); err != nil {
		return nil, err
	}
	w.Add(w.Emulator.Close)
	return w, nil
}

// Environment is for the programs of the near end. It has nothing of the user's: no proxy, no private names, no settings.
func (w *World) Environment() []string { return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.Dir} }

// Close removes the world and all that was added to it. It may be called again.
func (w *World) Close() { w.All() }
