package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"sync"

	"hither/cmd/hither/redact"
)

// letGo is by whom a running Hither is asked to put the machine back as it was, and to leave it so until it is started anew.
// `hither restore` and `hither uninstall` ask: what they took back would be made again otherwise, because to Hither it looks
// as if somebody else had written over it.
type letGo struct {
	asked chan struct{} // closed when somebody has asked
	over  chan struct{} // closed when nothing is kept in force any more
	err   error         // of putting back; set before over is closed
	once  sync.Once
}

func newLetGo() *letGo { return &letGo{asked: make(chan struct{}), over: make(chan struct{})} }

// demand does not wait.
func (l *letGo) demand() { l.once.Do(func() { close(l.asked) }) }

// ask returns when the machine is put back.
func (l *letGo) ask(ctx context.Context) error {
	l.demand()
	select {
	case <-l.over:
		return l.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// until is ctx until somebody asks. Call the function when that is of no interest any more.
func (l *letGo) until(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithCancel(ctx)
	go func() {
		select {
		case <-l.asked:
			stop()
		case <-ctx.Done():
		}
	}()
	return ctx, stop
}

// add answers on the control socket. A nil letGo keeps nothing in force.
func (l *letGo) add(mux *http.ServeMux) {
	mux.HandleFunc("POST /letgo", answer(func(r *http.Request) (any, error) {
		if l == nil {
			return struct{}{}, nil
		}
		return struct{}{}, l.ask(r.Context())
	}))
}

// LetGo asks for the machine as it was.
func (c *client) LetGo(ctx context.Context) error {
	return c.ask(ctx, http.MethodPost, "/letgo", nil, nil)
}

// askToLetGo asks the Hither that runs with a state directory. One that does not answer was stopped, or hangs: then its guard
// puts the machine back, and so does whoever calls this.
func (a *app) askToLetGo(ctx context.Context, state string) {
	ctx, cancel := context.WithTimeout(ctx, statusWait)
	defer cancel()
	err := newClient(state).LetGo(ctx)
	if err == nil || errors.Is(err, errNotRunning) || errors.Is(err, fs.ErrPermission) {
		return
	}
	fmt.Fprintln(a.err, "hither:", redact.Text(fmt.Sprintf("the Hither that runs with %s does not let go of this machine (%v): end it, or it may make its changes again", state, err)))
}
