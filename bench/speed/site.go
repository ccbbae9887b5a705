//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"hither/bench/lab"
)

// site is what all rows share.
type site struct {
	options
	*lab.Site
	memory string // a directory in memory, for the clients' caches, which must not wait for a disk
	store  *store
}

// newSite takes the machine and builds the programs. Close gives it back.
func newSite(ctx context.Context, o options) (_ *site, err error) {
	s := &site{options: o}
	if s.Site, err = lab.NewSite(ctx, o.binary); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if s.memory, err = makeMemory(); err != nil {
		return nil, err
	}
	s.Add(func() { os.RemoveAll(s.memory) })
	if s.logs != "" {
		if err = os.MkdirAll(s.logs, 0o755); err != nil {
			return nil, fmt.Errorf("make the directory of -log: %w", err)
		}
	}
	s.store, err = openStore(filepath.Join(s.cache, "registry"))
	return s, err
}

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
	defer w.Close()
	err = what.run(ctx, w, r)
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}
