//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hither/bench/lab"
)

// killing is how large the experiment is.
type killing struct {
	size   int64         // of what is downloaded
	back   time.Duration // how long a source that is well again may go unused
	settle time.Duration // what is left of the recovery before jitter begins
	jitter time.Duration // how long flapping is looked for
}

func (s *site) killing() killing {
	if s.short {
		return killing{10 << 20, 10 * time.Second, 3 * time.Second, 6 * time.Second}
	}
	return killing{64 << 20, time.Minute, 15 * time.Second, 80 * time.Second}
}

const (
	smallSize = 8 << 10
	// pace of small requests: ten seconds are forty of them.
	pace = 250 * time.Millisecond
	// shaken is the jitter under which choices have to hold, as a share of the way.
	shaken = 0.2
)

// kill lets the best link die while an object comes over it, and revives it later.
func kill(ctx context.Context, l *world, r *report) error {
	p, err := l.start(ctx)
	if err != nil {
		return err
	}
	defer p.stop()
	through := p.through()
	defer through.close()
	how := l.killing()
	if err := l.warm(ctx, through); err != nil {
		return err
	}
	calm, err := l.fetch(ctx, through, "undisturbed", how.size, nil)
	if err != nil {
		return err
	}
	r.figure("undisturbed", calm.took.Seconds(), "s")
	victim, err := l.killMidway(ctx, through, calm.took, r)
	if err != nil {
		return err
	}
	if err := l.whileDead(ctx, through, r); err != nil {
		return err
	}
	if err := l.Emulator.Set(ctx, victim, "loss=0"); err != nil {
		return err
	}
	if err := l.untilUsed(ctx, through, victim, r); err != nil {
		return err
	}
	return l.shake(ctx, through, r)
}

// fetch gets a new object of some size.
func (l *world) fetch(ctx context.Context, c *client, name string, size int64, progress func(int64)) (transfer, error) {
	o, err := l.registry.add(name, size)
	if err != nil {
		return transfer{}, err
	}
	t := c.get(ctx, o, progress)
	if t.err != nil {
		return t, fmt.Errorf("the client of %q saw an error: %w", name, t.err)
	}
	return t, nil
}

// warm lets Hither learn: of every size some.
func (l *world) warm(ctx context.Context, c *client) error {
	for i := range 28 {
		size := int64(smallSize)
		if i%4 == 3 {
			size = 1 << 20
		}
		if i%14 == 13 {
			size = 5 << 20
		}
		if _, err := l.fetch(ctx, c, fmt.Sprint("warm ", i), size, nil); err != nil {
			return err
		}
	}
	return nil
}

// killMidway fetches an object, and kills the link that brings the most of it when two fifths are there.
func (l *world) killMidway(ctx context.Context, c *client, calm time.Duration, r *report) (victim string, err error) {
	how := l.killing()
	o, err := l.registry.add("killed", how.size)
	if err != nil {
		return "", err
	}
	var killing error
	t := c.get(ctx, o, func(n int64) {
		if victim == "" && n > how.size*2/5 {
			victim = l.busiest(o)
			killing = l.Emulator.Set(ctx, victim, "loss=100")
		}
	})
	if killing != nil {
		return victim, killing
	}
	r.note("killed at two fifths: %s, which had sent the most", victim)
	errs := 0.0
	if t.err != nil {
		errs = 1
		r.note("the client saw: %v", t.err)
	}
	r.figure("with the best link killed", t.took.Seconds(), "s")
	r.figure("longest time without a byte", t.gap.Seconds(), "s")
	most := l.stall + calm/4
	r.verdict("errors of the client", errs, "0", errs == 0)
	r.verdict("more time than undisturbed, s", (t.took - calm).Seconds(), fmt.Sprintf("< %.3g: stall bound %s and a quarter", most.Seconds(), l.stall), errs == 0 && t.took-calm < most)
	if victim == "" {
		return "", errors.New("nothing came, so nothing could be killed")
	}
	return victim, nil
}

// busiest is the server that has sent the most of an object.
func (l *world) busiest(o object) (name string) {
	most := int64(-1)
	for _, link := range l.Links {
		if n := l.servers[link.Name].bytes()[o.path()]; n > most {
			most, name = n, link.Name
		}
	}
	return name
}

// whileDead asks for small objects when the best source has just died.
func (l *world) whileDead(ctx context.Context, c *client, r *report) error {
	worst, errs := time.Duration(0), 0.0
	var sources []string
	for i := range 12 {
		t, err := l.fetch(ctx, c, fmt.Sprint("while dead ", i), smallSize, nil)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			errs++
			r.note("%v", err)
		}
		sources = append(sources, t.source)
		worst = max(worst, t.took)
	}
	r.note("small requests while it is dead: %s", sequence(sources))
	r.figure("the slowest of them", worst.Seconds(), "s")
	r.verdict("errors of small requests while it is dead", errs, "0", errs == 0)
	return nil
}

// untilUsed waits until the revived link brings something to a client again. Probes do not count.
func (l *world) untilUsed(ctx context.Context, c *client, victim string, r *report) error {
	began, most := time.Now(), l.killing().back
	for i := 0; time.Since(began) < most; i++ {
		size := int64(smallSize)
		if i%8 == 7 {
			size = 1 << 20
		}
		o, err := l.registry.add(fmt.Sprint("back ", i), size)
		if err != nil {
			return err
		}
		if t := c.get(ctx, o, nil); t.err != nil {
			return fmt.Errorf("a client saw an error after the link was back: %w", t.err)
		}
		if l.servers[victim].bytes()[o.path()] > 0 {
			r.verdict("used again after it came back, s", time.Since(began).Seconds(), fmt.Sprintf("≤ %g", most.Seconds()), true)
			return nil
		}
		if err := lab.Pause(ctx, pace); err != nil {
			return err
		}
	}
	r.verdict("used again after it came back, s", time.Since(began).Seconds(), fmt.Sprintf("≤ %g", most.Seconds()), false)
	return nil
}

// shake lets all links jitter, and counts how often the choice changes. To go back to the revived link is not flapping,
// so it has some time for that first.
func (l *world) shake(ctx context.Context, c *client, r *report) error {
	if _, err := l.small(ctx, c, "settling", l.killing().settle); err != nil {
		return err
	}
	for _, link := range l.Links {
		if err := l.Emulator.Set(ctx, link.Name, fmt.Sprintf("jitter=%g", link.RTT/2*shaken)); err != nil {
			return err
		}
	}
	began := time.Now()
	sources, err := l.small(ctx, c, "shaken", l.killing().jitter)
	if err != nil {
		return err
	}
	changes := float64(len(choices(sources))-1) / time.Since(began).Minutes()
	r.note("under %g %% jitter: %s", shaken*100, sequence(sources))
	r.figure("answers of others than the chosen", float64(strays(sources)), "requests")
	r.verdict("changes of choice a minute under jitter", changes, "< 1", changes < 1)
	return nil
}

// small asks for small objects for a while, and returns who served them.
func (l *world) small(ctx context.Context, c *client, name string, most time.Duration) (sources []string, err error) {
	began := time.Now()
	for i := 0; time.Since(began) < most; i++ {
		t, err := l.fetch(ctx, c, fmt.Sprint(name, i), smallSize, nil)
		if err != nil {
			return sources, err
		}
		sources = append(sources, t.source)
		if err := lab.Pause(ctx, pace); err != nil {
			return sources, err
		}
	}
	return sources, nil
}
