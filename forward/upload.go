package forward

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// upload is the body of a client's request to a registry, which is broken off if nothing comes for stallWait. While the origin
// takes its time nobody reads, and a deadline that passes does no harm.
type upload struct {
	io.ReadCloser
	control *http.ResponseController

	mu      sync.Mutex
	ended   bool // the request was answered: what is read is not ours
	stalled bool
}

var errUploadStalled = refusalOf(http.StatusRequestTimeout, "Nothing more of the upload came for five minutes. Send it again.")

// newUpload wraps the body of a request that w answers. Its end must be called before that is over. The first wait begins now,
// for net/http reads the body of who is answered sooner.
func newUpload(w *reply, body io.ReadCloser) *upload {
	b := &upload{ReadCloser: body, control: w.control}
	b.limit(time.Now().Add(stallWait))
	return b
}

// Read waits for the next piece.
func (b *upload) Read(p []byte) (int, error) {
	b.limit(time.Now().Add(stallWait))
	n, err := b.ReadCloser.Read(p)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded): // it stays passed: nobody waits for the rest either
		b.mu.Lock()
		b.stalled = true
		b.mu.Unlock()
		return n, errUploadStalled
	case err != nil:
		b.limit(time.Time{}) // behind the end net/http waits for the client to leave
	}
	return n, err
}

// limit sets the deadline of the connection, or of the stream.
func (b *upload) limit(t time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ended {
		_ = b.control.SetReadDeadline(t) // of a client that has left there is none
	}
}

// end leaves the deadline to net/http.
func (b *upload) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
}

// cause is why a request failed with err: net/http calls a client gone of which nothing comes.
func (b *upload) cause(err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stalled {
		return errUploadStalled
	}
	return err
}
