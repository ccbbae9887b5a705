package upkeep

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"hither/cmd/hither/environ"
	"hither/cmd/hither/hithertest"
	"hither/cmd/hither/settings"
	"hither/forward/authority"
	"hither/install"
	"hither/install/stage"
	"hither/install/sysdns"
	"hither/install/sysproxy"
	"hither/rules"
)

// A name that is led to us can be reached on our two ports alone.
func TestOnlyNamesThatOurDoorsServeAreLed(t *testing.T) {
	set := hithertest.Rules(t, "reg.test", "odd.test:5000", "usual.test:443", "registry", "192.0.2.1", "[2001:db8::1]:5000", "localhost:8080")
	hithertest.Same(t, "names", strings.Join(DNSNames(set), " "), "reg.test usual.test")
}

func TestOffIsStrongerThanWhatWasInstalled(t *testing.T) {
	state := t.TempDir()
	hithertest.Write(t, filepath.Join(state, Name), []byte(`{"dns": "scoped", "proxy": true, "uid": -1, "gid": -1}`))
	for _, row := range []struct {
		flags map[string][]string
		want  Upkeep
	}{
		{nil, Upkeep{DNS: sysdns.Scoped, Proxy: Places{sysproxy.Desktop}, UID: -1, GID: -1}},
		{map[string][]string{"dns": {"off"}}, Upkeep{Proxy: Places{sysproxy.Desktop}, UID: -1, GID: -1}},
	} {
		s, err := settings.Load(settings.Sources{Flags: row.flags, Env: environ.List{"HOME=" + state, "HITHER_STATE=" + state}, Dir: "/", ReadFile: os.ReadFile})
		hithertest.Must(t, err)
		got, err := Of(s)
		hithertest.Must(t, err)
		hithertest.Same(t, "upkeep", hithertest.JSON(t, got), hithertest.JSON(t, row.want))
		s.Runner = 1
		got, err = Of(s)
		hithertest.Must(t, err)
		hithertest.Same(t, "any for a single command", got.Any(), false)
	}
}

// A file of an older Hither, which knew only the desktop, is read as it was meant; and what is written now is read again.
func TestWhereTheProxyIsToldIsRead(t *testing.T) {
	for _, row := range []struct{ text, want string }{
		{`{}`, ""}, {`{"proxy": false}`, ""}, {`{"proxy": true}`, "desktop"}, {`{"proxy": ["desktop", "shell"]}`, "desktop, shell"},
	} {
		state := t.TempDir()
		hithertest.Write(t, filepath.Join(state, Name), []byte(row.text))
		u, err := Read(state)
		hithertest.Must(t, err)
		hithertest.Same(t, row.text, listed(u.Proxy), row.want)
		hithertest.Write(t, filepath.Join(state, Name), []byte(hithertest.JSON(t, u)))
		u, err = Read(state)
		hithertest.Must(t, err)
		hithertest.Same(t, row.text+", again", listed(u.Proxy), row.want)
	}
}

func TestThePlacesOfTheProxyAreChosenByTheirNames(t *testing.T) {
	for _, row := range []struct{ system, list, want, says string }{
		{"windows", "environment, shell,shell", "environment, shell", ""},
		{"darwin", "true", "desktop", ""},
		{"linux", "false", "", ""},
		{"linux", "desktop", "desktop", ""},
		{"linux", "shell", "", "call this with sudo"}, // a machine of a test has no root
		{"darwin", "shell", "", "darwin has no place shell"},
		{"linux", "desktop,", "", `"" is none of desktop, shell, environment`},
	} {
		places, err := ParsePlaces(&install.Machine{OS: row.system, Root: t.TempDir()}, row.list)
		hithertest.Same(t, row.list+" on "+row.system, listed(places), row.want)
		if (err == nil) != (row.says == "") || err != nil && !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s on %s\n got %v\nwant %q", row.list, row.system, err, row.says)
		}
	}
}

