package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/miekg/dns"

	"hither/cmd/hither/control"
	"hither/cmd/hither/environ"
	"hither/cmd/hither/hithertest"
	"hither/cmd/hither/private"
	"hither/cmd/hither/settings"
	"hither/cmd/hither/upkeep"
	"hither/install"
	"hither/rules"
)

// rulesFor makes a rule of each host.
func rulesFor(t *testing.T, hosts ...string) *rules.Set {
	t.Helper()
	files := fstest.MapFS{}
	for i, host := range hosts {
		name := string(rune('a' + i))
		files[name+".toml"] = &fstest.MapFile{Data: rule(name, host)}
	}
	set, err := rules.Load(files)
	must(t, err)
	return set
}

func TestWhereDNSIsAnsweredAndWhereDoorsAre(t *testing.T) {
	for _, row := range []struct {
		what, system string
		settings     settings.Settings
		mode         install.Mode
		want         string
	}{
		{"nothing is wanted", "linux", settings.Settings{}, "", "[] []"},
		{"the settings alone", "linux", settings.Settings{DNS: []string{"[::1]:53"}, Transparent: []string{"::1"}}, "", "[[::1]:53] [::1]"},
		{"installed, scoped", "linux", settings.Settings{}, install.Scoped, "[127.0.7.90:0] [127.0.7.90]"},
		{"installed, full", "linux", settings.Settings{}, install.Full, "[127.0.7.90:53] [127.0.7.90]"},
		{"on macOS", "darwin", settings.Settings{}, install.Scoped, "[127.0.0.1:0] [127.0.0.1]"},
		{"on Windows", "windows", settings.Settings{}, install.Scoped, "[127.0.7.90:53] [127.0.7.90]"},
		{"the settings are stronger", "linux", settings.Settings{DNS: []string{"127.0.0.1:53"}}, install.Full, "[127.0.0.1:53] [127.0.7.90]"},
		{"no doors, in so many words", "linux", settings.Settings{From: map[string]string{"transparent": "x.toml:1"}}, install.Full, "[127.0.7.90:53] []"},
		{
			"a Hither for one command, which the settings do not mean", "linux",
			settings.Settings{Runner: 1, DNS: []string{"127.0.0.1:53"}, Transparent: []string{"127.0.0.1"}, From: map[string]string{"dns": "HITHER_DNS"}},
			"", "[] []",
		},
		{
			"a Hither for one command, by flags", "linux",
			settings.Settings{Runner: 1, DNS: []string{"127.0.0.1:5300"}, Transparent: []string{"127.0.0.1"}, From: map[string]string{"dns": "--dns", "transparent": "--transparent"}},
			"", "[127.0.0.1:5300] [127.0.0.1]",
		},
	} {
		dns, doors := ledAddresses(row.settings, row.mode, row.system)
		same(t, row.what, strings.Join([]string{"[" + strings.Join(dns, " ") + "]", "[" + strings.Join(doors, " ") + "]"}, " "), row.want)
	}
}

// A name that is led to us can be reached on our two ports alone.
func TestOnlyNamesThatOurDoorsServeAreLed(t *testing.T) {
	set := rulesFor(t, "reg.test", "odd.test:5000", "usual.test:443", "registry", "192.0.2.1", "[2001:db8::1]:5000", "localhost:8080")
	same(t, "names", strings.Join(upkeep.DNSNames(set), " "), "reg.test usual.test")
}

func TestOffIsStrongerThanWhatWasInstalled(t *testing.T) {
	state := t.TempDir()
	write(t, filepath.Join(state, upkeep.Name), []byte(`{"dns": "scoped", "proxy": true, "uid": -1, "gid": -1}`))
	for _, row := range []struct {
		flags map[string][]string
		want  upkeep.Upkeep
	}{
		{nil, upkeep.Upkeep{DNS: install.Scoped, Proxy: true, UID: -1, GID: -1}},
		{map[string][]string{"dns": {"off"}}, upkeep.Upkeep{Proxy: true, UID: -1, GID: -1}},
	} {
		s, err := settings.Load(settings.Sources{Flags: row.flags, Env: environ.List{"HOME=" + state, "HITHER_STATE=" + state}, Dir: "/", ReadFile: os.ReadFile})
		must(t, err)
		got, err := upkeep.Of(s)
		must(t, err)
		same(t, "upkeep", toJSON(t, got), toJSON(t, row.want))
		s.Runner = 1
		got, err = upkeep.Of(s)
		must(t, err)
		same(t, "any for a single command", got.Any(), false)
	}
}

func toJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	must(t, err)
	return string(text)
}

