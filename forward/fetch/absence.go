package fetch

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptrace"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"hither/forward/dial"
	"hither/rules"
)

const (
	// outage is for how long the network may be away before what waits for it is given up. A client without us would wait about as
	// long: its connection, or the sender at the other end, only sends again.
	outage = 75 * time.Second
	// outagePace is how often it is tried to connect, and outageTry for how long each time: a packet that was lost while the network was
	// away is sent again seconds later, a new one at once.
	outagePace, outageTry = time.Second, 4 * time.Second
	// silence is how long nobody answers where packets are lost. A machine that has no network says so sooner.
	silence = time.Second
	// unheardOutage is that as long as nobody has answered since the start: perhaps there is no network, and clients without us give up after
	// half a minute, too.
	unheardOutage = 30 * time.Second
	// witnesses is how many of those who answered last are tried beside the ones that are wanted: does one of them take connections,
	// the network is not away.
	witnesses = 4
)

// ErrInVain is for Reach: the source cannot be connected to for a reason that waiting does not mend.
var ErrInVain = errors.New("to wait does not help")

// errAway is for want of a network.
var errAway = errors.New("nothing can be connected to")

// absence is what all who wait for the network know together of whether it is away, so that thousands wait as long as one. The zero absence
// knows nothing. It may be used from many goroutines.
type absence struct {
	mu     sync.Mutex
	heard  []string  // who answered last, the last one first
	when   time.Time // when the last byte came; zero: none has since the start
	gone   time.Time // since when nobody could be connected to; zero: nobody has looked in vain since somebody answered
	looked time.Time // when that was last seen
	waits  int       // who waits
}

// answered notes that something came from base.
func (n *absence) answered(base string, now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.when, n.gone = now, time.Time{}
	n.heard = slices.DeleteFunc(n.heard, func(b string) bool { return b == base })
	n.heard = slices.Insert(n.heard, 0, base)
	n.heard = n.heard[:min(len(n.heard), witnesses)]
}

// flows notes that bytes come, from whomever.
func (n *absence) flows(now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.when, n.gone = now, time.Time{}
}

// carries notes that somebody could be connected to.
func (n *absence) carries() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.gone = time.Time{}
}

// hasWitness says that anybody has answered since the start.
func (n *absence) hasWitness() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.heard) > 0
}

// with adds the witnesses to bases.
func (n *absence) with(bases []string) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := slices.Concat(bases, n.heard)
	slices.Sort(all)
	return slices.Compact(all)
}

// endures notes that nobody could be connected to, which took so long to be seen, and says whether that is waited for. Where the machine
// says at once that it has no network, and nobody has answered for long, it is not: it is offline, and who asks without us hears so
// at once, too.
func (n *absence) endures(took time.Duration, first bool, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.gone.IsZero() || now.Sub(n.looked) > outage { // what was seen then is over, perhaps
		n.gone = now.Add(-took)
	}
	n.looked = now
	bound := outage
	if n.when.IsZero() {
		bound = unheardOutage
	}
	offline := took < silence && (n.when.IsZero() || now.Sub(n.when) > outage)
	return now.Sub(n.gone) < bound && !(first && offline)
}

func (n *absence) wait(more int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.waits += more
}

// Waiting is how many requests and downloads wait for the network.
func (f *Fetcher) Waiting() int {
	f.absence.mu.Lock()
	defer f.absence.mu.Unlock()
	return f.absence.waits
}

func (f *Fetcher) waits(req Request, err error) {
	if f.Trace.Waits != nil {
		f.Trace.Waits(req, err)
	}
}

// await waits while nobody can be connected to: neither these, nor who answered last. was tells that the network was away, and back that
// it carries now. An error says that it is away, and is not waited for any more; it is nil where nobody wants that.
func (f *Fetcher) await(ctx context.Context, bases []string, wanted func() bool, told func(error)) (was, back bool, err error) {
	waits := 0
	defer func() { f.absence.wait(-waits) }()
	for first := true; wanted() && ctx.Err() == nil; first = false {
		took, cannot := f.reaches(f.absence.with(bases))
		switch {
		case cannot == nil:
			f.absence.carries()
			return !first, true, nil
		case errors.Is(cannot, errClosed):
			return true, false, cannot
		case !f.absence.endures(took, first, f.now()):
			return true, false, errAway
		case first:
			told(cannot)
			waits = 1
			f.absence.wait(1)
		}
		select {
		case <-time.After(outagePace):
		case <-ctx.Done():
		}
	}
	return true, false, nil
}

