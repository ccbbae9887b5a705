package prefetch

import (
	"cmp"
	"errors"
	"io"
	"net/http"
	"net/url"

	"hither/cache/digest"
	"hither/forward/fetch"
	"hither/forward/prefetch/recall"
	"hither/forward/project"
	"hither/rules"
)

// event is what a run is told.
type event struct {
	kind  kind
	match rules.Match
	claim digest.Digest
	state fetch.State // of an answer
	size  int64       // of an answer; -1 if it is not known
	body  []byte      // of what was brought; nil: there is no such thing
	depth int
	again bool   // the body was to be read before
	agent string // what the client that asked calls itself
	head  bool   // the client asked by HEAD, for which no body need have come
}

type kind int

const (
	demanded  kind = iota // the client asked
	answered              // it got an answer
	brought               // a body was read
	projected             // it is known where the client works
	lost                  // a body that was to be read did not come
)

// deliver notes at once what counts for the balance, and leaves the rest to the pump.
func (p *Prefetcher) deliver(r *run, e event) {
	name := e.match.Name
	switch e.kind {
	case demanded:
		r.last = p.now()
		if _, again := r.asked[name]; again || len(r.asked) >= maxNames {
			return // that tells nothing new
		}
		r.asked[name] = false
		r.count(e.match, e.claim)
		p.demand(r, e.match)
	case answered:
		r.last = p.now()
		if r.asked[name] || len(r.asked) >= maxNames {
			return
		}
		r.asked[name] = true
		r.far = r.far || asksFar(e.state)
		if e.state == fetch.Negative {
			r.absent[name] = true
		}
		p.supply(r, e)
	}
	if len(r.inbox) >= maxNames {
		p.bodies -= int64(cap(e.body))
		return
	}
	r.inbox = append(r.inbox, e)
	if !r.pumping {
		r.pumping = true
		p.spawn(func() { p.pump(r) })
	}
}

// asksFar says that an answer is of a kind whose client waits for a far round trip, which guessing spares the next one.
func asksFar(s fetch.State) bool {
	return s == fetch.Miss || s == fetch.Merged || s == fetch.Revalidated
}

// count notes a thing that the client asks for the first time.
func (r *run) count(m rules.Match, claim digest.Digest) {
	r.tally[classOf(m)].needed++
	if len(r.sequence) < recall.MaxSteps {
		r.sequence = append(r.sequence, recall.StepOf(m, claim))
		r.names = append(r.names, m.Name)
	}
	if o := r.objects[m.Name]; o != nil {
		r.use(o)
	}
}

// answers are the steps that the registry had an answer to. What it refused, or does not have, may be a private name that
// went astray, and is not written down.
func (r *run) answers() []recall.Step {
	out := make([]recall.Step, 0, len(r.sequence))
	for i, name := range r.names {
		if r.asked[name] && !r.absent[name] {
			out = append(out, r.sequence[i])
		}
	}
	return out
}

// demand notes a package that the client waits for and that nobody fetches for it yet.
func (p *Prefetcher) demand(r *run, m rules.Match) {
	if o := r.objects[m.Name]; classOf(m) == bulk && (o == nil || !o.state.begun()) {
		p.laneOf(m.Rule.Name).demands[m.Name] = wait{r: r, since: p.now()}
	}
}

// supply notes what the client got, or will.
func (p *Prefetcher) supply(r *run, e event) {
	name := e.match.Name
	l, o := p.laneOf(e.match.Rule.Name), r.objects[name]
	w, waits := l.demands[name]
	switch {
	case waits && (e.state == fetch.Miss || e.state == fetch.Merged):
		w.unpaid = e.size < 0
		l.demands[name] = w
	case waits:
		delete(l.demands, name)
	case e.size < 0 && o != nil && o.used:
		e.size, o.unpaid = o.bytes, o.state == fetching
	}
	r.tally[classOf(e.match)].neededBytes += max(e.size, 0)
}

// pump tells the walk of a run what happened, in order, until there is nothing left to tell.
func (p *Prefetcher) pump(r *run) {
	for {
		p.mu.Lock()
		events := r.inbox
		r.inbox = nil
		if len(events) == 0 || r.ended {
			for _, e := range events {
				p.bodies -= int64(cap(e.body))
			}
			r.pumping = false
			p.scheduleLocked()
			p.mu.Unlock()
			return
		}
		p.mu.Unlock()
		for _, e := range events {
			p.step(r, e)
		}
	}
}

