package fetch

import (
	"context"
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
func (w *fill) pour(ctx context.Context, a *asking, body io.Reader, size int64) error {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	mark, stall := int64(pace), w.stall(size)
	speed := speed{from: time.Now()}
	a.watch.spares(w.spare(a))
	defer w.end(a)
	a.watch.reset(stall, "no byte came")
	for {
		n, err := body.Read(*buf)
		if n > 0 {
			w.move(a)
			if a.Bytes += int64(n); a.Bytes >= mark {
				a.watch.reset(stall, "hardly a byte came")
				mark = a.Bytes + pace
			}
			if size >= 0 && a.Bytes > size {
				a.Outcome = measure.Short
				return fmt.Errorf("sent more than the %d bytes it announced", size)
			}
			if err := w.write(a.Base, (*buf)[:n]); err != nil {
				a.verdict, a.Outcome = unfit, measure.Canceled // it is our disk
				return err
			}
		}
		switch {
		case err == io.EOF && a.Bytes >= size && a.watch.ctx.Err() == nil: // or it was we who ended it, and it did so cleanly
			a.verdict, a.Outcome = whole, measure.OK
			return nil
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF): // carry knows if it was late
			a.Outcome = measure.Short
			return errors.New("ended the body too early")
		case err != nil:
			return err
		case w.slow(a, size, speed.after(a.Bytes, time.Now())):
			return w.parts(ctx, a)
		}
	}
}

// write puts bytes into the spool and remembers whose they are.
func (w *fill) write(base string, p []byte) error {
	w.f.absence.flows(w.f.now())
	at := w.spool.Length()
	if _, err := w.spool.Write(p); err != nil {
		return err
	}
	w.sent = join(w.sent, split.Part{From: at, To: at + int64(len(p)), Base: base})
	if w.spool.Known() < 0 && w.word.flows() && w.spool.Length() > spoolAll { // too long to be spooled whole
		w.spool.Know(-1, false)
		w.tellHead()
	}
	return nil
}

const (
	// slowRest is how long the rest of a slow body takes at least. To hang up on it costs what comes in a round trip or two,
	// which should be little of the whole.
	slowRest = 3 * time.Second
	// slowLeft is the least rest of a slow body that is worth more than one connection, in bytes.
	slowLeft = 128 << 10
)

// slow says that the rest of a body, of size bytes in all, takes so long at a rate, in bytes a second, that others should
// help; 0: the rate is not known. Only where a digest pins the bytes do theirs fit.
func (w *fill) slow(a *asking, size int64, rate float64) bool {
	rest := size - a.Bytes
	if rate == 0 || rest < slowLeft || !w.splittable() && !w.piecemeal(a.src) {
		return false
	}
	return float64(rest)/rate > slowRest.Seconds()
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}
