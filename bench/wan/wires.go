//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// wires carries the packets of all links, in one goroutine. Others reach it through do and wake.
type wires struct {
	links []*link
	ways  []way
	doors map[string]*line // access lines, by the namespace they lead to
	epoll int
	bell  int // an eventfd that ends a wait
	jobs  chan func()
	spare [][]byte
	began time.Time
}

// way is a line with the devices it leads from and to.
type way struct {
	*line
	in, out int
	access  *line // what comes next, shared with other ways; nil: nothing
}

// sip is how many packets are read from one device before the others have their turn.
const sip = 64

func newWires(links []*link) (*wires, error) {
	w := &wires{links: links, epoll: -1, bell: -1, jobs: make(chan func(), sip), doors: map[string]*line{}, began: time.Now()}
	for _, l := range links {
		w.ways = append(w.ways, way{&l.up, l.near.fd, l.far.fd, nil}, way{&l.down, l.far.fd, l.near.fd, w.door(l)})
	}
	var err error
	if w.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("make an epoll: %w", err)
	}
	if w.bell, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		w.close()
		return nil, fmt.Errorf("make an eventfd: %w", err)
	}
	watched := []int{w.bell}
	for _, way := range w.ways {
		watched = append(watched, way.in)
	}
	for i, fd := range watched {
		event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}
		if err := unix.EpollCtl(w.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
			w.close()
			return nil, fmt.Errorf("watch a device: %w", err)
		}
	}
	return w, nil
}

// door is the access line that a link shares; nil: it has none. The first link says its rate.
func (w *wires) door(l *link) *line {
	if l.access <= 0 {
		return nil
	}
	if w.doors[l.near.space] == nil {
		w.doors[l.near.space] = &line{settings: settings{rate: l.access}}
	}
	return w.doors[l.near.space]
}

func (w *wires) close() {
	for _, fd := range []int{w.epoll, w.bell} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// wake ends the present wait.
func (w *wires) wake() { _, _ = unix.Write(w.bell, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }

// do has f called between two packets, and returns what it said; false: ctx ended first.
func (w *wires) do(ctx context.Context, f func() reply) (reply, bool) {
	done := make(chan reply, 1)
	select {
	case w.jobs <- func() { done <- f() }:
	case <-ctx.Done():
		return reply{}, false
	}
	w.wake()
	select {
	case r := <-done:
		return r, true
	case <-ctx.Done():
		return reply{}, false
	}
}

// carry runs until ctx ends; wake has to be called then.
func (w *wires) carry(ctx context.Context) error {
	events := make([]unix.EpollEvent, len(w.ways)+1)
	for ctx.Err() == nil {
		n, err := w.wait(events, w.flush())
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("wait for packets: %w", err)
		}
		for _, event := range events[:n] {
			if event.Fd == 0 {
				w.answer()
			} else {
				w.read(w.ways[event.Fd-1])
			}
		}
	}
	return nil
}

// flush sends what is due, and returns how long nothing will be; negative: for ever. Access lines come last, because the
// others feed them.
func (w *wires) flush() time.Duration {
	now, next := time.Since(w.began), time.Duration(-1)
	soonest := func(due time.Duration, ok bool) {
		if ok && (next < 0 || due < next) {
			next = due
		}
	}
	for _, way := range w.ways {
		soonest(way.flush(now, func(p packet) error { return w.forward(way.access, p) }))
	}
	for _, door := range w.doors {
		soonest(door.flush(now, w.write))
	}
	if next < 0 {
		return next
	}
	return max(0, next-time.Since(w.began))
}

// forward gives a packet to the access line at the very time it was due there, or to its device if there is none.
func (w *wires) forward(access *line, p packet) error {
	if access == nil {
		return w.write(p)
	}
	if !access.take(p.due, p.buf, p.out) {
		w.free(p.buf) // the queue was full; the line has counted it
	}
	return nil
}

func (w *wires) write(p packet) error {
	_, err := unix.Write(p.out, p.buf)
	w.free(p.buf)
	return err
}

// wait needs epoll_pwait2 (Linux 5.11), because the older calls count in milliseconds: 8 packets at 100 Mbit/s.
func (w *wires) wait(events []unix.EpollEvent, limit time.Duration) (int, error) {
	var timeout *unix.Timespec
	if limit >= 0 {
		t := unix.NsecToTimespec(int64(limit))
		timeout = &t
	}
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(w.epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)),
		uintptr(unsafe.Pointer(timeout)), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

func (w *wires) read(from way) {
	for range sip {
		buf := w.buffer()
		n, err := unix.Read(from.in, buf)
		if err != nil || n <= 0 || !from.take(time.Since(w.began), buf[:n], from.out) {
			w.free(buf)
		}
		if err != nil || n <= 0 {
			return
		}
	}
}

// answer does what others asked for.
func (w *wires) answer() {
	var drain [8]byte
	_, _ = unix.Read(w.bell, drain[:])
	for {
		select {
		case job := <-w.jobs:
			job()
		default:
			return
		}
	}
}

func (w *wires) buffer() []byte {
	if n := len(w.spare); n > 0 {
		buf := w.spare[n-1]
		w.spare = w.spare[:n-1]
		return buf
	}
	return make([]byte, packetRoom)
}

func (w *wires) free(buf []byte) { w.spare = append(w.spare, buf[:cap(buf)]) }
