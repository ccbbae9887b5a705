package split

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const mbit = 1e6 / 8

// pipe passes so many bytes a second, first come, first served. nil: without end.
type pipe struct {
	rate float64
	free time.Time
}

// pass says when n bytes are through.
func (p *pipe) pass(n int, now time.Time) time.Time {
	if p == nil || p.rate == 0 {
		return now
	}
	if p.free.Before(now) {
		p.free = now
	}
	p.free = p.free.Add(time.Duration(float64(n) / p.rate * float64(time.Second)))
	return p.free
}

// mirror is a server behind a link. Its wires are in reach: set what it should suffer from.
type mirror struct {
	name   string
	trip   time.Duration
	rate   float64 // bytes a second of the link; 0: no limit
	each   float64 // bytes a second of one connection; 0: no limit
	usual  float64 // what the job is told of it
	most   int
	access *pipe // behind the link, shared with others

	refuse   error         // of Open
	dead     time.Duration // since the world began: from then on it is silent; 0: never
	alive    time.Duration // and from then on it answers again; 0: never
	breaks   int64         // each body breaks after so many bytes; 0: never
	longer   int           // bytes it sends behind the range
	shorter  int64         // bytes it leaves out at the end
	drip     bool          // a byte a second
	grain    int           // bytes that one Read brings at most; 0: segment
	single   int           // connections that it serves at once; 0: any number
	hiccup   float64       // chance of a stop of hiccupFor a segment
	hiccupOf time.Duration

	link  pipe
	conns map[int]*conn
	open  int
	opens int
}

type conn struct {
	pipe
	born time.Time
}

// world is what a job sees of the network, in virtual time.
type world struct {
	t       *testing.T
	mirrors []*mirror
	began   time.Time
	mu      sync.Mutex
	seed    uint64
	bodies  int // open ones

	job  Job
	got  int64 // written
	slow time.Duration
}

// object repeats itself after a prime number of bytes, so that no chunk or block looks like another.
var object = func() []byte {
	const period = 65_521
	p := make([]byte, period)
	for i := range p {
		p[i] = byte(i*i>>3 ^ i>>8)
	}
	return append(p, p...)
}()

// stretch is the n bytes of the object from at on; n is at most the period.
func stretch(at int64, n int) []byte {
	at %= int64(len(object) / 2)
	return object[at : at+int64(n)]
}

func newWorld(t *testing.T, size int64, mirrors ...*mirror) *world {
	w := &world{t: t, mirrors: mirrors, began: time.Now(), seed: 1}
	for _, m := range mirrors {
		m.link.rate, m.conns = m.rate, map[int]*conn{}
		w.job.Sources = append(w.job.Sources, Source{Base: m.name, Rate: m.usual, Most: m.most})
	}
	w.job.Size, w.job.Open, w.job.Write = size, w.openRange, w.write
	return w
}

func (w *world) write(p []byte) error {
	for len(p) > 0 {
		n := min(len(p), segment)
		if !bytes.Equal(p[:n], stretch(w.got, n)) {
			w.t.Errorf("bytes [%d, %d)\ngot  others\nwant those of the object", w.got, w.got+int64(n))
			return errors.New("wrong bytes")
		}
		w.got += int64(n)
		p = p[n:]
	}
	if w.slow > 0 {
		time.Sleep(w.slow)
	}
	return nil
}

func (w *world) chance(p float64) bool {
	w.seed = w.seed*6364136223846793005 + 1442695040888963407
	return float64(w.seed>>11)/(1<<53) < p
}

func (m *mirror) silent(w *world) bool {
	age := time.Since(w.began)
	return m.dead > 0 && age >= m.dead && (m.alive == 0 || age < m.alive)
}

var errReset = errors.New("connection reset")

func (w *world) openRange(ctx context.Context, s Source, lane int, from, to int64) (io.ReadCloser, error) {
	var m *mirror
	for _, m = range w.mirrors {
		if m.name == s.Base {
			break
		}
	}
	w.mu.Lock()
	m.opens++
	c, trips := m.conns[lane], 1
	if c == nil {
		c, trips = &conn{pipe: pipe{rate: m.each}}, 3 // TCP and TLS
		m.conns[lane] = c
	}
	w.mu.Unlock()
	if err := w.sleep(ctx, time.Duration(trips)*m.trip); err != nil {
		return nil, err
	}
	if m.silent(w) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if m.refuse != nil {
		return nil, m.refuse
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if m.single > 0 && m.open >= m.single {
		return nil, errReset
	}
	if c.born.IsZero() {
		c.born = time.Now()
	}
	return w.bodyLocked(ctx, m, c, from, to), nil
}

func (w *world) bodyLocked(ctx context.Context, m *mirror, c *conn, from, to int64) *body {
	w.bodies++
	m.open++
	b := &body{w: w, m: m, conn: c, at: from, end: to - m.shorter + int64(m.longer), stop: make(chan struct{})}
	if m.breaks > 0 {
		b.cut = from + m.breaks
	}
	b.ctx = ctx
	return b
}

// lead opens a body as the caller of Run has one.
func (w *world) lead(to int64) {
	m := w.mirrors[0]
	c := &conn{pipe: pipe{rate: m.each}, born: time.Now()}
	m.conns[0] = c
	w.job.LeadTo = to
	if to == 0 {
		to = w.job.Size
	}
	w.job.Lead = w.bodyLocked(context.Background(), m, c, w.job.From, to)
}

func (w *world) sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// body arrives in segments as the pipes let it through.
type body struct {
	w       *world
	m       *mirror
	conn    *conn
	ctx     context.Context
	at, end int64
	cut     int64
	stop    chan struct{}
	once    sync.Once
}

const segment = 16 << 10

func (b *body) Read(p []byte) (int, error) {
	n := int(min(int64(len(p)), int64(cmp.Or(b.m.grain, segment)), b.end-b.at))
	if b.cut > 0 && b.at >= b.cut {
		return 0, errReset
	}
	if n <= 0 {
		return 0, io.EOF
	}
	ready := b.ready(n)
	if b.m.drip {
		n, ready = 1, time.Now().Add(time.Second)
	}
	timer := time.NewTimer(time.Until(ready))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-b.stop:
		return 0, errors.New("read of a closed body")
	case <-b.ctx.Done():
		return 0, b.ctx.Err()
	}
	if b.m.silent(b.w) {
		select {
		case <-b.stop:
		case <-b.ctx.Done():
		}
		return 0, errors.New("closed in silence")
	}
	copy(p, stretch(b.at, n))
	b.at += int64(n)
	return n, nil
}

