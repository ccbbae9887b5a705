package e2e_test

import (
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestPortsThatSystemdOpenedAreServed has the program of systemd's that hands sockets over. A port that no setting names is told, and
// closed: clients are refused there and do not wait.
func TestPortsThatSystemdOpenedAreServed(t *testing.T) {
	activate, err := exec.LookPath("systemd-socket-activate")
	if err != nil {
		t.Skip("there is no systemd-socket-activate here")
	}
	bin, err := plainHither()
	mustDo(t, err)
	w := newWorld(t)
	proxy, door, stray := freeAddr(w), freeAddr(w), freeAddr(w)
	log := w.write("up.log", nil)
	cmd := exec.Command("sh", "-c", `exec "$@" >"$0" 2>&1`, log,
		activate, "-l", proxy, "-l", door, "-l", stray, "--fdname=proxy:doors:stray",
		"-E", "HOME="+w.dir, "-E", "HITHER_STATE="+w.mkdir("state"), "-E", "HITHER_RULES="+w.rules,
		bin, "up", "--listen", proxy, "--transparent", "@doors")
	mustDo(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	ask := func(address string) string {
		client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
		answer, err := client.Get("http://" + address + "/ca.pem")
		if err != nil {
			return err.Error()
		}
		_ = answer.Body.Close()
		return answer.Status
	}
	w.await("the sockets", func() bool { return ask(proxy) == "200 OK" }) // the first connection starts Hither, and is not lost
	has(t, "at a port that no setting names", ask(stray), "refused")
	has(t, "what is told of it", w.read(log), stray)
	if said := ask(door); strings.Contains(said, "refused") {
		t.Errorf("at the door: %s\nwant an answer of whatever kind", said)
	}
}