func TestWhereAClientFindsOurDoors(t *testing.T) {
	var l led
	for _, row := range []struct{ what, doors, client, want string }{
		{"a program of this machine", "127.0.7.90:443 127.0.7.90:80", "127.0.0.1", "127.0.7.90 invalid IP true"},
		{"one of IPv6", "127.0.7.90:443 [::1]:443", "::1", "127.0.7.90 ::1 true"},
		{"IPv6 alone", "[::1]:443", "127.0.0.1", "invalid IP ::1 true"},
		{"the first door", "127.0.7.91:443 127.0.7.90:443", "127.0.0.1", "127.0.7.91 invalid IP true"},
		{"no door that speaks TLS", "127.0.7.90:8443 127.0.7.90:80", "127.0.0.1", "invalid IP invalid IP false"},
		{"doors on all addresses", "0.0.0.0:443 [::]:443", "127.0.0.1", "127.0.0.1 ::1 true"},
		{"a link's own address, which DNS cannot tell", "[fe80::1%eth0]:443", "127.0.0.1", "invalid IP invalid IP false"},
		{"a container, which has loopback of its own", "127.0.7.90:443", "203.0.113.9", "invalid IP invalid IP false"},
		{"a stranger at doors on all addresses", "0.0.0.0:443", "203.0.113.9", "invalid IP invalid IP false"},
	} {
		var doors []netip.AddrPort
		for text := range strings.FieldsSeq(row.doors) {
			doors = append(doors, netip.MustParseAddrPort(text))
		}
		v4, v6, ours := l.view(doors, netip.MustParseAddr(row.client))
		same(t, row.what, strings.Join([]string{v4.String(), v6.String(), map[bool]string{true: "true", false: "false"}[ours]}, " "), row.want)
	}
}

// What was installed may be in vain: the proxy is of use all the same. What the user says here and now must be had.
func TestWhatCannotBeOpenedIsToldOrFatal(t *testing.T) {
	if l, err := net.Listen("tcp", net.JoinHostPort(ownAddress, "443")); err == nil { // else it is taken, or forbidden
		defer l.Close()
	}
	var said journal
	log := slog.New(slog.NewTextHandler(&said, nil))
	l, err := openLed(t.Context(), settings.Settings{DNS: []string{"127.0.0.1:0"}}, upkeep.Upkeep{DNS: install.Scoped}, nil, log)
	must(t, err)
	defer l.close()
	dns, doors := l.addresses()
	same(t, "DNS and doors", len(dns) == 1 && len(doors) == 0, true)
	contains(t, l.trouble(), "transparent: open a transparent door at 127.0.7.90:443")
	contains(t, said.String(), "goes on without it")
	l.setNames(rulesFor(t, "reg.test"))
	same(t, "names are led", l.now.Load().Len(), 0)

	_, err = openLed(t.Context(), settings.Settings{DNS: []string{dns[0].String()}}, upkeep.Upkeep{}, nil, log)
	if err == nil {
		t.Fatal("no error")
	}
	contains(t, err.Error(), "dns: ", "elsewhere", "that program is ")
	_, err = openLed(t.Context(), settings.Settings{Transparent: []string{"nowhere"}}, upkeep.Upkeep{}, nil, log)
	if err == nil {
		t.Fatal("no error")
	}
	contains(t, err.Error(), "transparent: ", "127.0.7.90")
}

func TestNobodyIsLedToAHitherThatIsSick(t *testing.T) {
	l, err := openLed(t.Context(), settings.Settings{Transparent: []string{"127.0.0.1:0"}}, upkeep.Upkeep{}, nil, slog.New(slog.DiscardHandler))
	must(t, err)
	defer l.close()
	told := 0
	l.setNames(rulesFor(t, "reg.test"))
	l.onNames(func() { told++ })
	same(t, "led", l.now.Load().Len(), 1)
	l.setSick(true)
	same(t, "led while sick", l.now.Load().Len(), 0)
	contains(t, l.trouble(), "health: ")
	l.setNames(rulesFor(t, "reg.test", "new.test"))
	same(t, "led by new rules while sick", l.now.Load().Len(), 0)
	same(t, "told of new rules", told, 1)
	l.setSick(false)
	same(t, "led again", l.now.Load().Len(), 2)
	same(t, "trouble", l.trouble(), "")
}