// ready is when n bytes are through all pipes. A young connection is slower: ten segments of TCP in the first round trip,
// twice as many in each that follows.
func (b *body) ready(n int) time.Time {
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	now := time.Now()
	last := b.conn.pass(n, now)
	for _, p := range []*pipe{&b.m.link, b.m.access} {
		if at := p.pass(n, now); at.After(last) {
			last = at
		}
	}
	if b.m.trip > 0 {
		rounds := min(float64(now.Sub(b.conn.born))/float64(b.m.trip), 20)
		rate := 14600 * float64(int64(1)<<int(rounds)) / b.m.trip.Seconds()
		if at := now.Add(time.Duration(float64(n) / rate * float64(time.Second))); at.After(last) {
			last = at
		}
	}
	if b.m.hiccup > 0 && b.w.chance(b.m.hiccup) {
		last = last.Add(b.m.hiccupOf)
		b.conn.free = last
	}
	return last
}

func (b *body) Close() error {
	b.once.Do(func() {
		close(b.stop)
		b.w.mu.Lock()
		b.w.bodies--
		b.m.open--
		b.w.mu.Unlock()
	})
	return nil
}

// after changes the world after so long.
func (w *world) after(d time.Duration, change func()) {
	time.AfterFunc(d, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		change()
	})
}

// openAt counts the bodies of each mirror that are open after so long.
func (w *world) openAt(d time.Duration) func() []int {
	var counts []int
	time.AfterFunc(d, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, m := range w.mirrors {
			counts = append(counts, m.open)
		}
	})
	return func() []int { return counts }
}

// outcome is what a job did in the world.
type outcome struct {
	Result
	err  error
	took time.Duration
}

// run runs the job and checks what must always be true.
func (w *world) run(ctx context.Context) outcome {
	w.t.Helper()
	began := time.Now()
	result, err := w.job.Run(ctx)
	o := outcome{result, err, time.Since(began)}
	synctest.Wait()
	if w.bodies != 0 {
		w.t.Errorf("open bodies\ngot  %d\nwant 0", w.bodies)
	}
	w.checkParts(o)
	if w.got != result.Next {
		w.t.Errorf("written up to\ngot  %d\nwant %d as Result says", w.got, result.Next)
	}
	if err == nil && result.Next != w.job.Size {
		w.t.Errorf("success at\ngot  %d\nwant %d", result.Next, w.job.Size)
	}
	return o
}

func (w *world) checkParts(o outcome) {
	w.t.Helper()
	at, sums := w.job.From, map[string]int64{}
	for i, p := range o.Parts {
		if p.From != at || p.To <= p.From || i > 0 && o.Parts[i-1].Base == p.Base {
			w.t.Errorf("part %d\ngot  %v after %v\nwant one that goes on at %d", i, p, o.Parts[:i], at)
		}
		at = p.To
		sums[p.Base] += p.To - p.From
	}
	if at != o.Next {
		w.t.Errorf("parts end\ngot  %d\nwant %d", at, o.Next)
	}
	for _, t := range o.Tallies {
		if t.Bytes != sums[t.Base] || t.Extra < 0 {
			w.t.Errorf("tally of %s\ngot  %d bytes and %d extra\nwant %d bytes, as in the parts", t.Base, t.Bytes, t.Extra, sums[t.Base])
		}
	}
}

func (o outcome) String() string {
	s := fmt.Sprintf("%v, err %v, %+v", o.took.Round(time.Millisecond), o.err, o.Stats)
	for _, t := range o.Tallies {
		s += fmt.Sprintf("\n    %s: %d bytes, %d extra, wait %v, busy %v, %d conns, %d ranges, err %v", t.Base, t.Bytes, t.Extra, t.Wait, t.Busy.Round(time.Millisecond), t.Conns, t.Ranges, t.Err)
	}
	return s
}

// extra is the share of bytes that were received for nothing.
func (w *world) extra(o outcome) float64 { return float64(o.Stats.Extra) / float64(w.job.Size) }
