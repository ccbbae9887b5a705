//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"hither/bench/lab"
)

// way is how a client goes.
type way string

// The ways.
const (
	direct way = "direct"
	level1 way = "L1"   // through a Hither that sees only what passes: the environment of `hither env`
	level2 way = "L2"   // by `hither run`, which knows the project
	warm   way = "warm" // as L1, and Hither has it all from a run before
	real   way = "real" // directly to the real registries, past the laboratory
)

// client is a real program at work. It starts with nothing in any cache of its own.
type client struct {
	name    string
	argv    []string               // {home} is an empty directory in memory
	env     []string               // beside what every client has; {home} likewise
	prepare func(dir string) error // puts the project into an empty directory; nil: there is none
	check   func(dir string) error // whether it did its work; nil: its exit status says so
	speaks  bool                   // what it prints is a part of its work, and the same each time
	direct  []string               // argv of the direct way, where it is another; nil: argv
	daemon  startDaemon            // starts the program that does the client's work; nil: the client does it itself
	lesson  string                 // clients that ask for the same things have one in common; empty: the name
}

// startDaemon starts a program without which a client can do nothing, in an empty directory. It is up before the client is
// measured. The caller stops it.
type startDaemon func(ctx context.Context, w *world, how way, home string) (*daemon, error)

// daemon is that program. verify, called once when the client is done, says whether it did as it was told, and may stop it.
type daemon struct {
	*peer
	verify func(context.Context) error
}

// clientPatience is for one run of a client. The slowest here take five minutes.
const clientPatience = 12 * time.Minute

// outcome is how one run of a client went.
type outcome struct {
	Seconds  float64 `json:"seconds"`
	Requests int64   `json:"requests"` // as the servers count
	Bytes    int64   `json:"bytes"`    // as the servers count
	Conns    int64   `json:"conns"`
	Served   float64 `json:"served,omitempty"` // processor seconds of the server beside the client, user and system; 0: none, or not counted
	Late     float64 `json:"late"`             // share of late packets in percent

	recorded int64
	left     string // digest of what the client made: the files of its project, and what it printed if that is its work
	proto    map[string]int64
	names    map[string]int64 // bytes
}

// once has a client do its work one way, with a Hither that knows nothing. The direct way needs none.
func (w *world) once(ctx context.Context, c client, how way) (outcome, error) {
	if how == direct || how == real {
		return w.do(ctx, c, how, nil)
	}
	p, err := w.start(ctx)
	if err != nil {
		return outcome{}, err
	}
	defer p.forget()
	return w.costing(ctx, c, how, p, p.PID)
}

// do has a client do its work once, through p unless the way is direct.
func (w *world) do(ctx context.Context, c client, how way, p *product) (o outcome, err error) {
	dir, err := os.MkdirTemp(w.memory, "client-")
	if err != nil {
		return o, err
	}
	defer os.RemoveAll(dir)
	home := filepath.Join(dir, "home")
	work := filepath.Join(dir, "work")
	if err := errors.Join(makeHome(home), os.Mkdir(work, 0o755)); err != nil {
		return o, err
	}
	if c.prepare != nil {
		if err := c.prepare(work); err != nil {
			return o, err
		}
	}
	argv, env, err := w.through(ctx, c, how, p, home)
	if err != nil {
		return o, err
	}
	if c.daemon == nil {
		return w.timed(ctx, c, how, work, argv, env)
	}
	d, err := c.daemon(ctx, w, how, home)
	if err != nil {
		return o, err
	}
	defer d.stop()
	if o, err = w.timed(ctx, c, how, work, argv, env); err != nil {
		return o, err
	}
	if err := d.verify(ctx); err != nil {
		return o, fmt.Errorf("%s, %s: %w", c.name, how, err)
	}
	return o, nil
}

// makeHome makes a home in which nothing ran before. Without the mode, which go reads from no variable, each go counts there, and
// starts another process beside itself.
func makeHome(home string) error {
	telemetry := filepath.Join(home, ".config", "go", "telemetry")
	if err := os.MkdirAll(telemetry, 0o755); err != nil {
		return err
	}
	return put(telemetry, map[string][]byte{"mode": []byte("off")})
}

