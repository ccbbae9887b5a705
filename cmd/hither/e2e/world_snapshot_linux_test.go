package e2e_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// snapshot is how each file is that was ever written on this machine: kind, mode, owner, link, content. Those that
// nobody compares are left out: logs, caches, and the state directory, which stays.
func (m *machine) snapshot() map[string]string {
	m.t.Helper()
	all := map[string]string{}
	m.must(filepath.WalkDir(layerOnTop, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		real := "/" + strings.TrimPrefix(strings.TrimPrefix(path, layerOnTop), "/")
		if slices.Contains([]string{"/tmp", "/var/log", "/var/tmp", machineState, machineHome + "/.cache", machineHome + "/.npm/_logs"}, real) && d.IsDir() {
			return filepath.SkipDir
		}
		all[real], err = describe(real)
		return err
	}))
	return all
}

// describe tells all of a file but its times.
func describe(path string) (string, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return "none", nil
	}
	if err != nil {
		return "", err
	}
	stat := info.Sys().(*syscall.Stat_t)
	text := fmt.Sprintf("%v %d:%d", info.Mode(), stat.Uid, stat.Gid)
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		return text + " to " + target, err
	case info.Mode().IsRegular():
		data, err := os.ReadFile(path)
		return fmt.Sprintf("%s %x of %d bytes", text, sha256.Sum256(data), len(data)), err
	}
	return text, nil
}

// wantAsBefore compares with a snapshot. What the snapshot does not have was as on the real machine.
func (m *machine) wantAsBefore(what string, before map[string]string) {
	m.t.Helper()
	now := m.snapshot()
	for _, path := range sortedKeys(before) {
		if _, ok := now[path]; !ok {
			now[path], _ = describe(path)
		}
	}
	failed := false
	for _, path := range sortedKeys(now) {
		want, ok := before[path]
		if !ok {
			var err error
			want, err = describe(layerBelow + path)
			m.must(err)
		}
		if now[path] != want {
			failed = true
			m.t.Errorf("%s: %s\n got %s\nwant %s", what, path, now[path], want)
		}
	}
	if failed {
		m.t.FailNow()
	}
}
