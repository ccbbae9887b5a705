package quick

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

// conn is a TCP connection that is read and written quickly.
type conn struct {
	*net.TCPConn
	quick *Conn
}

func (c *conn) Read(p []byte) (int, error)  { return c.quick.Read(p) }
func (c *conn) Write(p []byte) (int, error) { return c.quick.Write(p) }

// quickPair is a quick connection and its far end.
func quickPair(t *testing.T) (near *conn, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	out, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	in, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	tcp := in.(*net.TCPConn)
	near, far = &conn{tcp, New(tcp)}, out.(*net.TCPConn)
	t.Cleanup(func() { near.Close(); far.Close() })
	if near.quick == nil {
		t.Fatal("a TCP connection is not quick")
	}
	return near, far
}

// TestQuickCarriesAllBytes lets both ends write more than the kernel takes, in pieces of every kind.
func TestQuickCarriesAllBytes(t *testing.T) {
	near, far := quickPair(t)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	var work sync.WaitGroup
	work.Go(func() {
		for rest := sent; len(rest) > 0; {
			n, err := near.Write(rest[:min(len(rest), 1+len(rest)%(2*most))])
			if err != nil {
				t.Error(err)
				return
			}
			rest = rest[n:]
		}
		near.CloseWrite()
	})
	work.Go(func() {
		got, err := io.ReadAll(far)
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("the far end\ngot:  %d bytes, %v\nwant: %d", len(got), err, len(sent))
		}
		far.Write(got)
		far.CloseWrite()
	})
	got, err := io.ReadAll(near)
	work.Wait()
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("got:  %d bytes, %v\nwant: %d", len(got), err, len(sent))
	}
}

// TestQuickWaitsAsNetDoes breaks a read and a write that wait, in every way.
func TestQuickWaitsAsNetDoes(t *testing.T) {
	read := func(near *conn) error { _, err := near.Read(make([]byte, 10)); return err }
	write := func(near *conn) error {
		for {
			if _, err := near.Write(make([]byte, most)); err != nil {
				return err
			}
		}
	}
	reset := func(_ *conn, far *net.TCPConn) { far.SetLinger(0); far.Close() }
	for what, c := range map[string]struct {
		call func(*conn) error
		stop func(*conn, *net.TCPConn)
		want error
	}{
		"the client leaves":         {read, func(_ *conn, far *net.TCPConn) { far.Close() }, io.EOF},
		"reset while reading":       {read, reset, syscall.ECONNRESET},
		"reset while writing":       {write, reset, syscall.ECONNRESET},
		"closed while reading":      {read, func(near *conn, _ *net.TCPConn) { near.Close() }, net.ErrClosed},
		"closed while writing":      {write, func(near *conn, _ *net.TCPConn) { near.Close() }, net.ErrClosed},
		"too late while reading":    {read, func(near *conn, _ *net.TCPConn) { near.SetReadDeadline(time.Now()) }, os.ErrDeadlineExceeded},
		"too late while writing":    {write, func(near *conn, _ *net.TCPConn) { near.SetWriteDeadline(time.Now()) }, os.ErrDeadlineExceeded},
		"the other deadline passed": {read, func(near *conn, far *net.TCPConn) { near.SetWriteDeadline(time.Now()); far.Close() }, io.EOF},
	} {
		near, far := quickPair(t)
		ended := make(chan error, 1)
		go func() { ended <- c.call(near) }()
		time.Sleep(20 * time.Millisecond) // it should wait by then; if not, the outcome is the same
		c.stop(near, far)
		err := <-ended
		if !errors.Is(err, c.want) {
			t.Errorf("%s\ngot:  %v\nwant: %v", what, err, c.want)
		}
		op, ok := errors.AsType[*net.OpError](err)
		if ended := errors.Is(c.want, io.EOF); !ended && (!ok || op.Op != "read" && op.Op != "write" || op.Timeout() != errors.Is(c.want, os.ErrDeadlineExceeded)) {
			t.Errorf("%s\ngot:  %#v\nwant: what net says", what, err)
		}
	}
}

func TestQuickAllocatesNothing(t *testing.T) {
	near, far := quickPair(t)
	buf, echo := make([]byte, 100), make([]byte, 100)
	n := testing.AllocsPerRun(100, func() {
		if _, err := near.Write(buf); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(far, echo); err != nil {
			t.Fatal(err)
		}
		if _, err := far.Write(echo); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(near, buf); err != nil {
			t.Fatal(err)
		}
	})
	if n > 0 {
		t.Errorf("got:  %v allocations a round\nwant: 0", n)
	}
}
