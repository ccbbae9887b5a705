//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"hither/bench/lab"
)

// site is what all rows share.
type site struct {
	options
	dir     string // of everything that is removed at the end, on disk
	memory  string // the same in memory: the clients' caches, which must not wait for a disk
	wan     string // the emulator
	version string // of the hither under test
	ca      *lab.Authority
	store   *store
	undo    lab.Undo
}

// newSite takes the machine and builds the programs. Close gives it back.
func newSite(ctx context.Context, o options) (_ *site, err error) {
	s := &site{options: o}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	unlock, err := lab.Lock()
	if err != nil {
		return nil, err
	}
	s.undo.Add(unlock)
	lab.RemoveLeftovers(ctx)
	if s.dir, err = lab.MakeDir(); err != nil {
		return nil, err
	}
	s.undo.Add(func() { os.RemoveAll(s.dir) })
	if s.memory, err = makeMemory(); err != nil {
		return nil, err
	}
	s.undo.Add(func() { os.RemoveAll(s.memory) })
	if s.ca, err = lab.NewAuthority(filepath.Join(s.dir, "ca.pem")); err != nil {
		return nil, err
	}
	if s.store, err = openStore(filepath.Join(s.cache, "registry")); err != nil {
		return nil, err
	}
	programs, err := lab.Build(ctx, s.dir, s.binary)
	s.wan, s.binary, s.version = programs.Emulator, programs.Hither, programs.Version
	return s, err
}

func (s *site) close() { s.undo.All() }

// makeMemory makes a directory in memory, and removes what a run that was killed left there.
func makeMemory() (string, error) {
	const shm = "/dev/shm"
	found, _ := filepath.Glob(filepath.Join(shm, lab.Prefix+"speed-*")) // the pattern is good
	for _, dir := range found {
		_ = os.RemoveAll(dir)
	}
	return os.MkdirTemp(shm, lab.Prefix+"speed-")
}

// run gives a row its world.
func (s *site) run(ctx context.Context, what row, r *report) error {
	links := what.links
	if len(links) == 0 {
		links = []lab.Link{{Name: farLink}}
	}
	w, err := s.build(ctx, links)
	if err != nil {
		return err
	}
	defer w.close()
	if err := what.run(ctx, w, r); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return fmt.Errorf("%w: %w", cause, err)
		}
		return err
	}
	return nil
}
