package fetch

import (
	"time"

	"hither/rules"
)

const (
	// ownerLife is how long an origin that sent a body itself is expected to do so again.
	ownerLife = 24 * time.Hour
	maxOwners = 256
)

// mayLead says that a source sends its clients elsewhere for the body, as its rule has it.
func (w *fill) mayLead(src rules.Source) bool {
	return src.Origin && w.req.Path.Bulk && len(w.req.Host.Stores) > 0
}

// leads is mayLead of one that did so when it was asked last.
func (w *fill) leads(src rules.Source) bool {
	if !w.mayLead(src) {
		return false
	}
	_, owns := w.f.owners.get(src.Base, w.f.now())
	return !owns
}

// noteOwner notes whether a source that may lead elsewhere has sent the body itself. All that it sends would else travel over the
// one connection by which it is asked the way.
func (w *fill) noteOwner(a *asking) {
	switch {
	case !w.mayLead(a.src):
	case a.resp.Request.URL.String() == a.URL:
		w.f.owners.put(a.Base, struct{}{}, w.f.now(), ownerLife, maxOwners)
	default:
		w.f.owners.drop(a.Base)
	}
}
