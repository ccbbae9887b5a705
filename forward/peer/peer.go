// Package peer tells which process is at the other end of a TCP connection over loopback, and where it works.
//
//	var f peer.Finder
//	p, err := f.Of(conn.RemoteAddr(), conn.LocalAddr())
//	p.Dir // where its project is
//
// It tells of processes of our own user only, and asks the system each time. What it needs is open to every program of
// that user: the table of connections, the list of processes, working directories and command lines. The arguments of a
// command may hold secrets, so that nobody should write them down.
//
// On Linux it asks the kernel for the one socket (sock_diag), then looks through /proc/PID/fd for its holder, the
// youngest first; 300 processes take some milliseconds. macOS and Windows have tables that name the process; what reads
// them was written from the documentation of these systems and tested with made-up tables. On Windows it has run under Wine,
// on macOS not yet. Elsewhere every answer is ErrUnknown.
package peer

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
)

var (
	// ErrUnknown says that the system does not tell who it is: the connection has ended, the process is in a container, or
	// there is no way to ask on this system.
	ErrUnknown = errors.New("it is not known which process this is")
	// ErrForeign says that it is another user's process, of which nothing is told.
	ErrForeign = errors.New("the process is another user's")
)

// maxParents bounds the way up from a process.
const maxParents = 64

// Process is the holder of a socket.
type Process struct {
	PID     int
	Parents []int    // nearest first, as far as they are known
	Dir     string   // where it works; absolute
	Args    []string // as it was started with, the program first; it may have changed them, and they may hold secrets
	Program string   // the file that runs it, links followed; empty: the system did not say
	Private []string // what GOPRIVATE and its like name in its environment as it was started; nil: nothing
	Caching []string // of its environment, NAME=value: what the go command and npm keep, and whom they and others ask; see caching; may hold secrets
	Started uint64   // an opaque mark that tells it from a later process of the same PID
}

// Finder finds processes, and looks first at those that it found lately: pnpm connects anew for each package, and to look through
// all processes each time would cost a tenth of what it does itself. The zero value works. Its methods may be called at the same
// time.
type Finder struct {
	mu     sync.Mutex
	lately []int // the processes that were found last, the latest first
}

// maxLately bounds the processes that are looked at first.
const maxLately = 4

// Of finds the process whose socket is bound to from and connected to to: what a server that listens on to sees as the
// client's address, and as its own. It takes milliseconds. Its errors are ErrUnknown and ErrForeign, with the reason.
func (f *Finder) Of(from, to netip.AddrPort) (Process, error) {
	from, to = plain(from), plain(to)
	if !from.Addr().IsLoopback() || !to.Addr().IsLoopback() {
		return Process{}, unknown("%v is no address of this machine alone", from)
	}
	f.mu.Lock()
	first := slices.Clone(f.lately)
	f.mu.Unlock()
	p, err := of(from, to, first)
	if err == nil {
		f.note(p.PID)
	}
	return p, err
}

func (f *Finder) note(pid int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lately = slices.DeleteFunc(f.lately, func(other int) bool { return other == pid })
	f.lately = slices.Insert(f.lately, 0, pid)
	f.lately = f.lately[:min(len(f.lately), maxLately)]
}

// ByPID tells of a process that the caller knows already. Its errors are those of Finder.Of.
func ByPID(pid int) (Process, error) {
	if pid <= 1 {
		return Process{}, unknown("%d is no process of a user", pid)
	}
	return byPID(pid)
}

// caching picks from an environment what tells where the go command keeps modules, where npm keeps packages and which it
// leaves out, and whom both, pnpm, Yarn and Bun ask for them.
func caching(environment []string) (out []string) {
	for _, line := range environment {
		name, value, _ := strings.Cut(line, "=")
		small := strings.ToLower(name)
		if value != "" && (slices.Contains(cachingNames(), name) || slices.Contains(npmCachingNames(), small) || isScope(small)) {
			out = append(out, line)
		}
	}
	return out
}

func cachingNames() []string {
	return []string{"GOMODCACHE", "GOPATH", "GOENV", "HOME", "USERPROFILE", "XDG_CONFIG_HOME", "NODE_ENV", "PREFIX", "DESTDIR", "APPDATA", "LOCALAPPDATA", "GOPROXY", "GOFLAGS", "GO111MODULE", "GOROOT", "GOWORK"}
}

// isScope knows the variables that name the registry of a scope: npm_config_@SCOPE:registry, and pnpm's and Yarn's like it.
func isScope(small string) bool {
	return slices.ContainsFunc([]string{"npm_config_@", "pnpm_config_@", "yarn_@"}, func(prefix string) bool { return strings.HasPrefix(small, prefix) })
}

// npmCachingNames are in small letters: npm reads them in any.
func npmCachingNames() []string {
	return []string{
		"npm_config_cache", "npm_config_userconfig", "npm_config_globalconfig", "npm_config_omit", "npm_config_only",
		"npm_config_production", "npm_config_dev", "npm_config_also", "npm_config_include", "npm_config_offline", "npm_config_registry",
		"npm_config_optional", "npm_config_workspace", "npm_config_workspaces", "npm_config_dry_run", "npm_config_package_lock", "npm_config_legacy_peer_deps",
		"npm_config_os", "npm_config_cpu", "npm_config_libc",
		"npm_config_prefix", "npm_config_global", "npm_config_location", "npm_config_scope", "npm_config_noproxy", "no_proxy",
		"pnpm_config_registry", "pnpm_config_userconfig", "pnpm_config_npmrc_auth_file", "yarn_registry", "yarn_npm_registry_server", "yarn_rc_filename", "bun_config_registry",
	}
}

// GoPrivate are the variables that tell the go command what to keep from proxies, or from the checksum database, which our notary
// would ask (https://go.dev/ref/mod#private-modules).
func GoPrivate() []string { return []string{"GOPRIVATE", "GONOPROXY", "GONOSUMDB"} }

// GoPatterns are those in the value of one of these variables. A GONOSUMDB of * is none: it names nothing, and is set by who
// cannot reach the database.
func GoPatterns(variable, value string) (out []string) {
	for pattern := range strings.SplitSeq(value, ",") {
		if pattern = strings.TrimSpace(pattern); pattern != "" && (pattern != "*" || variable != "GONOSUMDB") {
			out = append(out, pattern)
		}
	}
	return out
}

// privately picks from an environment what the go command keeps to itself. Nothing else of it is looked at.
func privately(environment []string) (out []string) {
	for _, line := range environment {
		if name, value, _ := strings.Cut(line, "="); slices.Contains(GoPrivate(), strings.ToUpper(name)) {
			out = append(out, GoPatterns(strings.ToUpper(name), value)...)
		}
	}
	return out
}

func plain(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

func unknown(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrUnknown, fmt.Errorf(format, args...))
}
