package control

import (
	"context"
	"net/http"
	"sync"
)

// LetGo is by whom a running Hither is asked to put the machine back as it was, and to leave it so until it is started anew.
// `hither restore` and `hither uninstall` ask: what they took back would be made again otherwise, because to Hither it looks
// as if somebody else had written over it.
type LetGo struct {
	asked chan struct{} // closed when somebody has asked
	Over  chan struct{} // closed when nothing is kept in force any more
	Err   error         // of putting back; set before Over is closed
	once  sync.Once
}

// NewLetGo is one that nobody has asked. Who keeps things in force closes Over when nothing is any more.
func NewLetGo() *LetGo { return &LetGo{asked: make(chan struct{}), Over: make(chan struct{})} }

// Demand does not wait.
func (l *LetGo) Demand() { l.once.Do(func() { close(l.asked) }) }

// ask returns when the machine is put back.
func (l *LetGo) ask(ctx context.Context) error {
	l.Demand()
	select {
	case <-l.Over:
		return l.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Until is ctx until somebody asks. Call the function when that is of no interest any more.
func (l *LetGo) Until(ctx context.Context) (context.Context, context.CancelFunc) {
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

// add answers on the control socket. A nil LetGo keeps nothing in force.
func (l *LetGo) add(mux *http.ServeMux) {
	mux.HandleFunc("POST /letgo", answer(func(r *http.Request) (any, error) {
		if l == nil {
			return struct{}{}, nil
		}
		return struct{}{}, l.ask(r.Context())
	}))
}

// LetGo asks for the machine as it was.
func (c *Client) LetGo(ctx context.Context) error {
	return c.Ask(ctx, http.MethodPost, "/letgo", nil, nil)
}
