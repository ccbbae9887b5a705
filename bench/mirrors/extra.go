//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
)

// mixture is how many objects of each class a build asks for, from how many clients.
type mixture struct {
	small, medium, large int
	clients              int
}

func (s *site) mixture() mixture {
	if s.short {
		return mixture{120, 20, 3, 4}
	}
	return mixture{600, 100, 10, 4}
}

// mostExtra is the promise of issue 3.
const mostExtra = 0.05

// extra lets several clients ask for a mixture, and then counts what was fetched for nothing.
func extra(ctx context.Context, l *world, r *report) error {
	objects, err := l.mixed()
	if err != nil {
		return err
	}
	p, err := l.start(ctx)
	if err != nil {
		return err
	}
	defer p.stop()
	before, err := l.Emulator.Brought(ctx)
	if err != nil {
		return err
	}
	if err := l.askAll(ctx, p, objects); err != nil {
		return err
	}
	after, err := l.Emulator.Brought(ctx)
	if err != nil {
		return err
	}
	sent, useful := l.tally()
	r.figure("bodies the clients got", float64(useful)/1e6, "MB")
	r.figure("bodies the servers sent, also what we hung up on", float64(sent)/1e6, "MB")
	r.figure("bytes that came over the links, with headers", float64(after-before)/1e6, "MB")
	share := float64(sent-useful) / float64(max(sent, 1))
	r.verdict("extra / all, as the servers count", share, fmt.Sprintf("< %g", mostExtra), share < mostExtra)
	return p.judgeExtra(ctx, after-before, r)
}

// judgeExtra believes the product's own figures only as far as the links agree.
func (p *product) judgeExtra(ctx context.Context, brought uint64, r *report) error {
	s, err := p.status(ctx)
	if err != nil {
		return err
	}
	if s.Fetched == nil || s.Extra == nil {
		r.note("hither status --json tells neither fetched nor extra")
		r.verdict("extra / all, as Hither counts", 1, fmt.Sprintf("< %g", mostExtra), false)
		return nil
	}
	share := float64(*s.Extra) / float64(max(*s.Fetched, 1))
	r.figure("fetched, as Hither counts", float64(*s.Fetched)/1e6, "MB")
	r.verdict("extra / all, as Hither counts", share, fmt.Sprintf("< %g", mostExtra), share < mostExtra)
	seen := float64(*s.Fetched) / float64(max(brought, 1))
	r.verdict("fetched / bytes of the links", seen, "0.9 to 1: headers, TLS and repeats are the rest", seen > 0.9 && seen <= 1)
	return nil
}

// mixed makes the objects, in an order that only the seed decides.
func (l *world) mixed() (objects []object, err error) {
	m := l.mixture()
	for _, c := range []class{{"small", smallSize, m.small}, {"medium", 512 << 10, m.medium}, {"large", 16 << 20, m.large}} {
		for i := range c.count {
			o, err := l.registry.add(fmt.Sprintf("mixed %s %d", c.name, i), c.size)
			if err != nil {
				return nil, err
			}
			objects = append(objects, o)
		}
	}
	random := rand.New(rand.NewPCG(l.seed, 7))
	random.Shuffle(len(objects), func(i, j int) { objects[i], objects[j] = objects[j], objects[i] })
	return objects, nil
}

// askAll asks for all objects, each once, and now and then for the list.
func (l *world) askAll(ctx context.Context, p *product, objects []object) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	todo := make(chan object)
	var work sync.WaitGroup
	for range l.mixture().clients {
		work.Go(func() {
			through := p.through()
			defer through.close()
			for o := range todo {
				if t := through.get(ctx, o, nil); t.err != nil {
					cancel(fmt.Errorf("the client of %q saw an error: %w", o.name, t.err))
				}
			}
		})
	}
	through := p.through()
	defer through.close()
	for i, o := range objects {
		if i%20 == 0 && ctx.Err() == nil {
			if err := through.list(ctx); err != nil {
				cancel(fmt.Errorf("the client of the list saw an error: %w", err))
			}
		}
		select {
		case todo <- o:
		case <-ctx.Done():
		}
	}
	close(todo)
	work.Wait()
	return context.Cause(ctx)
}

// tally is what all servers sent of blobs, and what of it was needed: each object once.
func (l *world) tally() (sent, useful int64) {
	needed := map[string]bool{}
	for _, s := range l.servers {
		for path, n := range s.bytes() {
			sent += n
			if o, ok := l.registry.find(path); ok && path != l.registry.probe.path() && !needed[path] {
				needed[path] = true
				useful += o.size
			} else if strings.HasSuffix(path, listPath) {
				useful += n
			}
		}
	}
	return sent, useful
}