// look is what came of trying to connect to a base.
type look struct {
	base string
	took time.Duration
	err  error
}

// looks tries to connect to each of bases. All who wait for the same one ask together. nil: we are stopping.
func (f *Fetcher) looks(bases []string) <-chan look {
	ends := make(chan look, len(bases))
	for _, base := range bases {
		open := f.flights.beside(func(ctx context.Context) {
			took, err, _ := f.probes.Do(base, func() (any, error) {
				began := time.Now()
				ctx, cancel := context.WithTimeout(ctx, outageTry)
				defer cancel()
				err := f.Reach(ctx, base)
				return time.Since(began), err
			})
			ends <- look{base, took.(time.Duration), err}
		})
		if !open {
			return nil
		}
	}
	return ends
}

// reaches says why none of bases can be connected to, and how long it took to see that; nil: one can, or waiting would help with none.
func (f *Fetcher) reaches(bases []string) (took time.Duration, err error) {
	ends := f.looks(bases)
	if ends == nil {
		return 0, errClosed
	}
	var failures []error
	for range bases {
		end := <-ends
		switch {
		case end.err == nil:
			return 0, nil
		case !errors.Is(end.err, ErrInVain):
			failures, took = append(failures, end.err), max(took, end.took)
		}
	}
	return took, errors.Join(failures...)
}

// there are those of bases that can be connected to without much ado.
func (f *Fetcher) there(bases []string) (those []string) {
	ends, enough := f.looks(bases), time.After(silence)
	for range bases {
		select {
		case end := <-ends:
			if end.err == nil {
				those = append(those, end.base)
			}
		case <-enough:
			return those
		}
	}
	return those
}

// beside runs what several may wait for, and none alone. Its ctx ends with close; false: that has been.
func (fs *flights) beside(run func(ctx context.Context)) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.shut {
		return false
	}
	fs.beginLocked()
	fs.wg.Go(func() { run(fs.ctx) })
	return true
}

// Persist has ask do a request to base that may be done twice, or connect to it, and again when the network is back, if it is away. It ends
// with ctx, and when that takes too long. As long as no registry has answered, one host that is away does not show that the network is.
func (f *Fetcher) Persist(ctx context.Context, base string, ask func(context.Context) error) error {
	own := []string{base}
	return f.persist(ctx, own, own, f.absence.hasWitness, func(error) {}, func(ctx context.Context) error {
		answered := func() { f.absence.answered(base, f.now()) } // not by who was merely connected to
		return ask(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotFirstResponseByte: answered}))
	})
}

// persist is Persist for what is asked of own, in whose place others may know it: all.
func (f *Fetcher) persist(ctx context.Context, own, all []string, wanted func() bool, told func(error), ask func(context.Context) error) (err error) {
	again := true
	for range maxTries {
		var met atomic.Bool
		err = ask(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
			GotConn:     func(httptrace.GotConnInfo) { met.Store(true) },
			ConnectDone: func(_, _ string, err error) { met.CompareAndSwap(false, err == nil) }, // its TLS may fail, or hang
		}))
		if err == nil || f.Reach == nil || errors.Is(err, dial.ErrDenied) {
			break
		}
		was, back, away := f.await(ctx, all, wanted, told)
		switch {
		case away != nil:
			return fmt.Errorf("%w: %w", away, err)
		case !back, !was && (met.Load() || !again || len(f.there(own)) == 0): // nobody waits, or it refuses, hangs or is away by itself
			return err
		}
		again = was
	}
	return err
}

func basesOf(sources []rules.Source) []string {
	bases := make([]string, 0, len(sources))
	for _, src := range sources {
		bases = append(bases, src.Base)
	}
	return bases
}
