//go:build linux

package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"hither/bench/lab"
)

// product is a Hither that runs at the near end, with a state of its own: nothing is known and nothing kept.
type product struct {
	*lab.Hither
	world *world
	state string
}

const stopPatience = 8 * time.Second

// start runs `hither up` and returns when it is up.
func (l *world) start(ctx context.Context) (*product, error) {
	state, err := os.MkdirTemp(l.Dir, "state-")
	if err != nil {
		return nil, err
	}
	running, err := lab.Up(ctx, l.Hither, l.Environment(), "--state", state, "--rules", filepath.Join(l.Dir, "rules"), "--ca-files", l.CA.File)
	if err != nil {
		return nil, err
	}
	return &product{running, l, state}, nil
}

// stop ends it, and what it has on disk. It may be called again.
func (p *product) stop() {
	p.Stop(stopPatience)
	_ = os.RemoveAll(p.state)
}

// status is the part of `hither status --json` that the lab reads.
type status struct {
	Fetched *int64 // all bodies from upstreams, in bytes; nil: this Hither does not tell
	Extra   *int64 // of these, what hedges, probes and thrown-away parts cost
}

func (p *product) status(ctx context.Context) (s status, err error) {
	return s, p.ask(ctx, &s, "status", "--json")
}

// first is whom Hither would ask first for an object now, and its reason.
func (p *product) first(ctx context.Context, path string) (name, why string, err error) {
	var e struct{ Sources []struct{ URL, Why string } }
	if err := p.ask(ctx, &e, "why", "--json", gateway+path); err != nil {
		return "", "", err
	}
	if len(e.Sources) == 0 {
		return "", "", errors.New("hither why names no source")
	}
	return serverOf(e.Sources[0].URL), e.Sources[0].Why, nil
}

func (p *product) ask(ctx context.Context, into any, args ...string) error {
	return lab.Ask(ctx, p.world.Hither, p.world.Environment(), into, append(args, "--state", p.state)...)
}

// serverOf is the server that a URL or a base leads to; what is none of the lab's stays as it is.
func serverOf(url string) string {
	host := strings.TrimPrefix(url, "https://")
	name, _, ok := strings.Cut(host, ".hither.test")
	if !ok {
		return url
	}
	return name
}
