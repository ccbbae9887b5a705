package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// finding and report are what `hither doctor --json` prints.
type finding struct {
	Check, Level, Cause, Remedy string
	Details                     map[string]string
}

type report struct {
	Schema   int
	Findings []finding
}

// unwell is the exit status of a doctor who found something broken.
const unwell = 5

// doctor runs `hither doctor` of the child's binary in an environment, and returns its report.
func (h *hither) doctor(env []string, args ...string) (r report, status int) {
	h.w.t.Helper()
	args = append([]string{"doctor", "--quick", "--json", "--state", h.state, "--rules", h.w.rules}, args...)
	out, err := h.w.try(h.w.mkdir("nowhere"), append(env, "HITHER_CONFIG="+h.state+".toml"), h.bin, args...)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		status = exit.ExitCode()
	} else {
		h.w.must(err)
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil || r.Schema != 1 {
		h.w.t.Fatalf("hither doctor: %v\n%s", err, out)
	}
	return r, status
}

// names fails unless a check found what is broken, by all parts of its cause and its remedy.
func (r report) names(t *testing.T, check string, parts ...string) {
	t.Helper()
	for _, f := range r.Findings {
		all := f.Cause + " → " + f.Remedy
		missing := false
		for _, part := range parts {
			missing = missing || !strings.Contains(all, part)
		}
		if f.Check == check && (f.Level == "fail" || f.Level == "warn") && !missing {
			return
		}
	}
	t.Errorf("%s\n got %+v\nwant one with %q", check, r.Findings, parts)
}

// sick is a world with npm's rule in it, and Hither running.
func sick(t *testing.T, args ...string) (*world, *hither) {
	t.Helper()
	w := newWorld(t)
	w.npmRule(w.npmWorld())
	return w, w.lightHither(args...)
}

// shellBehind is a shell in which all is well.
func (h *hither) shellBehind(name string) []string {
	return h.w.clientEnv(name, proxied(h.addr, h.Trust())...)
}

func TestTheDoctorFindsNothingBrokenBehindHither(t *testing.T) {
	_, h := sick(t)
	r, status := h.doctor(h.shellBehind("well"), "--listen", h.addr, "--cache-free", "0", "--tool", "npm")
	for _, f := range r.Findings {
		if f.Level == "fail" {
			t.Errorf("broken although nothing is: %+v", f)
		}
	}
	if status != 0 {
		t.Errorf("exit status\n got %d\nwant 0", status)
	}
}

// A Hither that is installed for the machine keeps its state where users cannot look.
func TestTheDoctorMeetsAHitherOfAnotherUser(t *testing.T) {
	w, h := sick(t)
	env := h.shellBehind("user")
	state := h.state
	h.state = w.mkdir("own") // the user's
	w.write("own.toml", nil)
	r, status := h.doctor(env, "--listen", h.addr, "--cache-free", "0", "--tool", "npm")
	h.state = state
	if status != 0 {
		t.Errorf("exit status\n got %d (%+v)\nwant 0", status, r.Findings)
	}
}

// Done when 6, the six broken setups.

func TestTheDoctorNamesAWrongRoot(t *testing.T) {
	w, h := sick(t)
	other := w.lightHither() // whose root is not ours, though it bears the same kind of name
	env := append(h.shellBehind("wrong"), "NODE_EXTRA_CA_CERTS="+other.ca)
	r, status := h.doctor(env, "--tool", "npm")
	r.names(t, "npm", "npm does not trust Hither", "NODE_EXTRA_CA_CERTS", "Hither local authority (", "another Hither's", h.ca)
	if status != unwell {
		t.Errorf("exit status\n got %d\nwant %d", status, unwell)
	}
}

func TestTheDoctorNamesNoProxy(t *testing.T) {
	_, h := sick(t)
	env := append(h.shellBehind("hidden"), "NO_PROXY=localhost,.npmjs.org")
	r, _ := h.doctor(env, "--tool", "npm")
	r.names(t, "no-proxy", "NO_PROXY has .npmjs.org", npmHost, "`export NO_PROXY='localhost'`")
}

