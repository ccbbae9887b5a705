package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"hither/resolver"
)

// Names is the control socket's side of the name server.
type Names struct {
	Server *resolver.Server // is told whether somebody reads the trace

	mu      sync.Mutex
	looking int // who reads the trace
}

// TraceEach is how often new questions are looked for while somebody reads the trace.
const TraceEach = 100 * time.Millisecond

var errNoDNS = errors.New("this Hither does not answer DNS: start it with --dns 127.0.0.1:53, or call `hither install --dns scoped`")

func (n *Names) add(mux *http.ServeMux) {
	mux.HandleFunc("GET /dns", answer(func(*http.Request) (any, error) {
		if n == nil {
			return nil, errNoDNS
		}
		return n.Server.Stats(), nil
	}))
	mux.HandleFunc("GET /dns/trace", func(w http.ResponseWriter, r *http.Request) {
		if n == nil {
			refuse(w, http.StatusUnprocessableEntity, errNoDNS)
			return
		}
		n.trace(w, r)
	})
}

// trace writes questions as they are answered, until the client goes. They are remembered only while somebody looks.
func (n *Names) trace(w http.ResponseWriter, r *http.Request) {
	n.look(1)
	defer n.look(-1)
	lines, flush := json.NewEncoder(w), http.NewResponseController(w)
	pace := time.NewTicker(TraceEach)
	defer pace.Stop()
	shown := map[resolver.Traced]bool{} // they come as they are answered, which is not as they were asked
	for _, t := range n.Server.Trace("") {
		shown[t] = true
	}
	for {
		if flush.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-pace.C:
		}
		known := n.Server.Trace(r.FormValue("name"))
		for _, t := range known {
			if !shown[t] && lines.Encode(t) != nil {
				return
			}
		}
		clear(shown)
		for _, t := range known {
			shown[t] = true
		}
	}
}

func (n *Names) look(by int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.looking += by
	n.Server.SetTrace(n.looking > 0)
}

// DNS tells what was asked and how it was answered; the error says so if DNS is not answered.
func (c *Client) DNS(ctx context.Context) (out resolver.Stats, err error) {
	return out, c.Ask(ctx, http.MethodGet, "/dns", nil, &out)
}

// Trace calls each with every question about name, or about all names if it is empty, until ctx ends or each fails.
func (c *Client) Trace(ctx context.Context, name string, each func(resolver.Traced) error) error {
	body, err := c.do(ctx, http.MethodGet, "/dns/trace", url.Values{"name": {name}})
	if err != nil {
		return err
	}
	defer body.Close()
	for lines := json.NewDecoder(body); ; {
		var t resolver.Traced
		if err := lines.Decode(&t); err != nil {
			if ctx.Err() != nil {
				return nil //nolint:nilerr // the user has seen enough
			}
			return fmt.Errorf("Hither tells no more questions (%w); see whether it still runs with `hither status`", err)
		}
		if err := each(t); err != nil {
			return err
		}
	}
}
