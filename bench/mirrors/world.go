//go:build linux

package main

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"hither/bench/lab"
)

// site is what all scenarios share: the programs, and the lock that keeps a second run out.
type site struct {
	options
	dir     string // of everything on disk
	wan     string // the emulator
	version string // of the hither under test
	ca      *lab.Authority
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
	if s.ca, err = lab.NewAuthority(filepath.Join(s.dir, "ca.pem")); err != nil {
		return nil, err
	}
	programs, err := lab.Build(ctx, s.dir, s.binary)
	s.wan, s.binary, s.version = programs.Emulator, programs.Hither, programs.Version
	return s, err
}

func (s *site) close() { s.undo.All() }

// world is one scenario's world: servers far away, and the near end.
type world struct {
	*site
	dir      string
	links    []link
	far      *lab.Emulator
	registry *registry
	servers  map[string]*server
	undo     lab.Undo
}

// build makes namespaces, links and servers. Close removes them.
func (s *site) build(ctx context.Context, links []link) (_ *world, err error) {
	l := &world{site: s, links: links, registry: newRegistry(), servers: map[string]*server{}}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if l.dir, err = os.MkdirTemp(s.dir, "run-"); err != nil {
		return nil, err
	}
	l.undo.Add(func() { os.RemoveAll(l.dir) })
	hosts := hostsFile(links)
	names := []string{lab.Client}
	for _, link := range links {
		names = append(names, lab.Space(link.name))
	}
	last := context.WithoutCancel(ctx)
	for _, name := range names {
		l.undo.Add(func() { lab.RemoveSpace(last, name) })
		if err := lab.AddSpace(ctx, name, hosts); err != nil {
			return nil, err
		}
	}
	if l.far, err = lab.Start(ctx, s.wan, filepath.Join(l.dir, "wan.sock"), s.seed, wide(links)); err != nil {
		return nil, err
	}
	l.undo.Add(l.far.Close)
	for i, link := range links {
		server, err := startServer(ctx, link.name, lab.ServerAddr(i), l.registry, s.ca)
		if err != nil {
			return nil, err
		}
		l.servers[link.name] = server
		l.undo.Add(server.close)
	}
	return l, writeRules(filepath.Join(l.dir, "rules"), l.registry.probe, links)
}

func (l *world) close() { l.undo.All() }

// judgeEmulator says whether the machine was fast enough for the figures to mean something.
func (l *world) judgeEmulator(ctx context.Context, r *report) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	stats, err := l.far.Stats(ctx)
	if err != nil {
		r.note("the emulator does not say how it was: %v", err)
		return
	}
	var out, late, worst float64
	for _, s := range stats {
		for _, c := range []lab.LineStat{s.Up, s.Down} {
			out, late, worst = out+float64(c.Out), late+float64(c.Late), max(worst, c.LateMax)
		}
	}
	r.figure("packets that the emulator delivered 5 ms late or more", 100*late/max(out, 1), "%")
	r.figure("the worst of them", worst, "ms")
	r.figure("load of the machine, others' work too", lab.Load(), "")
}

// hostName is how a server is called.
func hostName(server string) string { return server + ".hither.test" }

func hostsFile(links []link) string {
	text := "127.0.0.1 localhost\n"
	for i, l := range links {
		text += lab.ServerAddr(i) + " " + hostName(l.name) + "\n"
	}
	return text
}
