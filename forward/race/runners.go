package race

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"time"
)

// outrunError is why an attempt ends when that address has answered another.
type outrunError struct{ by netip.AddrPort }

// Error implements error.
func (e outrunError) Error() string { return e.by.String() + " answered first" }

// runners are the addresses of one host in a race for one connection (RFC 8305, section 5).
type runners struct {
	memory  *Memory
	connect func(context.Context, netip.AddrPort) (net.Conn, error)
	addrs   []netip.AddrPort // still to start
	beside  netip.AddrPort   // started together with the first, to learn of it; zero: none
	again   netip.AddrPort   // to be tried once more if it is late; zero: none
	results chan run
	running int
}

// run is one that has ended.
type run struct {
	to   netip.AddrPort
	conn net.Conn
	err  error
}

// Remembering connects to the first address that answers, and has m remember how each did. There must be one; [Memory.Rank] gave their
// order. The next one is tried when one failed or had its head start. connect is called by several goroutines and ends with its ctx. The
// caller closes the connection. Errors join those of all. It returns after all attempts have ended, and the connections that came too late are closed.
func Remembering(ctx context.Context, m *Memory, addrs []netip.AddrPort, connect func(context.Context, netip.AddrPort) (net.Conn, error)) (net.Conn, error) {
	r := &runners{memory: m, connect: connect, addrs: addrs, again: addrs[0], results: make(chan run, len(addrs)+1)}
	if beside, ok := m.explore(addrs, time.Now()); ok {
		r.beside = beside
		rest := slices.DeleteFunc(slices.Clone(addrs[1:]), func(a netip.AddrPort) bool { return a == beside })
		r.addrs = append([]netip.AddrPort{addrs[0], beside}, rest...)
	}
	return r.race(ctx)
}

func (r *runners) race(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	var winner netip.AddrPort
	defer func() {
		cancel(outrunError{winner})
		r.bury()
	}()
	began := time.Now()
	timer := time.NewTimer(r.start(ctx))
	defer timer.Stop()
	var failed error
	for r.running > 0 {
		select {
		case <-timer.C:
			r.repeat(time.Since(began))
		case end := <-r.results:
			r.running--
			if end.err == nil {
				winner = end.to
				r.won(end.to)
				return end.conn, nil
			}
			failed = errors.Join(failed, end.err)
			if end.to == r.again {
				r.again = netip.AddrPort{}
			}
		}
		switch {
		case ctx.Err() != nil:
		case len(r.addrs) > 0:
			timer.Reset(r.start(ctx))
		case r.again.IsValid():
			timer.Reset(minStagger)
		}
	}
	return nil, failed
}

// repeat has the first address tried once more, when no other is left and it takes longer than it usually does: its SYN was
// lost, most likely, and the kernel sends the next one after a second (RFC 6298, section 2.1).
func (r *runners) repeat(waited time.Duration) {
	switch {
	case len(r.addrs) > 0 || !r.again.IsValid():
	case waited >= maxStagger:
		r.again = netip.AddrPort{}
	case r.memory.isLate(r.again, waited, time.Now()):
		r.addrs, r.again = append(r.addrs, r.again), netip.AddrPort{}
	}
}

// start lets the next one run, and who runs beside it. It returns the head start over those behind.
func (r *runners) start(ctx context.Context) time.Duration {
	to := r.addrs[0]
	r.addrs = r.addrs[1:]
	r.running++
	go func() { r.results <- r.run(ctx, to) }()
	if len(r.addrs) > 0 && r.addrs[0] == r.beside {
		r.start(ctx)
	}
	return r.memory.HeadStart(to, time.Now())
}

// run makes one attempt and tells the memory of it.
func (r *runners) run(ctx context.Context, to netip.AddrPort) run {
	began := time.Now()
	conn, err := r.connect(ctx, to)
	now := time.Now()
	took := now.Sub(began)
	var outrun outrunError
	switch cause := context.Cause(ctx); {
	case err == nil:
		r.memory.answered(to, took, now)
	case errors.As(cause, &outrun):
		if outrun.by != to {
			r.memory.outrun(to, took, now)
		}
	case cause == nil, errors.Is(cause, context.DeadlineExceeded) && took >= silentFor:
		r.memory.failed(to, took, now)
	}
	return run{to, conn, err}
}

// won has the winner go first from now on. Who ran beside the first has won nothing but a figure: that may be luck.
func (r *runners) won(to netip.AddrPort) {
	if to != r.beside {
		r.memory.elect(to, time.Now())
	}
}

// bury receives the attempts that were under way when the race was over.
func (r *runners) bury() {
	for range r.running {
		if end := <-r.results; end.err == nil {
			end.conn.Close()
		}
	}
}
