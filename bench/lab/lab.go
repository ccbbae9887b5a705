//go:build linux

// Package lab is what the laboratories of bench share: a command line and its exit status, network namespaces with far links
// between them (bench/wan), an authority for their servers, and the lock that keeps two of them apart. Everything it makes on
// the machine begins with Prefix. It needs root.
//
//	site, err := lab.NewSite(ctx, "")                              // nobody else's lab is alive; what was left of one is gone
//	defer site.Close()
//	world, err := site.MakeWorld(ctx, 1, []lab.Link{{Name: "far", RTT: 200, Rate: 100}}, hosts)
//	defer world.Close()
//	listener, err := lab.Listen(ctx, "far", lab.ServerAddr(0)+":443")
//	hither, err := lab.Up(ctx, site.Hither, env, "--state", state) // at the near end
package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"hither/cache/filelock"
)

// Prefix is how all that a lab makes on the machine begins.
const Prefix = "hither-"

// lockFile keeps two labs from using the same names.
const lockFile = "/run/hither-lab.lock"

// Lock takes the machine. The returned function gives it back; so does the end of the process.
func Lock() (unlock func(), err error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("namespaces and TUN devices need root: run it with sudo")
	}
	file, err := os.OpenFile(lockFile, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	if free, err := filelock.Try(file); err != nil || !free {
		return nil, errors.Join(errors.New("another run of the lab is under way: wait for its end"), err, file.Close())
	}
	return func() { file.Close() }, nil
}

// MakeDir makes a directory for one run, and removes those of runs that were killed; the lock says that none is alive.
func MakeDir() (string, error) {
	found, _ := filepath.Glob(filepath.Join(os.TempDir(), Prefix+"lab-*")) // the pattern is good
	for _, dir := range found {
		_ = os.RemoveAll(dir)
	}
	return os.MkdirTemp("", Prefix+"lab-")
}

// Undo is what has to be taken back, the last first. The zero Undo is empty.
type Undo []func()

// Add has f called by All.
func (u *Undo) Add(f func()) { *u = append(*u, f) }

// All takes everything back. It may be called again.
func (u *Undo) All() {
	for len(*u) > 0 {
		last := (*u)[len(*u)-1]
		*u = (*u)[:len(*u)-1]
		last()
	}
}

// DieWithUs ends a child when the lab is gone, however it went. The thread that starts it must be one that stays, because
// children die with their thread: no goroutine of a lab may end with its thread locked.
func DieWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// Pause waits, unless ctx ends first.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Load is the load of the machine, others' work too; zero if it is not known.
func Load() (load float64) {
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		_, _ = fmt.Sscan(string(text), &load) // the kernel writes a number
	}
	return load
}

// Machine says in words what all is measured on.
func Machine() string {
	model := "unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
			}
		}
	}
	return fmt.Sprintf("%d cores of %s, load %.2f at the start, %s", runtime.NumCPU(), model, Load(), runtime.Version())
}
