package main

import (
	"fmt"
	"io"
	"sync"
)

// output is standard output. It remembers what it could not take, for those who print do not look: on a full disk half an answer
// would pass for a whole one.
type output struct {
	io.Writer

	mu    sync.Mutex
	first error
}

// Write remembers the first error.
func (o *output) Write(p []byte) (int, error) {
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

// lost is nil if all was written.
func (o *output) lost() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.first == nil {
		return nil
	}
	return fmt.Errorf("the answer is not all there: %w; have it written elsewhere", o.first)
}

// beneath is the writer that the process was given: a command of the user's gets it as it is, and a terminal is known by it.
func beneath(w io.Writer) io.Writer {
	if o, ok := w.(*output); ok {
		return o.Writer
	}
	return w
}
