package fetch

import (
	"context"
	"time"

	"hither/forward/spool"
)

// late says that a request for a small part of what arrives would wait long for it. It waits a little to find out.
func (f *Fetcher) late(ctx context.Context, req Request, fl *flight) bool {
	select {
	case <-fl.begun:
	case <-fl.ready:
	case <-ctx.Done():
	}
	select {
	case <-fl.begun:
	default:
		return false
	}
	if !fl.homely { // perhaps the origin cannot be reached
		return false
	}
	for by := f.now().Add(spool.Soon); ctx.Err() == nil && !fl.spool.Far(req.Offset, req.Upto); {
		late, wait, moved := fl.spool.Late(req.Part, f.now(), by)
		if wait <= 0 {
			return late
		}
		timer := time.NewTimer(wait)
		select {
		case <-moved:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return ctx.Err() == nil
}