// ask asks a name server over UDP for addresses of IPv4.
func ask(t *testing.T, server, name string) string {
	t.Helper()
	reply, _, err := (&dns.Client{Timeout: 5 * time.Second}).Exchange(new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeA), server)
	if err != nil {
		return err.Error()
	}
	var out []string
	for _, rr := range reply.Answer {
		if a, ok := rr.(*dns.A); ok {
			out = append(out, a.A.String())
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// upstreamDNS answers 192.0.2.1 for every name, those that begin with slow after a moment.
func upstreamDNS(t *testing.T) string {
	t.Helper()
	return hithertest.NameServer(t, 2*control.TraceEach)
}

// TestAProgramThatKnowsNothingOfHitherComesIn resolves and connects as any program does.
func TestAProgramThatKnowsNothingOfHitherComesIn(t *testing.T) {
	const own = "127.0.7.91"
	if l, err := net.Listen("tcp", own+":443"); err != nil {
		t.Skipf("the port of TLS cannot be had here: %v", err)
	} else {
		l.Close()
	}
	up := upstreamDNS(t)
	s := serving(t, has("package"), func(s *settings.Settings) {
		s.DNS, s.Transparent, s.DNSUpstream = []string{"127.0.0.1:0", "[::1]:0"}, []string{own}, []string{up}
	})
	same(t, "servers", len(s.ready.DNS), 2)
	for _, server := range s.ready.DNS {
		same(t, "a registry, asked of "+server, ask(t, server, "reg.test"), own)
		same(t, "another host", ask(t, server, "other.example"), "192.0.2.1")
	}
	s.allow("new", "new.example")
	s.said.Await("the changed rule files are in force")
	same(t, "a host of a new rule", ask(t, s.ready.DNS[0], "new.example"), own)
	conn, err := tls.Dial("tcp", own+":443", &tls.Config{ServerName: "new.example", InsecureSkipVerify: true})
	must(t, err)
	defer conn.Close()
	same(t, "whose certificate", conn.ConnectionState().PeerCertificates[0].VerifyHostname("new.example"), nil)
}

// A machine that cannot be changed is no reason not to be a proxy.
func TestWithoutAGuardHitherChangesNothingAndServes(t *testing.T) {
	t.Setenv("BE_HITHER", "1")
	home := t.TempDir()
	s := serving(t, has("package"), func(s *settings.Settings) {
		must(t, private.MakeDir(s.State))
		must(t, os.Mkdir(filepath.Join(s.State, leaseName), 0o700)) // no file can stand there
		write(t, filepath.Join(s.State, upkeep.Name), []byte(toJSON(t, upkeep.Upkeep{Tools: []string{"npm"}, Home: home, UID: -1, GID: -1})))
	})
	s.said.Await("no guard would undo it")
	body, err := s.get("https://reg.test/x")
	same(t, "error", err, nil)
	same(t, "body", body, "package")
	status, err := control.NewClient(s.ready.State).Status(t.Context())
	must(t, err)
	contains(t, status.Trouble, "guard: nothing of this machine is changed")
	s.stop()
	same(t, "end", <-s.ended, nil)
	s.ended <- nil
}

func TestWhatIsKeptInForceEndsWithHither(t *testing.T) {
	t.Setenv("BE_HITHER", "1")
	home := t.TempDir()
	npmrc := filepath.Join(home, ".npmrc")
	write(t, npmrc, []byte("fund=false\n"))
	s := serving(t, has("package"), func(s *settings.Settings) {
		must(t, private.MakeDir(s.State))
		write(t, filepath.Join(s.State, upkeep.Name), []byte(toJSON(t, upkeep.Upkeep{Tools: []string{"npm"}, Home: home, UID: -1, GID: -1})))
	})
	deadline := time.Now().Add(20 * time.Second)
	for text := ""; !strings.Contains(text, "http://"+s.ready.Proxy[0]); <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the proxy's real address\n got %s\nwant %s\n%s", text, s.ready.Proxy[0], s.said)
		}
		read, err := os.ReadFile(npmrc)
		must(t, err)
		text = string(read)
	}
	s.stop()
	same(t, "end", <-s.ended, nil)
	s.ended <- nil
	text, err := os.ReadFile(npmrc)
	must(t, err)
	same(t, "afterwards", string(text), "fund=false\n")
}

// Names are led only to those whose certificates are believed, and after a fault that is tried again.
func TestNamesAreNotLedWithoutTrust(t *testing.T) {
	var said journal
	set := rulesFor(t, "reg.test")
	trusted := false
	h := upkeep.NewHeld(upkeep.Upkeep{DNS: install.Scoped, UID: -1, GID: -1}, settings.Settings{State: t.TempDir(), Listen: []string{"127.0.0.1:1"}},
		func() *rules.Set { return set }, []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:5300")}, environ.List{}, slog.New(slog.NewTextHandler(&said, nil)))
	h.Machine.Root, h.Machine.OS = t.TempDir(), "darwin" // names are led by files there
	h.Machine.Run = func(context.Context, []string, []byte) ([]byte, error) { return nil, nil }
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
		files, _ := filepath.Glob(filepath.Join(h.Machine.Root, "etc", "resolver", "*"))
		for i := range files {
			files[i] = filepath.Base(files[i])
		}
		return strings.Join(files, " ")
	}
	h.Hold(ctx)
	same(t, "led", led(), "")
	contains(t, trouble, "the registries' names alone: permission denied")
	h.Hold(ctx)
	same(t, "told", strings.Count(said.String(), "level=WARN"), 1)
	trusted = true
	h.Hold(ctx)
	same(t, "led", led(), "reg.test")
	same(t, "trouble", trouble, "")
	set = rulesFor(t, "new.test", "other.test")
	h.SetNames(ctx)
	same(t, "led by new rules", led(), "new.test other.test")
	trusted = false
	h.SetNames(ctx)
	same(t, "led with another root", led(), "")
	trusted = true
	h.SetNames(ctx)
	same(t, "led again", led(), "new.test other.test")
	must(t, h.Release(ctx))
	same(t, "afterwards", led(), "")
	h.Hold(ctx)
	same(t, "after the end", led(), "")
}
