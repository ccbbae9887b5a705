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
	"strings"
	"syscall"
	"time"

	"hither/bench/lab"
)

// product is a Hither that runs at the near end, with a state of its own: nothing is known and nothing kept.
type product struct {
	world   *world
	state   string
	command *exec.Cmd
	done    chan struct{} // closed when the process has ended
	said    *bytes.Buffer
}

// proxyAddr is free, for nobody else is in the namespace.
const proxyAddr = "127.0.0.1:7890"

const (
	startPatience = 20 * time.Second
	stopPatience  = 8 * time.Second
)

// start runs `hither up` and returns when it is up.
func (l *world) start(ctx context.Context) (*product, error) {
	state, err := os.MkdirTemp(l.dir, "state-")
	if err != nil {
		return nil, err
	}
	p := &product{world: l, state: state, done: make(chan struct{}), said: new(bytes.Buffer)}
	p.command = exec.Command("ip", "netns", "exec", lab.Client, l.binary, "up", "--json",
		"--listen", proxyAddr, "--state", state, "--rules", filepath.Join(l.dir, "rules"), "--ca-files", l.ca.File, "--log", "error")
	p.command.Env = l.environment()
	p.command.SysProcAttr = lab.DieWithUs()
	p.command.Stderr = p.said
	ready, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer ready.Close()
	p.command.Stdout = write
	err = p.command.Start()
	write.Close()
	if err != nil {
		return nil, fmt.Errorf("start Hither: %w", err)
	}
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
	return p, ctx.Err()
}

// environment has nothing of the user's: no proxy, no private names, no settings.
func (l *world) environment() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + l.dir}
}

// stop ends it, and what it has on disk. It may be called again.
func (p *product) stop() {
	if p.command == nil {
		return
	}
	_ = p.command.Process.Signal(syscall.SIGTERM) // it may have ended
	late := time.AfterFunc(stopPatience, func() { _ = p.command.Process.Kill() })
	<-p.done
	late.Stop()
	p.command = nil
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
	c := exec.CommandContext(ctx, p.world.binary, append(args, "--state", p.state)...)
	c.Env, c.SysProcAttr = p.world.environment(), lab.DieWithUs()
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

// serverOf is the server that a URL or a base leads to; what is none of the lab's stays as it is.
func serverOf(url string) string {
	host := strings.TrimPrefix(url, "https://")
	name, _, ok := strings.Cut(host, ".hither.test")
	if !ok {
		return url
	}
	return name
}
