package quick

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// most is how many bytes go one way in one quick system call, at most. The scheduler and the garbage collector do not
// know of it and may wait for its end, which is a matter of microseconds for so many.
const most = 32 << 10

// Conn reads and writes a TCP connection without telling Go's scheduler. A socket of package net never blocks, so that there
// is nothing to tell; but telling wakes the runtime's monitor, which then looks every 20 µs for threads that hang in the
// kernel. With many short requests that was a tenth of all processor time. Who computes for long after a quick call is
// interrupted by the monitor a little later than others; any other system call of the process wakes it.
type Conn struct {
	tcp *net.TCPConn
	in  way
	out way
}

// way is one direction. Its function is made once, because a closure for each call would be an allocation.
type way struct {
	mu   sync.Mutex // one call at a time, and it guards p, n and err
	wait func(func(fd uintptr) bool) error
	step func(fd uintptr) bool
	p    []byte
	n    int
	err  error
}

// New returns nil for nil, and where it cannot be done: then TCPConn does it itself. Deadlines and Close stay TCPConn's.
func New(tcp *net.TCPConn) *Conn {
	if tcp == nil {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	q := &Conn{tcp: tcp}
	q.in.wait, q.in.step = raw.Read, q.in.read
	q.out.wait, q.out.step = raw.Write, q.out.write
	return q
}

// Read is TCPConn's.
func (q *Conn) Read(p []byte) (int, error) {
	n, err := q.in.move(p[:min(len(p), most)])
	if err == nil && n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, q.named("read", err)
}

// Write is TCPConn's.
func (q *Conn) Write(p []byte) (int, error) {
	if len(p) > most {
		return q.tcp.Write(p)
	}
	n, err := q.out.move(p)
	return n, q.named("write", err)
}

// named says of an error what package net says.
func (q *Conn) named(op string, err error) error {
	if err == nil {
		return nil
	}
	if outer, ok := errors.AsType[*net.OpError](err); ok {
		err = outer.Err
	}
	if errno, ok := err.(syscall.Errno); ok { //nolint:errorlint // it is ours, and bare
		err = os.NewSyscallError(op, errno)
	}
	return &net.OpError{Op: op, Net: "tcp", Source: q.tcp.LocalAddr(), Addr: q.tcp.RemoteAddr(), Err: err}
}

// move takes step until it is done, and waits for the socket in between, as its deadlines allow.
func (w *way) move(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.p, w.n, w.err = p, 0, nil
	err := w.wait(w.step)
	if err == nil {
		err = w.err
	}
	w.p = nil
	return w.n, err
}

// read is done when something came, or the end.
func (w *way) read(fd uintptr) (done bool) {
	var errno syscall.Errno
	w.n, errno = untold(syscall.SYS_READ, fd, w.p)
	return w.settled(errno)
}

// write is done when all is written.
func (w *way) write(fd uintptr) (done bool) {
	for w.n < len(w.p) {
		n, errno := untold(syscall.SYS_WRITE, fd, w.p[w.n:])
		if errno != 0 {
			return w.settled(errno)
		}
		w.n += n
	}
	return true
}

// settled keeps an error. EAGAIN is none: the socket is to be waited for.
func (w *way) settled(errno syscall.Errno) (done bool) {
	if errno == syscall.EAGAIN {
		return false
	}
	if errno != 0 {
		w.err = errno
	}
	return true
}
