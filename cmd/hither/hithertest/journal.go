package hithertest

import (
	"bytes"
	"strings"
	"sync"
)

// Journal is a log that may be read while it is written. The zero value is empty.
type Journal struct {
	mu    sync.Mutex
	text  bytes.Buffer
	wrote chan struct{} // closed at the next write; nil: nobody waits
}

// Write implements io.Writer.
func (l *Journal) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wrote != nil {
		close(l.wrote)
		l.wrote = nil
	}
	return l.text.Write(p)
}

// String is all that was said.
func (l *Journal) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Await waits until something is said.
func (l *Journal) Await(text string) {
	for {
		l.mu.Lock()
		said := strings.Contains(l.text.String(), text)
		if l.wrote == nil {
			l.wrote = make(chan struct{})
		}
		wrote := l.wrote
		l.mu.Unlock()
		if said {
			return
		}
		<-wrote
	}
}
