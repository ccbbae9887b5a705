package fetch

import (
	"bytes"
	"net/http"
	"time"

	"hither/rules"
)

// maxEarly bounds what is handed on early, in bytes: it is held in memory beside the spool. No go.mod file is larger.
const maxEarly = 16 << 20

// early hands on what the origin itself sent while the authority is still asked, where the rule says why that is no harm.
// The client is then no worse off than without us. What it was given is kept only once the authority has spoken; if that
// contradicts, the next client gets other bytes, or an error.
func (w *fill) early(src rules.Source) {
	size := w.spool.Length()
	if w.req.Path.Early == "" || !src.Origin || !w.word.pending() || size > maxEarly {
		return
	}
	if _, doubted := w.f.doubted.get(w.req.Name, w.f.now()); doubted {
		return
	}
	for _, part := range w.sent {
		if part.Base != src.Base {
			return // a mirror began it
		}
	}
	body, err := w.spool.Document()
	if err != nil {
		return // the disk: then it waits
	}
	w.tell(outcome{early: body, header: w.last.header, report: w.report()})
}

// doubtLife is for how long nothing is handed on early after the origin and the authority contradicted each other.
const doubtLife = 24 * time.Hour

// doubt remembers that what a source sent was not confirmed.
func (w *fill) doubt(src rules.Source) {
	if w.req.Path.Early != "" && src.Origin {
		w.f.doubted.put(w.req.Name, struct{}{}, w.f.now(), doubtLife, maxFacts)
	}
}

// handedOn answers with what was handed on early.
func (out *outcome) handedOn(joined bool) *Answer {
	a := &Answer{
		Status: http.StatusOK, Header: repeat(out.header), Size: int64(len(out.early)),
		Body: nopCloser{bytes.NewReader(out.early)}, Report: out.report,
	}
	a.Report.State = Miss
	if joined {
		a.Report.State = Merged
	}
	return a
}
