package sysproxy

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"hither/install"
	"hither/install/installtest"
	"hither/install/stage"
)

// TestALoginShellGoesThroughUs reads the script with a shell. One in another finds the variables there and adds nothing to them.
func TestALoginShellGoesThroughUs(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh here")
	}
	w := installtest.NewWorld(t, "linux", map[string]string{"/etc/profile.d/": ""})
	p := Proxying{Address: "127.0.0.1:7890", Bundle: "/etc/it's all.pem"}
	stage.Check(t, install.Apply(t.Context(), Steps(t.Context(), w.Machine, p, Shell)...))
	const ours = "http://127.0.0.1:7890|http://127.0.0.1:7890|http://127.0.0.1:7890|http://127.0.0.1:7890|"
	for _, row := range []struct {
		name string
		env  []string
		want string
	}{
		{"nothing before", nil, ours + "localhost,127.0.0.1,::1|localhost,127.0.0.1,::1|/etc/it's all.pem"},
		{"hosts past the proxy, and roots", []string{"no_proxy=.lan", "NODE_EXTRA_CA_CERTS=/mine.pem"}, ours + ".lan,localhost,127.0.0.1,::1|.lan,localhost,127.0.0.1,::1|/mine.pem"},
		{"a proxy", []string{"https_proxy=http://corp.example"}, "|||http://corp.example|||"},
	} {
		t.Run(row.name, func(t *testing.T) {
			const show = `; printf %s "${HTTP_PROXY-}|${HTTPS_PROXY-}|${http_proxy-}|${https_proxy-}|${NO_PROXY-}|${no_proxy-}|${NODE_EXTRA_CA_CERTS-}"`
			read := "set -eu; . " + w.Machine.Path("/etc/profile.d/zz-hither-proxy.sh")
			for script, twice := range map[string]bool{read + show: false, read + read[len("set -eu"):] + show: true} {
				cmd := exec.CommandContext(t.Context(), sh, "-c", script)
				cmd.Env = append([]string{"PATH=/bin"}, row.env...)
				out, err := cmd.CombinedOutput()
				if err != nil || string(out) != row.want {
					t.Errorf("in a shell of a shell: %v\ngot  %s (%v)\nwant %s", twice, out, err, row.want)
				}
			}
		})
	}
}

// TestWhatEverySessionHasGoesBeforeAShell: a script that could do nothing is refused with the reason.
func TestWhatEverySessionHasGoesBeforeAShell(t *testing.T) {
	for text, says := range map[string]string{
		"HTTPS_PROXY=http://corp.example:80": "upstream-proxy = ", "HTTPS_PROXY=http://clash.example:7891": "choose the place environment",
		"all_proxy=socks5://corp.example:1080": "upstream-proxy = ", "ALL_PROXY=http://clash.example:7891": "choose the place environment",
		"HTTPS_PROXY=http://127.0.0.1:7890/": "", "HTTPS_PROXY=": "",
		"HTTPS_PROXY=http://127.0.0.1:7890\nALL_PROXY=http://clash.example:7891": "",
	} {
		w := installtest.NewWorld(t, "linux", map[string]string{"/etc/environment": text + "\n"})
		_, err := Steps(t.Context(), w.Machine, behindClash(), Shell)[0].Done(t.Context())
		var refused *install.Refused
		if errors.As(err, &refused) != (says != "") || says != "" && !strings.Contains(err.Error(), says) {
			t.Errorf("with %q\ngot  %v\nwant %q", text, err, says)
		}
	}
}

func behindClash() Proxying {
	return Proxying{Address: "127.0.0.1:7890", Upstream: "http://clash.example:7891"}
}

// TestASessionIsToldBeforeItsShells, in whatever order they are named: else the shell would hear of the proxy behind us.
func TestASessionIsToldBeforeItsShells(t *testing.T) {
	for name, places := range map[string][]Place{"both": {Shell, Environment}, "all": {Shell, Desktop, Environment}} {
		w := installtest.NewWorld(t, "linux", map[string]string{"/etc/environment": "HTTPS_PROXY=http://clash.example:7891\n", "/etc/profile.d/": ""})
		before := w.Tree()
		steps := Steps(t.Context(), w.Machine, behindClash(), places...)
		stage.Check(t, install.Apply(t.Context(), steps...))
		stage.Check(t, install.TakeBack(t.Context(), steps...))
		stage.Same(t, name+", taken back", w.Tree(), before)
	}
}

// TestAProxyOfEverySessionIsNotHidden: HTTPS_PROXY goes before ALL_PROXY, by which the machine may have its only way out.
func TestAProxyOfEverySessionIsNotHidden(t *testing.T) {
	for _, place := range []Place{Environment, Desktop} {
		w := installtest.NewWorld(t, "linux", map[string]string{"/etc/environment": "http_proxy=http://b.example\nALL_PROXY=socks5://corp.example:1080\n"})
		for range 8 { // what is told again and again is the same
			_, err := Steps(t.Context(), w.Machine, behindClash(), place)[0].Done(t.Context())
			if err == nil || !strings.Contains(err.Error(), `upstream-proxy = "socks5://corp.example:1080"`) {
				t.Errorf("in the place %s\ngot  %v\nwant what to do", place, err)
			}
		}
	}
}

// TestAProxyOfAnotherProfileStays, though it is told in small letters alone: programs that read the large ones first, Go for one, would
// leave it.
func TestAProxyOfAnotherProfileStays(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh here")
	}
	w := installtest.NewWorld(t, "linux", map[string]string{"/etc/profile.d/proxy.sh": "export https_proxy=http://corp.example:3128\n"})
	stage.Check(t, install.Apply(t.Context(), Steps(t.Context(), w.Machine, proxying(), Shell)...))
	const login = `for i in *.sh; do . ./"$i"; done; printf %s "${HTTPS_PROXY-}|${https_proxy-}"` // as /etc/profile
	cmd := exec.CommandContext(t.Context(), sh, "-c", login)
	cmd.Dir, cmd.Env = w.Machine.Path("/etc/profile.d"), []string{"PATH=/bin"}
	out, err := cmd.CombinedOutput()
	stage.Check(t, err)
	stage.Same(t, "proxies", string(out), "|http://corp.example:3128")
}

// TestAPlaceOfAnotherSystemIsRefused is for a file of settings that came from elsewhere.
func TestAPlaceOfAnotherSystemIsRefused(t *testing.T) {
	w := installtest.NewWorld(t, "darwin", nil)
	step := Steps(t.Context(), w.Machine, proxying(), Shell)[0]
	_, err := step.Done(t.Context())
	stage.Same(t, "volatile", install.IsVolatile(step), true)
	if err == nil || !strings.Contains(err.Error(), "hither install --proxy") {
		t.Errorf("got  %v\nwant what to do", err)
	}
}