// What is for every user outlasts a call for another one, which says nothing of it.
func TestAnotherUsersCallKeepsWhatIsForAll(t *testing.T) {
	for _, row := range []struct{ home, proxy, tools string }{{"/home/u", "desktop, shell", "pip npm"}, {"/home/v", "shell", "npm"}} {
		i := &Installation{Wanted: Wanted{DNS: "off", Tools: []string{"npm"}}, Upkeep: Upkeep{Home: row.home}, Machine: &install.Machine{OS: "linux", Root: t.TempDir()}}
		former := Upkeep{DNS: sysdns.Scoped, Home: "/home/u", Proxy: Places{sysproxy.Desktop, sysproxy.Shell}, Tools: []string{"pip"}}
		i.KeepFormer(former, func(string) bool { return false })
		hithertest.Same(t, row.home+" dns", i.Wanted.DNS, "scoped")
		hithertest.Same(t, row.home+" proxy", listed(i.Wanted.Proxy), row.proxy)
		hithertest.Same(t, row.home+" tools", strings.Join(i.Wanted.Tools, " "), row.tools)
	}
}

// Root who changes the mode of DNS has no mind to take a user's npm out of what is kept for it.
func TestRootsCallGoesOnForTheUserOfBefore(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("others call for themselves alone")
	}
	for _, row := range []struct {
		now, former int
		chosen      string
		want        string
	}{
		{-1, 1000, "dns", "/home/u"}, {-1, 1000, "tools", "/root"}, {-1, 1000, "user", "/root"}, {-1, -1, "dns", "/root"}, {1001, 1000, "dns", "/root"},
	} {
		u := Upkeep{Home: "/root", UID: row.now, GID: row.now}
		u.KeepUser(Upkeep{Home: "/home/u", UID: row.former, GID: row.former}, func(flag string) bool { return flag == row.chosen })
		hithertest.Same(t, "home", u.Home, row.want)
		hithertest.Same(t, "user", u.UID, map[bool]int{true: row.former, false: row.now}[row.want == "/home/u"])
	}
}

// What needs no running Hither is done at once, and none is asked to keep it: PowerShell's profile asks for itself.
func TestAPlaceIsHeldOrToldForGood(t *testing.T) {
	for _, row := range []struct {
		system     string
		places     Places
		held       string // of Upkeep
		now, while string // what is in one of the steps
	}{
		{"linux", Places{sysproxy.Desktop, sysproxy.Shell}, "desktop, shell", "roots.pem", "/etc/profile.d/zz-hither-proxy.sh"},
		{"windows", Places{sysproxy.Shell, sysproxy.Environment}, "environment", "profile.ps1", "the user's variable NODE_EXTRA_CA_CERTS"},
	} {
		run := func(context.Context, []string, []byte) ([]byte, error) { return nil, nil }
		i := &Installation{
			Wanted: Wanted{Trust: true, DNS: "off", Proxy: row.places}, Settings: settings.Settings{State: "/state", Listen: []string{"127.0.0.1:7890"}},
			Machine: &install.Machine{OS: row.system, Root: t.TempDir(), Home: "/home/u", UID: -1, GID: -1, Run: run}, Rules: hithertest.Rules(t, "reg.test"), Exe: "hither",
		}
		open := func(string, []string, func() time.Time) ([]byte, string, error) {
			return stage.RootPEM("Hither"), "/state/ca.pem", nil
		}
		steps, err := i.Plan(t.Context(), open)
		hithertest.Must(t, err)
		hithertest.Same(t, row.system, listed(i.Upkeep.Proxy), row.held)
		var now []string
		for _, step := range steps.Now {
			now = append(now, step.String())
		}
		hithertest.Contains(t, strings.Join(now, "\n"), row.now)
		hithertest.Contains(t, strings.Join(steps.Held, "\n"), row.while)
	}
}

