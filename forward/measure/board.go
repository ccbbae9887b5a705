package measure

import (
	"sync"
	"time"
)

const (
	maxBases  = 512  // upstreams remembered; the longest unused goes first
	maxGroups = 1024 // lists remembered, each with its incumbent
)

// Board ranks upstreams. The zero value works; Now is set before first use. Its methods may be called from many goroutines.
type Board struct {
	Now func() time.Time // nil: time.Now

	mu     sync.Mutex
	bases  map[string]*record
	groups map[string]*group
	holes  holes
}

// Add takes one transfer into account. Times that cannot be are brought to the nearest that can. Whose base Load would not
// read back is passed over.
func (b *Board) Add(s Sample) {
	if s.Outcome < 0 || int(s.Outcome) >= len(words) || !writable(s.Base, maxBaseName) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	var ended time.Time
	s, ended = plausible(s, now)
	r := b.recordLocked(s.Base, now)
	r.add(s, ended)
	r.History.add(s, ended, now)
	switch s.Outcome {
	case Missing:
		b.holes.open(s.Base, s.Name, now)
	case OK:
		b.holes.close(s.Base, s.Name)
	}
}

// plausible brings the times within what is believed: a transfer neither ends later than now nor took longer than longest,
// and is told of soon after.
func plausible(s Sample, now time.Time) (_ Sample, ended time.Time) {
	s.Took, s.Bytes = min(max(s.Took, 0), longest), max(s.Bytes, 0)
	s.Wait = min(max(s.Wait, 0), longest)
	if s.When.IsZero() {
		s.When = now.Add(-s.Took)
	}
	s.When = latest(earlier(s.When, now), now.Add(-2*longest))
	return s, earlier(s.When.Add(s.Took), now)
}

// Resting says that an upstream failed lately and should be asked behind the others, where the order is otherwise fixed: an
// origin that cannot be reached must not delay every request by its silence. When its time is over, one caller in trial
// hears false, and tries it.
func (b *Board) Resting(base string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	r := b.knownLocked(base, now)
	switch r.state(now) {
	case Ejected, Quarantined:
		return true
	case HalfOpen:
		return !r.try(now)
	}
	return false
}

// Late is the time within which nine of ten answers of that class began, of the last day: after it, a second source is
// worth its bytes. 0: fewer than eight answers are known.
func (b *Board) Late(base string, c Class) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	r := b.knownLocked(base, now)
	if r == nil || c < 0 || c >= classes {
		return 0
	}
	if s := r.Classes[c].Window.spread(now); s.Count >= enough {
		return s.P90
	}
	return 0
}

// Rate is the usual goodput of one transfer, in bytes a second behind the first byte, of large objects, or else of medium
// ones. 0: not known.
func (b *Board) Rate(base string) float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.bases[base]
	if r == nil {
		return 0
	}
	return r.rate(Large)
}

// Doubt tells the board that the network changed: ejections end, what was measured is doubted until it is measured again,
// incumbents are forgotten. Quarantines stay, and so do holes, which are the mirrors'.
func (b *Board) Doubt() {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	for _, r := range b.bases {
		r.doubt(now)
	}
	b.groups = nil
}

// Behind tells the board whether an upstream lacks the origin's newest entry. That is believed for six hours, or until it
// is told again.
func (b *Board) Behind(base string, behind bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	switch r := b.bases[base]; {
	case !writable(base, maxBaseName), r == nil && !behind:
	case behind:
		b.recordLocked(base, now).Behind = now
	default:
		r.Behind = time.Time{}
	}
}

// Due are those of the bases that a probe should look at now: the ones never measured, those whose rest is over, and those
// whose measurements are old. Ejected and quarantined ones are left alone. The argument is not changed.
func (b *Board) Due(bases []string) (due []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	for _, base := range bases {
		r := b.knownLocked(base, now)
		switch r.state(now) {
		case Untried, HalfOpen:
			due = append(due, base)
		case Good:
			if r.doubtful(now) {
				due = append(due, base)
			}
		}
	}
	return due
}

func (b *Board) now() time.Time {
	if b.Now == nil {
		return time.Now()
	}
	return b.Now()
}

// knownLocked is the record of an upstream, right for a clock that was put back; nil: nothing is known.
func (b *Board) knownLocked(base string, now time.Time) *record {
	r := b.bases[base]
	if r != nil {
		r.settle(now)
	}
	return r
}

// recordLocked is the same, made if need be. Then it makes room, too. A quarantined one is the last to be forgotten, for
// that would pardon it.
func (b *Board) recordLocked(base string, now time.Time) *record {
	if r := b.knownLocked(base, now); r != nil {
		return r
	}
	if len(b.bases) >= maxBases {
		delete(b.bases, oldest(b.bases, func(r *record) time.Time {
			return latest(r.Last, r.Quarantined)
		}))
	}
	if b.bases == nil {
		b.bases = make(map[string]*record)
	}
	r := &record{Last: now}
	b.bases[base] = r
	return r
}

// oldest is the key whose time lies furthest back.
func oldest[V any](m map[string]V, when func(V) time.Time) string {
	first, key := time.Time{}, ""
	for k, v := range m {
		if t := when(v); key == "" || t.Before(first) || t.Equal(first) && k < key {
			first, key = t, k
		}
	}
	return key
}
