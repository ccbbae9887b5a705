//go:build linux

package main

import (
	"context"
	"path/filepath"
	"time"

	"hither/bench/lab"
)

// site is what all scenarios share.
type site struct {
	options
	*lab.Site
}

// world is one scenario's world: servers far away, and the near end.
type world struct {
	*site
	*lab.World
	registry *registry
	servers  map[string]*server
}

// build makes namespaces, links and servers. Close removes them.
func (s *site) build(ctx context.Context, links []lab.Link) (_ *world, err error) {
	l := &world{site: s, registry: newRegistry(), servers: map[string]*server{}}
	if l.World, err = s.MakeWorld(ctx, s.seed, links, hostsFile(links)); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			l.Close()
		}
	}()
	for i, link := range links {
		server, err := startServer(ctx, link.Name, lab.ServerAddr(i), l.registry, s.CA)
		if err != nil {
			return nil, err
		}
		l.servers[link.Name] = server
		l.Add(server.close)
	}
	return l, writeRules(filepath.Join(l.Dir, "rules"), l.registry.probe, links)
}

// judgeEmulator says whether the machine was fast enough for the figures to mean something.
func (l *world) judgeEmulator(ctx context.Context, r *report) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	stats, err := l.Emulator.Stats(ctx)
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

func hostsFile(links []lab.Link) string {
	text := "127.0.0.1 localhost\n"
	for i, l := range links {
		text += lab.ServerAddr(i) + " " + hostName(l.Name) + "\n"
	}
	return text
}