// Where nothing can lead single names, that is said before anything is done, with what to do; and it is tried again as long as Hither runs.
func TestNamesThatCannotBeLedAreSaidToBeLeftOut(t *testing.T) {
	for _, row := range []struct{ dns, file, now, held string }{
		{"scoped", "", "choose `--dns full`", ""},
		{"scoped", "run/systemd/resolve/stub-resolv.conf", "", "the registries' names alone"},
		{"full", "", "", "every name"},
	} {
		root, home := t.TempDir(), t.TempDir()
		if row.file != "" {
			hithertest.Write(t, filepath.Join(root, row.file), nil)
		}
		i := &Installation{
			Wanted: Wanted{Trust: true, DNS: row.dns}, Settings: settings.Settings{State: home, Listen: []string{"127.0.0.1:7890"}},
			Machine: &install.Machine{OS: "linux", Root: root, Home: home, UID: -1, GID: -1}, Rules: hithertest.Rules(t, "reg.test"),
		}
		steps, err := i.Plan(t.Context(), func(string, []string, func() time.Time) ([]byte, string, error) {
			return stage.RootPEM("Hither"), filepath.Join(home, "ca.pem"), nil
		})
		hithertest.Must(t, err)
		hithertest.Same(t, "left word of", string(i.Upkeep.DNS), row.dns)
		var refused *install.Refused
		for _, step := range steps.Now {
			if _, err := step.Done(t.Context()); strings.HasPrefix(step.String(), "have the machine ask") && !errors.As(err, &refused) {
				t.Errorf("%s\n got %v\nwant that it is refused", step, err)
			}
		}
		if refused == nil {
			refused = &install.Refused{}
		}
		for name, text := range map[string][2]string{"left out": {refused.Why, row.now}, "held": {strings.Join(steps.Held, "; "), row.held}} {
			if (text[0] == "") != (text[1] == "") || !strings.Contains(text[0], text[1]) {
				t.Errorf("%s, --dns %s, %q\n got %q\nwant %q", name, row.dns, row.file, text[0], text[1])
			}
		}
	}
}

// The directory of a user in which root makes something is one that he cannot use any more.
func TestRootMakesNothingForTheHitherOfAnother(t *testing.T) {
	home := t.TempDir()
	state := filepath.Join(home, ".local", "state", "hither")
	m, hosts := &install.Machine{OS: "linux"}, []string{"reg.test"}
	hithertest.Same(t, "ours", Foreign(state)+" "+JournalDir(m, state), " "+state)
	if os.Geteuid() != 0 {
		t.Skip("files are given away by root alone")
	}
	theirs := func() {
		hithertest.Must(t, filepath.WalkDir(home, func(path string, _ fs.DirEntry, _ error) error { return os.Chown(path, 65534, 65534) }))
	}
	theirs()
	hithertest.Same(t, "whose, before it is there", Foreign(state), "nobody")
	var wrong *settings.FlagError
	if _, _, err := OpenRoot(state, hosts, time.Now); !errors.As(err, &wrong) || !strings.Contains(err.Error(), "called as that user") {
		t.Errorf("got %v, want that nobody has it made", err)
	}
	_, err := os.Lstat(filepath.Join(home, ".local"))
	hithertest.Same(t, "nothing is made", errors.Is(err, fs.ErrNotExist), true)
	ca, err := authority.Open(state, hosts, time.Now)
	hithertest.Must(t, err)
	theirs()
	text, file, err := OpenRoot(state, hosts, time.Now)
	hithertest.Must(t, err)
	hithertest.Same(t, "root", string(text)+file, string(ca.PEM())+ca.File())
	hithertest.Same(t, "journal", JournalDir(m, state), "/var/lib/hither")
	_, _, err = OpenRoot(state, []string{"reg.test", "new.test"}, time.Now)
	hithertest.Same(t, "one that is outgrown is not replaced", errors.As(err, &wrong), true)
	i := &Installation{Settings: settings.Settings{State: state}, Machine: m}
	hithertest.Same(t, "word of root's", len(i.leaveWord()), 0)
	i.Upkeep.DNS = sysdns.Full
	_, err = i.leaveWord()[0].Done(t.Context())
	hithertest.Contains(t, err.Error(), "is of the Hither of nobody")
}

