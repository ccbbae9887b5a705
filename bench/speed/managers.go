//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// manager is a package manager that takes packages from the npm registry, beside npm. Its version is pinned, so that it is the
// same tomorrow, and runs with Node 20.
type manager struct {
	name    string   // of its cells; a locked one has "ci" behind it
	called  string   // the program
	module  string   // the package that it is
	version string   //
	lock    string   // its lock file
	frozen  []string // arguments behind "install", with a lock file that must do
	options []string // arguments behind those
	env     []string
	fills   string // the directory that has an entry for each package afterwards, from the project
}

func managers() []manager {
	return []manager{
		{
			name: "pnpm", called: "pnpm", module: "pnpm", version: "10.34.9", lock: "pnpm-lock.yaml",
			frozen: []string{"--frozen-lockfile"}, options: []string{"--ignore-scripts", "--reporter=append-only"},
			env: []string{"npm_config_update_notifier=false"}, fills: "node_modules/.pnpm",
		},
		{
			name: "yarn", called: "yarn", module: "yarn", version: "1.22.22", lock: "yarn.lock",
			env:    []string{"YARN_CACHE_FOLDER={home}/yarn"}, // a superuser's would be the machine's
			frozen: []string{"--frozen-lockfile"}, options: []string{"--ignore-scripts", "--non-interactive", "--no-progress"}, fills: "node_modules",
		},
		{
			name: "berry", called: "yarn", module: "@yarnpkg/cli-dist", version: "4.18.1", lock: "yarn.lock",
			frozen: []string{"--immutable"}, env: []string{"YARN_ENABLE_TELEMETRY=0", "YARN_ENABLE_SCRIPTS=0"}, fills: "../home/.yarn/berry/cache",
		},
		{
			name: "bun", called: "bun", module: "bun", version: "1.4.5", lock: "bun.lock",
			frozen: []string{"--frozen-lockfile"}, options: []string{"--ignore-scripts", "--no-progress"}, fills: "node_modules",
		},
	}
}

func (m manager) cell(locked bool) string {
	if locked {
		return m.name + "ci"
	}
	return m.name
}

// managerCells are the cells of all managers that are to run in a row. They promise nothing.
func (w *world) managerCells(ctx context.Context, r *report) (cells []cell, err error) {
	for _, m := range managers() {
		for _, locked := range []bool{false, true} {
			if !w.wants(r.row.name, m.cell(locked)) || w.brief() {
				continue
			}
			c, err := w.managed(ctx, m, "package", locked)
			if err != nil {
				return nil, err
			}
			cells = append(cells, cell{m.cell(locked), c.name, usual(), c, []bound{{level1, 0}, {level2, 0}}})
		}
	}
	return cells, nil
}

// managed installs a project, as its lock file says if it is locked.
func (w *world) managed(ctx context.Context, m manager, name string, locked bool) (client, error) {
	program, err := w.installManager(ctx, m)
	if err != nil {
		return client{}, err
	}
	env, err := w.nodeEnv(cores)
	env = append(env, "npm_config_globalconfig={home}/globalrc", "PREFIX={home}") // the machine's own settings are left out; Yarn 1 knows PREFIX alone
	files := map[string][]byte{"package.json": project(name + ".json")}
	c := client{
		name: strings.Join([]string{m.cell(locked), m.version, name}, " "), env: append(env, m.env...), argv: []string{program, "install"},
		prepare: func(dir string) error { return put(dir, files) }, check: func(dir string) error { return hasEntries(filepath.Join(dir, m.fills)) },
	}
	if locked && err == nil {
		files[m.lock], err = w.lockOf(ctx, m, name)
		c.argv = append(c.argv, m.frozen...)
	}
	c.argv = append(c.argv, m.options...)
	return c, err
}

// installManager installs it beside the recordings, once. Bun's own script puts its program in place.
func (w *world) installManager(ctx context.Context, m manager) (program string, err error) {
	home := filepath.Join(w.cache, m.name+"-"+m.version)
	program = filepath.Join(home, "node_modules", ".bin", m.called)
	return program, installFrom(ctx, home, program, map[string]any{"private": true, "dependencies": map[string]string{m.module: m.version}})
}

// lockOf is the lock file that a manager makes.
func (w *world) lockOf(ctx context.Context, m manager, name string) ([]byte, error) {
	return w.keptLock(ctx, name, strings.Join([]string{m.name, m.version, m.lock}, "-"), m.lock, func() (client, error) {
		return w.managed(ctx, m, name, false)
	})
}

// hasEntries says that a directory has more than a few.
func hasEntries(dir string) error {
	const few = 100
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) < few {
		err = fmt.Errorf("next to nothing was installed: %s has %d entries", dir, len(entries))
	}
	return err
}
