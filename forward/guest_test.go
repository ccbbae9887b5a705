package forward

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
)

// Trap: a TCP connection behind a wrapper cannot be spliced by the kernel. Tunnels must get the bare one, unless there
// are bytes to replay.
func TestAHijackedConnectionIsBareUnlessBytesAreToBeReplayed(t *testing.T) {
	for _, c := range []struct{ early, want string }{
		{"", "*net.TCPConn"},
		{"early", "*forward.guest"},
	} {
		kind := make(chan string, 1)
		door := newHandoff()
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := replay{w}.Hijack()
			kind <- fmt.Sprintf("%T", conn)
			if err == nil {
				io.WriteString(conn, "hijacked")
				conn.Close()
			}
		})}
		go srv.Serve(door)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		client, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(client, "CONNECT a.test:1 HTTP/1.1\r\nHost: x\r\n\r\n"+c.early)
		g := &guest{Conn: conn}
		if _, err := g.peek(); err != nil {
			t.Fatal(err)
		}
		door.offer(g)
		bufio.NewReader(client).ReadString('d')
		if got := <-kind; got != c.want {
			t.Errorf("with %q after the CONNECT\ngot:  %s\nwant: %s", c.early, got, c.want)
		}
		client.Close()
		l.Close()
		srv.Close()
	}
}

func TestTheFarEndOfATunnelCanBeSpliced(t *testing.T) {
	var far any = &spliced{}
	_, from := far.(io.ReaderFrom)
	_, to := far.(io.WriterTo)
	if !from || !to {
		t.Errorf("got:  ReaderFrom %v, WriterTo %v\nwant: both, as *net.TCPConn has them", from, to)
	}
}
