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
			read := "set -eu; . " + w.Machine.Path("/etc/profile.d/hither-proxy.sh")
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
	for value, says := range map[string]string{
		"http://corp.example:80": "upstream-proxy = ", "http://clash.example:7891": "choose the place environment", "http://127.0.0.1:7890/": "", "": "",
	} {
		w := installtest.NewWorld(t, "linux", map[string]string{"/etc/environment": "HTTPS_PROXY=" + value + "\n"})
		p := Proxying{Address: "127.0.0.1:7890", Upstream: "http://clash.example:7891"}
		_, err := Steps(t.Context(), w.Machine, p, Shell)[0].Done(t.Context())
		var refused *install.Refused
		if errors.As(err, &refused) != (says != "") || says != "" && !strings.Contains(err.Error(), says) {
			t.Errorf("with %q\ngot  %v\nwant %q", value, err, says)
		}
	}
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
