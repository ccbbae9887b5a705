package nameserver

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"hither/resolver/exchange"
	"hither/resolver/exchange/letter"
)

const (
	// openPatience is for opening a connection. It may outlast the question that wanted it: the next one has it then.
	openPatience = 5 * time.Second
	// stall is how long a question may wait on an old connection that says nothing before another one is opened. A
	// connection that a router has forgotten, or that slept with the machine, fails only after minutes.
	stall = time.Second
	// ripe is the age from which a connection is under that suspicion.
	ripe = 10 * time.Second
)

// errClosed is for who asks behind Close.
var errClosed = errors.New("this upstream is closed")

// errMoved is for a connection whose opening began on the network before.
var errMoved = errors.New("the network changed")

// carrier is an open connection that carries questions, many at once.
type carrier interface {
	// ask brings the reply, checked against the letter. After an error, dead says whether the connection was the reason.
	ask(ctx context.Context, l letter.Letter) (*dns.Msg, error)
	heard() time.Time // when the server last said something
	dead() bool       // no more questions can be asked
	close()           // ends what is being asked
}

// warm keeps one connection open to a server, opens it when it is first needed, and again when it broke or fell silent.
type warm struct {
	open func(ctx context.Context) (carrier, error)

	mu      sync.Mutex
	current *held
	kept    map[*held]bool // the present one, and those that are still asked
	opening *opening
	running sync.WaitGroup
	closed  bool // nothing begins any more
}

// held is a connection with the number of its users. It is closed by the last one if it is not wanted any more.
type held struct {
	carrier
	born  time.Time
	users int // under warm.mu
}

// opening is a connection being opened. It belongs to nobody who waits for it.
type opening struct {
	done   chan struct{} // closed when held or err stands
	cancel context.CancelFunc
	held   *held
	err    error
}

// ask sends l and once more on a new connection if the old one breaks, or is silent and may be dead.
func (w *warm) ask(ctx context.Context, l letter.Letter) (*dns.Msg, error) {
	ctx, cancel := context.WithCancel(ctx)
	a := asked{warm: w, letter: l, begin: time.Now(), results: make(chan brought, 2)}
	defer a.running.Wait()
	defer cancel()
	a.start(ctx)
	suspicion := time.NewTimer(stall)
	defer suspicion.Stop()
	again := exchange.Resends(ctx)
	for {
		select {
		case b := <-a.results:
			if b.err == nil || !a.another(ctx, b) {
				return b.reply, b.err
			}
		case <-suspicion.C:
			a.doubt(ctx)
		case _, ok := <-again:
			if !ok {
				again = nil
				continue
			}
			a.doubt(ctx)
		}
	}
}

// asked is one question on up to two connections.
type asked struct {
	warm    *warm
	letter  letter.Letter
	begin   time.Time
	first   atomic.Pointer[held] // nil: not open yet
	results chan brought         // has room for both
	running sync.WaitGroup
	waiting int
	twice   bool
	errs    []error
}

type brought struct {
	on     *held // nil: none could be opened
	reused bool
	reply  *dns.Msg
	err    error
}

func (a *asked) start(ctx context.Context) {
	a.waiting++
	a.running.Go(func() {
		on, reused, err := a.warm.take(ctx)
		if err != nil {
			a.results <- brought{err: err}
			return
		}
		a.first.CompareAndSwap(nil, on)
		reply, err := on.ask(ctx, a.letter)
		a.warm.release(on)
		a.results <- brought{on, reused, reply, err}
	})
}

// another says whether there is still hope after b failed, and asks again if a connection broke that was not made for
// this question: servers close idle ones, and it may have happened as we wrote.
func (a *asked) another(ctx context.Context, b brought) bool {
	a.waiting--
	a.errs = append(a.errs, b.err)
	broke := b.on != nil && b.reused && b.on.dead()
	if ctx.Err() == nil && !a.twice && (broke || errors.Is(b.err, errMoved)) {
		a.twice = true
		a.start(ctx)
	}
	return a.waiting > 0
}

// doubt opens a second connection if the first is old and has said nothing since the question.
func (a *asked) doubt(ctx context.Context) {
	first := a.first.Load()
	if a.twice || first == nil || time.Since(first.born) <= ripe || first.heard().After(a.begin) {
		return
	}
	a.twice = true
	a.warm.retire(func(h *held) bool { return h == first })
	a.start(ctx)
}

// take returns the open connection, or opens one. reused says that it was there before.
func (w *warm) take(ctx context.Context) (h *held, reused bool, err error) {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return nil, false, errClosed
	}
	w.dropLocked(func(h *held) bool { return h.dead() })
	if h = w.current; h != nil {
		h.users++
		w.mu.Unlock()
		return h, true, nil
	}
	o := w.openLocked(ctx)
	w.mu.Unlock()
	select {
	case <-o.done:
	case <-ctx.Done():
		return nil, false, late(ctx, ctx.Err())
	}
	if o.err != nil {
		return nil, false, o.err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	o.held.users++ // retired meanwhile or not: one that was closed says so when it is asked
	return o.held, false, nil
}

// openLocked joins who waits for the same connection.
func (w *warm) openLocked(ctx context.Context) *opening {
	if w.opening != nil {
		return w.opening
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), openPatience)
	o := &opening{done: make(chan struct{}), cancel: cancel}
	w.opening = o
	w.running.Go(func() {
		defer cancel()
		c, err := w.open(ctx)
		w.mu.Lock()
		defer w.mu.Unlock()
		defer close(o.done)
		if err != nil {
			o.err = late(ctx, err)
		} else {
			o.held = &held{carrier: c, born: time.Now()}
		}
		if w.opening != o { // forgotten meanwhile: it may lead out of a network that is gone
			o.err = errMoved
			if c != nil {
				w.running.Go(c.close)
			}
			return
		}
		if w.opening, w.current = nil, o.held; o.held != nil {
			w.keepLocked(o.held)
		}
	})
	return o
}

func (w *warm) release(h *held) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h.users--
	w.closeLocked(h, h != w.current && h.users == 0)
}

// retire makes the next question open a new connection if the present one is as told. Questions on it may finish.
func (w *warm) retire(which func(*held) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dropLocked(which)
}

func (w *warm) dropLocked(which func(*held) bool) {
	if h := w.current; h != nil && which(h) {
		w.current = nil
		w.closeLocked(h, h.users == 0)
	}
}

func (w *warm) keepLocked(h *held) {
	if w.kept == nil {
		w.kept = map[*held]bool{}
	}
	w.kept[h] = true
}

func (w *warm) closeLocked(h *held, now bool) {
	if now && w.kept[h] {
		delete(w.kept, h)
		w.running.Go(h.close)
	}
}

// forget drops all connections, also one that is being opened: the network is another one now.
func (w *warm) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.current = nil
	for h := range w.kept {
		w.closeLocked(h, true) // whoever waits on it had better ask again
	}
	if w.opening != nil {
		w.opening.cancel()
		w.opening = nil
	}
}

// Close ends all questions and waits for what was started.
func (w *warm) Close() error {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.forget()
	w.running.Wait()
	return nil
}
