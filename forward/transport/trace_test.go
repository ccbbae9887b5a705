package transport

import (
	"context"
	"fmt"
	"net/http/httptrace"
	"strings"
	"sync"
)

// diary notes what a httptrace is told, in order and comma-separated.
type diary struct {
	mu   sync.Mutex
	text []string
}

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.text = append(d.text, fmt.Sprintf(format, args...))
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.text, ", ")
}

// traced is ctx with a httptrace that writes the diary.
func (d *diary) traced(ctx context.Context) context.Context {
	ended := func(err error) string {
		if err != nil {
			return "in vain"
		}
		return "done"
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart:     func(i httptrace.DNSStartInfo) { d.note("dns %s", i.Host) },
		DNSDone:      func(i httptrace.DNSDoneInfo) { d.note("dns %s %d", ended(i.Err), len(i.Addrs)) },
		ConnectStart: func(_, addr string) { d.note("connect %s", addr) },
		ConnectDone:  func(_, addr string, err error) { d.note("connect %s %s", addr, ended(err)) },
	})
}
