// Package control is the socket in the state directory by which the commands speak with a running Hither, and the words that they
// use. Socket is the running Hither's side, and the lock of its directory; Client is the commands'.
//
//	socket, err := control.Open(state)
//	ready, err := control.NewClient(state).Ready(ctx)
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"hither/cache"
	"hither/cache/wholefile"
	"hither/cmd/hither/mirrors"
	"hither/cmd/hither/paths"
	"hither/cmd/hither/private"
	"hither/cmd/hither/redact"
	"hither/cmd/hither/why"
	"hither/forward/peer"
)

// Daemon is what the control socket shows of a running Hither. Its methods may be called at the same time.
type Daemon interface {
	Status(ctx context.Context) (Status, error)                        // Ready and Now may be left zero
	Why(ctx context.Context, url string) (why.Explanation, error)      // Lines may be left empty
	Usage(ctx context.Context) (cache.Usage, error)                    //
	Verify(ctx context.Context, progress func(Verification)) error     // calls progress at least every 10 s, the last time with Done
	Remove(ctx context.Context, url string, all bool) (Removal, error) // what url means, or everything
	History(ctx context.Context) ([]mirrors.History, error)            // of the last 24 hours
	Choose(ctx context.Context, change mirrors.Change) (string, error) // what was done, in words

	// Survey calls progress after each measurement, one call at a time.
	Survey(ctx context.Context, ask mirrors.Ask, progress func(mirrors.SurveyLine)) (mirrors.Survey, error)
}

// Bounds of the control socket. Its clients are our own commands.
const (
	headerWait = 5 * time.Second       // to send a request
	answerWait = 30 * time.Second      // to answer one, except where an answer is a stream
	stopWait   = time.Second           // for answers under way when Hither ends
	lookPace   = 50 * time.Millisecond // between two looks whether the state directory is free
)

// RunningError says that another Hither has this state directory.
type RunningError struct {
	State string
	PID   int // 0: not known
}

// Error ends with what to do.
func (e *RunningError) Error() string {
	who := ""
	if e.PID != 0 {
		who = fmt.Sprintf(" as process %d", e.PID)
	}
	return fmt.Sprintf("Hither already runs%s with the state directory %s: use it (see `hither status`), end it, or name another directory with --state", who, e.State)
}

// Socket is the daemon's side of the control socket: HTTP and JSON, for the user's own processes only. It is also the
// lock of the state directory.
//
//	GET /ready                → Ready
//	GET /status               → Status
//	GET /why?url=URL          → Explanation
//	GET /cache                → cache.Usage
//	DELETE /cache?url=URL     → Removal; ?all=1 for everything
//	POST /cache/verify        → lines of Verification
//	POST /mirrors?rule=&count=&interval=&proto=   → lines of SurveyLine
//	GET /mirrors/history      → {"history": []History}
//	POST /choices?verb=&rule=&url=&reason=        → {"said": "a sentence"}
//	GET /lease?pid=PID        → one line of Ready, then silence while either side lives; PID is of the `hither run` that asks
//	POST /begun?pid=PID&arg=… → nothing; PID is of the command of a `hither run`, which has asked for nothing yet
//	GET /dns                  → resolver.Stats
//	GET /dns/trace?name=NAME  → lines of resolver.Traced, from now on; all names without one
//	POST /letgo               → nothing, when the machine is put back as it was; it stays so until the next Hither
//	POST /drain               → nothing, when the last lease is given back; no new ones are given
//
// An error is a status of 400 or more and {"error": "a sentence"}.
type Socket struct {
	state    string
	Path     string       // of the socket, or the pipe's name
	Listener net.Listener // where clients come; Serve and Close close it
	unlock   func()
	leases   leases
	Enter    func(pid int) (leave func()) // told who runs behind a lease, until it is given back; nil: nobody wants to know. Set before Serve
	Begun    func(pid int, args []string) // called when a command has begun; nil: nobody wants to know. Set before Serve
	Names    *Names                       // what DNS is asked; nil: it is not answered. Set before Serve
	LetGo    *LetGo                       // what is kept in force on the machine; nil: nothing. Set before Serve
	Log      *slog.Logger                 // set before Serve; discards
}

// Take takes the state directory. It waits, as long as patience, for a Hither that has it but is not to be reached: that one is
// just ending, or just starting.
func Take(ctx context.Context, state string, patience time.Duration) (*Socket, error) {
	for deadline := time.Now().Add(patience); ; {
		c, err := Open(state)
		if taken := (*RunningError)(nil); !errors.As(err, &taken) || taken.PID != 0 || time.Now().After(deadline) {
			return c, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(lookPace):
		}
	}
}

// Open takes the state directory, or returns a *RunningError. Clients that come before Serve wait. Close it when
// all that stands in the directory is closed.
func Open(state string) (*Socket, error) {
	if err := private.MakeDir(state); err != nil {
		return nil, err
	}
	listener, path, unlock, err := listen(state)
	if errors.Is(err, errTaken) {
		return nil, &RunningError{State: state, PID: ReadPID(state)}
	}
	if err != nil {
		return nil, fmt.Errorf("open the control socket: %w; name another directory with --state", err)
	}
	_ = os.Remove(filepath.Join(state, paths.ReadyName)) // of a Hither that was killed: it would name a process that is gone
	return &Socket{state: state, Path: path, Listener: listener, unlock: unlock, Log: slog.New(slog.DiscardHandler)}, nil
}

// errTaken is listen's word for a lock that another process holds.
var errTaken = errors.New("taken")

