package e2e_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// hither is the real binary at work as a child process.
type hither struct {
	w     *world
	bin   string
	state string
	args  []string // of up, beyond those that every child gets
	env   []string
	cmd   *exec.Cmd
	ended chan struct{} // closed when cmd has ended
	addr  string        // HOST:PORT of the proxy
	ca    string        // file with its authority's certificate
}

// ready is what the tests need of STATE/hither.json.
type ready struct {
	PID   int      `json:"pid"`
	Proxy []string `json:"proxy"`
	CA    string   `json:"ca"`
}

// The binaries are built once a run, beside the test's own, in the directory that go test removes at the end.
var (
	racingHither = sync.OnceValues(func() (string, error) { return buildHither("hither-race", "-race") })
	plainHither  = sync.OnceValues(func() (string, error) { return buildHither("hither-plain") })
)

func buildHither(name string, flags ...string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	bin := filepath.Join(filepath.Dir(self), name, "hither")
	out, err := exec.Command("go", append(append([]string{"build", "-o", bin}, flags...), "hither/cmd/hither")...).CombinedOutput()
	if err != nil {
		return "", errors.New("go build: " + string(out))
	}
	return bin, nil
}

// hither starts a child with the race detector in it, which fails the test if it finds one.
func (w *world) hither(args ...string) *hither {
	w.t.Helper()
	return w.hitherWith(racingHither, nil, args...)
}

// lightHither starts a child without the race detector, which takes memory and time of its own.
func (w *world) lightHither(args ...string) *hither {
	w.t.Helper()
	return w.hitherWith(plainHither, nil, args...)
}

func (w *world) hitherWith(build func() (string, error), env []string, args ...string) *hither {
	w.t.Helper()
	h := w.newHither(build, env, args...)
	h.Start()
	return h
}

// newHither is a child that was not yet started.
func (w *world) newHither(build func() (string, error), env []string, args ...string) *hither {
	w.t.Helper()
	bin, err := build()
	w.must(err)
	name := "hither-" + w.next()
	env = append(w.clientEnv(name, "HITHER_CONFIG="+w.write(name+".toml", nil)), env...)
	h := &hither{w: w, bin: bin, state: w.mkdir(name), args: args, env: env}
	w.t.Cleanup(h.end)
	return h
}

// Start starts the child, again perhaps, and waits until it says where it is.
func (h *hither) Start() {
	h.w.t.Helper()
	file := filepath.Join(h.state, "hither.json")
	_ = os.Remove(file)
	args := append([]string{"up", "-v", "--listen", "127.0.0.1:0", "--state", h.state, "--rules", h.w.rules}, h.args...)
	h.cmd = exec.Command(h.bin, args...)
	h.cmd.Env = h.env
	log, err := os.OpenFile(h.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	h.w.must(err)
	h.cmd.Stdout, h.cmd.Stderr = log, log
	h.w.must(h.cmd.Start())
	h.w.must(log.Close())
	h.wait()
	var up ready
	h.w.await("hither up", func() bool {
		if h.over() {
			h.w.t.Fatalf("hither ended: %v", h.cmd.ProcessState)
		}
		data, err := os.ReadFile(file)
		return err == nil && json.Unmarshal(data, &up) == nil && up.PID == h.cmd.Process.Pid && len(up.Proxy) > 0
	})
	h.addr, h.ca = strings.TrimPrefix(up.Proxy[0], "http://"), up.CA
}

func (h *hither) log() string { return h.state + ".log" }

// wait notes the end of the child, whenever it comes.
func (h *hither) wait() {
	cmd, ended := h.cmd, make(chan struct{})
	h.ended = ended
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
}

func (h *hither) over() bool {
	select {
	case <-h.ended:
		return true
	default:
		return false
	}
}

// Stop ends the child as Ctrl-C does, which must be an end in order.
func (h *hither) Stop() {
	h.w.t.Helper()
	h.w.must(h.cmd.Process.Signal(os.Interrupt))
	<-h.ended
	if !h.cmd.ProcessState.Success() {
		h.w.t.Errorf("hither after Ctrl-C\n got %v\nwant exit status 0", h.cmd.ProcessState)
	}
}

// Kill ends it as a power cut would, as far as a process can be.
func (h *hither) Kill() {
	_ = h.cmd.Process.Kill()
	<-h.ended
}

// end is the last thing a test does with its child: look for races and show the log of a failure.
func (h *hither) end() {
	if h.cmd == nil {
		return
	}
	if !h.over() {
		_ = h.cmd.Process.Signal(os.Interrupt)
		timer := time.AfterFunc(10*time.Second, func() { _ = h.cmd.Process.Kill() })
		<-h.ended
		timer.Stop()
	}
	data, _ := os.ReadFile(h.log())
	if strings.Contains(string(data), "DATA RACE") || strings.Contains(string(data), "panic:") {
		h.w.t.Errorf("hither raced or panicked:\n%s", data)
	} else if h.w.t.Failed() {
		h.w.t.Logf("the end of hither's log:\n%s", tail(string(data), 60))
	}
}

// CLI runs another command of the same binary, against the running child.
func (h *hither) CLI(args ...string) string {
	h.w.t.Helper()
	return h.w.shell(h.w.dir, h.env, h.bin, append(args, "--state", h.state)...)
}

// Why returns what hither says of one URL.
func (h *hither) Why(url string) string {
	h.w.t.Helper()
	return h.CLI("why", url)
}

// Run runs a client under `hither run`, which must find the running child by its state directory.
func (h *hither) Run(dir string, env []string, command ...string) string {
	h.w.t.Helper()
	env = append(env, "HITHER_STATE="+h.state, "HITHER_RULES="+h.w.rules, "HITHER_CONFIG="+h.state+".toml")
	return h.w.shell(dir, env, h.bin, append([]string{"run", "--"}, command...)...)
}

// Trust is a file with the world's roots and hither's own, for clients that are not run by hither.
func (h *hither) Trust() string {
	h.w.t.Helper()
	return h.w.write("trust.pem", []byte(h.w.read(h.w.roots)+h.w.read(h.ca)))
}

// Client speaks through the proxy and trusts what Trust does.
func (h *hither) Client() *http.Client {
	h.w.t.Helper()
	proxy := &url.URL{Scheme: "http", Host: h.addr}
	transport := &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: h.w.trusting(h.Trust())}
	h.w.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// PeakMemory is the most memory the child ever held, in bytes (VmHWM of proc_pid_status(5)).
func (h *hither) PeakMemory() int64 {
	h.w.t.Helper()
	file, err := os.Open(filepath.Join("/proc", strconv.Itoa(h.cmd.Process.Pid), "status"))
	h.w.must(err)
	defer func() { _ = file.Close() }()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(text, "kB")), 10, 64)
			h.w.must(err)
			return kib << 10
		}
	}
	h.w.t.Fatal("the kernel does not tell VmHWM")
	return 0
}

func tail(text string, n int) string {
	lines := strings.Split(text, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// get asks through the proxy for what must be there. Headers are given as name, value, name, value.
func (h *hither) get(t *testing.T, url string, headers ...string) []byte {
	t.Helper()
	status, body, err := h.ask(t, url, headers...)
	if err != nil || status != http.StatusOK {
		t.Fatalf("GET %s: %d %v\n%s", url, status, err, body)
	}
	return body
}

// ask is get for what may fail; the error is of the transfer.
func (h *hither) ask(t *testing.T, url string, headers ...string) (int, []byte, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	answer, err := h.Client().Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	return answer.StatusCode, body, err
}
