package exchange

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
	// hostsAge is how long the file is not looked at again.
	hostsAge = time.Second
	// maxHosts bounds what is read of the file, in bytes. Block lists run to some MiB; lines that end behind it are passed over.
	maxHosts = 16 << 20
)

// Hosts is the hosts file (hosts(5)), read again when it changed. The zero value is this machine's own file; a nil *Hosts
// knows no names. It may be used from many goroutines.
type Hosts struct {
	Path string // empty: /etc/hosts, or where Windows keeps it
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
func (h *Hosts) Lookup(host string) []netip.Addr {
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refreshLocked()
	return slices.Clone(h.names[strings.ToLower(strings.TrimSuffix(host, "."))])
}

func (h *Hosts) refreshLocked() {
	now := time.Now
	if h.Now != nil {
		now = h.Now
	}
	if h.names != nil && now().Sub(h.looked).Abs() < hostsAge {
		return
	}
	h.looked = now()
	info, err := os.Stat(cmp.Or(h.Path, hostsPath))
	if err != nil {
		h.names, h.mod, h.size = map[string][]netip.Addr{}, time.Time{}, 0
		return
	}
	if h.names == nil || !info.ModTime().Equal(h.mod) || info.Size() != h.size {
		h.readLocked(info)
	}
}

// readLocked keeps the old names if the file cannot be read now, and tries again at the next look.
func (h *Hosts) readLocked(info os.FileInfo) {
	if h.names == nil {
		h.names = map[string][]netip.Addr{}
	}
	file, err := os.Open(cmp.Or(h.Path, hostsPath))
	if err != nil {
		return
	}
	defer file.Close()
	if names, err := parseHosts(file, h.Skip); err == nil {
		h.names, h.mod, h.size = names, info.ModTime(), info.Size()
	}
}

// parseHosts reads lines of an address and its names. Lines it does not understand are passed over.
func parseHosts(r io.Reader, skip func(netip.Addr) bool) (map[string][]netip.Addr, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxHosts+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxHosts {
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