// ReadPID believes the file of the other Hither, for a message only.
func ReadPID(state string) int {
	var ready Ready
	data, err := os.ReadFile(filepath.Join(state, paths.ReadyName))
	if err != nil || json.Unmarshal(data, &ready) != nil {
		return 0
	}
	return ready.PID
}

// Serve answers until ctx ends. It publishes r in STATE/hither.json, if that can be written, with Control and State filled in,
// calls ready, and removes the file in the end.
func (c *Socket) Serve(ctx context.Context, d Daemon, r Ready, ready func(Ready)) error {
	defer c.Listener.Close()
	r.Control, r.State, r.Upstream = c.Path, c.state, redact.Text(r.Upstream)
	file := filepath.Join(c.state, paths.ReadyName)
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := wholefile.Write(file, append(data, '\n'), 0o600); err != nil { // a full disk; whoever asks the socket is answered
		c.Log.WarnContext(ctx, "programs that look for Hither in its state directory do not find it; make room on the disk, and start Hither again", "error", err)
	}
	defer os.Remove(file)
	ready(r)
	server := &http.Server{
		Handler:           c.handler(d, r),
		ReadHeaderTimeout: headerWait,
		IdleTimeout:       answerWait,
		ErrorLog:          slog.NewLogLogger(c.Log.Handler(), slog.LevelError),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, callerKey{}, peer.Caller(conn))
		},
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(c.Listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("the control socket broke: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWait)
	defer cancel()
	_ = server.Shutdown(stop)
	_ = server.Close()
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// Close gives the state directory back. It may be called twice.
func (c *Socket) Close() error {
	if c.unlock == nil {
		return nil
	}
	err := c.Listener.Close()
	c.unlock()
	c.unlock = nil
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (c *Socket) handler(d Daemon, ready Ready) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ready", answer(func(*http.Request) (any, error) { return ready, nil }))
	mux.HandleFunc("GET /status", answer(func(r *http.Request) (any, error) {
		status, err := d.Status(r.Context())
		status.Ready, status.Now = ready, time.Now()
		return status, err
	}))
	mux.HandleFunc("GET /why", answer(func(r *http.Request) (any, error) {
		e, err := d.Why(r.Context(), r.FormValue("url"))
		e.URL = redact.Text(r.FormValue("url"))
		e.Lines = e.Sentences(time.Now())
		return e, err
	}))
	mux.HandleFunc("GET /cache", answer(func(r *http.Request) (any, error) { return d.Usage(r.Context()) }))
	mux.HandleFunc("DELETE /cache", answer(func(r *http.Request) (any, error) {
		url, all := r.FormValue("url"), r.FormValue("all") != ""
		if (url == "") != all {
			return nil, errors.New("name one URL, or all")
		}
		return d.Remove(r.Context(), url, all)
	}))
	mux.HandleFunc("POST /cache/verify", func(w http.ResponseWriter, r *http.Request) { verify(w, r, d) })
	addMirrors(mux, d)
	c.Names.add(mux)
	c.LetGo.add(mux)
	mux.HandleFunc("GET /lease", func(w http.ResponseWriter, r *http.Request) { c.lease(w, r, ready) })
	mux.HandleFunc("POST /begun", func(w http.ResponseWriter, r *http.Request) {
		if pid, err := strconv.Atoi(r.FormValue("pid")); err == nil && c.Begun != nil {
			c.Begun(pid, r.Form["arg"])
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /drain", func(w http.ResponseWriter, r *http.Request) { c.drain(w, r) })
	return mux
}

// answer makes a handler of a question with one answer.
func answer(ask func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), answerWait)
		defer cancel()
		value, err := ask(r.WithContext(ctx))
		if err != nil {
			refuse(w, refusalStatus(err), err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(value) // the client went away; there is nobody to tell
	}
}

// refusalStatus is 404 for what the user named and is not there.
func refusalStatus(err error) int {
	if mirrors.IsUnknown(err) {
		return http.StatusNotFound
	}
	return http.StatusUnprocessableEntity
}

func refuse(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": redact.Text(err.Error())})
}

// verify streams, because reading all that is kept takes minutes.
func verify(w http.ResponseWriter, r *http.Request, d Daemon) {
	lines := json.NewEncoder(w)
	flush := http.NewResponseController(w)
	err := d.Verify(r.Context(), func(v Verification) {
		_ = lines.Encode(v)
		_ = flush.Flush()
	})
	if err != nil {
		_ = lines.Encode(Verification{Err: redact.Text(err.Error()), Done: true})
	}
}

// callerKey finds the process at the other end of a control connection, by the system's word.
type callerKey struct{}

// lease keeps a Hither alive that was started for one command, while another command uses it too.
func (c *Socket) lease(w http.ResponseWriter, r *http.Request, ready Ready) {
	if !c.leases.take() {
		refuse(w, http.StatusServiceUnavailable, errors.New("this Hither is about to end"))
		return
	}
	defer c.leases.giveBack()
	pid, _ := r.Context().Value(callerKey{}).(int)
	if runtime.GOOS == "windows" { // a pipe does not say who calls
		pid, _ = strconv.Atoi(r.FormValue("pid"))
	}
	if c.Enter != nil {
		defer c.Enter(pid)()
	}
	_ = json.NewEncoder(w).Encode(ready)
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

func (c *Socket) drain(w http.ResponseWriter, r *http.Request) {
	select {
	case <-c.leases.drain():
		w.WriteHeader(http.StatusNoContent)
	case <-r.Context().Done():
	}
}
