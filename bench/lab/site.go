//go:build linux

package lab

import (
	"context"
	"os"
	"path/filepath"
)

// Site is what one run of a laboratory has of the machine: the lock that keeps a second run out, a directory, the programs.
type Site struct {
	Programs
	Dir string // of everything on disk
	CA  *Authority
	Undo
}

// NewSite takes the machine and builds the programs; hither is as for [Build]. Close gives the machine back.
func NewSite(ctx context.Context, hither string) (_ *Site, err error) {
	s := new(Site)
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	unlock, err := Lock()
	if err != nil {
		return nil, err
	}
	s.Add(unlock)
	RemoveLeftovers(ctx)
	if s.Dir, err = MakeDir(); err != nil {
		return nil, err
	}
	s.Add(func() { os.RemoveAll(s.Dir) })
	if s.CA, err = NewAuthority(filepath.Join(s.Dir, "ca.pem")); err != nil {
		return nil, err
	}
	s.Programs, err = Build(ctx, s.Dir, hither)
	return s, err
}

// Close takes back all that was made, and all that was added. It may be called again.
func (s *Site) Close() { s.All() }
