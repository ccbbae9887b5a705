package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"time"

	"hither/cache"
	"hither/forward/measure"
	"hither/rules"
)

// smallHead is the size up to which a HEAD is taken as the beginning of a GET: the client will ask for the body next. Not so what
// comes in kinds, a manifest: its GET is counted as a pull, and who only looks whether there is a new one makes none.
const smallHead = 1 << 20

// head asks one source about an object, without credentials and without its body.
func (f *Fetcher) head(ctx context.Context, m rules.Match, src rules.Source) (*http.Response, error) {
	watch := newWatch(ctx, headPatience)
	defer watch.stop()
	req, err := newRequest(watch.ctx, http.MethodHead, m, src)
	if err != nil {
		return nil, err
	}
	resp, err := f.carrier(m.Rule).RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	f.absence.answered(src.Base, f.now())
	return resp, nil
}

// asksWhere says that a client asks after bytes whose name it knows for certain, and does not want them. Who pushes an image
// asks so what is there already, and leaves that out: what came once, or to another repository, is no answer to that. For a
// manifest that is there all that it names is left out. By a gateway containerd asks so before each pull, and nobody pushes there.
func (r Request) asksWhere() bool {
	pushes := r.Path.Bulk || len(r.Path.Accept) > 0 && !r.Gateway
	return r.Head && pushes && r.Path.Keep == rules.Forever && !r.KeptOnly && r.proof == nil
}

// headOnly answers a HEAD from the origin: for what it does not have, and for something large that is not kept. nil: from what
// is kept, or fetch it. The origin's no is not remembered, for what is missing is pushed next.
func (f *Fetcher) headOnly(ctx context.Context, req Request, k kept) (*Answer, error) {
	if req.Path.Bulk && f.isClosed(req) {
		return nil, ErrPass
	}
	for _, src := range req.Origins() {
		whose := src.Base
		if req.Path.Bulk { // where it redirects to may be silent while the registry is not: no quorum may speak then
			whose += " bulk"
		}
		times := f.silences(whose)
		if k.fresh && times >= silentTimes {
			continue
		}
		resp, err := f.head(ctx, req.Match, src)
		f.heard(ctx, whose, times, err == nil)
		if err != nil {
			continue
		}
		switch {
		case resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone:
			return (&negative{status: resp.StatusCode, source: src.Base}).answer(nil, f.now()), nil
		case req.untold(resp.StatusCode, k):
			if resp.StatusCode == http.StatusUnauthorized {
				f.refuse(req, "")
			}
			return nil, ErrPass
		case k.fresh || resp.StatusCode != http.StatusOK || !req.suffices(resp):
			return nil, nil
		}
		return &Answer{
			Status: http.StatusOK, Header: repeat(keepHeader(resp.Header, true)), Size: resp.ContentLength,
			Body:   &bodiless{size: resp.ContentLength},
			Report: Report{State: Miss, Source: src.Base},
		}, nil
	}
	if req.onlyItKnows(k) {
		return nil, ErrPass
	}
	return nil, nil
}

// onlyItKnows says that bytes which are here, or come from elsewhere, do not tell whether the origin has them where they are asked after:
// another repository may have the same.
func (r Request) onlyItKnows(k kept) bool { return r.Path.Bulk && r.Path.Notary == "path" && !k.fresh }

// untold says that the client should hear for itself what the origin did not tell us. Who pushes shows no token before it is asked for
// one, and a repository that nobody has made yet is refused to strangers as a private one is.
func (r Request) untold(status int, k kept) bool {
	switch status {
	case http.StatusOK:
		return false
	case http.StatusUnauthorized:
		return true
	case http.StatusForbidden:
		return r.Path.Bulk || !k.fresh
	}
	return r.onlyItKnows(k)
}

// suffices says that a HEAD tells a client all that a GET would, without the body.
func (r Request) suffices(resp *http.Response) bool {
	if len(r.Path.Accept) == 0 {
		return resp.ContentLength > smallHead
	}
	kind := resp.Header.Get("Content-Type")
	return resp.ContentLength > 0 && kind != "" && !isPage(r.Path, kind)
}

