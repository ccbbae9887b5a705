//go:build linux

package lab

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// Programs are what a laboratory runs.
type Programs struct {
	WAN     string // bench/wan
	Hither  string // absolute
	Version string // of Hither, as it says
}

// Build makes the programs of this tree in dir. hither is another one to test; empty: that of the tree, too.
func Build(ctx context.Context, dir, hither string) (p Programs, err error) {
	p = Programs{WAN: filepath.Join(dir, "wan"), Hither: filepath.Join(dir, "hither")}
	if hither != "" {
		if p.Hither, err = filepath.Abs(hither); err != nil {
			return p, err
		}
		if _, err := exec.LookPath(p.Hither); err != nil {
			return p, fmt.Errorf("%w: name a program with -hither, or leave it out, and that of this tree is built", err)
		}
	}
	if err := Command(ctx, "go", "build", "-o", p.WAN, "hither/bench/wan"); err != nil {
		return p, fmt.Errorf("%w; the laboratory builds what it needs: run it in the tree of Hither, with go on the path", err)
	}
	if hither == "" {
		if err := Command(ctx, "go", "build", "-o", p.Hither, "hither/cmd/hither"); err != nil {
			return p, err
		}
	}
	said, err := Output(ctx, p.Hither, "version")
	p.Version, _, _ = strings.Cut(strings.TrimPrefix(string(said), "hither "), "\n")
	return p, err
}
