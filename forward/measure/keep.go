package measure

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
	"unicode/utf8"
)

const (
	keptVersion  = 1
	maxKept      = 64 << 20 // bytes of a saved board that are read; a full one has less
	maxKeptHoles = 2_000    // holes that are saved, the newest: they last an hour only
	maxBaseName  = 2 << 10  // bytes
	maxCount     = 1 << 30  // of anything; more is damage
	maxMoment    = 1 << 40  // seconds since 1970; later ones are damage
)

// ErrDamaged says that what Load read is not what a Save wrote, or not all of it.
var ErrDamaged = errors.New("the kept measurements are damaged; remove them, and measuring begins anew")

// kept is a board as it is written.
type kept struct {
	Version int                `json:"version"`
	Saved   time.Time          `json:"saved"`
	Bases   map[string]*record `json:"bases"`
	Holes   []keptHole         `json:"holes,omitempty"` // the oldest first
}

type keptHole struct {
	hole
	When time.Time `json:"when"`
}

// Save writes what the board knows, as JSON. Incumbents are not written: after a restart all connections are cold, so that
// the best one may as well be taken.
func (b *Board) Save(w io.Writer) error {
	text, err := b.encode()
	if err != nil {
		return fmt.Errorf("writing down the measurements: %w", err)
	}
	_, err = w.Write(text)
	return err
}

// encode holds the lock, which must not wait for a disk.
func (b *Board) encode() ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	for base, r := range b.bases {
		b.knownLocked(base, now)
		r.History.trim(now)
	}
	return json.Marshal(kept{keptVersion, now.UTC(), b.bases, b.holes.newest(maxKeptHoles, now)})
}

// newest are the last holes, the oldest first.
func (h *holes) newest(n int, now time.Time) (list []keptHole) {
	for _, d := range slices.Backward(h.queue) {
		if len(list) == n {
			break
		}
		if when, ok := h.seen[d.hole]; ok && when.Equal(d.when) && now.Sub(when) < holeSpan {
			list = append(list, keptHole{d.hole, earlier(when, now)})
		}
	}
	slices.Reverse(list)
	return list
}

// Load replaces what the board knows by what Save wrote. What time has passed since then counts, and what claims to be of
// the future is of now. An error that is ErrDamaged leaves the board as it was; so does one of r itself.
func (b *Board) Load(r io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(r, maxKept+1))
	if err != nil {
		return fmt.Errorf("reading the kept measurements: %w", err)
	}
	if len(text) > maxKept {
		return fmt.Errorf("%w: more than %d bytes", ErrDamaged, maxKept)
	}
	var k kept
	if err := json.Unmarshal(text, &k); err != nil {
		return fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	if err := k.check(); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	b.bases, b.groups, b.holes = k.Bases, nil, holes{}
	for base := range b.bases {
		b.knownLocked(base, now).History.trim(now)
	}
	for _, h := range k.Holes {
		b.holes.open(h.Base, h.Name, earlier(h.When, now))
	}
	return nil
}

// check looks at everything, for a later calculation must not.
func (k *kept) check() error {
	switch {
	case k.Version != keptVersion:
		return fmt.Errorf("they are of version %d, this program reads version %d", k.Version, keptVersion)
	case len(k.Bases) > maxBases:
		return fmt.Errorf("%d upstreams, more than %d", len(k.Bases), maxBases)
	case len(k.Holes) > maxKeptHoles:
		return fmt.Errorf("%d holes, more than %d", len(k.Holes), maxKeptHoles)
	}
	for _, h := range k.Holes {
		if !writable(h.Base, maxBaseName) || !writable(h.Name, maxHoleName) {
			return errors.New("a hole has no name or too long a one")
		}
	}
	for base, r := range k.Bases {
		if !writable(base, maxBaseName) {
			return fmt.Errorf("%d bytes are not the address of an upstream", len(base))
		}
		if err := r.check(); err != nil {
			return fmt.Errorf("%q: %w", base, err)
		}
	}
	return nil
}

// writable says that a name is the same when it was saved and loaded: JSON replaces what is not UTF-8 by something longer.
func writable(name string, most int) bool {
	return name != "" && len(name) <= most && utf8.ValidString(name)
}

func (r *record) check() error {
	if r == nil {
		return errors.New("nothing is said of it")
	}
	for o, n := range r.Outcomes {
		if n < 0 || n > maxCount {
			return fmt.Errorf("%d transfers ended %s", n, o)
		}
	}
	err := errors.Join(
		within("failures", r.Failures, 0, patience),
		within("ejections", r.Ejections, 0, maxCount),
		within("rest", r.Rest, 0, longestRest),
		within("sentence", r.Sentence, 0, maxQuarantine),
		within("lies", r.Lies, 0, maxCount),
		within("history", len(r.History), 0, int(historySpan/bucketSpan)+1))
	for i := range r.Classes {
		if e := r.Classes[i].check(); e != nil {
			err = errors.Join(err, fmt.Errorf("%s objects: %w", Class(i), e))
		}
	}
	return errors.Join(err, r.History.check())
}

func (f *figures) check() error {
	err := errors.Join(
		within("wait", f.Wait, 0, longest),
		within("usual wait", f.Usual, 0, longest),
		within("wait of probes", f.ProbeWait, 0, longest),
		within("newest wait", f.Newest, 0, longest),
		within("newest rate", f.NewestRate, 0, fastest),
		within("rate", f.Rate, 0, fastest),
		within("usual rate", f.UsualRate, 0, fastest),
		within("waits", f.Waits, 0, maxCount),
		within("rates", f.Rates, 0, maxCount),
		within("probes", f.Probes, 0, maxCount),
		within("asks", f.Asks, 0, maxCount),
		within("right", f.Right, 0, maxCount),
		within("missing", f.Missing, 0, 1),
		within("failing", f.Failing, 0, 1),
		within("cost of misses", f.MissCost, 0, dearest),
		within("cost of failures", f.FailCost, 0, dearest),
		within("window", len(f.Window.Moments), 0, windowSize),
		within("place in the window", f.Window.Next, 0, max(len(f.Window.Moments)-1, 0)))
	for _, m := range f.Window.Moments {
		err = errors.Join(err,
			within("wait", m.Wait, 0, longest),
			within("time of a wait", m.At, -maxMoment, maxMoment))
	}
	return err
}

func (h history) check() (err error) {
	if !slices.IsSortedFunc(h, func(x, y tally) int { return cmp.Compare(x.Slot, y.Slot) }) {
		return errors.New("its history is not sorted")
	}
	for i, t := range h {
		if i > 0 && h[i-1].Slot == t.Slot {
			return errors.New("its history has five minutes twice")
		}
		err = errors.Join(err,
			within("slot", t.Slot, -maxMoment, maxMoment),
			within("requests", t.Requests, 1, maxCount),
			within("failures", t.Failures, 0, t.Requests),
			within("waits", t.Waits, 0, t.Requests),
			within("time waited", t.Waited, 0, float64(t.Waits)*longest.Seconds()),
			within("bytes", t.Bytes, 0, 1e24),
			within("time of sending", t.Sending, 0, float64(t.Requests)*longest.Seconds()))
	}
	return err
}

// within says that a figure cannot be.
func within[N int | int64 | float64 | time.Duration](name string, n, least, most N) error {
	if n >= least && n <= most {
		return nil
	}
	return fmt.Errorf("%s is %v, not from %v to %v", name, n, least, most)
}
