package fetch

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"hither/forward/measure"
	"hither/forward/split"
)

const (
	// stallPatience is how long a body may stand still if there is nobody else to ask, or much would be lost.
	stallPatience = 10 * time.Second
	// stallShort is the same where another source can go on, or little is lost. A lossy line is silent for 1.6 s when the
	// same packet is lost four times.
	stallShort = 3 * time.Second
	// little is how many bytes may be asked for again without anybody noticing.
	little = 1 << 20
	// pace is how many bytes must come within stallPatience. A source that sends one now and then would hold its clients
	// for ever; forty downloads at once over a modem are faster.
	pace = 4 << 10
)

// stall is how long the body of so many bytes (-1: who knows) may stand still.
func (w *fill) stall(size int64) time.Duration {
	if len(w.queue) > 0 && (w.want.Pins() || size >= 0 && size <= little) {
		return stallShort
	}
	return stallPatience
}

// pour moves a body of size bytes (-1: who knows) into the spool, looking at the clock all the while.
func (w *fill) pour(a *asking, body io.Reader, size int64) error {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	mark, stall := int64(pace), w.stall(size)
	slow := w.slowness(size)
	a.watch.reset(stall, "no byte came")
	for {
		n, err := body.Read(*buf)
		if n > 0 {
			if a.Bytes += int64(n); a.Bytes >= mark {
				a.watch.reset(stall, "hardly a byte came")
				mark = a.Bytes + pace
			}
			if size >= 0 && a.Bytes > size {
				a.Outcome = measure.Short
				return fmt.Errorf("sent more than the %d bytes it announced", size)
			}
			if err := w.write(a.Base, (*buf)[:n]); err != nil {
				a.verdict = unfit
				return err
			}
		}
		switch {
		case err == io.EOF && a.Bytes >= size && a.watch.ctx.Err() == nil: // or it was we who ended it, and it did so cleanly
			a.verdict, a.Outcome = whole, measure.OK
			return nil
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF): // carry knows if it was late
			a.Outcome = measure.Short
			return plain(io.ErrUnexpectedEOF)
		case err != nil:
			return plain(err)
		case slow.far(a.Bytes):
			a.Outcome = measure.Outrun
			w.flee(slow.rival)
			return errSlow
		}
	}
}

// write puts bytes into the spool and remembers whose they are.
func (w *fill) write(base string, p []byte) error {
	at := w.spool.length()
	if _, err := w.spool.Write(p); err != nil {
		return err
	}
	w.sent = join(w.sent, split.Part{From: at, To: at + int64(len(p)), Base: base})
	if w.spool.known() < 0 && !w.word.beside && w.spool.length() > spoolAll { // too long to be spooled whole
		w.spool.know(-1, false)
		w.tellHead()
	}
	return nil
}

// errSlow ends a transfer that another source would finish far sooner.
var errSlow = errors.New("was far slower than another source usually is")

const (
	// slowLook is how long a source is looked at before it is called slow.
	slowLook = 3 * time.Second
	// slowTimes is how many times longer than another it may need for the rest; slowLook more is forgiven, too.
	slowTimes = 4
)

// slowness finds out that a source needs far longer for the rest than another would. The zero value never does.
type slowness struct {
	size  int64
	rival string
	rate  float64 // of the rival, in bytes a second
	since time.Time
	from  int64 // bytes at since
}

// slowness looks for a rival, once a fill: the line itself may have become slow, and then everybody is.
func (w *fill) slowness(size int64) (s slowness) {
	if w.fled || size < little || !w.want.Pins() {
		return s
	}
	for _, src := range w.queue {
		if rate := w.f.Board.Rate(src.Base); rate > s.rate && w.mayHedge(src) {
			s = slowness{size: size, rival: src.Base, rate: rate, since: time.Now()}
		}
	}
	return s
}

// far says that it is so.
func (s *slowness) far(bytes int64) bool {
	if s.rate == 0 {
		return false
	}
	elapsed := time.Since(s.since)
	if elapsed < slowLook {
		return false
	}
	rest := float64(s.size - bytes)
	mine := rest * elapsed.Seconds() / float64(max(bytes-s.from, 1))
	s.since, s.from = time.Now(), bytes
	return mine > slowTimes*rest/s.rate+slowLook.Seconds()
}

// flee has the rival asked next.
func (w *fill) flee(rival string) {
	w.fled = true
	for i, src := range w.queue {
		if src.Base == rival {
			copy(w.queue[1:i+1], w.queue[:i])
			w.queue[0] = src
			return
		}
	}
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}