// headed answers those who ask with HEAD what a name means now by what its authority said of the bytes, if nobody wants these.
// Whoever asks for them next does so by their digest.
func (w *fill) headed() bool {
	size, err := strconv.ParseInt(w.word.header["Content-Length"], 10, 64)
	if err != nil || size <= 0 || w.word.header["Content-Type"] == "" || w.word.path == "" || !w.want.Pins() || !w.onlyHeads() {
		return false
	}
	w.f.gone.drop(w.req.Name)
	w.foretell()
	report := w.report()
	report.Bytes = size
	w.tell(outcome{head: true, header: w.word.headers(nil), report: report})
	return true
}

// onlyHeads says that nobody wants the bytes, and lets nobody join any more who might.
func (fl *flight) onlyHeads() bool {
	fl.f.flights.mu.Lock()
	defer fl.f.flights.mu.Unlock()
	fl.dropped = fl.dropped || !fl.bodies
	return !fl.bodies
}

func (out *outcome) headed(joined bool) *Answer {
	a := &Answer{
		Status: http.StatusOK, Header: repeat(out.header), Size: out.report.Bytes, ETag: etag(out.report.Digest),
		Body: &bodiless{size: out.report.Bytes}, Report: out.report,
	}
	if joined {
		a.Report.State = Merged
	}
	return a
}

// meantLife is how long the word of a HEAD is remembered until the bytes are here.
const meantLife = 10 * time.Minute

// foretell remembers what a HEAD said that a name means. Until the bytes are here, what is kept under that name stays: it is all
// there is if nobody can be asked.
func (w *fill) foretell() {
	now := w.f.now()
	w.f.meant.put(w.req.Name, cache.Entry{
		Digest: w.want, Header: w.word.headers(nil), Vouched: w.word.by, Checked: now,
	}, now, meantLife, maxFacts)
	w.f.aliases.put(w.word.redirect(w.req.Match).Name, w.req.Name, now, meantLife, maxFacts)
	if w.outdated.Load() {
		w.f.meant.drop(w.req.Name)
	}
}

// fulfil binds what a HEAD said that these bytes are called, now that they are here.
func (w *fill) fulfil(ctx context.Context, e cache.Entry) {
	name, _ := w.f.aliases.get(w.req.Name, w.f.now())
	said, ok := w.f.meant.get(name, w.f.now())
	if !ok || said.Digest != e.Digest {
		return
	}
	w.f.meant.drop(name)
	e.Vouched, e.Checked = said.Vouched, said.Checked
	header := maps.Clone(e.Header)
	maps.Copy(header, said.Header)
	e.Header = header
	_ = w.f.Store.Bind(ctx, cache.Name(name), e)
}

const (
	// silentTimes is after how many unanswered HEADs in a row an origin counts as silent, where a quorum may speak in its
	// place, or what is asked for is kept. Each tag, and each image, would wait for it else.
	silentTimes = 2
	// silentLife is for how long.
	silentLife = 30 * time.Second
)

// silences is how many HEADs in a row a source did not answer.
func (f *Fetcher) silences(whose string) int {
	times, _ := f.silent.get(whose, f.now())
	return times
}

// heard notes whether a source answered a HEAD, before which it had been silent so often: those that wait together are one silence.
func (f *Fetcher) heard(ctx context.Context, whose string, times int, answered bool) {
	switch {
	case ctx.Err() != nil:
	case answered:
		f.silent.drop(whose)
	default:
		f.silent.put(whose, times+1, f.now(), silentLife, maxFacts)
	}
}