// What is undone is undone for the service that runs, too; one that has another state directory goes on.
func TestAServiceThatRunsBeginsAnewWithoutWhatIsUndone(t *testing.T) {
	home := t.TempDir()
	for _, row := range []struct{ state, want string }{
		{filepath.Join(home, ".local", "state", "hither"), "systemctl --user reset-failed hither.service 2>/dev/null; systemctl --user try-restart hither.service"},
		{t.TempDir(), ""}, // that is not the service's
	} {
		root := t.TempDir()
		hithertest.Write(t, filepath.Join(root, home, ".config/systemd/user/hither.service"), nil)
		i := &Installation{
			Wanted: Wanted{DNS: "off"}, Upkeep: Upkeep{UID: -1, GID: -1}, Settings: settings.Settings{State: row.state, Listen: []string{"127.0.0.1:7890"}}, Env: environ.List{"HOME=" + home},
			Machine: &install.Machine{OS: "linux", Root: root, Home: home, UID: -1, GID: -1, Env: func(string) string { return "" }}, Rules: hithertest.Rules(t, "reg.test"),
		}
		steps, err := i.Plan(t.Context(), func(string, []string, func() time.Time) ([]byte, string, error) {
			return stage.RootPEM("Hither"), filepath.Join(home, "ca.pem"), nil
		})
		hithertest.Must(t, err)
		var said []string
		for _, step := range steps.Now {
			for _, argv := range step.(install.Edit).AfterUndo {
				said = append(said, argv...)
			}
		}
		if got := strings.Join(said, " "); (got == "") != (row.want == "") || !strings.Contains(got, row.want) {
			t.Errorf("%s\n got %q\nwant %q", row.state, got, row.want)
		}
	}
}

// The unit is kept out of homes where nothing is chosen there; a tool that is chosen later must be let in, and systemd must hear of it.
func TestTheUnitIsLetIntoAHomeWhereSomethingIsKept(t *testing.T) {
	i := &Installation{Upkeep: Upkeep{Home: "/home/u"}, Machine: &install.Machine{OS: "linux", Root: t.TempDir(), UID: -1, GID: -1}}
	hithertest.Same(t, "with nothing chosen", len(i.openHome()), 0)
	i.Upkeep.Tools = []string{"npm"}
	hithertest.Same(t, "without systemd", len(i.openHome()), 0)
	hithertest.Write(t, i.Machine.Path("/run/systemd/system/x"), nil)
	e := i.openHome()[0].(install.Edit)
	hithertest.Same(t, "afterwards", strings.Join(e.After[0], " "), "systemctl daemon-reload")
}

// A word of a newer Hither's keeps neither the other tools from us nor the user from changing what is kept.
func TestAToolThatIsNotKnownStopsNoOther(t *testing.T) {
	former := Upkeep{Tools: []string{"brandnew", "npm"}, Home: "/home/u", UID: -1, GID: -1}
	h := NewHeld(former, settings.Settings{State: t.TempDir(), Listen: []string{"127.0.0.1:1"}},
		func() *rules.Set { return hithertest.Rules(t, "reg.test") }, nil, environ.List{}, slog.New(slog.DiscardHandler))
	h.machine.Root, h.machine.OS = t.TempDir(), "linux"
	hithertest.Must(t, os.MkdirAll(h.machine.Path("/home/u"), 0o700))
	var trouble string
	h.Troubled = func(text string) { trouble = text }
	h.Hold(t.Context())
	npmrc, err := h.machine.Read("/home/u/.npmrc")
	hithertest.Must(t, err)
	hithertest.Contains(t, string(npmrc), "proxy=http://127.0.0.1:1")
	hithertest.Contains(t, trouble, `the tool "brandnew" is not known here`)
	i := &Installation{Upkeep: Upkeep{Home: "/home/u"}, Machine: h.machine}
	i.KeepFormer(former, func(string) bool { return false })
	hithertest.Same(t, "kept", strings.Join(i.Wanted.Tools, " "), "npm")
}

