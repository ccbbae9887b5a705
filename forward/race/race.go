// Package race finds which of the addresses of one host answers first. All that are tried in vain, or too late, are given up.
//
// [First] knows nothing of them, and [Remembering] what a [Memory] has of earlier races:
//
//	addrs = memory.Rank(addrs, time.Now())
//	conn, err := race.Remembering(ctx, &memory, addrs, connect)
package race

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"time"
)

// stagger is the head start of each address over the next (RFC 8305, 8: Connection Attempt Delay).
const stagger = 250 * time.Millisecond

// interleave orders addresses IPv6, IPv4, IPv6 … and keeps the order within each family, so that a broken family costs
// one stagger and not many.
func interleave(addrs []netip.AddrPort) []netip.AddrPort {
	var families [2][]netip.AddrPort
	for _, a := range addrs {
		f := 0
		if a.Addr().Is4() {
			f = 1
		}
		families[f] = append(families[f], a)
	}
	mixed := make([]netip.AddrPort, 0, len(addrs))
	for i := range addrs {
		for _, family := range families {
			if i < len(family) {
				mixed = append(mixed, family[i])
			}
		}
	}
	return mixed
}

type attempt[C io.Closer] struct {
	conn C
	err  error
}

// First connects to the first address that answers; there must be one. The next is tried when one failed or had its head start, which head
// tells; nil: 250 ms for each. connect is called by several goroutines and ends with its ctx. The caller closes the connection. Errors join
// those of all. It returns after all attempts have ended, and the connections that came too late are closed.
func First[C io.Closer](ctx context.Context, addrs []netip.AddrPort, head func(netip.AddrPort) time.Duration, connect func(context.Context, netip.AddrPort) (C, error)) (C, error) {
	ctx, cancel := context.WithCancel(ctx)
	results := make(chan attempt[C], len(addrs))
	running := 0
	start := func() time.Duration {
		to := addrs[0]
		addrs = addrs[1:]
		running++
		go func() {
			conn, err := connect(ctx, to)
			results <- attempt[C]{conn, err}
		}()
		if head == nil {
			return stagger
		}
		return head(to)
	}
	defer func() { cancel(); closeRest(results, running) }()
	timer := time.NewTimer(start())
	defer timer.Stop()
	var failed error
	for running > 0 {
		select {
		case <-timer.C:
		case a := <-results:
			running--
			if a.err == nil {
				return a.conn, nil
			}
			failed = errors.Join(failed, a.err)
		}
		if len(addrs) > 0 && ctx.Err() == nil {
			timer.Reset(start())
		}
	}
	var none C
	return none, failed
}

// closeRest receives the attempts that were under way when the race was over.
func closeRest[C io.Closer](results <-chan attempt[C], running int) {
	for range running {
		if a := <-results; a.err == nil {
			a.conn.Close()
		}
	}
}
