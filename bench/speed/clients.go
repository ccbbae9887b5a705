//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"hither/bench/lab"
)

// cores is how many processors the go command and npm believe to have: both take their concurrency from it, and a
// developer has more than this machine.
const cores = 8

// goEnv is the go command with an empty cache and its own checks on.
func goEnv() []string {
	return []string{
		fmt.Sprintf("GOMAXPROCS=%d", cores), "GOMODCACHE={home}/mod", "GOPATH={home}/go", "GOCACHE={home}/build", "GOENV=off",
		"GOFLAGS=-modcacherw", "GOTOOLCHAIN=local",
	}
}

// goClient runs the go command in a project of testdata.
func goClient(project string, args ...string) client {
	return client{
		name: strings.Join(append([]string{"go"}, args...), " ") + " " + project, argv: append([]string{"go"}, args...), env: goEnv(), speaks: true,
		prepare: func(dir string) error { return putGo(dir, project) },
	}
}

func putGo(dir, name string) error {
	return put(dir, map[string][]byte{"go.mod": project(name + ".mod"), "go.sum": project(name + ".sum"), "main.go": project(name + ".main")})
}

// npmEnv is npm with an empty cache, that asks for nothing but packages, and believes to have some cores.
func (w *world) npmEnv(cores int) ([]string, error) {
	node, err := w.nodeEnv(cores)
	return append([]string{
		"npm_config_cache={home}/npm", "npm_config_userconfig={home}/npmrc", "npm_config_globalconfig={home}/globalrc",
		"npm_config_audit=false", "npm_config_fund=false",
		"npm_config_update_notifier=false", "npm_config_ignore_scripts=true", "npm_config_loglevel=error",
	}, node...), err
}

// nodeEnv is a Node that believes to have some cores.
func (w *world) nodeEnv(cores int) ([]string, error) {
	file := filepath.Join(w.Dir, fmt.Sprintf("cores%d.js", cores))
	text := fmt.Sprintf("require('os').availableParallelism = () => %d;\n", cores)
	return []string{"NODE_OPTIONS=--require=" + file}, os.WriteFile(file, []byte(text), 0o644)
}

// npmInstall resolves package.json and installs what it found.
func (w *world) npmInstall(name string, cores int) (client, error) {
	env, err := w.npmEnv(cores)
	return client{
		name: fmt.Sprintf("npm install %s %d cores", name, cores), lesson: "npm install " + name, argv: []string{"npm", "install"}, env: env,
		prepare: func(dir string) error { return put(dir, map[string][]byte{"package.json": project(name + ".json")}) },
		check:   hasModules,
	}, err
}

// npmCI installs what a lock file names.
func (w *world) npmCI(ctx context.Context, name string) (client, error) {
	lock, err := w.lockFile(ctx, name)
	if err != nil {
		return client{}, err
	}
	env, err := w.npmEnv(cores)
	return client{
		name: "npm ci " + name, argv: []string{"npm", "ci"}, env: env,
		prepare: func(dir string) error {
			return put(dir, map[string][]byte{"package.json": project(name + ".json"), "package-lock.json": lock})
		},
		check: hasModules,
	}, err
}

func hasModules(dir string) error {
	entries, err := os.ReadDir(filepath.Join(dir, "node_modules"))
	if err == nil && len(entries) < 10 {
		err = errors.New("npm installed next to nothing")
	}
	return err
}

// lockFile is what npm makes of a package.json with the recorded registry.
func (w *world) lockFile(ctx context.Context, name string) ([]byte, error) {
	return w.keptLock(ctx, name, "lock.json", "package-lock.json", func() (client, error) {
		c, err := w.npmInstall(name, cores)
		c.argv = append(c.argv, "--package-lock-only")
		return c, err
	})
}

// keptLock is the lock file, of that name, that a client makes of a package.json with the recorded registry. It is kept beside the
// recordings, with as behind its name.
func (w *world) keptLock(ctx context.Context, name, as, file string, maker func() (client, error)) (lock []byte, err error) {
	sum := sha256.Sum256(project(name + ".json"))
	kept := filepath.Join(w.cache, fmt.Sprintf("%s-%s-%s", name, hex.EncodeToString(sum[:4]), as))
	if data, err := os.ReadFile(kept); err == nil {
		return data, nil
	}
	c, err := maker()
	if err != nil {
		return nil, err
	}
	c.check = func(dir string) (err error) {
		lock, err = os.ReadFile(filepath.Join(dir, file))
		return err
	}
	if err := w.shape(ctx, line{}); err != nil {
		return nil, err
	}
	if _, err := w.once(ctx, c, direct); err != nil {
		return nil, err
	}
	return lock, os.WriteFile(kept, lock, 0o644)
}

// countLocked is how many packages a lock file names.
func countLocked(lock []byte) int { return bytes.Count(lock, []byte(`"node_modules/`)) }

// pull copies an image as skopeo does, verified, several layers at once. (To a dir: it would copy one after another.)
func pull(name string) client {
	return client{
		name: "skopeo copy " + name,
		argv: []string{"skopeo", "--insecure-policy", "copy", "--quiet", "docker://docker.io/library/" + name + ":latest", "oci:{home}/image:latest"},
	}
}

// blob fetches one object of the registry, as curl does. Both ways a token must be had first.
func blob(name, repo, digest string) client {
	return client{
		name: "curl " + name,
		argv: []string{"curl", "-sS", "--fail", "--noproxy", "*", "-o", "blob", "http://" + lab.ProxyAddr + "/v2/" + repo + "/blobs/" + digest},
		direct: []string{"sh", "-ec", `token=$(curl -sS --fail "https://` + tokenHost + `/token?service=registry.docker.io&scope=repository:` + repo + `:pull" | sed 's/.*"token":"\([^"]*\)".*/\1/')
exec curl -sS --fail -L -o blob -H "Authorization: Bearer $token" https://` + ociHost + "/v2/" + repo + "/blobs/" + digest},
		env: []string{}, prepare: nil,
	}
}
