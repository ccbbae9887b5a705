package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"hither/cmd/hither/environ"
	"hither/install/stage"
)

// TestMistake2AShellGoesInAndOutAgain lets a real shell evaluate what is printed, twice in and once out.
func TestMistake2AShellGoesInAndOutAgain(t *testing.T) {
	skipElsewhere(t)
	w := newWorld(t)
	ready, _ := w.up()
	w.env = append(w.env, "NO_PROXY=.corp", "NAME=it's", "GOPROXY=https://proxy.golang.org,direct", "PIP_CERT="+ready.CA)
	before := evaluate(t, w.env, "")
	once := evaluate(t, w.env, lines(t, w, "env", "--shell", "sh"))
	same(t, "HTTPS_PROXY", once.Get("HTTPS_PROXY"), "http://"+ready.Proxy[0])
	same(t, "NO_PROXY", once.Get("NO_PROXY"), ".corp,localhost,127.0.0.1,::1")
	same(t, "GOPROXY", once.Get("GOPROXY"), "http://"+ready.Proxy[0]+"/go|https://proxy.golang.org,direct")
	same(t, "roots", rootNames(t, once.Get("SSL_CERT_FILE")), "System Root, Hither Root")
	w.env = once
	twice := evaluate(t, w.env, lines(t, w, "env", "--shell", "sh"))
	same(t, "twice is once", strings.Join(twice, "\n"), strings.Join(once, "\n"))
	w.env = twice
	after := evaluate(t, w.env, lines(t, w, "env", "--unset", "--shell", "sh"))
	same(t, "after --unset", strings.Join(after, "\n"), strings.Join(before, "\n"))
	w.env = after
	same(t, "a second --unset does nothing", lines(t, w, "env", "--unset", "--shell", "sh"), "")
}

func TestAShellCanBeTakenBackWhenHitherIsGone(t *testing.T) {
	skipElsewhere(t)
	w := newWorld(t)
	_, stop := w.up()
	w.env = evaluate(t, w.env, lines(t, w, "env", "--shell", "sh"))
	stop()
	same(t, "env", w.hither("env"), exitNotRunning)
	contains(t, w.err.String(), "env --unset")
	same(t, "unset", w.hither("env", "--unset", "--shell", "sh"), 0)
	same(t, "proxy", evaluate(t, w.env, w.out.String()).Get("HTTPS_PROXY"), "")
}

// TestASecondEnvTakesBackWhatOnlyTheFirstNeeded guards variables that are not needed any more.
func TestASecondEnvTakesBackWhatOnlyTheFirstNeeded(t *testing.T) {
	skipElsewhere(t)
	w := newWorld(t)
	ready, _ := w.up()
	npmrc := filepath.Join(w.home, ".npmrc")
	write(t, npmrc, []byte("cafile="+ready.CA))
	w.env = evaluate(t, w.env, lines(t, w, "env", "--shell", "sh"))
	same(t, "with a cafile", rootNames(t, w.env.Get("npm_config_cafile")), "Hither Root")
	if err := os.Remove(npmrc); err != nil {
		t.Fatal(err)
	}
	w.env = evaluate(t, w.env, lines(t, w, "env", "--shell", "sh"))
	same(t, "without", w.env.Get("npm_config_cafile"), "")
	same(t, "still in", w.env.Get("HTTPS_PROXY"), "http://"+ready.Proxy[0])
}

// A shell may leave the project, and would take along whom it believes.
func TestAShellGetsNoRootsOfAProject(t *testing.T) {
	skipElsewhere(t)
	w := newWorld(t)
	w.up()
	w.dir = filepath.Join(w.home, "project")
	write(t, filepath.Join(w.dir, "evil.pem"), stage.RootPEM("Project Root"))
	write(t, filepath.Join(w.dir, ".npmrc"), []byte("cafile=evil.pem"))
	got := evaluate(t, w.env, lines(t, w, "env", "--shell", "sh"))
	same(t, "npm", got.Get("npm_config_cafile"), "")
	for name, want := range map[string]string{
		"NODE_EXTRA_CA_CERTS": "Hither Root", "SSL_CERT_FILE": "System Root, Hither Root", "GIT_SSL_CAINFO": "System Root, Hither Root",
	} {
		same(t, name, rootNames(t, got.Get(name)), want)
	}
	contains(t, w.err.String(), "in "+w.dir+" ", "hither run")
	write(t, filepath.Join(w.home, "corp.pem"), stage.RootPEM("Corp Root"))
	write(t, filepath.Join(w.home, ".npmrc"), []byte("cafile=~/corp.pem"))
	got = evaluate(t, w.env, lines(t, w, "env", "--shell", "sh"))
	same(t, "npm by the user's file", rootNames(t, got.Get("npm_config_cafile")), "Corp Root, Hither Root")
	same(t, "all by the user's file", rootNames(t, got.Get("SSL_CERT_FILE")), "System Root, Corp Root, Hither Root")
}

func TestProgramsReadTheEnvironmentToo(t *testing.T) {
	w := newWorld(t)
	ready, _ := w.up()
	var change environmentChange
	if err := json.Unmarshal([]byte(lines(t, w, "env", "--json")), &change); err != nil {
		t.Fatal(err)
	}
	same(t, "proxy", change.Set["HTTP_PROXY"], "http://"+ready.Proxy[0])
}

func TestAProxyThatTheRunningHitherDoesNotKnowIsTold(t *testing.T) {
	w := newWorld(t)
	w.up()
	w.env = append(w.env, "HTTPS_PROXY=http://me:hush@proxy.corp:3128")
	same(t, "env", w.hither("env"), 0)
	contains(t, w.err.String(), "HTTPS_PROXY names a proxy, but the running Hither")
	if strings.Contains(w.err.String(), "hush") {
		t.Error("the password is in the warning")
	}
}

func lines(t *testing.T, w *world, args ...string) string {
	t.Helper()
	same(t, strings.Join(args, " ")+": "+w.err.String(), w.hither(args...), 0)
	return w.out.String()
}

// evaluate runs the lines in a real shell and returns its environment, sorted.
func evaluate(t *testing.T, env environ.List, script string) environ.List {
	t.Helper()
	c := exec.Command("sh", "-c", script+"\nenv -0 | sort -z")
	c.Env = env
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	var result environ.List
	for _, line := range strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		if !strings.HasPrefix(line, "_=") && !strings.HasPrefix(line, "PWD=") && !strings.HasPrefix(line, "SHLVL=") && !strings.HasPrefix(line, "OLDPWD=") {
			result = append(result, line)
		}
	}
	return result
}