func TestTheDoctorNamesACafileWithoutUs(t *testing.T) {
	w, h := sick(t)
	env := h.shellBehind("cafile")
	w.write("home/cafile/npmrc", []byte("cafile="+w.roots+"\n"))
	r, _ := h.doctor(env, "--tool", "npm")
	r.names(t, "npm", "npm does not trust Hither: cafile in ", w.roots, "lacks Hither's root", "`cat "+h.ca+" >> "+w.roots+"`")

	// The remedy is a cure.
	w.write("roots.pem", []byte(w.read(w.roots)+w.read(h.ca)))
	r, _ = h.doctor(env, "--tool", "npm")
	for _, f := range r.Findings {
		if f.Check == "npm" && f.Level == "fail" {
			t.Errorf("npm is not cured: %+v", f)
		}
	}
}

// The machine's resolv.conf does not name us, so a Hither that answers DNS is bypassed.
func TestTheDoctorNamesBypassedDNS(t *testing.T) {
	w := newWorld(t)
	w.npmRule(w.npmWorld())
	h := w.newHither(plainHither, nil)
	h.args = []string{"--dns", "127.0.0.1:" + freePort(t), "--transparent", "127.0.0.1:" + freePort(t)}
	h.Start()
	w.write("bin/getent", []byte("#!/bin/sh\necho 203.0.113.9 STREAM $2\n")) // a C library that has never heard of us
	w.must(os.Chmod(filepath.Join(w.dir, "bin", "getent"), 0o700))
	r, _ := h.doctor(append(h.shellBehind("dns"), "PATH="+filepath.Join(w.dir, "bin")+":"+os.Getenv("PATH")), "--tool", "npm")
	r.names(t, "dns", "DNS goes past Hither: ", npmHost, "leads to 203.0.113.9", "`")
}

func TestTheDoctorNamesClash(t *testing.T) {
	w, h := sick(t)
	mixed, controller := w.clash()
	env := append(w.clientEnv("clash", proxied(mixed, w.roots)...), "HITHER_LISTEN="+mixed)
	w.write("home/clash/.config/mihomo/config.yaml", []byte("mixed-port: 7890\nexternal-controller: "+controller+"\nsecret: 'hush'\n"))
	r, _ := h.doctor(env, "--tool", "npm")
	r.names(t, "clash", mixed, "Clash (mihomo v1.19.2)", "HTTPS_PROXY sends tools there instead of to Hither", "`eval \"$(hither env --state "+h.state+")\"`", "--upstream-proxy http://"+mixed)

	h.Stop()
	r, _ = h.doctor(env, "--tool", "npm")
	r.names(t, "clash", mixed+", where Hither is set to listen, is Clash", "--upstream-proxy http://"+mixed)
}

// clash is a false Clash: a mixed port that speaks HTTP and SOCKS5, and its controller, which wants no secret for its version.
func (w *world) clash() (mixed, controller string) {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	w.t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				buf := make([]byte, 512)
				if n, _ := conn.Read(buf); n > 0 && buf[0] == 5 {
					_, _ = conn.Write([]byte{5, 0})
				} else if strings.HasPrefix(string(buf[:n]), "CONNECT ") {
					_, _ = conn.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n"))
				}
			}()
		}
	}()
	api := w.serve(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/version" {
			fmt.Fprint(rw, `{"meta":true,"version":"v1.19.2"}`)
		}
	}))
	return l.Addr().String(), api.addr
}

func TestTheDoctorNamesAFullDisk(t *testing.T) {
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		t.Skip("a disk of one's own, which can be full, needs root")
	}
	w := newWorld(t)
	w.npmRule(w.npmWorld())
	h := w.newHither(plainHither, nil, "--cache", "off")
	mount := func(args ...string) error { return exec.Command(args[0], args[1:]...).Run() }
	if mount("mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs", h.state) != nil {
		t.Skip("this machine does not let a file system be mounted")
	}
	t.Cleanup(func() { _ = mount("umount", "-l", h.state) })
	h.Start()
	file, err := os.Create(filepath.Join(h.state, "filling"))
	w.must(err)
	for err == nil {
		_, err = file.Write(make([]byte, 64<<10))
	}
	w.must(file.Close())
	r, _ := h.doctor(h.shellBehind("full"), "--tool", "npm")
	r.names(t, "disk", "the disk of "+h.state+" is full", "0 B of 8 MiB", "`hither cache rm --state "+h.state+" --all`", "--state DIRECTORY")
}

// freePort is a port that nobody had a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
