package forward

import (
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"hither/forward/fetch"
	"hither/rules"
)

const (
	// readyLife is for how long an answer lies ready. After it the cache is asked again, so that what was evicted or found
	// damaged there is soon not served from here either.
	readyLife = 10 * time.Second
	// readyBody is the largest body that lies ready, in bytes. What is larger gains nothing: its bytes cost more than its head.
	readyBody = 64 << 10
	// readyRoom bounds all of them together, in bytes.
	readyRoom = 16 << 20
	// readyOverhead is what one costs beside its bytes: the request, the report and the place in the map.
	readyOverhead = 2 << 10
)

// Ready is an answer that was given a moment ago and would be given again, byte for byte but for its age: a hit of
// something that cannot change. It is not changed once it lies there.
type Ready struct {
	number  uint64 // tells it from all others; who keeps it does not keep the answer
	key     string
	set     *rules.Set // the rules by which it was found
	until   time.Time  // it is no more than that old
	checked time.Time  // its age counts from here

	front []byte // status line and header fields up to where Age stands
	back  []byte // those behind, up to where Date stands
	block []byte // the head as HTTP/2 has it, without Age and Date
	body  []byte

	request fetch.Request // with the client left out
	report  fetch.Report
	host    string // for the log
	path    string
}

// size is what it costs to keep, in bytes.
func (r *Ready) size() int {
	return len(r.key) + len(r.front) + len(r.back) + len(r.block) + len(r.body) + readyOverhead
}

// small says whether it fits the scratch that every connection has.
func (r *Ready) small() bool { return len(r.body) <= 4<<10 }

// appendTo writes the whole response, as HTTP/1.1 has it, behind b.
func (r *Ready) appendTo(b []byte, now time.Time, date string) []byte {
	b = append(b, r.front...)
	b = append(b, "Age: "...)
	b = strconv.AppendInt(b, r.age(now), 10)
	b = append(b, "\r\n"...)
	b = append(b, r.back...)
	b = append(b, "Date: "...)
	b = append(b, date...)
	b = append(b, "\r\n\r\n"...)
	return append(b, r.body...)
}

// age is in whole seconds (RFC 9111, section 5.1).
func (r *Ready) age(now time.Time) int64 { return int64(max(now.Sub(r.checked), 0) / time.Second) }

// asked is the request with who asks now, and the report as it would read now.
func (r *Ready) asked(now time.Time, client *fetch.Client) (fetch.Request, fetch.Report) {
	request, report := r.request, r.report
	request.Client = client
	report.Age, report.When = max(now.Sub(r.checked), 0), now
	return request, report
}

// readies keeps the answers that lie ready, by what was asked. The zero value is empty. It may be used from many goroutines.
type readies struct {
	mu    sync.RWMutex
	byKey map[string]*Ready
	order []*Ready // the oldest first; those that were replaced stand in it until their time is over
	bytes int      // of order
	made  uint64   // number of the last one
	sweep *time.Timer
	shut  bool
	age   atomic.Uint64 // how often forget was called
}

// find returns what lies ready under key; nil: nothing, or nothing that is still good under these rules.
func (s *readies) find(key []byte, set *rules.Set, now time.Time) *Ready {
	s.mu.RLock()
	r := s.byKey[string(key)]
	s.mu.RUnlock()
	if r == nil || r.set != set || !now.Before(r.until) {
		return nil
	}
	return r
}

// add keeps r, which was found at that age, and lets go of the oldest if there are too many.
func (s *readies) add(r *Ready, age uint64, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut || age != s.age.Load() {
		return
	}
	if s.byKey == nil {
		s.byKey = make(map[string]*Ready)
	}
	s.made++
	r.number = s.made
	s.byKey[r.key] = r
	s.order = append(s.order, r)
	s.bytes += r.size()
	s.trimLocked(now)
	if s.sweep == nil {
		s.sweep = time.AfterFunc(readyLife, s.tidy)
	}
}

// trimLocked drops what is over its time, and the oldest of what is too much.
func (s *readies) trimLocked(now time.Time) {
	for len(s.order) > 0 && (s.bytes > readyRoom || !now.Before(s.order[0].until)) {
		oldest := s.order[0]
		s.order[0] = nil
		s.order = s.order[1:]
		s.bytes -= oldest.size()
		if s.byKey[oldest.key] == oldest {
			delete(s.byKey, oldest.key)
		}
	}
}

// tidy gives the memory back when nobody asks any more.
func (s *readies) tidy() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trimLocked(time.Now())
	if len(s.order) == 0 || s.shut {
		s.sweep = nil
		return
	}
	s.sweep.Reset(readyLife)
}

// forget drops everything, and what was found before and is still to be added.
func (s *readies) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.age.Add(1)
	s.byKey, s.order, s.bytes = nil, nil, 0
}

// close drops everything and keeps nothing any more.
func (s *readies) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shut = true
	s.byKey, s.order, s.bytes = nil, nil, 0
	if s.sweep != nil {
		s.sweep.Stop()
	}
}

// calendar spells the time for Date, once a second. The zero value is ready.
type calendar struct{ last atomic.Pointer[day] }

type day struct {
	second int64
	text   string
}

// date is now as RFC 9110, section 5.6.7 has it.
func (c *calendar) date(now time.Time) string {
	if d := c.last.Load(); d != nil && d.second == now.Unix() {
		return d.text
	}
	d := &day{second: now.Unix(), text: now.UTC().Format(dateFormat)}
	c.last.Store(d)
	return d.text
}
