//go:build unix

package projects

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"hither/cmd/hither/hithertest"
	"hither/forward/fetch"
	"hither/forward/peer"
	"hither/forward/project"
)

// client is a connection of the false system.
func aClient(port uint16) fetch.Client {
	return fetch.Client{From: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port), To: netip.MustParseAddrPort("127.0.0.1:7890")}
}

func TestALeaseAllowsWhatIsBelowIt(t *testing.T) {
	asked := 0
	p := &Finder{Of: func(from, _ netip.AddrPort) (peer.Process, error) {
		asked++
		switch from.Port() {
		case 1:
			return peer.Process{PID: 30, Parents: []int{20, 10, 1}, Dir: "/run", Args: []string{"npm"}}, nil
		case 2:
			return peer.Process{PID: 31, Parents: []int{11, 1}, Dir: "/other"}, nil
		case 3:
			return peer.Process{PID: os.Getpid(), Parents: []int{10}, Dir: "/self"}, nil
		}
		return peer.Process{}, errors.New("gone")
	}}
	dirs := func() (out string) {
		for port := range uint16(5) {
			at, _ := p.Where(aClient(port))
			out += at.Dir + ";"
		}
		return out
	}
	hithertest.Same(t, "before", dirs(), ";;;;;")
	hithertest.Same(t, "questions before", asked, 0)
	leave, leave2, none := p.Enter(10), p.Enter(10), p.Enter(1)
	hithertest.Same(t, "with two leases", dirs(), ";/run;;;;")
	leave()
	leave()
	none()
	hithertest.Same(t, "with one", dirs(), ";/run;;;;")
	leave2()
	hithertest.Same(t, "after", dirs(), ";;;;;")
	p.All = true
	hithertest.Same(t, "with the switch", dirs(), ";/run;/other;;;")
	hithertest.Same(t, "questions", asked, 5)
}

// TestACommandThatBeganIsBelowALease looks at a process that has not connected to anything.
func TestACommandThatBeganIsBelowALease(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere the system need not tell")
	}
	dir := t.TempDir()
	c := exec.Command("sleep", "60")
	c.Dir, c.Env = dir, []string{"HOME=" + dir, "GOPROXY=http://127.0.0.1:7890/go|https://proxy.golang.org,direct"}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
	var p Finder
	at, ok := p.Begun(c.Process.Pid, []string{"npm", "ci"})
	hithertest.Same(t, "without a lease", at.Dir, "")
	hithertest.Same(t, "without a lease, known", ok, false)
	defer p.Enter(os.Getpid())()
	at, _ = p.Begun(c.Process.Pid, []string{"npm", "ci"})
	hithertest.Same(t, "its directory", at.Dir, dir)
	hithertest.Same(t, "its arguments", strings.Join(at.Args, " "), "npm ci")
	hithertest.Same(t, "its number", at.PID, c.Process.Pid)
	here, _ := os.Getwd()
	at, _ = p.Begun(c.Process.Pid, []string{"go", "-C", "..", "mod", "download"})
	hithertest.Same(t, "where it goes, wherever it is by now", at.Dir, filepath.Dir(here))
	at, _ = p.Begun(c.Process.Pid, []string{"go", "-C", "no-such-directory", "mod", "download"})
	hithertest.Same(t, "a directory that is not there", at.Dir, "")
	at, _ = p.Begun(os.Getppid(), nil)
	hithertest.Same(t, "what is not below it", at.Dir, "")
}

