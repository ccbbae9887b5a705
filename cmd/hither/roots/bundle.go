package roots

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"hither/cache/wholefile"
	"hither/cmd/hither/environ"
	"hither/cmd/hither/private"
	"hither/forward/npmrc"
)

// bundleAge is how long a bundle that nobody asked for again is kept. A shell may live long; its tools keep the path.
const bundleAge = 30 * 24 * time.Hour

// npmBundles is how many bundles for npm alone are kept, because a project may name other roots each time.
const npmBundles = 32

// Bundle is a file of every root that a tool behind Hither must know. Most tools read one file only, so ours alone would
// take all others from them.
type Bundle struct {
	Path     string
	Added    string   // file for tools that add it to roots of their own, as Node does: they are to trust no more than without us
	Npm      string   // file of the roots that npm and its kin must know instead; empty: they add Added to Node's
	Complete bool     // the system's roots are in Path
	Warnings []string // about files that are left out
}

// Bundler makes bundles. Different environments have different roots, so each set gets a file of its own.
type Bundler struct {
	Env    environ.List // the user's, before Hither changed it
	Npm    npmrc.Trust
	Tools  []Named          // of tools with settings of their own
	CA     string           // file of our own root
	Extra  []string         // the setting ca-files
	Dir    string           // where bundles are kept
	System func(r *Set)     // adds the system's roots
	Now    func() time.Time // nil: time.Now
}

// variables are what users set to make their tools know further roots.
func variables() []string {
	return []string{
		"NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "GIT_SSL_CAINFO",
		"CARGO_HTTP_CAINFO", "DENO_CERT", "YARN_HTTPS_CA_FILE_PATH",
	}
}

// AddingVariables are those whose tools add the file to roots of their own. The system's would cost each start of Node some
// 50 ms.
func AddingVariables() []string { return []string{"NODE_EXTRA_CA_CERTS", "DENO_CERT"} }

// The beginnings of the files' names.
const (
	commonBundle = "ca"
	addedBundle  = "added"
	npmBundle    = "npm"
)

// Write collects the roots and writes them, if they are not there already.
func (b Bundler) Write() (Bundle, error) {
	var r Set
	b.System(&r)
	complete := len(r.ders) > 0
	b.addUser(&r)
	if err := b.addOwn(&r); err != nil {
		return Bundle{}, err
	}
	if !complete {
		r.warnings = append(r.warnings, "this system has no root certificates, so only tools with roots of their own can go "+
			"through Hither: install the package ca-certificates, or name a file with SSL_CERT_FILE")
	}
	path, err := b.save(commonBundle, r.Encode())
	if err != nil {
		return Bundle{}, err
	}
	added, err := b.writeAdded()
	if err != nil {
		return Bundle{}, err
	}
	npm, err := b.writeNpm()
	return Bundle{Path: path, Added: added, Npm: npm, Complete: complete, Warnings: r.warnings}, err
}

// addOwn takes the root that signs for the registries.
func (b Bundler) addOwn(r *Set) error {
	if n, err := r.addPath(b.CA); err != nil || n == 0 {
		return fmt.Errorf("our own certificate is not in %s (%v): stop Hither and start it again", b.CA, err)
	}
	return nil
}

// writeAdded writes what the user had such tools add before, and our own root.
func (b Bundler) writeAdded() (string, error) {
	var r Set // what is wrong with the files has been said
	for _, name := range AddingVariables() {
		if path := b.Env.Get(name); path != "" {
			r.addNamed(name, path)
		}
	}
	for _, path := range b.Extra {
		r.addNamed("ca-files", path)
	}
	if err := b.addOwn(&r); err != nil {
		return "", err
	}
	return b.save(addedBundle, r.Encode())
}

// writeNpm writes what npm would believe without us, and our own root. It is a file by itself: npm may be told to believe
// fewer than other tools do, and a project that tells it of one root more must not tell git and curl.
func (b Bundler) writeNpm() (string, error) {
	if !b.Npm.Replaced {
		return "", nil
	}
	var r Set
	r.AddPEM(b.Npm.Roots)
	if err := b.addOwn(&r); err != nil {
		return "", err
	}
	return b.save(npmBundle, r.Encode())
}

// addUser takes what the user gave to single tools. All tools with one file get all of it, but nothing that a project's file
// says.
func (b Bundler) addUser(r *Set) {
	for _, name := range variables() {
		if path := b.Env.Get(name); path != "" {
			r.addNamed(name, path)
		}
	}
	for _, tool := range b.Tools {
		r.addNamed(tool.setting, tool.Path)
	}
	for _, path := range b.Npm.CAFiles {
		r.addNamed("npm's cafile", path)
	}
	for _, text := range b.Npm.CA {
		r.AddPEM([]byte(text))
	}
	for _, path := range b.Extra {
		r.addNamed("ca-files", path)
	}
}

// save names the file by its content, so that a shell which was set up before keeps its own.
func (b Bundler) save(kind string, data []byte) (string, error) {
	if err := private.MakeDir(b.Dir); err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	path := filepath.Join(b.Dir, kind+"-"+hex.EncodeToString(sum[:8])+".pem")
	now := time.Now()
	if b.Now != nil {
		now = b.Now()
	}
	if old, err := os.ReadFile(path); err != nil || string(old) != string(data) {
		if err := wholefile.Write(path, data, 0o600); err != nil {
			return "", fmt.Errorf("keep the certificates: %w; name another directory with --state", err)
		}
	}
	_ = os.Chtimes(path, now, now) // what is lost is only a file that is made again
	b.prune(now, path)
	return path, nil
}

// prune removes bundles that nobody asked for in a long time, and the oldest of too many for npm; never the one that was just
// asked for.
func (b Bundler) prune(now time.Time, keep string) {
	files, _ := os.ReadDir(b.Dir) // the next call may be luckier
	for _, kind := range []string{commonBundle, addedBundle, npmBundle} {
		asked := make(map[string]time.Time)
		for _, file := range files {
			mine, _ := filepath.Match(kind+"-*.pem", file.Name()) // the pattern is right
			if info, err := file.Info(); mine && err == nil && file.Name() != filepath.Base(keep) {
				asked[file.Name()] = info.ModTime()
			}
		}
		latest := func(one, other string) int { return asked[other].Compare(asked[one]) }
		for i, name := range slices.SortedFunc(maps.Keys(asked), latest) {
			if now.Sub(asked[name]) > bundleAge || kind == npmBundle && i+1 >= npmBundles {
				_ = os.Remove(filepath.Join(b.Dir, name))
			}
		}
	}
}
