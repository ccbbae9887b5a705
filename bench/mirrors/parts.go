//go:build linux

package main

import (
	"context"
	"fmt"
)

// rounds of a comparison, in alternation; the median counts.
const rounds = 3

// ours is how a comparison calls Hither.
const ours = "Hither"

// parts compares Hither with the sum of three links, and with curl from each.
func parts(ctx context.Context, l *world, r *report) error {
	size, alone, times := int64(200_000_000), int64(12_000_000), rounds
	if l.short {
		size, alone, times = 40_000_000, 4_000_000, 1
	}
	p, err := l.start(ctx)
	if err != nil {
		return err
	}
	defer p.stop()
	if err := l.warmParts(ctx, p); err != nil {
		return err
	}
	rates := map[string][]float64{}
	for i := range times {
		for _, link := range l.Links {
			o, err := l.registry.add(fmt.Sprint("alone ", link.Name, i), alone)
			if err != nil {
				return err
			}
			rate, err := l.curlDirect(ctx, link.Name, o)
			if err != nil {
				return err
			}
			rates[link.Name] = append(rates[link.Name], rate)
		}
		o, err := l.registry.add(fmt.Sprint("parts ", i), size)
		if err != nil {
			return err
		}
		rate, err := p.curl(ctx, o)
		if err != nil {
			return fmt.Errorf("through Hither: %w", err)
		}
		rates[ours] = append(rates[ours], rate)
		l.whoSent(o, r)
	}
	l.judgeParts(rates, r)
	return nil
}

func (l *world) judgeParts(rates map[string][]float64, r *report) {
	sum := 0.0
	for _, link := range l.Links {
		sum += link.Rate
		r.figure("curl from "+link.Name+" alone", median(rates[link.Name]), "Mbit/s")
	}
	got := median(rates[ours])
	r.figure("Hither", got, "Mbit/s")
	r.verdict("rate / sum of the links", got/sum, "≥ 0.85", got/sum >= 0.85)
}

// warmParts lets Hither know its sources, as it does when it has been up for a while.
func (l *world) warmParts(ctx context.Context, p *product) error {
	through := p.through()
	defer through.close()
	for i := range 6 {
		if _, err := l.fetch(ctx, through, fmt.Sprint("warm ", i), []int64{smallSize, 1 << 20}[i%2], nil); err != nil {
			return err
		}
	}
	return nil
}

// whoSent notes the shares of the servers in one object.
func (l *world) whoSent(o object, r *report) {
	text, all := "", int64(0)
	for _, link := range l.Links {
		n := l.servers[link.Name].bytes()[o.path()]
		all += n
		text += fmt.Sprintf(" %s %.3g MB", link.Name, float64(n)/1e6)
	}
	r.note("sent by%s; %.3g %% more than the object", text, 100*float64(all-o.size)/float64(o.size))
}

// lossy compares Hither with one connection over one bad link.
func lossy(ctx context.Context, l *world, r *report) error {
	size, times := int64(8_000_000), rounds
	if l.short {
		size, times = 2_500_000, 1
	}
	p, err := l.start(ctx)
	if err != nil {
		return err
	}
	defer p.stop()
	if err := l.warmParts(ctx, p); err != nil {
		return err
	}
	name := l.Links[0].Name
	var one, many []float64
	for i := range times {
		o, err := l.registry.add(fmt.Sprint("lossy ", i), size)
		if err != nil {
			return err
		}
		rate, err := l.curlDirect(ctx, name, o)
		if err != nil {
			return err
		}
		one = append(one, rate)
		if rate, err = p.curl(ctx, o); err != nil {
			return fmt.Errorf("through Hither: %w", err)
		}
		many = append(many, rate)
	}
	r.figure("curl, one connection", median(one), "Mbit/s")
	r.figure("Hither", median(many), "Mbit/s")
	ratio := median(many) / median(one)
	r.verdict("Hither / one connection", ratio, "≥ 2", ratio >= 2)
	return nil
}
