//go:build linux

package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// parseLinks reads the -link flags. The seed and the place of a link decide its luck.
func parseLinks(specs []string, seed uint64) ([]*link, error) {
	var links []*link
	for i, spec := range specs {
		l, err := parseLink(spec)
		if err != nil {
			return nil, fmt.Errorf("-link %s: %w", spec, err)
		}
		l.device = fmt.Sprintf("wan%d", i+1)
		l.up.random = rand.New(rand.NewPCG(seed, uint64(2*i)))
		l.down.random = rand.New(rand.NewPCG(seed, uint64(2*i+1)))
		links = append(links, l)
	}
	if len(links) == 0 {
		return nil, fmt.Errorf("there is no link to emulate: give a -link for each, see wan -h")
	}
	return links, nil
}

// parseLink reads key=value,… of one link.
func parseLink(spec string) (*link, error) {
	l := &link{near: end{fd: -1}, far: end{fd: -1}}
	for part := range strings.SplitSeq(spec, ",") {
		key, value, ok := strings.Cut(part, "=")
		if !ok {
			return nil, fmt.Errorf("%q is not key=value", part)
		}
		if err := l.take(key, value); err != nil {
			return nil, err
		}
	}
	if l.name == "" || l.near.space == "" || l.far.space == "" || l.near.addr == "" || l.far.addr == "" {
		return nil, fmt.Errorf("a link needs name, client, server, cip and sip")
	}
	return l, nil
}

func (l *link) take(key, value string) error {
	switch key {
	case "name":
		l.name = value
	case "client":
		l.near.space = value
	case "server":
		l.far.space = value
	case "cip":
		return address(&l.near.addr, value)
	case "sip":
		return address(&l.far.addr, value)
	case "access":
		number, err := strconv.ParseFloat(value, 64)
		if err != nil || number <= 0 || number > 1e6 || math.IsNaN(number) {
			return fmt.Errorf("access: %q is no rate in Mbit/s", value)
		}
		l.access = number * 1e6
	default:
		return l.set(key, value)
	}
	return nil
}

// address takes an IPv4 address: the emulated ends have no other.
func address(to *string, value string) error {
	addr, err := netip.ParseAddr(value)
	if err != nil || !addr.Is4() {
		return fmt.Errorf("%q is no IPv4 address", value)
	}
	*to = value
	return nil
}

// set changes one setting, of both directions or of the one that the key ends with.
func (l *link) set(key, value string) error {
	base, which, _ := strings.Cut(key, ".")
	lines := []*line{&l.up, &l.down}
	switch which {
	case "":
	case "up":
		lines = lines[:1]
	case "down":
		lines = lines[1:]
	default:
		return fmt.Errorf("%s: a direction is up or down", key)
	}
	number, err := strconv.ParseFloat(value, 64)
	if err != nil || number < 0 || number > 1e6 || math.IsNaN(number) {
		return fmt.Errorf("%s: %q is no number from 0 to a million", key, value)
	}
	for _, line := range lines {
		if err := line.set(base, number); err != nil {
			return err
		}
	}
	return nil
}

// set takes the units of the command line. What waits already keeps its time.
func (s *settings) set(key string, number float64) error {
	switch key {
	case "delay":
		s.delay = time.Duration(number * float64(time.Millisecond))
	case "jitter":
		s.jitter = time.Duration(number * float64(time.Millisecond))
	case "loss":
		s.loss = number / 100
	case "burst":
		s.burst = number
	case "rate":
		s.rate = number * 1e6
	case "queue":
		s.queue = int(number * 1024)
	default:
		return fmt.Errorf("there is no setting %q; there are delay, jitter, loss, burst, rate and queue", key)
	}
	return nil
}
