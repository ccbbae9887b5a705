//go:build linux

package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"time"

	"hither/bench/lab"
)

// product is a Hither that runs at the near end.
type product struct {
	*lab.Hither
	world *world
	state string
}

const stopPatience = 15 * time.Second

// start runs `hither up` with an empty state.
func (w *world) start(ctx context.Context) (*product, error) {
	state, err := os.MkdirTemp(w.Dir, "state-")
	if err != nil {
		return nil, err
	}
	return w.startAt(ctx, state)
}

// startAt runs it with a state that is there. It returns when it is up.
func (w *world) startAt(ctx context.Context, state string) (_ *product, err error) {
	p := &product{world: w, state: state}
	if p.Hither, err = lab.Up(ctx, w.Hither, w.Environment(), p.flags()...); err != nil {
		return nil, err
	}
	return p, nil
}

// flags are those that every command of this Hither needs.
func (p *product) flags() []string {
	return []string{"--state", p.state, "--rules", filepath.Join(p.world.Dir, "rules"), "--ca-files", p.world.CA.File}
}

// stop ends it. What it has on disk stays for startAt; forget removes it. It may be called again.
func (p *product) stop() { p.Stop(stopPatience) }

func (p *product) forget() {
	p.stop()
	_ = os.RemoveAll(p.state)
}

// variables are what `hither env` would set in a shell with the given environment.
func (p *product) variables(ctx context.Context, env []string) ([]string, error) {
	var change struct{ Set map[string]string }
	if err := p.ask(ctx, env, &change, "env", "--json"); err != nil {
		return nil, err
	}
	env = slices.Clone(env)
	for name, value := range change.Set {
		env = append(env, name+"="+value) // the last of equal names counts
	}
	return env, nil
}

// status is the part of `hither status --json` that the bench reads.
type status struct {
	Prefetch json.RawMessage
}

func (p *product) status(ctx context.Context) (s status, err error) {
	return s, p.ask(ctx, p.world.Environment(), &s, "status", "--json")
}

func (p *product) ask(ctx context.Context, env []string, into any, args ...string) error {
	return lab.Ask(ctx, p.world.Hither, env, into, append(args, "--state", p.state)...)
}