// step tells the walk of one event, and queues what it wants because of that.
func (p *Prefetcher) step(r *run, e event) {
	var wants []project.Want
	var read bool
	switch {
	case e.kind == demanded:
		wants = asked(r.walk, e)
	case e.kind == answered && e.state == fetch.Negative:
		wants = r.walk.Answered(e.match, nil, 0)
	case e.kind == answered:
		read = r.walk.Reads(e.match)
	case e.kind == brought:
		wants = r.walk.Answered(e.match, e.body, e.depth)
	case e.kind == projected:
		wants = r.walk.Project(r.who.dir, r.who.args)
	case e.kind == lost:
		wants = missed(r.walk, e.match)
	}
	heard := e.kind == answered || e.kind == brought || e.kind == lost
	known := e.kind == projected || heard && isInformed(r.walk)
	sure := known && r.who.has != nil
	var objects []*object
	for len(wants) > 0 {
		lacked, had := wants, []project.Want(nil)
		if sure {
			lacked, had = part(wants, r.who.has)
		}
		more, private := p.understand(r, lacked, e.depth+1, heard && !known)
		objects = append(objects, more...)
		wants = withheld(r.walk, append(had, private...))
	}
	for _, o := range objects {
		o.sure = sure && (o.class == metadata || isExact(r.walk))
		if g, ok := r.walk.(guesser); ok {
			o.guess = g.Guesses(o.why, o.guess)
		}
		if d, ok := r.walk.(doubter); ok {
			o.doubt = d.Doubts(o.why)
		}
	}
	if e.kind == demanded {
		again, _ := p.understand(r, p.lastTime(r), 1, false)
		objects = append(objects, again...)
	}
	ready := e.kind == projected && len(objects) > 0 && p.Ready != nil
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bodies -= int64(cap(e.body))
	if r.ended {
		return
	}
	r.waits = r.waits || e.kind == projected && waits(r.walk)
	if ready && len(r.asked) == 0 {
		p.Ready(r.rule)
	}
	// What was fetched ahead has been told to the walk already, or will be.
	if o := r.objects[e.match.Name]; read && (o == nil || !o.reads || !o.state.begun()) && len(r.reads) < maxNames {
		r.reads = append(r.reads, e)
	}
	for _, o := range objects {
		p.admit(r, o)
	}
	p.scheduleLocked()
}

func isInformed(w Walk) bool {
	i, ok := w.(informed)
	return ok && i.Informed()
}

// understand turns wants into what can be asked for; what is in no rule, is never kept, or belongs to a registry whose
// clients are not walked with, is left out, and what the client keeps to itself is returned by itself. Only pump calls it,
// because it asks the walk.
func (p *Prefetcher) understand(r *run, wants []project.Want, depth int, guess bool) (objects []*object, private []project.Want) {
	if len(wants) == 0 {
		return nil, nil
	}
	set := p.Rules()
	objects = make([]*object, 0, min(len(wants), maxNames))
	for _, w := range wants[:min(len(wants), maxNames)] {
		u, err := url.Parse(w.URL)
		if err != nil || u.Scheme != "https" {
			continue
		}
		m, ok := set.Match(u.Host, rules.Query{URL: u, Accept: w.Accept})
		if !ok || m.Path.Keep == rules.Never || m.Rule.Walk == "" {
			continue
		}
		if m.Private(r.who.private) {
			private = append(private, w)
			continue
		}
		o := &object{match: m, claim: w.Digest, why: w.Why, class: classOf(m), depth: depth, guess: guess, reads: r.walk.Reads(m)}
		if w.Bulk {
			o.class = bulk
		}
		objects = append(objects, o)
	}
	return objects, private
}

// part divides wants into those of which has does not say so, and the others.
func part(wants []project.Want, has func(project.Want) bool) (lacked, had []project.Want) {
	for _, w := range wants {
		if has(w) {
			had = append(had, w)
		} else {
			lacked = append(lacked, w)
		}
	}
	return lacked, had
}

