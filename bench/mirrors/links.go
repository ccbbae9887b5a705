//go:build linux

package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"hither/bench/lab"
)

const (
	// leastYield is the share of a link that bodies get: headers of IP, TCP and TLS take 5 %, the slow start some more.
	leastYield = 0.85
	// mostDelay is how much longer a round trip may be than ordered: the machine's own part in it.
	mostDelay = 2 * time.Millisecond
)

// measureLinks asks whether what the other scenarios stand on is so. No Hither takes part.
func measureLinks(ctx context.Context, l *world, r *report) error {
	seconds := 5.0
	if l.short {
		seconds = 2.5
	}
	for i, link := range l.Links {
		trip, err := l.roundTrip(ctx, lab.ServerAddr(i))
		if err != nil {
			return err
		}
		ordered := time.Duration(link.RTT * float64(time.Millisecond))
		over := trip - ordered
		r.verdict(link.Name+": round trip above what was ordered, ms", over.Seconds()*1000, fmt.Sprintf("0 to %g", mostDelay.Seconds()*1000), over >= 0 && over < mostDelay)
		o, err := l.registry.add("measured "+link.Name, int64(link.Rate*1e6/8*seconds*max(1, link.RTT/60)))
		if err != nil {
			return err
		}
		rate, err := l.curlDirect(ctx, link.Name, o)
		if err != nil {
			return err
		}
		yield := rate / link.Rate
		r.verdict(link.Name+": body rate / ordered rate", yield, fmt.Sprintf("%g to 1", leastYield), yield >= leastYield && yield <= 1)
	}
	return nil
}

// roundTrip is the least of some connects: TCP says that it is connected after one.
func (l *world) roundTrip(ctx context.Context, addr string) (least time.Duration, err error) {
	for range 5 {
		err := lab.Within(lab.Client, func() error {
			began := time.Now()
			conn, err := new(net.Dialer).DialContext(ctx, "tcp4", net.JoinHostPort(addr, "443"))
			if err != nil {
				return err
			}
			if took := time.Since(began); least == 0 || took < least {
				least = took
			}
			return conn.Close()
		})
		if err != nil {
			return 0, err
		}
	}
	return least, nil
}