// TestAProjectTellsWhatIsPrivate keeps the names of packages that come from elsewhere from npm's registry.
func TestAProjectTellsWhatIsPrivate(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("PREFIX", t.TempDir())
	for _, row := range []struct{ says, npmrc, env, want string }{
		{"a scope", "@corp:registry=https://npm.corp.example\n@pub:registry=https://registry.npmjs.org\n", "", "corp.example/* @corp"},
		{"all packages", "registry=https://npm.corp.example\n", "", "corp.example/* registry.npmjs.org/* registry.yarnpkg.com/*"},
		{"all packages, by its environment", "", "npm_config_registry=https://npm.corp.example", "corp.example/* registry.npmjs.org/* registry.yarnpkg.com/*"},
		{"a scope, by its environment", "", "npm_config_@corp:registry=https://npm.corp.example", "corp.example/* @corp"},
		{"Hither's gateway", "registry=http://127.0.0.1:7890/npm\n", "", "corp.example/*"},
		{"nothing", "", "", "corp.example/*"},
		{"all packages, by its environment in any letters", "", "Npm_Config_Registry=https://npm.corp.example", "corp.example/* registry.npmjs.org/* registry.yarnpkg.com/*"},
		{"a scope, in any letters", "", "NPM_CONFIG_@corp:REGISTRY=https://npm.corp.example", "corp.example/* @corp"},
		{"all packages, by the last line", "registry=https://registry.npmjs.org/\nregistry=https://npm.corp.example/ ; ours\n", "", "corp.example/* registry.npmjs.org/* registry.yarnpkg.com/*"},
		{"all packages, by a key in quotes", "\"registry\" = https://npm.corp.example\n", "", "corp.example/* registry.npmjs.org/* registry.yarnpkg.com/*"},
		{"a scope, by the last line", "@corp:registry=https://registry.npmjs.org\n@corp:registry=https://npm.corp.example\n", "", "corp.example/* @corp"},
		{"nothing, since npm's environment goes first", "registry=https://npm.corp.example\n", "npm_config_registry=https://registry.npmjs.org/", "corp.example/*"},
		{"all, since pnpm 11 does not read npm's variables", "registry=https://npm.corp.example\n", "npm_config_registry=https://registry.npmjs.org/", "corp.example/* registry.npmjs.org/* registry.yarnpkg.com/*"},
		{"a registry that only it knows", "registry=${CORP_NPM}\n", "", "corp.example/* registry.npmjs.org/* registry.yarnpkg.com/*"},
		{"a scope's registry that only it knows", "@corp:registry=${CORP_NPM}\n", "", "corp.example/* @corp"},
		{"all, whatever Hither itself was told", "registry=https://npm.corp.example\n", "HITHER=npmjs", "corp.example/* registry.npmjs.org/* registry.yarnpkg.com/*"},
		{"all packages, by Yarn 2's variable", "", "YARN_NPM_REGISTRY_SERVER=https://y.corp.example", "corp.example/* registry.npmjs.org/* registry.yarnpkg.com/*"},
		{"all packages, by Yarn 1's", "registry=https://registry.npmjs.org/\n", "YARN_REGISTRY=https://y.corp.example", "corp.example/* registry.npmjs.org/* registry.yarnpkg.com/*"},
		{"all packages, by Bun's", "", "BUN_CONFIG_REGISTRY=https://b.corp.example", "corp.example/* registry.npmjs.org/* registry.yarnpkg.com/*"},
		{"all packages, by pnpm's", "", "pnpm_config_registry=https://n.corp.example", "corp.example/* registry.npmjs.org/* registry.yarnpkg.com/*"},
		{"a scope, by pnpm's", "", "pnpm_config_@corp:registry=https://n.corp.example", "corp.example/* @corp"},
		{"nothing, since Yarn's is npm's by another name", "registry=https://registry.yarnpkg.com/\n", "", "corp.example/*"},
		{"all that have no scope, by one", "scope=corp\n@corp:registry=https://npm.corp.example\n", "", "corp.example/* @corp registry.npmjs.org/* registry.yarnpkg.com/*"},
		{"a scope that only it knows", "@${CORP}:registry=https://npm.corp.example\n", "", "corp.example/* registry.npmjs.org/* registry.yarnpkg.com/*"},
		{"all, by a variable that may be empty", "registry=https://${CORP?}registry.npmjs.org/\n", "", "corp.example/* registry.npmjs.org/* registry.yarnpkg.com/*"},
		{"all, since nobody reads a file of that size", "; " + strings.Repeat("x", 2<<20) + "\n", "", "corp.example/* registry.npmjs.org/* registry.yarnpkg.com/*"},
		{"nothing in a section", "[x]\nregistry=https://npm.corp.example\n", "", "corp.example/*"},
		{"modules, by go env -w", "", "GOENV=goenv", "corp.example/* git.corp.example/* other.example third.example"},
		{"modules of another proxy", "", "GOPROXY=https://goproxy.corp.example,https://proxy.golang.org", "corp.example/* proxy.golang.org/*"},
		{"modules of another proxy behind nothing", "", "GOPROXY=,goproxy.corp.example", "corp.example/* proxy.golang.org/*"},
		{"nothing of the public proxy without its scheme", "", "GOPROXY=proxy.golang.org,direct", "corp.example/*"},
		{"modules that it gets without a proxy", "", "GOPROXY=direct", "corp.example/* proxy.golang.org/*"},
		{"modules of a proxy of this machine that is not Hither", "", "GOPROXY=http://127.0.0.1:3000,https://proxy.golang.org", "corp.example/* proxy.golang.org/*"},
		{"modules, as a distribution has it", "", "GOROOT=goroot", "corp.example/* proxy.golang.org/*"},
		{"modules, of settings that are not read", "", "GOENV=pipe", "corp.example/* proxy.golang.org/*"},
		{"nothing of settings that are none", "", "GOENV=" + os.DevNull, "corp.example/*"},
		{"not those that come through Hither", "", "GOPROXY=http://127.0.0.1:7890/go|https://proxy.golang.org,direct", "corp.example/*"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, ".npmrc"), []byte(row.npmrc), 0o600); err != nil {
			t.Fatal(err)
		}
		env, program := []string{row.env}, "npm"
		if strings.Contains(row.says, "pnpm 11") {
			program = "pnpm"
		}
		switch row.env {
		case "HITHER=npmjs":
			t.Setenv("npm_config_registry", project.NPMRegistry)
		case "GOROOT=goroot":
			env = []string{"GOROOT=" + dir}
			hithertest.Write(t, filepath.Join(dir, "go.env"), []byte("GOPROXY=direct\n"))
		case "GOENV=pipe":
			env = []string{"GOENV=" + filepath.Join(dir, "pipe")}
			if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
				t.Fatal(err)
			}
		case "GOENV=goenv":
			env = []string{"GOENV=" + filepath.Join(dir, "goenv")}
			hithertest.Write(t, filepath.Join(dir, "goenv"), []byte("GOPRIVATE=git.corp.example/*\nGONOPROXY=other.example\nGONOSUMDB=third.example\n"))
		}
		p := &Finder{All: true, Own: []string{"127.0.0.1:7890"}, Of: func(_, _ netip.AddrPort) (peer.Process, error) {
			return peer.Process{Dir: dir, Args: []string{program, "install"}, Private: []string{"corp.example/*"}, Caching: env}, nil
		}}
		at, _ := p.Where(aClient(1))
		hithertest.Same(t, row.says, strings.Join(at.Private, " "), row.want)
	}
}