// lastTime is what a run asked for that began like this one; nil if there is none, or it was said already. Packages wait
// until the client asks for one: what begins alike may be another command, which needs none.
func (p *Prefetcher) lastTime(r *run) []project.Want {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.Recall == nil || r.ended {
		return nil
	}
	if !r.recalled {
		r.later, r.recalled = p.Recall.Lookup(r.rule.Name, r.who.mark(), r.sequence)
	}
	var now, later []project.Want
	for _, w := range r.later {
		if w.Bulk && r.tally[bulk].needed == 0 {
			later = append(later, w)
		} else {
			now = append(now, w)
		}
	}
	r.later = later
	return now
}

// errOld is a copy that is too old to be what a client was told by HEAD.
var errOld = errors.New("what is kept of it is old, and the client asked for no more than its head")

// readAnswer reads what the client was answered, which is under way or in the cache, and tells the run. Nobody is asked again
// for what the cache had, and may have lost or let grow old since.
func (p *Prefetcher) readAnswer(r *run, e event) {
	kept := e.head || e.kind == answered && !asksFar(e.state)
	a, err := p.Fetch(r.ctx, fetch.Request{Match: e.match, Claim: e.claim, Ahead: true, KeptOnly: kept})
	var body []byte
	switch {
	case err != nil:
	case e.head && a.Report.State != fetch.Hit:
		a.Body.Close()
		err = errOld
	default:
		body, err = p.read(a)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reading--
	if p.readLater(r, e, err) {
		p.scheduleLocked()
		return
	}
	if err != nil {
		p.log().Debug("an answer to a client could not be read, so nothing is asked for ahead because of it", "name", e.match.Name, "err", err)
		p.lose(r, e.match)
	} else {
		p.bring(r, e.match, body, e.depth)
	}
	p.scheduleLocked()
}

// readLater has a body read again that found no room beside the others, once: by then it lies in the cache.
func (p *Prefetcher) readLater(r *run, e event, err error) bool {
	if e.again || !errors.Is(err, errCrowded) || r.ended || len(r.reads) >= maxNames {
		return false
	}
	e.again = true
	r.reads = append(r.reads, e)
	return true
}

// bring hands a body to its run.
func (p *Prefetcher) bring(r *run, m rules.Match, body []byte, depth int) {
	if r.ended || !p.alive() {
		p.bodies -= int64(cap(body))
		return
	}
	p.deliver(r, event{kind: brought, match: m, body: body, depth: depth})
}

// lose tells a run of a body that will not come.
func (p *Prefetcher) lose(r *run, m rules.Match) {
	if !r.ended && p.alive() {
		p.deliver(r, event{kind: lost, match: m})
	}
}

// read reads an answer whole and closes it; nil if there is no such thing. What is returned counts in bodies.
func (p *Prefetcher) read(a *fetch.Answer) ([]byte, error) {
	defer a.Body.Close()
	if a.Status != http.StatusOK {
		return nil, nil
	}
	room := 4096
	if a.Size >= 0 {
		room = int(min(a.Size, maxBody)) + 1 // one more, so that the end shows without growing
	}
	body, err := p.grow(nil, room)
	if err != nil {
		return nil, err
	}
	for err == nil {
		var n int
		n, err = a.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if err == nil && len(body) == cap(body) {
			body, err = p.grow(body, cap(body))
		}
	}
	if err == io.EOF { //nolint:errorlint // a Reader says it bare
		return body, nil
	}
	p.mu.Lock()
	p.bodies -= int64(cap(body))
	p.mu.Unlock()
	return nil, err
}

// grow makes room for more bytes of a body, as long as all bodies together stay within their bound.
func (p *Prefetcher) grow(body []byte, more int) ([]byte, error) {
	if more = min(more, maxBody+1-cap(body)); more <= 0 {
		return body, errLarge
	}
	if !p.reserve(int64(more)) {
		return body, errCrowded
	}
	larger := make([]byte, len(body), cap(body)+more)
	copy(larger, body)
	return larger, nil
}

// reserve counts bytes in bodies. False: they would be too many.
func (p *Prefetcher) reserve(more int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bodies+more > cmp.Or(p.Bodies, MaxBodies) {
		return false
	}
	p.bodies += more
	return true
}
