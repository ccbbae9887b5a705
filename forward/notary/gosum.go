package notary

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/module"

	"hither/cache"
	"hither/cache/digest"
	"hither/rules"
)

// GoSum asks the checksum database of a rule, its host with a key, for the hash of a module's zip or go.mod file
// (go.dev/ref/mod#checksum-database). What the database says is believed only if it is in the tree that the key signed, and
// if that tree contains every tree the key signed before, also before a restart. So it does not matter who carries
// the answers.
//
// A database that contradicts itself is not asked again until Hither is restarted, and nothing is served on its word.
//
// GoSum is set up once and then used from many goroutines.
type GoSum struct {
	Fetch Fetch
	Store cache.Store      // keeps the newest signed tree, so that a later one is held against it; nil: only memory does
	Now   func() time.Time // nil: time.Now
	Log   *slog.Logger     // nil: slog.Default

	mu        sync.Mutex
	databases map[string]*database // by key
}

// question is one line of go.sum that is sought.
type question struct {
	path, version string // unescaped
	algorithm     digest.Algorithm
}

// String is the question as go.sum spells it.
func (q question) String() string { return q.path + "@" + q.line() }

// line is the version as the second field of go.sum has it.
func (q question) line() string {
	if q.algorithm == digest.H1Mod {
		return q.version + "/go.mod"
	}
	return q.version
}

// Beside implements Besider: an h1 is compared when the whole zip is here.
func (g *GoSum) Beside() bool { return true }

// Attest returns the h1 digest of {module}@{version}: of the zip if the path ends in .zip, of the go.mod file if it ends in
// .mod. A caller whose ctx ends leaves at once; the question goes on for others who asked the same.
func (g *GoSum) Attest(ctx context.Context, m rules.Match) (Attestation, error) {
	q, err := questionFor(m)
	if err != nil {
		return Attestation{}, fmt.Errorf("%w: %s: %v", ErrUnknown, m.Clean, err)
	}
	host := keyed(m.Rule)
	if host == nil {
		return Attestation{}, fmt.Errorf("%w: rule %s has no checksum database", ErrUnknown, m.Rule.Name)
	}
	db, err := g.database(host)
	if err != nil {
		return Attestation{}, err
	}
	lines, err := db.lookup(ctx, m.Rule, host, q)
	if err != nil {
		return Attestation{}, err
	}
	return attest(q, lines)
}

// questionFor reads the question out of a match. The variables are still escaped as module paths are: "!a" for "A".
func questionFor(m rules.Match) (q question, err error) {
	switch {
	case strings.HasSuffix(m.Clean, ".zip"):
		q.algorithm = digest.H1
	case strings.HasSuffix(m.Clean, ".mod"):
		q.algorithm = digest.H1Mod
	default:
		return q, fmt.Errorf("neither a zip nor a go.mod file")
	}
	if q.path, err = module.UnescapePath(m.Vars["module"]); err != nil {
		return q, err
	}
	if q.version, err = module.UnescapeVersion(m.Vars["version"]); err != nil {
		return q, err
	}
	if module.CanonicalVersion(q.version) != q.version {
		return q, fmt.Errorf("%s is not a canonical version", q.version)
	}
	return q, module.Check(q.path, q.version)
}

// keyed is the checksum database of a rule; nil if it has none.
func keyed(r *rules.Rule) *rules.Host {
	for i := range r.Hosts {
		if r.Hosts[i].Key != "" {
			return &r.Hosts[i]
		}
	}
	return nil
}

// database finds or makes the one database of a key.
func (g *GoSum) database(host *rules.Host) (*database, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if db := g.databases[host.Key]; db != nil {
		return db, nil
	}
	db, err := newDatabase(g, host)
	if err != nil {
		return nil, err
	}
	if g.databases == nil {
		g.databases = make(map[string]*database)
	}
	g.databases[host.Key] = db
	return db, nil
}

// attest picks the h1 hash out of go.sum lines. Other hashes may stand beside it one day; they are not known here.
func attest(q question, lines []string) (Attestation, error) {
	for _, line := range lines {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			continue
		}
		if sum, ok := strings.CutPrefix(fields[2], "h1:"); ok {
			d, err := digest.Parse(string(q.algorithm) + ":" + sum)
			if err == nil {
				return Attestation{Digest: d}, nil
			}
		}
	}
	return Attestation{}, fmt.Errorf("%w: the checksum database has no h1 hash for %s", ErrUnknown, q)
}

func (g *GoSum) now() time.Time {
	if g.Now == nil {
		return time.Now()
	}
	return g.Now()
}

func (g *GoSum) log() *slog.Logger {
	if g.Log == nil {
		return slog.Default()
	}
	return g.Log
}
