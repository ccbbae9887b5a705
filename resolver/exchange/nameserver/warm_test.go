package nameserver

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"hither/resolver/exchange"
	"hither/resolver/exchange/exchangetest"
	"hither/resolver/exchange/letter"
)

// wirework is a server at the other end of pipes, in virtual time.
type wirework struct {
	t     *testing.T
	conns []net.Conn                                    // the server's ends
	serve func(number int, q *dns.Msg) (*dns.Msg, bool) // of connection number; false: hang up
}

func (w *wirework) dial(context.Context) (carrier, error) {
	ours, theirs := net.Pipe()
	number := len(w.conns)
	w.conns = append(w.conns, theirs)
	go func() {
		defer theirs.Close()
		for {
			packet, err := letter.ReadFrame(theirs)
			if err != nil {
				return
			}
			q := new(dns.Msg)
			q.Unpack(packet)
			reply, stay := w.serve(number, q)
			if !stay {
				return
			}
			if reply != nil {
				out := exchangetest.Wire(w.t, reply)
				theirs.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(out))), out...))
			}
		}
	}()
	return newPipe(ours), nil
}

func (w *wirework) right(_ int, q *dns.Msg) (*dns.Msg, bool) {
	return exchangetest.Reply(w.t, q, right), true
}

func TestWarmConnections(t *testing.T) {
	first := func(number int) bool { return number == 0 }
	tests := map[string]struct {
		pause time.Duration // between the first question, which is answered, and the second
		then  func(w *wirework, number int, q *dns.Msg) (*dns.Msg, bool)
		conns int
		took  time.Duration // of the second
		err   string
	}{
		"a good one is used again":               {time.Second, func(w *wirework, n int, q *dns.Msg) (*dns.Msg, bool) { return w.right(n, q) }, 1, 0, ""},
		"an idle one is closed and opened again": {pipeIdle + time.Second, func(w *wirework, n int, q *dns.Msg) (*dns.Msg, bool) { return w.right(n, q) }, 2, 0, ""},
		"one that breaks as it is asked is opened again": {time.Second, func(w *wirework, n int, q *dns.Msg) (*dns.Msg, bool) {
			r, _ := w.right(n, q)
			return r, !first(n)
		}, 2, 0, ""},
		"an old one that is silent is doubted after a second": {20 * time.Second, func(w *wirework, n int, q *dns.Msg) (*dns.Msg, bool) {
			if first(n) {
				return nil, true
			}
			return w.right(n, q)
		}, 2, stall, ""},
		"a young one that is silent is waited for":     {time.Second, func(*wirework, int, *dns.Msg) (*dns.Msg, bool) { return nil, true }, 1, exchange.Patience, "does not answer"},
		"a server that always hangs up is asked twice": {time.Second, func(*wirework, int, *dns.Msg) (*dns.Msg, bool) { return nil, false }, 2, 0, "the server closed the connection"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &wirework{t: t}
				w.serve = w.right
				line := &warm{open: w.dial}
				defer line.Close()
				s := &stream{url: "tcp://test", line: line}
				exchanged(t, s, ask())
				time.Sleep(test.pause)
				w.serve = func(n int, q *dns.Msg) (*dns.Msg, bool) { return test.then(w, n, q) }
				begin := time.Now()
				_, err := s.Exchange(t.Context(), ask())
				if took := time.Since(begin); took != test.took || len(w.conns) != test.conns {
					t.Errorf("got  %v on %d connections\nwant %v on %d", took, len(w.conns), test.took, test.conns)
				}
				if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
					t.Errorf("got  %v\nwant %q", err, test.err)
				}
			})
		})
	}
}

func TestClientsRetryDoubtsAnOldConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wirework{t: t}
		w.serve = w.right
		line := &warm{open: w.dial}
		defer line.Close()
		s := &stream{line: line}
		exchanged(t, s, ask())
		time.Sleep(ripe + time.Second)
		w.serve = func(n int, q *dns.Msg) (*dns.Msg, bool) {
			if n == 0 {
				return nil, true
			}
			return w.right(n, q)
		}
		again := make(chan struct{}, 1)
		time.AfterFunc(300*time.Millisecond, func() { again <- struct{}{} })
		begin := time.Now()
		if _, err := s.Exchange(exchange.WithResend(t.Context(), again), ask()); err != nil || time.Since(begin) != 300*time.Millisecond {
			t.Errorf("got  %v after %v\nwant an answer after 300ms", err, time.Since(begin))
		}
	})
}

func TestOldConnectionThatStillTalksIsNotDoubted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wirework{t: t}
		w.serve = func(n int, q *dns.Msg) (*dns.Msg, bool) {
			if q.Question[0].Name == "slow.example." {
				return nil, true
			}
			return w.right(n, q)
		}
		line := &warm{open: w.dial}
		defer line.Close()
		s := &stream{line: line}
		exchanged(t, s, ask())
		time.Sleep(ripe + time.Second)
		time.AfterFunc(stall/2, func() { s.Exchange(t.Context(), ask()) })
		if _, err := s.Exchange(t.Context(), new(dns.Msg).SetQuestion("slow.example.", dns.TypeA)); err == nil || len(w.conns) != 1 {
			t.Errorf("got  %v on %d connections\nwant an error on 1", err, len(w.conns))
		}
	})
}

func TestForgettingOpensAnewWhileOpening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wirework{t: t}
		w.serve = w.right
		var moved atomic.Bool
		line := &warm{open: func(ctx context.Context) (carrier, error) {
			if !moved.Load() { // on the network that is gone
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return w.dial(ctx)
		}}
		defer line.Close()
		time.AfterFunc(time.Second, func() { moved.Store(true); line.forget() })
		begin := time.Now()
		if _, err := (&stream{line: line}).Exchange(t.Context(), ask()); err != nil || time.Since(begin) != time.Second {
			t.Errorf("got  %v after %v\nwant an answer after 1s", err, time.Since(begin))
		}
	})
}

func TestServerThatTalksUnaskedIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		p := newPipe(ours)
		defer p.close()
		go func() {
			for {
				if _, err := theirs.Write(append([]byte{0, letter.HeaderLen}, make([]byte, letter.HeaderLen)...)); err != nil {
					return
				}
			}
		}()
		synctest.Wait()
		if !p.dead() {
			t.Error("still open")
		}
	})
}

func TestClosingEndsWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wirework{t: t, serve: func(int, *dns.Msg) (*dns.Msg, bool) { return nil, true }}
		line := &warm{open: w.dial}
		time.AfterFunc(time.Second, func() { line.Close() })
		begin := time.Now()
		if _, err := (&stream{line: line}).Exchange(t.Context(), ask()); !errors.Is(err, net.ErrClosed) || time.Since(begin) != time.Second {
			t.Errorf("got  %v after %v\nwant closed after 1s", err, time.Since(begin))
		}
	})
}

// A question may wait on a connection that another one has taken the place of.
func TestClosingEndsWhoWaitsOnADoubtedConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wirework{t: t}
		w.serve = w.right
		line := &warm{open: w.dial}
		s := &stream{line: line}
		exchanged(t, s, ask())
		time.Sleep(ripe + time.Second)
		w.serve = func(int, *dns.Msg) (*dns.Msg, bool) { return nil, true }
		time.AfterFunc(stall+stall/2, func() { line.Close() })
		begin := time.Now()
		if _, err := s.Exchange(t.Context(), ask()); !errors.Is(err, net.ErrClosed) || time.Since(begin) != stall+stall/2 || len(w.conns) != 2 {
			t.Errorf("got  %v after %v on %d connections\nwant closed after 1.5s on 2", err, time.Since(begin), len(w.conns))
		}
	})
}