// through is what is run, and in which environment.
func (w *world) through(ctx context.Context, c client, how way, p *product, home string) (argv, env []string, err error) {
	env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home}
	if how != real {
		env = append(env, "SSL_CERT_FILE="+w.CA.File, "NODE_EXTRA_CA_CERTS="+w.CA.File)
	}
	env = append(env, c.env...)
	argv = c.argv
	switch how {
	case direct, real:
		if c.direct != nil {
			argv = c.direct
		}
	case level1, warm:
		env, err = p.variables(ctx, env)
	case level2:
		argv = append(append([]string{w.Hither, "run"}, p.flags()...), append([]string{"--"}, argv...)...)
	}
	return placed(argv, home), placed(env, home), err
}

// placed puts the client's home where words say {home}.
func placed(words []string, home string) (out []string) {
	for _, word := range words {
		out = append(out, strings.ReplaceAll(word, "{home}", home))
	}
	return out
}

func (w *world) timed(ctx context.Context, c client, how way, work string, argv, env []string) (o outcome, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, clientPatience, fmt.Errorf("%s was not done within %s", c.name, clientPatience))
	defer cancel()
	switch how {
	case real:
	case direct:
		argv = append([]string{"ip", "netns", "exec", lab.Client}, argv...)
	default:
		argv = append([]string{"ip", "netns", "exec", blind}, argv...)
	}
	command := exec.CommandContext(ctx, argv[0], argv[1:]...)
	command.Dir, command.Env, command.SysProcAttr = work, env, lab.DieWithUs()
	command.SysProcAttr.Setpgid = true // what it has started ends with it
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	var printed, said bytes.Buffer
	command.Stdout, command.Stderr = &printed, &said
	closeLogs := w.openLogs(c.name, how)
	before := w.punctual(ctx)
	began := time.Now()
	err = command.Run()
	o.Seconds = time.Since(began).Seconds()
	o.Late = w.punctual(context.WithoutCancel(ctx)).since(before)
	closeLogs(&o)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err == nil && c.check != nil {
		err = c.check(work)
	}
	if err == nil {
		o.left, err = c.leaves(work, printed.Bytes())
	}
	if err != nil {
		return o, fmt.Errorf("%s, %s: %w: %s", c.name, how, err, lastLines(printed.String()+said.String(), 12))
	}
	return o, nil
}

// leaves is the digest of what a client made of its project. What lies deeper follows from the lock file, and the client has
// checked it.
func (c client) leaves(work string, printed []byte) (string, error) {
	entries, err := os.ReadDir(work)
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	if c.speaks {
		hash.Write(printed)
	}
	for _, entry := range entries {
		if !entry.Type().IsRegular() {
			continue
		}
		file, err := os.Open(filepath.Join(work, entry.Name()))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(hash, "\n%s\n", entry.Name())
		_, err = io.Copy(hash, file)
		file.Close()
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// openLogs begins the tallies of the servers. The returned function ends them, and adds them up.
func (w *world) openLogs(name string, how way) func(*outcome) {
	for _, s := range w.servers {
		s.reset(w.openLog(fmt.Sprintf("%s-%s-%s", fileName(name), how, s.name)))
	}
	return func(o *outcome) {
		o.proto, o.names = map[string]int64{}, map[string]int64{}
		for _, s := range w.servers {
			t := s.reset(nil)
			o.Requests, o.Bytes, o.Conns, o.recorded = o.Requests+t.Requests, o.Bytes+t.Bytes, o.Conns+t.Conns, o.recorded+t.Recorded
			for name, n := range t.Proto {
				o.proto[name] += n
			}
			for name, n := range t.Names {
				o.names[name] += n
			}
		}
	}
}

// fileName is a name of a client as that of a file.
func fileName(name string) string { return strings.NewReplacer(" ", "-", "/", "-").Replace(name) }

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// put writes files into a directory, by their names.
func put(dir string, files map[string][]byte) error {
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

//go:embed testdata
var projects embed.FS

// project is a file of testdata.
func project(name string) []byte {
	data, err := projects.ReadFile("testdata/" + name)
	if err != nil {
		panic(err) // it is in the program
	}
	return data
}
