// Package hosts reads the hosts file (hosts(5)), which is believed before any name server. A [File] is read again when it
// changed.
//
//	file := &hosts.File{Skip: isOurs}
//	addrs := file.Lookup("nas.lan")
package hosts

import (
	"bytes"
	"cmp"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// age is how long the file is not looked at again.
	age = time.Second
	// most bounds what is read of the file, in bytes. Block lists run to some MiB; lines that end behind it are passed over.
	most = 16 << 20
)

// File is a hosts file, read again when it changed. The zero value is this machine's own file; a nil *File knows no names. It
// may be used from many goroutines.
type File struct {
	Path string // empty: the constant
	// Skip says which addresses are not to be believed, because they are ours and stand there to bring others to us.
	// nil: none.
	Skip func(netip.Addr) bool
	Now  func() time.Time // nil: time.Now

	mu     sync.Mutex
	names  map[string][]netip.Addr
	looked time.Time
	mod    time.Time // of the file when it was read
	size   int64
}

// Lookup returns the addresses the file has for a host; none if it has none or cannot be read.
func (h *File) Lookup(host string) []netip.Addr {
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refreshLocked()
	return slices.Clone(h.names[strings.ToLower(strings.TrimSuffix(host, "."))])
}

func (h *File) refreshLocked() {
	now := time.Now
	if h.Now != nil {
		now = h.Now
	}
	if h.names != nil && now().Sub(h.looked).Abs() < age {
		return
	}
	h.looked = now()
	info, err := os.Stat(cmp.Or(h.Path, Path))
	if err != nil {
		h.names, h.mod, h.size = map[string][]netip.Addr{}, time.Time{}, 0
		return
	}
	if h.names == nil || !info.ModTime().Equal(h.mod) || info.Size() != h.size {
		h.readLocked(info)
	}
}

// readLocked keeps the old names if the file cannot be read now, and tries again at the next look.
func (h *File) readLocked(info os.FileInfo) {
	if h.names == nil {
		h.names = map[string][]netip.Addr{}
	}
	file, err := os.Open(cmp.Or(h.Path, Path))
	if err != nil {
		return
	}
	defer file.Close()
	if names, err := parse(file, h.Skip); err == nil {
		h.names, h.mod, h.size = names, info.ModTime(), info.Size()
	}
}

// parse reads lines of an address and its names. Lines it does not understand are passed over.
func parse(r io.Reader, skip func(netip.Addr) bool) (map[string][]netip.Addr, error) {
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, err
	}
	if len(data) > most {
		data = data[:1+bytes.LastIndexByte(data, '\n')] // no part of a name
	}
	names := map[string][]netip.Addr{}
	for line := range bytes.Lines(data) {
		line, _, _ := strings.Cut(string(line), "#")
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		addr, err := netip.ParseAddr(fields[0])
		if err != nil || skip != nil && skip(addr.Unmap()) {
			continue
		}
		for _, name := range fields[1:] {
			name = strings.ToLower(strings.TrimSuffix(name, "."))
			if !slices.Contains(names[name], addr.Unmap()) {
				names[name] = append(names[name], addr.Unmap())
			}
		}
	}
	return names, nil
}
