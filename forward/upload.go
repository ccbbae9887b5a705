package forward

import (
	"cmp"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// upload is the body of a client's request to a registry, which is broken off if nothing comes for stallWait. While the origin
// takes its time nobody reads, and a deadline that passes does no harm; but it does not take longer than takeWait.
type upload struct {
	io.ReadCloser
	control *http.ResponseController
	untaken *time.Timer // runs while the origin takes no more

	mu      sync.Mutex
	ended   bool  // the request was answered: what is read is not ours
	problem error // why it was broken off; nil: it was not
}

// takeWait is for a registry to take the next piece. No client waits so long; but until its body is read, net/http does not
// see that it has left.
const takeWait = 30 * time.Minute

var (
	errUploadStalled = refusalOf(http.StatusRequestTimeout, "Nothing more of the upload came for five minutes. Send it again.")
	errUploadUntaken = refusalOf(http.StatusGatewayTimeout, "The registry took nothing more of the upload for half an hour. Send it again.")
)

// newUpload wraps the body of a request that w answers, and that cancel ends. Its end must be called before that is over. The
// first waits begin now, for net/http reads the body of who is answered sooner.
func newUpload(w *reply, body io.ReadCloser, cancel func(error)) *upload {
	b := &upload{ReadCloser: body, control: w.control}
	b.untaken = time.AfterFunc(takeWait, func() { cancel(b.fail(errUploadUntaken)) })
	b.limit(time.Now().Add(stallWait))
	return b
}

// Read waits for the next piece.
func (b *upload) Read(p []byte) (int, error) {
	b.untaken.Stop()
	b.limit(time.Now().Add(stallWait))
	n, err := b.ReadCloser.Read(p)
	switch {
	case err == nil:
		b.untaken.Reset(takeWait)
	case errors.Is(err, os.ErrDeadlineExceeded): // it stays passed: nobody waits for the rest either
		return n, b.fail(errUploadStalled)
	default:
		b.limit(time.Time{}) // behind the end net/http waits for the client to leave
	}
	return n, err
}

func (b *upload) fail(why error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.problem = why
	return why
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
	b.untaken.Stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
}

// cause is why a request failed with err: net/http calls a client gone of which nothing comes.
func (b *upload) cause(err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return cmp.Or(b.problem, err)
}
