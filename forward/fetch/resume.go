package fetch

import (
	"errors"
	"maps"
	"net/http"
	"strings"

	"hither/forward/measure"
	"hither/rules"
)

// offset is where a source goes on: only bytes that a digest pins may come from two senders, and not even those when two
// were wrong together.
func (w *fill) offset(src rules.Source) int64 {
	if w.spool == nil || len(w.sent) == 0 || !w.want.Pins() && !w.continues(src) || w.alone && w.mixed(src.Base) {
		return 0
	}
	return w.spool.Length()
}

// continues says that a source can be asked for the rest of just the version that it began, and that nobody else sent any of, by
// its ETag (RFC 9110, section 13.1.5). What was opened on its way here is of another length than what it sends.
func (w *fill) continues(src rules.Source) bool {
	return strings.HasPrefix(w.last.header["Etag"], `"`) && w.last.base == src.Base && !w.mixed(src.Base) && !w.alone && w.spool.Known() >= 0
}

// errVersion is about a rest that does not go with the beginning, though only that which does was asked for.
var errVersion = errors.New("sent the rest of another version than it began")

// resume takes the rest of a body that no digest pins. What its header leaves out, the beginning's said (RFC 9110, section 15.3.7).
func (w *fill) resume(a *asking, total int64) error {
	if a.offset == 0 || w.want.Pins() || a.resp.StatusCode != http.StatusPartialContent {
		return nil
	}
	if total != w.spool.Known() || a.header["Etag"] != w.last.header["Etag"] {
		w.afresh, a.Outcome = a.Base, measure.Canceled
		return errVersion
	}
	header := maps.Clone(w.last.header)
	maps.Copy(header, a.header)
	a.header, w.pieced = header, true
	return nil
}