// What Yarn, Bun and pnpm read beside npmrc files names registries, too.
func TestTheFilesOfOtherProgramsTellWhatIsPrivate(t *testing.T) {
	home := t.TempDir()
	t.Setenv("PREFIX", t.TempDir())
	for name, text := range map[string]string{
		"a/.yarnrc.yml": "npmRegistryServer: https://y.corp.example\n", "b/.yarnrc": "registry \"https://y.corp.example\"\n", "c/bunfig.toml": "[install]\nregistry = \"https://b.corp.example\"\n",
		"d/pnpm-workspace.yaml": "registries:\n  default: https://n.corp.example\n", "e/.yarnrc.yml": "npmScopes:\n  corp:\n    npmRegistryServer: https://y.corp.example\n",
		"f/.yarnrc": "registry \"https://registry.yarnpkg.com\"\n", "g/bunfig.toml": "[install\n", "h/x": "",
	} {
		hithertest.Write(t, filepath.Join(home, name), []byte(text))
	}
	for dir, want := range map[string]string{
		"a": "registry.npmjs.org/* registry.yarnpkg.com/*", "b": "registry.npmjs.org/* registry.yarnpkg.com/*", "c": "registry.npmjs.org/* registry.yarnpkg.com/*", "d": "registry.npmjs.org/* registry.yarnpkg.com/*", "e": "@corp", "f": "", "g": "registry.npmjs.org/* registry.yarnpkg.com/*", "h": "",
		"a/b/c/d": "registry.npmjs.org/* registry.yarnpkg.com/*",
	} {
		p := &Finder{All: true, Of: func(_, _ netip.AddrPort) (peer.Process, error) {
			return peer.Process{Dir: filepath.Join(home, filepath.FromSlash(dir)), Caching: []string{"HOME=" + home}}, nil
		}}
		at, _ := p.Where(aClient(1))
		hithertest.Same(t, dir, strings.Join(at.Private, " "), want)
	}
}

// npm that asks its registry without us never comes, so that nothing is to be fetched for it. Its environment is that of a real
// process.
func TestACommandThatGoesPastUsIsNotHelped(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere the system need not tell")
	}
	for _, row := range []struct {
		says, npmrc, env, command string
		ok                        bool
	}{
		{"npm ci", "", "A=1", "npm ci", true},
		{"NO_PROXY", "", "NO_PROXY=localhost,.npmjs.org", "npm ci", false},
		{"no_proxy", "", "no_proxy=registry.npmjs.org", "npm ci", false},
		{"others in NO_PROXY", "", "NO_PROXY=localhost,127.0.0.1,::1,corp.example", "npm ci", true},
		{"a star, which npm does not know", "", "NO_PROXY=*", "npm ci", true},
		{"its noproxy", "noproxy=registry.npmjs.org\n", "A=1", "npm ci", false},
		{"its noproxy by a variable", "", "npm_config_noproxy=npmjs.org", "npm ci", false},
		{"its noproxy before NO_PROXY", "noproxy=corp.example\n", "NO_PROXY=npmjs.org", "npm ci", true},
		{"its noproxy in the command", "", "A=1", "node /usr/bin/npm ci --noproxy=npmjs.org", false},
		{"another proxy in the command", "", "A=1", "npm ci --https-proxy http://proxy.corp.example", false},
		{"another program", "", "NO_PROXY=npmjs.org", "pnpm install", true},
		{"go by our gateway", "", "GOPROXY=http://127.0.0.1:7890/go|https://proxy.golang.org,direct", "go mod download", true},
		{"go without, as its distribution may have it", "", "A=1", "go mod download", false},
		{"go by another proxy of this machine", "", "GOPROXY=http://127.0.0.1:3000|https://proxy.golang.org", "go mod download", false},
	} {
		dir := t.TempDir()
		hithertest.Write(t, filepath.Join(dir, ".npmrc"), []byte(row.npmrc))
		c := exec.Command("sleep", "60")
		c.Dir, c.Env = dir, []string{"HOME=" + dir, row.env}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		var p Finder
		leave := p.Enter(os.Getpid())
		_, ok := p.Begun(c.Process.Pid, strings.Fields(row.command))
		hithertest.Same(t, row.says, ok, row.ok)
		leave()
		_ = c.Process.Kill()
		_ = c.Wait()
	}
}

func TestClientsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		p := &Finder{All: true, Of: func(_, _ netip.AddrPort) (peer.Process, error) { asked++; return peer.Process{Dir: "/"}, nil }}
		p.Where(aClient(1))
		p.Where(aClient(1))
		hithertest.Same(t, "asked again at once", asked, 1)
		time.Sleep(projectsWait) //nolint:forbidigo // the bubble's clock
		p.Where(aClient(1))
		hithertest.Same(t, "asked again later", asked, 2)
		for port := range uint16(3 * projectsKept) {
			p.Where(aClient(port))
		}
		hithertest.Same(t, "kept", len(p.seen), projectsKept)
		hithertest.Same(t, "in order", len(p.order), projectsKept)
		time.Sleep(projectsWait) //nolint:forbidigo // the bubble's clock
		p.Where(aClient(1))
		hithertest.Same(t, "kept later", len(p.seen), 1)
	})
}

// pnpm connects anew for each package: its settings are not read each time, and another process's always are.
func TestTheSettingsOfAProcessStandForAMoment(t *testing.T) {
	t.Setenv("PREFIX", t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		dir, pid := t.TempDir(), 7
		npmrc := filepath.Join(dir, ".npmrc")
		hithertest.Write(t, npmrc, []byte("@corp:registry=https://npm.corp.example\n"))
		p := &Finder{All: true, Of: func(_, _ netip.AddrPort) (peer.Process, error) {
			return peer.Process{PID: pid, Dir: dir, Caching: []string{"HOME=" + dir}}, nil
		}}
		private := func(port uint16) string {
			at, _ := p.Where(aClient(port))
			return strings.Join(at.Private, " ")
		}
		hithertest.Same(t, "the first connection", private(1), "@corp")
		if err := os.Remove(npmrc); err != nil {
			t.Fatal(err)
		}
		hithertest.Same(t, "the next", private(2), "@corp")
		pid = 8
		hithertest.Same(t, "another process", private(3), "")
		hithertest.Write(t, npmrc, []byte("@corp:registry=https://npm.corp.example\n"))
		time.Sleep(placingWait) //nolint:forbidigo // the bubble's clock
		hithertest.Same(t, "later", private(4), "@corp")
	})
}

// A version manager's node has a global file of its own, whichever node Hither would find.
func TestTheGlobalFileOfItsOwnNodeTellsWhatIsPrivate(t *testing.T) {
	home, node := t.TempDir(), t.TempDir()
	hithertest.Write(t, filepath.Join(node, "etc/npmrc"), []byte("@corp:registry=https://npm.corp.example\n"))
	p := &Finder{All: true, Of: func(_, _ netip.AddrPort) (peer.Process, error) {
		return peer.Process{Dir: home, Program: filepath.Join(node, "bin/node"), Caching: []string{"HOME=" + home}}, nil
	}}
	at, _ := p.Where(aClient(1))
	hithertest.Same(t, "private", strings.Join(at.Private, " "), "@corp")
}

// A project that names scopes without end costs little: then all names are hidden, in few patterns.
func TestAProjectOfManyScopesIsBounded(t *testing.T) {
	dir := t.TempDir()
	var text strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&text, "@s%d:registry=https://n.example/${A}\n", i)
	}
	hithertest.Write(t, filepath.Join(dir, ".npmrc"), []byte(text.String()))
	p := &Finder{All: true, Of: func(_, _ netip.AddrPort) (peer.Process, error) {
		return peer.Process{Dir: dir, Caching: []string{"HOME=" + dir}}, nil
	}}
	began := time.Now()
	at, _ := p.Where(aClient(1))
	t.Log(time.Since(began))
	hithertest.Same(t, "patterns", strings.Join(at.Private, " "), "registry.npmjs.org/* registry.yarnpkg.com/*")
}
