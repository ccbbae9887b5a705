package listener

import (
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
)

const (
	// firstInherited is where the sockets begin (sd_listen_fds(3)).
	firstInherited = 3
	// maxInherited bounds how many descriptors are looked at, whatever the environment says.
	maxInherited = 64
)

// Inherited are listening TCP sockets that a service manager opened for us and handed over: ports below 1024 need no
// privilege of ours then. They are never for DNS, where a socket that is open while nobody reads costs every look-up
// seconds, and a closed one milliseconds. nil is none. It may be used from many goroutines.
type Inherited struct {
	mu      sync.Mutex
	sockets []handed
}

// handed is a socket that nobody took yet.
type handed struct {
	name   string // FileDescriptorName= of its unit; empty: it has none
	socket *net.TCPListener
}

// Inherit takes over what LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES speak of, and clears them, for they are not meant for
// the programs that we start. Call it once, before anything else opens files. What is no listening TCP socket is closed.
func Inherit() *Inherited {
	i := inherit(os.Getenv, os.Getpid(), func(fd uintptr) *os.File { return os.NewFile(fd, "inherited") })
	for _, key := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		_ = os.Unsetenv(key) // it fails for names that are none
	}
	return i
}

func inherit(env func(string) string, pid int, open func(fd uintptr) *os.File) *Inherited {
	i := &Inherited{}
	count, err := strconv.ParseUint(env("LISTEN_FDS"), 10, 16)
	if err != nil || env("LISTEN_PID") != strconv.Itoa(pid) {
		return i
	}
	names := strings.Split(env("LISTEN_FDNAMES"), ":")
	for n := range min(int(count), maxInherited) {
		file := open(firstInherited + uintptr(n))
		if file == nil {
			continue
		}
		l, err := net.FileListener(file) // of a copy that programs we start do not get
		file.Close()
		if err != nil {
			continue
		}
		tcp, ok := l.(*net.TCPListener)
		if !ok {
			l.Close()
			continue
		}
		one := handed{socket: tcp}
		if n < len(names) {
			one.name = names[n]
		}
		i.sockets = append(i.sockets, one)
	}
	return i
}

// Take hands out the socket that is bound to at; nil: there is none, or it was taken. The caller closes it.
func (i *Inherited) Take(at netip.AddrPort) *net.TCPListener {
	taken := i.take(func(h handed) bool { return place(h.socket.Addr()) == at }, 1)
	if len(taken) == 0 {
		return nil
	}
	return taken[0]
}

// Named hands out all sockets of a name that were not taken. The caller closes them.
func (i *Inherited) Named(name string) []*net.TCPListener {
	return i.take(func(h handed) bool { return h.name == name }, maxInherited)
}

func (i *Inherited) take(wanted func(handed) bool, limit int) (taken []*net.TCPListener) {
	if i == nil {
		return nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	var left []handed
	for _, h := range i.sockets {
		if len(taken) < limit && wanted(h) {
			taken = append(taken, h.socket)
		} else {
			left = append(left, h)
		}
	}
	i.sockets = left
	return taken
}

// Left are the addresses of what nobody took.
func (i *Inherited) Left() (addrs []net.Addr) {
	if i == nil {
		return nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, h := range i.sockets {
		addrs = append(addrs, h.socket.Addr())
	}
	return addrs
}

// Close closes what nobody took: clients shall be refused there and not wait.
func (i *Inherited) Close() error {
	return closeAll(i.take(func(handed) bool { return true }, maxInherited))
}
