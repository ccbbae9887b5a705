package forward_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// One connection is for one place. A second request on it gets nothing that a CONNECT to the first host would not give.
func TestADoorsConnectionStaysWithItsHost(t *testing.T) {
	w := newWorld(t)
	w.setFetch(content("ours", nil))
	first := "GET /forever/a HTTP/1.1\r\nHost: " + host + "\r\n\r\n"
	for request, want := range map[string]string{
		first: "200 ours",
		"GET / HTTP/1.1\r\nHost: " + w.addr + "\r\n\r\n":                                     "421 ",
		"GET /reg/forever/a HTTP/1.1\r\nHost: " + w.addr + "\r\n\r\n":                        "421 ",
		"GET http://" + alien + "/ HTTP/1.1\r\nHost: " + host + "\r\n\r\n":                   "421 ",
		"CONNECT " + alien + ":443 HTTP/1.1\r\nHost: " + alien + ":443\r\n\r\n":              "405 ",
		"GET /forever/a HTTP/1.1\r\nHost: " + alien + "\r\n\r\n":                             "421 ",
		"GET http://me:secret@" + host + "/forever/a HTTP/1.1\r\nHost: " + host + "\r\n\r\n": "400 ",
	} {
		_, r := w.call(w.door("", false), first+request)
		if got := answer(r); got != "200 ours" {
			t.Errorf("the first\ngot:  %s\nwant: 200 ours", got)
		}
		if got := answer(r); !strings.HasPrefix(got, want) {
			t.Errorf("%s\ngot:  %s\nwant: %s", request, got, want)
		}
	}
}

// What lies ready for who asks by our own address must not be had through a door.
func TestADoorDoesNotAnswerWhatLiesReadyForOthers(t *testing.T) {
	w := newWorld(t)
	w.setFetch(content("ours", nil))
	request := "GET /reg/forever/a HTTP/1.1\r\nHost: " + w.addr + "\r\n\r\n"
	for range 2 {
		if _, r := w.raw(request); answer(r) != "200 ours" {
			t.Fatal("the gateway does not answer")
		}
	}
	if _, r := w.call(w.door("", false), request); !strings.HasPrefix(answer(r), "421 ") {
		t.Error("got:  the gateway's answer\nwant: 421")
	}
}

func TestWhatIsPassedOnIsUntouched(t *testing.T) {
	w := newWorld(t)
	far := w.far()
	for _, sent := range []string{
		"GET /a HTTP/1.1\r\nhOST:   " + alien + "  \r\nX-Odd:\tyes \r\n\r\nGET /b HTTP/1.1\r\nHost: " + host + "\r\n\r\n",
		"GET /ws HTTP/1.1\r\nHost: " + alien + "\r\nConnection: Upgrade\r\nUpgrade: any\r\n\r\n\x00\xff\x16",
		"POST /a HTTP/1.1\r\nHost: " + alien + "\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
	} {
		conn, r := w.call(w.door(toHTTP, false), sent)
		origin, err := far.Accept()
		if err != nil {
			t.Fatal(err)
		}
		origin.SetDeadline(time.Now().Add(20 * time.Second))
		got := make([]byte, len(sent))
		if io.ReadFull(origin, got); string(got) != sent {
			t.Errorf("got:  %q\nwant: %q", got, sent)
		}
		io.WriteString(origin, "HTTP/1.1 101 Switching Protocols\r\n\r\n")
		line(r)
		line(r)
		for range 3 { // both ways, piece by piece
			io.WriteString(conn, "ping\n")
			if got := line(bufio.NewReader(origin)); got != "ping" {
				t.Errorf("got:  %q\nwant: ping", got)
			}
			io.WriteString(origin, "pong\n")
			if got := line(r); got != "pong" {
				t.Errorf("got:  %q\nwant: pong", got)
			}
		}
		conn.(*net.TCPConn).CloseWrite()
		if n, err := io.Copy(io.Discard, origin); n != 0 || err != nil {
			t.Errorf("the client's end\ngot:  %d bytes, %v\nwant: a clean end", n, err)
		}
		io.WriteString(origin, "after\n")
		if got := line(r); got != "after" {
			t.Errorf("got:  %q\nwant: after, for the client still listens", got)
		}
		origin.Close()
	}
}

func TestAClientThatLeavesWithoutAWordCostsNoConnection(t *testing.T) {
	w := newWorld(t)
	conn, r := w.call(w.door(toHTTP, false), "")
	conn.(*net.TCPConn).CloseWrite()
	if got := answer(r); got != "closed" || w.dialledLast() != "nobody" {
		t.Errorf("got:  %s, dialled %s\nwant: closed, dialled nobody", got, w.dialledLast())
	}
}
