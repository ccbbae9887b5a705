package resolver_test

import (
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// streamRows are about TCP.
func streamRows() []row {
	rows := []row{
		{must, "RFC 7766 6.2.1", "a connection takes many questions, one after another", func(w *world) {
			conn := w.stream()
			defer conn.Close()
			for i := range 30 {
				q := question(fmt.Sprintf("n%d.example.", i%3), dns.TypeA)
				conn.Write(framed(pack(q)))
				same(w, "id", w.next(conn).Id, q.Id)
			}
		}, ""},
		{must, "RFC 7766 6.2.1.1", "questions may be sent without waiting for answers, and each gets its own", func(w *world) {
			conn := w.stream()
			defer conn.Close()
			asked := map[uint16]string{}
			var sent []byte
			for i := range 50 {
				q := question(fmt.Sprintf("n%d.example.", i), dns.TypeA)
				q.Id = uint16(i)
				asked[q.Id] = q.Question[0].Name
				sent = append(sent, framed(pack(q))...)
			}
			conn.Write(sent)
			for range 50 {
				reply := w.next(conn)
				same(w, "name", reply.Question[0].Name, asked[reply.Id])
				delete(asked, reply.Id)
			}
			same(w, "questions without an answer", len(asked), 0)
		}, ""},
		{must, "RFC 7766 6.2.1.1", "equal questions on one connection each get an answer, also under one id", func(w *world) {
			w.up.follow(after(50*time.Millisecond, helpful))
			conn := w.stream()
			defer conn.Close()
			packet := framed(pack(question("www.example.", dns.TypeA)))
			conn.Write(slices.Concat(packet, packet, packet))
			for range 3 {
				same(w, "records", len(w.next(conn).Answer), 1)
			}
		}, ""},
		{should, "RFC 7766 7", "a slow answer does not hold up the quick ones behind it", func(w *world) {
			w.up.follow(func(a *asked) {
				if a.is("slow.example.") {
					after(time.Second, helpful)(a)
					return
				}
				helpful(a)
			})
			conn := w.stream()
			defer conn.Close()
			conn.Write(append(framed(pack(question("slow.example.", dns.TypeA))), framed(pack(question("quick.example.", dns.TypeA)))...))
			same(w, "first", w.next(conn).Question[0].Name, "quick.example.")
			same(w, "second", w.next(conn).Question[0].Name, "slow.example.")
		}, ""},
		{must, "RFC 7766 8", "a question may come in pieces, its length, too", func(w *world) {
			conn := w.stream()
			defer conn.Close()
			for _, b := range framed(pack(question("www.example.", dns.TypeA))) {
				conn.Write([]byte{b})
				w.rest(time.Millisecond)
			}
			same(w, "records", len(w.next(conn).Answer), 1)
		}, ""},
		{should, "RFC 7766 8", "an answer is sent in one piece with its length", func(w *world) {
			conn := w.stream()
			defer conn.Close()
			conn.Write(framed(pack(question("www.example.", dns.TypeA))))
			buf := make([]byte, 4096)
			n, err := conn.Read(buf)
			if err != nil || n < 14 {
				w.failf("first read\ngot  %d bytes (%v)\nwant the whole answer", n, err)
			}
		}, ""},
		{must, "RFC 7766 6.2.3", "a client that stays away for seconds is not hung up on", func(w *world) {
			conn := w.stream()
			defer conn.Close()
			for range 2 {
				conn.Write(framed(pack(question("www.example.", dns.TypeA))))
				w.next(conn)
				w.rest(2 * time.Second)
			}
			conn.Write(framed(pack(question("www.example.", dns.TypeA))))
			w.next(conn)
		}, ""},
		{must, "RFC 7766 6.2.4", "who closes its half still gets its answers", func(w *world) {
			w.up.follow(after(200*time.Millisecond, helpful))
			conn := w.stream().(*net.TCPConn)
			defer conn.Close()
			conn.Write(framed(pack(question("www.example.", dns.TypeA))))
			conn.CloseWrite()
			same(w, "records", len(w.next(conn).Answer), 1)
		}, ""},
		{must, "RFC 7766 6.2.4", "who hangs up before the answer harms nobody", func(w *world) {
			w.up.follow(after(50*time.Millisecond, helpful))
			for range 20 {
				conn := w.stream()
				conn.Write(framed(pack(question("www.example.", dns.TypeA))))
				conn.Close()
			}
			w.alive()
		}, ""},
		{must, "RFC 7766 6.2.2", "one client may have several connections", func(w *world) {
			conns := w.streams(20)
			defer closeAll(conns)
			for _, conn := range conns {
				conn.Write(framed(pack(question("www.example.", dns.TypeA))))
			}
			for _, conn := range conns {
				same(w, "records", len(w.next(conn).Answer), 1)
			}
		}, ""},
		{must, "RFC 7766 11", "a client that says nothing, or half of it, does not hold up others", func(w *world) {
			conns := w.streams(40)
			defer closeAll(conns)
			for _, conn := range conns {
				conn.Write([]byte{0, 50, 1, 2, 3})
			}
			w.alive()
		}, ""},
		{must, "RFC 9210 4.2", "a client that never reads does not hold up others", func(w *world) {
			w.up.follow(large(60000))
			conn := w.stream()
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(300 * time.Millisecond))
			for range 2000 {
				if _, err := conn.Write(framed(pack(question("www.example.", dns.TypeTXT)))); err != nil {
					break
				}
			}
			w.alive()
		}, ""},
		{must, "RFC 7766 8", "lengths that are too small harm nobody", func(w *world) {
			for _, size := range []int{0, 1, 11} {
				conn := w.stream()
				conn.Write(framed(make([]byte, size)))
				conn.Close()
			}
			w.alive()
		}, ""},
		{must, "RFC 9210 4.1", "64 KiB of a client harm nobody", func(w *world) {
			conn := w.stream()
			defer conn.Close()
			conn.Write(framed(append(pack(question("www.example.", dns.TypeA)), make([]byte, 65000)...)))
			w.alive()
		}, ""},
		{must, "RFC 7766 5", "both transports have the same memory", func(w *world) {
			w.ask("www.example.", dns.TypeA)
			w.network = "udp"
			w.ask("www.example.", dns.TypeA)
			same(w, "questions upstream", w.count("www.example.", dns.TypeA), 1)
		}, ""},
		{must, "RFC 7766 6.2.1.1", "more than a hundred questions in flight are all answered", func(w *world) {
			w.up.follow(after(100*time.Millisecond, helpful))
			conn := w.stream()
			defer conn.Close()
			go func() {
				for i := range 150 {
					conn.Write(framed(pack(question(fmt.Sprintf("n%d.example.", i), dns.TypeA))))
				}
			}()
			for range 150 {
				same(w, "rcode", rcode(w.next(conn)), "NOERROR")
			}
		}, ""},
	}
	for i := range rows {
		rows[i].only = "tcp"
	}
	return rows
}

// stream opens a connection for questions that the row sends itself.
func (w *world) stream() net.Conn {
	conn := w.dial()
	conn.SetDeadline(time.Now().Add(2 * answerPatience))
	return conn
}

func (w *world) streams(count int) (conns []net.Conn) {
	for range count {
		conns = append(conns, w.stream())
	}
	return conns
}

func closeAll(conns []net.Conn) {
	for _, conn := range conns {
		conn.Close()
	}
}

// next reads one answer.
func (w *world) next(conn net.Conn) *dns.Msg {
	packet, err := readFramed(conn)
	if err != nil {
		w.failf("got  no answer: %v\nwant one", err)
	}
	return w.read(packet)
}
