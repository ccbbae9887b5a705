package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hither/cmd/hither/amount"
	"hither/resolver"
)

// names is the control socket's side of the name server.
type names struct {
	server *resolver.Server

	mu      sync.Mutex
	looking int // who reads the trace
}

// traceEach is how often new questions are looked for while somebody reads the trace.
const traceEach = 100 * time.Millisecond

var errNoDNS = errors.New("this Hither does not answer DNS: start it with --dns 127.0.0.1:53, or call `hither install --dns scoped`")

func (n *names) add(mux *http.ServeMux) {
	mux.HandleFunc("GET /dns", answer(func(*http.Request) (any, error) {
		if n == nil {
			return nil, errNoDNS
		}
		return n.server.Stats(), nil
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
func (n *names) trace(w http.ResponseWriter, r *http.Request) {
	n.look(1)
	defer n.look(-1)
	lines, flush := json.NewEncoder(w), http.NewResponseController(w)
	pace := time.NewTicker(traceEach)
	defer pace.Stop()
	shown := map[resolver.Traced]bool{} // they come as they are answered, which is not as they were asked
	for _, t := range n.server.Trace("") {
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
		known := n.server.Trace(r.FormValue("name"))
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

func (n *names) look(by int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.looking += by
	n.server.SetTrace(n.looking > 0)
}

// DNS tells what was asked and how it was answered; the error says so if DNS is not answered.
func (c *client) DNS(ctx context.Context) (out resolver.Stats, err error) {
	return out, c.ask(ctx, http.MethodGet, "/dns", nil, &out)
}

// Trace calls each with every question about name, or about all names if it is empty, until ctx ends or each fails.
func (c *client) Trace(ctx context.Context, name string, each func(resolver.Traced) error) error {
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

func (a *app) dns() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "dns",
		Short: "Show how the questions of DNS were answered",
		Long: "Show how the questions of DNS were answered since the start. --json prints one object of counts: questions; of those ours,\n" +
			"hits, stale, special, failed, refused, dropped and busy; of what was asked upstream upstream, resent, merged, refreshed\n" +
			"and withheld; panics; and the entries in memory with their bytes.",
		Args: arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			stats, err := a.client().DNS(c.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(stats)
			}
			return a.printDNS(stats)
		},
	}
	addJSONFlag(c, &asJSON)
	c.AddCommand(a.traceDNS())
	return c
}

func (a *app) printDNS(s resolver.Stats) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "questions\t%d\n", s.Questions)
	for _, line := range []struct {
		what string
		n    uint64
	}{
		{"with Hither's address", s.Ours}, {"from memory", s.Hits}, {"from memory, out of date", s.Stale},
		{"by rule or hosts file", s.Special}, {"asked upstream", s.Upstream}, {"failed", s.Failed},
		{"refused", s.Refused}, {"dropped", s.Dropped}, {"too many at once", s.Busy}, {"withheld", s.Withheld},
	} {
		fmt.Fprintf(w, "  %s\t%d\n", line.what, line.n)
	}
	fmt.Fprintf(w, "in memory\t%s, %s\n", amount.Count(int64(s.Entries), "answer"), amount.Bytes(s.Bytes))
	return w.Flush()
}

func (a *app) traceDNS() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "trace [NAME]",
		Short: "Show questions and how they are answered, as they come, until Ctrl-C",
		Long: "Show questions and how they are answered, as they come, until Ctrl-C; with NAME, those about it alone. --json prints one\n" +
			"object a question: when, client, net, name, type, how, rcode and took, which is in nanoseconds.",
		Args: arguments(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			name := ""
			if len(args) > 0 {
				name = args[0]
			}
			return a.client().Trace(c.Context(), name, func(t resolver.Traced) error {
				if asJSON {
					return a.printJSON(t)
				}
				_, err := fmt.Fprintf(a.out, "%s  %-4s %-6s %-40q %-9s %-8s %6s  %s\n",
					t.When.Local().Format("15:04:05.000"), t.Net, t.Type, t.Name, t.How, t.Rcode, t.Took.Round(10*time.Microsecond), t.Client)
				return err
			})
		},
	}
	addJSONFlag(c, &asJSON)
	return c
}
