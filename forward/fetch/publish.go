package fetch

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"hither/cache"
	"hither/forward/notary"
	"hither/rules"
)

// publish checks the bytes and makes them visible; nobody sees their end before.
func (w *fill) publish(ctx context.Context, src rules.Source, t *carried) error {
	if err := w.word.wait(ctx); errors.Is(err, notary.ErrSecurity) || w.word.pending() {
		return err
	}
	w.want = w.word.digest
	if !src.Origin && w.unvouched() {
		return errUnvouched
	}
	if w.unsure.Load() && w.unvouched() {
		return errUnsure
	}
	if !src.Origin && w.miscalled() {
		return errMiscalled
	}
	proven, err := w.refuted(ctx)
	if err != nil {
		return err
	}
	w.herald()
	got, err := w.spool.Commit(w.want, w.last.storable)
	if err != nil {
		return err
	}
	w.stored = got
	entry := cache.Entry{
		Digest: got, Size: w.spool.Length(), Header: w.last.header, Source: cmp.Or(w.mostly(), src.Base), Vouched: cmp.Or(w.word.by, proven),
		Stored: w.f.now(), Checked: w.f.now(), Took: w.f.now().Sub(w.began),
	}
	w.word.dress(&entry)
	if got != "" {
		w.bind(ctx, entry)
	}
	w.learn(entry.Size)
	w.noteAll(t)
	w.accuse()
	w.convict()
	w.spool.Finish(nil)
	w.tellHead()
	return nil
}

// errMiscalled drops a mirror's bytes: a digest does not cover what it calls them, and its word for them would be kept, too.
var errMiscalled = errors.New("called it something else than the bytes themselves say")

// maxCalled is what is looked at of it, in bytes. Registries take no larger manifest (distribution-spec, "Pushing Manifests").
const maxCalled = 4 << 20

// miscalled says that the right bytes call themselves something else than their sender does. Where an authority says of which kind it is,
// that counts anyway.
func (w *fill) miscalled() bool {
	size := w.spool.Length()
	if len(w.req.Path.Accept) == 0 || w.word.header["Content-Type"] != "" || size > maxCalled {
		return false
	}
	document, err := w.spool.Document()
	if err != nil {
		return false // the disk
	}
	said := notary.Kind(document)
	return said != "" && said != mediaType(w.last.header["Content-Type"]) && w.want.Check(w.spool.Body(), size) == nil
}

// bind records what the name means. Failing to is no reason to fail the client: the next one fetches again.
func (w *fill) bind(ctx context.Context, e cache.Entry) {
	if e.Vouched == byClient && w.kept.Vouched != "" && w.kept.Vouched != byClient {
		return // an authority has spoken; a client's expectation does not replace that
	}
	w.guess(e)
	w.f.meant.drop(w.req.Name)
	_ = w.f.Store.Bind(ctx, cache.Name(w.req.Name), e)
	if w.outdated.Load() {
		_ = w.f.Store.Forget(ctx, cache.Name(w.req.Name))
	}
	w.f.gone.drop(w.req.Name)
	w.fulfil(ctx, e)
	// A client asks for what a tag means by its digest next, and wants the same headers.
	if at := w.word.redirect(w.req.Match); at.Name != w.req.Name && at.Path.Keep == rules.Forever && e.Digest.Pins() && e.Digest == w.want {
		e.Vouched = at.Path.Notary // whoever said what the tag means
		_ = w.f.Store.Bind(ctx, cache.Name(at.Name), e)
	}
}

// confirm refreshes the age of what is kept: the origin said that it is still right (RFC 9111, section 4.3.4).
func (w *fill) confirm(ctx context.Context, t *carried) {
	entry := w.kept
	entry.Checked = w.f.now()
	entry.Header = maps.Clone(t.header) // there is one: the request was conditional
	for key, value := range w.kept.Header {
		if _, ok := t.header[key]; key == "Content-Type" || !ok && key != "Age" {
			entry.Header[key] = value
		}
	}
	w.bind(ctx, entry)
	w.tell(outcome{entry: &entry, state: Revalidated})
}

// goneLife is how long the origin's no is remembered. Longer would hide a version that was just published.
const goneLife = 30 * time.Second

// negative is the origin's word that it does not have a thing.
type negative struct {
	status int
	header map[string]string
	body   []byte
	source string
	asked  time.Time // for it
}

// negative is the origin's no.
func (t *carried) negative(src rules.Source) negative {
	gone := negative{status: t.Status, header: map[string]string{}, body: t.body, source: src.Base}
	if ct := t.header["Content-Type"]; ct != "" {
		gone.header["Content-Type"] = ct
	}
	return gone
}

// deny passes on the origin's no.
func (w *fill) deny(ctx context.Context, gone negative) {
	gone.asked = w.began
	w.f.gone.put(w.req.Name, gone, w.f.now(), goneLife, maxGones)
	w.f.meant.drop(w.req.Name)
	if w.outdated.Load() {
		w.f.gone.drop(w.req.Name)
	}
	if w.kept.Digest != "" {
		_ = w.f.Store.Forget(ctx, cache.Name(w.req.Name)) // or it came to life again when the origin is away
	}
	w.tell(outcome{gone: &gone})
}

// tellHead lets the clients begin to read.
func (w *fill) tellHead() {
	w.tell(outcome{spool: w.spool, header: w.word.headers(w.last.header), report: w.report()})
}

func (w *fill) report() Report {
	r := Report{
		Name: cache.Name(w.req.Name), Rule: w.req.Rule.Name, State: Miss, Vouched: w.word.spokenBy(), Digest: cmp.Or(w.stored, w.want),
		Tries: slices.Clone(w.tries), When: w.f.now(), Bytes: -1,
	}
	r.Source = cmp.Or(w.mostly(), w.last.base)
	if w.spool != nil {
		r.Bytes = w.spool.Length()
	}
	return r
}