// Head asks the origins about an object; it is what the tag notary asks with. It returns the last error if none answers.
// Where a quorum may speak in their place, those that were just silent are not waited for. A refusal is no silence. Where a client waits
// for that, it outlasts an absence of the network.
func (f *Fetcher) Head(ctx context.Context, m rules.Match) (header http.Header, status int, err error) {
	fl, _ := ctx.Value(clientKey{}).(*flight)
	if fl == nil || fl.whole || !fl.isWanted() {
		return f.headOnce(ctx, m)
	}
	told := func(err error) { f.waits(fl.req, err) }
	err = f.persist(ctx, basesOf(m.Origins()), basesOf(m.Sources()), fl.awaited, told, func(ctx context.Context) (err error) {
		header, status, err = f.headOnce(ctx, m)
		return err
	})
	return header, status, err
}

// clientKey is for the flight whose authority asks.
type clientKey struct{}

func (f *Fetcher) headOnce(ctx context.Context, m rules.Match) (http.Header, int, error) {
	last := errors.New("the rule names no origin")
	for _, src := range m.Origins() {
		times := f.silences(src.Base)
		if m.Path.From == rules.FromQuorum && times >= silentTimes {
			last = fmt.Errorf("%s has just been silent %d times", src.Base, times)
			continue
		}
		header, status, err := f.Poll(ctx, m, src)
		f.heard(ctx, src.Base, times, err == nil && status < 500)
		if err == nil {
			return header, status, nil
		}
		last = err
	}
	return nil, 0, last
}

// proof is the head by which an origin has just proven something public. It says what a tag means, too: the notary asks for
// the same a moment later. It goes with the request that asked for it and with no other, for a tag may be moved meanwhile.
type proof struct {
	url    string
	header http.Header
	when   time.Time
}

// proofLife is for how long: a fill that nobody waits for may begin late.
const proofLife = 2 * time.Second

type proofKey struct{}

// known is what a source has just said of the object; nil: nothing.
func known(ctx context.Context, src rules.Source, now time.Time) http.Header {
	p, _ := ctx.Value(proofKey{}).(*proof)
	if p == nil || !src.Origin || p.url != src.URL || now.Sub(p.when) >= proofLife {
		return nil
	}
	return p.header
}

// Poll asks one source about an object; it is how the mirrors of a quorum are heard. A mirror that redirects to another
// host has no word of its own, and its answer is the redirect. It does not hear what the origin has just refused to us.
func (f *Fetcher) Poll(ctx context.Context, m rules.Match, src rules.Source) (http.Header, int, error) {
	if header := known(ctx, src, f.now()); header != nil {
		return header, http.StatusOK, nil
	}
	if req := (Request{Match: m}); !src.Origin && !f.isOpen(req) && f.isClosed(req) {
		return nil, 0, errHidden
	}
	sample := measure.Sample{Base: src.Base, When: f.now(), Outcome: measure.Broken}
	resp, err := f.head(ctx, m, src)
	sample.Took = f.now().Sub(sample.When)
	if ctx.Err() != nil {
		return nil, 0, ctx.Err()
	}
	defer func() { f.Board.Add(sample) }()
	if err != nil {
		return nil, 0, err
	}
	sample.Wait = sample.Took
	switch resp.StatusCode {
	case http.StatusOK:
		sample.Outcome = measure.OK
	case http.StatusNotFound:
		sample.Outcome = measure.Missing
	default:
		sample.Outcome, sample.RetryAfter = health(refusal(resp, src.URL), src.Origin, resp.StatusCode), measure.RetryAfter(resp.Header, f.now())
	}
	if !src.Origin && elsewhere(resp, src.URL) != "" {
		return http.Header{}, http.StatusFound, nil
	}
	return resp.Header, resp.StatusCode, nil
}

// errHidden is instead of a mirror's word.
var errHidden = errors.New("is not asked for what the origin has just refused")

// bodiless stands for a body that nobody will read.
type bodiless struct{ size, pos int64 }

func (b *bodiless) Read([]byte) (int, error) {
	return 0, errors.New("the answer to a HEAD has no body")
}

func (b *bodiless) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += b.pos
	case io.SeekEnd:
		offset += b.size
	}
	b.pos = offset
	return offset, nil
}

func (b *bodiless) Close() error { return nil }