// On a full disk npm loses what it was told when Hither ends, and is not told again; it would refuse whom its registry's name leads to.
func TestNamesAreNotLedWhereTheDiskIsTooFullToTellATool(t *testing.T) {
	h := NewHeld(Upkeep{DNS: sysdns.Scoped, UID: -1, GID: -1}, settings.Settings{State: t.TempDir(), Listen: []string{"127.0.0.1:1"}},
		func() *rules.Set { return hithertest.Rules(t, "reg.test") }, []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:5300")}, environ.List{}, slog.New(slog.DiscardHandler))
	h.machine.Root, h.machine.OS = t.TempDir(), "darwin" // names are led by files there
	h.machine.Run = func(context.Context, []string, []byte) ([]byte, error) { return nil, nil }
	for _, row := range []struct {
		why  error
		want bool
	}{{&os.PathError{Op: "write", Path: "journal", Err: syscall.ENOSPC}, false}, {os.ErrPermission, true}} {
		h.untold = ofFullDisk(h.applyLocked(t.Context(), []install.Step{install.VolatileRefusal(h.machine, "send npm through Hither", row.why)}))
		h.leadLocked(t.Context())
		hithertest.Same(t, "trouble", h.trouble["send npm through Hither"], row.why.Error())
		hithertest.Same(t, "led after "+row.why.Error(), h.machine.Exists("/etc/resolver/reg.test"), row.want)
	}
	h.untold = syscall.ENOSPC
	h.SetNames(t.Context())
	hithertest.Same(t, "led with other rules", h.machine.Exists("/etc/resolver/reg.test"), false)
	h.Hold(t.Context())
	hithertest.Same(t, "led again", h.machine.Exists("/etc/resolver/reg.test"), true)
}

// Names are led only to those whose certificates are believed, and after a fault that is tried again.
func TestNamesAreNotLedWithoutTrust(t *testing.T) {
	var said hithertest.Journal
	set := hithertest.Rules(t, "reg.test")
	trusted := false
	h := NewHeld(Upkeep{DNS: sysdns.Scoped, UID: -1, GID: -1}, settings.Settings{State: t.TempDir(), Listen: []string{"127.0.0.1:1"}},
		func() *rules.Set { return set }, []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:5300")}, environ.List{}, slog.New(slog.NewTextHandler(&said, nil)))
	h.machine.Root, h.machine.OS = t.TempDir(), "darwin" // names are led by files there
	h.machine.Run = func(context.Context, []string, []byte) ([]byte, error) { return nil, nil }
	h.Trusted = func() error {
		if trusted {
			return nil
		}
		return os.ErrPermission
	}
	var trouble string
	h.Troubled = func(text string) { trouble = text }
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	led := func() string {
		files, _ := filepath.Glob(filepath.Join(h.machine.Root, "etc", "resolver", "*"))
		for i := range files {
			files[i] = filepath.Base(files[i])
		}
		return strings.Join(files, " ")
	}
	h.Hold(ctx)
	hithertest.Same(t, "led", led(), "")
	hithertest.Contains(t, trouble, "the registries' names alone: permission denied")
	h.Hold(ctx)
	hithertest.Same(t, "told", strings.Count(said.String(), "level=WARN"), 1)
	trusted = true
	h.Hold(ctx)
	hithertest.Same(t, "led", led(), "reg.test")
	hithertest.Same(t, "trouble", trouble, "")
	set = hithertest.Rules(t, "new.test", "other.test")
	h.SetNames(ctx)
	hithertest.Same(t, "led by new rules", led(), "new.test other.test")
	trusted = false
	h.SetNames(ctx)
	hithertest.Same(t, "led with another root", led(), "")
	trusted = true
	h.SetNames(ctx)
	hithertest.Same(t, "led again", led(), "new.test other.test")
	hithertest.Must(t, h.Release(ctx))
	hithertest.Same(t, "afterwards", led(), "")
	h.Hold(ctx)
	hithertest.Same(t, "after the end", led(), "")
}
