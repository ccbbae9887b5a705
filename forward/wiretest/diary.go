package wiretest

import (
	"context"
	"fmt"
	"net/http/httptrace"
	"strings"
	"sync"
)

// Diary notes what a httptrace is told. The zero Diary is empty.
type Diary struct {
	mu   sync.Mutex
	text []string
}

// Note adds a line, as fmt.Sprintf has it.
func (d *Diary) Note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.text = append(d.text, fmt.Sprintf(format, args...))
}

// String is what was noted, in order and comma-separated.
func (d *Diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.text, ", ")
}

// Traced is ctx with a httptrace that writes the diary.
func (d *Diary) Traced(ctx context.Context) context.Context {
	ended := func(err error) string {
		if err != nil {
			return "in vain"
		}
		return "done"
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart:     func(i httptrace.DNSStartInfo) { d.Note("dns %s", i.Host) },
		DNSDone:      func(i httptrace.DNSDoneInfo) { d.Note("dns %s %d", ended(i.Err), len(i.Addrs)) },
		ConnectStart: func(_, addr string) { d.Note("connect %s", addr) },
		ConnectDone:  func(_, addr string, err error) { d.Note("connect %s %s", addr, ended(err)) },
	})
}
