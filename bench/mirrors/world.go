//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// site is what all scenarios share: the programs, and the lock that keeps a second run out.
type site struct {
	options
	dir     string // of everything on disk
	wan     string // the emulator
	version string // of the hither under test
	ca      *authority
	undo    undo
}

// lockFile keeps two labs from using the same names.
const lockFile = "/run/hither-lab.lock"

// newSite takes the machine and builds the programs. Close gives it back.
func newSite(ctx context.Context, o options) (s *site, err error) {
	s = &site{options: o}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if os.Geteuid() != 0 {
		return nil, errors.New("namespaces and TUN devices need root: run it with sudo")
	}
	if err := s.lock(); err != nil {
		return nil, err
	}
	for _, name := range leftovers() {
		removeSpace(ctx, name)
	}
	removeOld(filepath.Join(os.TempDir(), prefix+"lab-*"))
	if s.dir, err = os.MkdirTemp("", prefix+"lab-"); err != nil {
		return nil, err
	}
	s.undo.add(func() { os.RemoveAll(s.dir) })
	if s.ca, err = newAuthority(filepath.Join(s.dir, "ca.pem")); err != nil {
		return nil, err
	}
	return s, s.compile(ctx)
}

func (s *site) close() { s.undo.all() }

func (s *site) lock() error {
	file, err := os.OpenFile(lockFile, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("open the lock: %w", err)
	}
	s.undo.add(func() { file.Close() })
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return errors.New("another run of the lab is under way: wait for its end")
	}
	return nil
}

// removeOld removes the directories of a run that was killed; the lock says that none is alive.
func removeOld(pattern string) {
	found, _ := filepath.Glob(pattern) // the pattern is good
	for _, dir := range found {
		_ = os.RemoveAll(dir)
	}
}

func (s *site) compile(ctx context.Context) error {
	s.wan = filepath.Join(s.dir, "wan")
	if err := command(ctx, "go", "build", "-o", s.wan, "hither/bench/wan"); err != nil {
		return err
	}
	if s.binary == "" {
		s.binary = filepath.Join(s.dir, "hither")
		if err := command(ctx, "go", "build", "-o", s.binary, "hither/cmd/hither"); err != nil {
			return err
		}
	}
	said, err := output(ctx, s.binary, "version")
	s.version, _, _ = strings.Cut(strings.TrimPrefix(string(said), "hither "), "\n")
	return err
}

// lab is one scenario's world: servers far away, and the near end.
type lab struct {
	*site
	dir      string
	links    []link
	far      *far
	registry *registry
	servers  map[string]*server
	undo     undo
}

// build makes namespaces, links and servers. Close removes them.
func (s *site) build(ctx context.Context, links []link) (l *lab, err error) {
	l = &lab{site: s, links: links, registry: newRegistry(), servers: map[string]*server{}}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if l.dir, err = os.MkdirTemp(s.dir, "run-"); err != nil {
		return nil, err
	}
	l.undo.add(func() { os.RemoveAll(l.dir) })
	hosts := hostsFile(links)
	names := []string{clientSpace}
	for _, link := range links {
		names = append(names, space(link.name))
	}
	last := context.WithoutCancel(ctx)
	for _, name := range names {
		l.undo.add(func() { removeSpace(last, name) })
		if err := addSpace(ctx, name, hosts); err != nil {
			return nil, err
		}
	}
	if l.far, err = startFar(ctx, s.wan, filepath.Join(l.dir, "wan.sock"), s.seed, links); err != nil {
		return nil, err
	}
	l.undo.add(l.far.close)
	for i, link := range links {
		server, err := startServer(ctx, link.name, serverAddr(i), l.registry, s.ca)
		if err != nil {
			return nil, err
		}
		l.servers[link.name] = server
		l.undo.add(server.close)
	}
	return l, writeRules(filepath.Join(l.dir, "rules"), l.registry.probe, links)
}

func (l *lab) close() { l.undo.all() }

// judgeEmulator says whether the machine was fast enough for the figures to mean something.
func (l *lab) judgeEmulator(ctx context.Context, r *report) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	stats, err := l.far.stats(ctx)
	if err != nil {
		r.note("the emulator does not say how it was: %v", err)
		return
	}
	var out, late, worst float64
	for _, s := range stats {
		for _, c := range []lineStat{s.Up, s.Down} {
			out, late, worst = out+float64(c.Out), late+float64(c.Late), max(worst, c.LateMax)
		}
	}
	r.figure("packets that the emulator delivered 5 ms late or more", 100*late/max(out, 1), "%")
	r.figure("the worst of them", worst, "ms")
	var load float64
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		_, _ = fmt.Sscan(string(text), &load) // the kernel writes a number
	}
	r.figure("load of the machine, others' work too", load, "")
}

// hostName is how a server is called.
func hostName(server string) string { return server + ".hither.test" }

func serverAddr(i int) string { return fmt.Sprintf("10.79.%d.2", i+1) }
func clientAddr(i int) string { return fmt.Sprintf("10.79.%d.1", i+1) }

func hostsFile(links []link) string {
	text := "127.0.0.1 localhost\n"
	for i, l := range links {
		text += serverAddr(i) + " " + hostName(l.name) + "\n"
	}
	return text
}

// undo is what has to be taken back, the last first.
type undo []func()

func (u *undo) add(f func()) { *u = append(*u, f) }

func (u *undo) all() {
	for len(*u) > 0 {
		last := (*u)[len(*u)-1]
		*u = (*u)[:len(*u)-1]
		last()
	}
}

// dieWithUs ends a child when the lab is gone, however it went.
func dieWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
