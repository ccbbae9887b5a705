// Package stage plays a machine for tests: a tree of files in a directory, and commands that only seem to run. It knows nothing
// of install, whose own tests use it too; installtest puts a Machine on it.
package stage

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"hither/install/ownfile"
)

// Stage is where the tree stands and what the commands do. Perform may be called by many at once.
type Stage struct {
	Dir   string                                            // all that Tree shows, but for the directory state in it
	Where func(path string) string                          // the real path of one on the machine
	Ran   []string                                          // commands, joined by spaces; for when none runs
	Play  func(argv []string, stdin []byte) ([]byte, error) // nil: every command succeeds and says nothing

	t  testing.TB
	mu sync.Mutex // guards Ran
}

// New is an empty one.
func New(t testing.TB, dir string, where func(path string) string) *Stage {
	return &Stage{t: t, Dir: dir, Where: where}
}

// Perform is for Machine.Run.
func (w *Stage) Perform(_ context.Context, argv []string, stdin []byte) ([]byte, error) {
	w.mu.Lock()
	w.Ran = append(w.Ran, strings.Join(argv, " "))
	w.mu.Unlock()
	if w.Play == nil {
		return nil, nil
	}
	return w.Play(argv, stdin)
}

// Write makes a file; a text "-> x" makes a link to x, and a path with a slash at its end a directory.
func (w *Stage) Write(path, text string) {
	w.t.Helper()
	real := w.Where(path)
	Check(w.t, os.MkdirAll(filepath.Dir(real), 0o755))
	if strings.HasSuffix(path, "/") {
		Check(w.t, os.MkdirAll(real, 0o755))
		return
	}
	if target, ok := strings.CutPrefix(text, "-> "); ok {
		Check(w.t, os.Symlink(target, real))
		return
	}
	Check(w.t, os.WriteFile(real, []byte(text), 0o644))
}

// Text is what a file holds.
func (w *Stage) Text(path string) string {
	w.t.Helper()
	text, err := os.ReadFile(w.Where(path))
	Check(w.t, err)
	return string(text)
}

// Tree is all that is in Dir, times left out.
func (w *Stage) Tree() string {
	w.t.Helper()
	var lines []string
	err := filepath.WalkDir(w.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(w.Dir, path)
		if rel == "." || rel == "state" {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		uid, gid, names := ownfile.Owner(info)
		l := fmt.Sprintf("%s %v %d:%d", rel, info.Mode(), uid, gid)
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			lines = append(lines, l+" -> "+target)
			return err
		case info.Mode().IsRegular():
			text, err := os.ReadFile(path)
			lines = append(lines, fmt.Sprintf("%s %d %q", l, names, text))
			return err
		}
		lines = append(lines, l)
		return nil
	})
	Check(w.t, err)
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// crash is what a process that ends at once leaves behind: the panic runs nothing but what frees locks.
type crash struct{}

// CrashAt lets the n-th call of fault, which is a Machine's, from now be the first that does not come back. It returns what act
// does, or that it crashed.
func CrashAt(fault *func(op, path string), n int, act func() error) (crashed bool, err error) {
	calls := 0
	*fault = func(string, string) {
		if calls++; calls > n {
			panic(crash{})
		}
	}
	defer func() {
		*fault = nil
		if p := recover(); p != nil {
			if _, ok := p.(crash); !ok {
				panic(p)
			}
			crashed = true
		}
	}()
	return false, act()
}

// Check ends the test at an error.
func Check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Same fails with both values on lines of their own.
func Same[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s\ngot  %v\nwant %v", what, got, want)
	}
}

// MustWrite makes a file and the directories above it.
func MustWrite(t testing.TB, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// Seeds is how many games are played. SEEDS asks for more of them.
func Seeds() uint64 {
	if n, err := strconv.ParseUint(os.Getenv("SEEDS"), 10, 64); err == nil {
		return n
	}
	return 60
}

// RootPEM is a new root of that name, in PEM: one of Hither's if the name begins so, else of a company.
func RootPEM(name string) []byte {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	organization := "Corporation"
	if strings.HasPrefix(name, "Hither") {
		organization = "Hither"
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{Organization: []string{organization}, CommonName: name},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
