//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"hither/bench/lab"
)

// product is a Hither that runs at the near end.
type product struct {
	world   *world
	state   string
	command *exec.Cmd
	done    chan struct{} // closed when the process has ended
	said    *bytes.Buffer
	pid     int           // of hither itself
	took    time.Duration // from its start until it was up
}

// proxyAddr is free, for nobody else is in the namespace.
const proxyAddr = "127.0.0.1:7890"

const (
	startPatience = 20 * time.Second
	stopPatience  = 15 * time.Second
)

// start runs `hither up` with an empty state.
func (w *world) start(ctx context.Context) (*product, error) {
	state, err := os.MkdirTemp(w.dir, "state-")
	if err != nil {
		return nil, err
	}
	return w.startAt(ctx, state)
}

// startAt runs it with a state that is there. It returns when it is up.
func (w *world) startAt(ctx context.Context, state string) (*product, error) {
	p := &product{world: w, state: state, done: make(chan struct{}), said: new(bytes.Buffer)}
	args := append([]string{"netns", "exec", lab.Client, w.binary, "up", "--json", "--listen", proxyAddr, "--log", "error"}, p.flags()...)
	p.command = exec.Command("ip", args...)
	p.command.Env = w.environment()
	p.command.SysProcAttr = lab.DieWithUs()
	p.command.Stderr = p.said
	ready, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer ready.Close()
	p.command.Stdout = write
	began := time.Now()
	err = p.command.Start()
	write.Close()
	if err != nil {
		return nil, fmt.Errorf("start Hither: %w", err)
	}
	p.pid = p.command.Process.Pid // ip becomes what it executes
	go func() {
		defer close(p.done)
		_ = p.command.Wait() // what it has to say is in said
	}()
	ready.SetReadDeadline(time.Now().Add(startPatience)) //nolint:errcheck // a pipe can do it
	var where struct{ Proxy []string }
	if err := json.NewDecoder(ready).Decode(&where); err != nil {
		p.stop()
		return nil, fmt.Errorf("Hither did not come up: %w: %s", err, p.said)
	}
	p.took = time.Since(began)
	return p, ctx.Err()
}

// flags are those that every command of this Hither needs.
func (p *product) flags() []string {
	return []string{"--state", p.state, "--rules", filepath.Join(p.world.dir, "rules"), "--ca-files", p.world.ca.File}
}

// environment has nothing of the user's: no proxy, no private names, no settings.
func (w *world) environment() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir}
}

// stop ends it. What it has on disk stays for startAt; forget removes it. It may be called again.
func (p *product) stop() {
	if p.command == nil {
		return
	}
	_ = p.command.Process.Signal(syscall.SIGTERM) // it may have ended
	late := time.AfterFunc(stopPatience, func() { _ = p.command.Process.Kill() })
	<-p.done
	late.Stop()
	p.command = nil
}

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
	Fetched  *int64 // all bodies from upstreams, in bytes
	Extra    *int64 // of these, what hedges, probes and thrown-away parts cost
	Prefetch json.RawMessage
}

func (p *product) status(ctx context.Context) (s status, err error) {
	return s, p.ask(ctx, p.world.environment(), &s, "status", "--json")
}

func (p *product) ask(ctx context.Context, env []string, into any, args ...string) error {
	all := append([]string{"netns", "exec", lab.Client, p.world.binary}, append(args, "--state", p.state)...)
	c := exec.CommandContext(ctx, "ip", all...)
	c.Env, c.SysProcAttr = env, lab.DieWithUs()
	var complaint strings.Builder
	c.Stderr = &complaint
	out, err := c.Output()
	if err != nil {
		return fmt.Errorf("hither %s: %w: %s", strings.Join(args, " "), err, complaint.String())
	}
	if err := json.NewDecoder(bytes.NewReader(out)).Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("hither %s: %w", strings.Join(args, " "), err)
	}
	return nil
}
