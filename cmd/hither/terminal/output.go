package terminal

import (
	"fmt"
	"io"
	"sync"
)

// Output is standard output. It remembers what it could not take, for those who print do not look: on a full disk half an answer
// would pass for a whole one.
type Output struct {
	io.Writer

	mu    sync.Mutex
	first error
}

// Write remembers the first error.
func (o *Output) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	if err != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.first == nil {
			o.first = err
		}
	}
	return n, err
}

// Lost is nil if all was written.
func (o *Output) Lost() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.first == nil {
		return nil
	}
	return fmt.Errorf("the answer is not all there: %w; have it written elsewhere", o.first)
}

// Beneath is the writer that the process was given: a command of the user's gets it as it is, and a terminal is known by it.
func Beneath(w io.Writer) io.Writer {
	if o, ok := w.(*Output); ok {
		return o.Writer
	}
	return w
}
