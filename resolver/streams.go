package resolver

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"hither/resolver/socket"
)

const (
	// idle is how long a client may take for its next question, whole (RFC 7766, 6.2.3).
	idle = 10 * time.Second
	// writeTime is how long a client may take to take an answer.
	writeTime = 2 * time.Second
	// maxStreams is how many connections one address serves. When they are all taken, the one that was quiet for longest
	// is closed.
	maxStreams = 256
	// maxPending is how many questions of one connection may wait for upstreams; it is not read from while they do.
	maxPending = 64
	// acceptPause is how long we wait when the system has no more files for us.
	acceptPause = 50 * time.Millisecond
)

// stream is one connection over TCP. Answers go out as they come (RFC 7766, 6.2.1.1).
type stream struct {
	conn    net.Conn
	asker   asker
	in      *bufio.Reader
	pending sync.WaitGroup
	places  chan struct{} // one for each pending

	mu   sync.Mutex
	out  *bufio.Writer
	last time.Time // when it was used; guarded by streams.mu
}

// streams are the connections to one address.
type streams struct {
	mu   sync.Mutex
	open map[*stream]struct{}
}

// serveStreams accepts connections until the sockets are closed. It returns when all connections are.
func (s *Server) serveStreams(ctx context.Context, set *socket.Set) error {
	all := &streams{open: map[*stream]struct{}{}}
	var running sync.WaitGroup
	defer running.Wait()
	defer all.closeAll()
	for {
		conn, err := set.Streams.Accept()
		if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			if err == nil {
				conn.Close()
			}
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		if err != nil {
			pause(ctx, acceptPause)
			continue
		}
		st, ok := s.newStream(conn, set.Addr().Addr())
		if !ok || !all.add(st, s.now()) {
			s.counts.dropped.Add(1)
			conn.Close()
			continue
		}
		running.Go(func() {
			defer all.remove(st)
			stop := context.AfterFunc(ctx, func() { conn.Close() })
			defer stop()
			_ = s.guard(func() error { return s.readStream(ctx, st, all) })
			st.pending.Wait()
			st.flush()
		})
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (s *Server) newStream(conn net.Conn, local netip.Addr) (*stream, bool) {
	remote, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return nil, false
	}
	addr := remote.AddrPort()
	a := asker{addr: netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()), net: "tcp", size: streamSize}
	ok = s.serves(&a, local)
	return &stream{
		conn: conn, asker: a, places: make(chan struct{}, maxPending),
		in: bufio.NewReaderSize(conn, socket.PacketSize), out: bufio.NewWriterSize(conn, socket.PacketSize),
	}, ok
}

// readStream answers questions until the client has no more, or takes too long.
func (s *Server) readStream(ctx context.Context, st *stream, all *streams) error {
	packet, out := make([]byte, 0, socket.PacketSize), make([]byte, 0, socket.PacketSize)
	q := new(question)
	for {
		if !st.ready() {
			st.flush()
		}
		st.conn.SetReadDeadline(time.Now().Add(idle))
		var err error
		if packet, err = readFrame(st.in, packet[:0]); err != nil {
			return err
		}
		a := st.asker
		a.when = s.now()
		all.touch(st, a.when)
		reply, done := s.quick(out[:0], q, packet, &a)
		switch {
		case done && len(reply) > 0:
			st.write(reply)
			out = reply
		case !done:
			select {
			case st.places <- struct{}{}:
			case <-ctx.Done():
				return nil
			}
			st.pending.Add(1)
			given := packet
			packet = make([]byte, 0, socket.PacketSize)
			s.slowly(ctx, given, a, st)
		}
	}
}

// ready says whether a whole question is in the buffer, so that writing its predecessor's answer can wait for its own.
func (st *stream) ready() bool {
	n := st.in.Buffered()
	if n < 2 {
		return false
	}
	size, err := st.in.Peek(2)
	return err == nil && n >= 2+int(binary.BigEndian.Uint16(size))
}

// readFrame reads a message behind its length, which may come in pieces (RFC 1035, 4.2.2), into buf.
func readFrame(r io.Reader, buf []byte) ([]byte, error) {
	buf = append(buf, 0, 0)
	if _, err := io.ReadFull(r, buf); err != nil {
		return nil, err
	}
	size := int(binary.BigEndian.Uint16(buf))
	if size > cap(buf) {
		buf = make([]byte, size)
	}
	buf = buf[:size]
	_, err := io.ReadFull(r, buf)
	return buf, err
}

// send implements [sender] for a question that was pending.
func (st *stream) send(wire []byte) {
	st.write(wire)
	st.flush()
	<-st.places
	st.pending.Done()
}

// write queues a message with its length. A client that does not take its answers loses the connection.
func (st *stream) write(wire []byte) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.conn.SetWriteDeadline(time.Now().Add(writeTime))
	size := [2]byte{byte(len(wire) >> 8), byte(len(wire))}
	_, err := st.out.Write(size[:])
	if err == nil {
		_, err = st.out.Write(wire)
	}
	if err != nil {
		st.conn.Close()
	}
}

func (st *stream) flush() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.conn.SetWriteDeadline(time.Now().Add(writeTime))
	if st.out.Flush() != nil {
		st.conn.Close()
	}
}

// add makes room for st if there is none.
func (all *streams) add(st *stream, now time.Time) bool {
	all.mu.Lock()
	defer all.mu.Unlock()
	if len(all.open) >= maxStreams {
		var quiet *stream
		for other := range all.open {
			if len(other.places) == 0 && (quiet == nil || other.last.Before(quiet.last)) {
				quiet = other
			}
		}
		if quiet == nil {
			return false
		}
		quiet.conn.Close()
		delete(all.open, quiet)
	}
	st.last = now
	all.open[st] = struct{}{}
	return true
}

func (all *streams) touch(st *stream, now time.Time) {
	all.mu.Lock()
	defer all.mu.Unlock()
	st.last = now
}

func (all *streams) remove(st *stream) {
	all.mu.Lock()
	defer all.mu.Unlock()
	st.conn.Close()
	delete(all.open, st)
}

func (all *streams) closeAll() {
	all.mu.Lock()
	defer all.mu.Unlock()
	for st := range all.open {
		st.conn.Close()
	}
}
