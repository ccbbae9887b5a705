//go:build linux

package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"hither/bench/lab"
)

// world is the near end and the servers of one row.
type world struct {
	*site
	*lab.World
	servers []*server // in the order of links; the first is all public registries
	shelf   *shelf
}

// The names that the first server answers to.
const (
	goHost    = "proxy.golang.org"
	sumHost   = "sum.golang.org"
	npmHost   = "registry.npmjs.org"
	yarnHost  = "registry.yarnpkg.com" // the same packages by another name
	ociHost   = "registry-1.docker.io"
	tokenHost = "auth.docker.io" //nolint:gosec // a host
	cdnHost   = "production.cloudfront.docker.com"
)

func publicHosts() []string {
	return []string{goHost, sumHost, npmHost, yarnHost, ociHost, tokenHost, cdnHost}
}

// mirrorHost is the name of a server that is no public registry.
func mirrorHost(link string) string { return link + ".hither.test" }

// blind is the near end for clients that are to go through Hither: nobody there knows where a registry is, so that who goes past
// Hither fails, and no direct way is taken for Hither's.
const blind = lab.Prefix + "blind"

// build makes namespaces, links and servers. Close removes them.
func (s *site) build(ctx context.Context, links []lab.Link) (_ *world, err error) {
	w := &world{site: s, shelf: newShelf()}
	if w.World, err = s.MakeWorld(ctx, s.seed, links, hostsFile(links)); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			w.Close()
		}
	}()
	w.Add(func() { lab.RemoveSpace(context.WithoutCancel(ctx), blind) })
	if err := lab.AddView(blind, lab.Client, localHosts); err != nil {
		return nil, err
	}
	for i, link := range links {
		hosts := []string{mirrorHost(link.Name)}
		if i == 0 {
			hosts = append(hosts, publicHosts()...)
		}
		server, err := startServer(ctx, w, link.Name, lab.ServerAddr(i), hosts)
		if err != nil {
			return nil, err
		}
		w.servers = append(w.servers, server)
		w.Add(server.close)
	}
	return w, w.writeRules(nil)
}

const localHosts = "127.0.0.1 localhost\n"

func hostsFile(links []lab.Link) string {
	text := localHosts
	for i, link := range links {
		if i == 0 {
			for _, host := range publicHosts() {
				text += lab.ServerAddr(0) + " " + host + "\n"
			}
		}
		text += lab.ServerAddr(i) + " " + mirrorHost(link.Name) + "\n"
	}
	return text
}

// shape changes the first link.
func (w *world) shape(ctx context.Context, l line) error {
	return w.Emulator.Set(ctx, w.Links[0].Name, fmt.Sprintf("delay=%g", l.rtt/2), fmt.Sprintf("loss=%g", l.loss), fmt.Sprintf("rate=%g", l.rate))
}

// line is how a link is to be for one cell.
type line struct {
	rtt  float64 // milliseconds
	loss float64 // percent each way
	rate float64 // Mbit/s; 0: no limit
}

// String implements fmt.Stringer.
func (l line) String() string {
	text := fmt.Sprintf("%g ms", l.rtt)
	if l.rate > 0 {
		text += fmt.Sprintf(", %g Mbit/s", l.rate)
	}
	if l.loss > 0 {
		text += fmt.Sprintf(", %g %% loss", l.loss)
	}
	return text
}

// roundTrip is the least of some connects to a real host.
func roundTrip(ctx context.Context, host string) (least time.Duration, err error) {
	for range 5 {
		began := time.Now()
		conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp4", net.JoinHostPort(host, "443"))
		if err != nil {
			return 0, err
		}
		conn.Close()
		if took := time.Since(began); least == 0 || took < least {
			least = took
		}
	}
	return least, nil
}

// punctual is how the emulator has done its work so far: packets, and those that came 5 ms late or more.
type punctual struct{ out, late float64 }

func (w *world) punctual(ctx context.Context) (p punctual) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	stats, err := w.Emulator.Stats(ctx)
	if err != nil {
		return p // the figure is missing then; the run itself will tell why
	}
	for _, s := range stats {
		for _, l := range []lab.LineStat{s.Up, s.Down} {
			p.out, p.late = p.out+float64(l.Out), p.late+float64(l.Late)
		}
	}
	return p
}

// since is the share of late packets since an earlier time, in percent.
func (p punctual) since(before punctual) float64 {
	return 100 * (p.late - before.late) / max(1, p.out-before.out)
}
