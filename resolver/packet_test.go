package resolver

import (
	"bytes"
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hither/resolver/socket"

	"github.com/miekg/dns"
)

// oddQuestions are packets that some client or other has sent.
func oddQuestions(tb testing.TB) (packets [][]byte) {
	tb.Helper()
	long := strings.Repeat(strings.Repeat("a", 63)+".", 3) + strings.Repeat("b", 61) + "."
	for _, q := range []*dns.Msg{
		query("www.example.com", dns.TypeA, nil),
		query("WwW.eXample.COM", dns.TypeAAAA, func(q *dns.Msg) { q.SetEdns0(4096, true) }),
		query(long, dns.TypeTXT, nil),
		query(`a\.b\000\255.example.com`, 65280, nil),
		query(".", dns.TypeNS, func(q *dns.Msg) { q.RecursionDesired, q.CheckingDisabled = false, true }),
		query("example.com", dns.TypeANY, nil),
		query("example.com", dns.TypeAXFR, nil),
		query("1.0.0.10.in-addr.arpa", dns.TypePTR, nil),
		query("x.hither-loop.example", dns.TypeTXT, nil),
		query("example.com", dns.TypeA, func(q *dns.Msg) { q.SetEdns0(512, false); q.IsEdns0().SetVersion(1) }),
		query("example.com", dns.TypeA, func(q *dns.Msg) { q.SetEdns0(512, false); q.Extra = append(q.Extra, q.Extra[0]) }),
		query("version.bind", dns.TypeTXT, func(q *dns.Msg) { q.Question[0].Qclass = dns.ClassCHAOS }),
		query("example.com", dns.TypeA, func(q *dns.Msg) { q.Question = append(q.Question, q.Question[0]) }),
		query("example.com", dns.TypeA, func(q *dns.Msg) { q.Question = nil }),
		query("example.com", dns.TypeSOA, func(q *dns.Msg) { q.Opcode = dns.OpcodeNotify }),
		query("example.com", dns.TypeA, func(q *dns.Msg) { q.Response = true }),
	} {
		packets = append(packets, packed(tb, q))
	}
	loop := packed(tb, query("a", dns.TypeA, nil))
	copy(loop[headerLen:], []byte{0xc0, headerLen})
	return append(packets, loop, nil, make([]byte, 11), make([]byte, 12), bytes.Repeat([]byte{0xff}, 600), packets[0][:20])
}

// FuzzQuestion compares our parser with miekg's: what we find good, it can read, and reads alike.
func FuzzQuestion(f *testing.F) {
	for _, packet := range oddQuestions(f) {
		f.Add(packet)
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		q := new(question)
		before := bytes.Clone(packet)
		v := q.parse(packet, ednsSize)
		if !bytes.Equal(before, packet) {
			t.Fatal("the parser changed the packet")
		}
		if v != good {
			return
		}
		name, end, err := dns.UnpackDomainName(packet, headerLen)
		if err != nil {
			t.Fatalf("miekg does not read the name: %v", err)
		}
		if !bytes.Equal(q.asked, packet[headerLen:end+4]) {
			t.Errorf("question\ngot  %x\nwant %x", q.asked, packet[headerLen:end+4])
		}
		key, _, err := dns.UnpackDomainName(q.name(), 0)
		if err != nil || key != strings.ToLower(name) {
			t.Errorf("key\ngot  %q, %v\nwant %q", key, err, strings.ToLower(name))
		}
		m := new(dns.Msg)
		if m.Unpack(packet) != nil {
			return // a broken record behind the question, which we do not look into
		}
		if opt := m.IsEdns0(); (opt != nil) != q.edns || opt != nil && opt.Do() != q.do {
			t.Errorf("EDNS\ngot  %v, DO %v\nwant %v", q.edns, q.do, opt)
		}
		if len(m.Question) != 1 || m.Question[0].Qtype != q.qtype || m.Question[0].Qclass != dns.ClassINET {
			t.Errorf("got  type %d\nwant %v", q.qtype, m.Question)
		}
	})
}

func TestVerdicts(t *testing.T) {
	names := map[verdict]string{good: "good", silence: "silence", formErr: "FORMERR", notImp: "NOTIMP", badVers: "BADVERS", refused: "REFUSED", wantsAny: "ANY"}
	want := strings.Fields("good good good good good ANY REFUSED good good BADVERS FORMERR REFUSED FORMERR FORMERR NOTIMP silence FORMERR silence silence FORMERR silence FORMERR")
	for i, packet := range oddQuestions(t) {
		if got := names[new(question).parse(packet, ednsSize)]; got != want[i] {
			t.Errorf("packet %d, %x\ngot  %s\nwant %s", i, packet, got, want[i])
		}
	}
}

// FuzzServe sends any packet: what comes back is well formed, fits, and is to what was asked, or nothing comes.
func FuzzServe(f *testing.F) {
	for _, packet := range oddQuestions(f) {
		f.Add(packet, true)
		f.Add(packet, false)
	}
	names := NewNames([]string{"example.com"}, netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback())
	s := &Server{
		Names:    func() *Names { return names },
		Exchange: &upstream{say: records("300 IN A 192.0.2.1", `300 IN TXT "`+strings.Repeat("t", 250)+`"`, "300 IN TYPE65280 \\# 2 abcd")},
	}
	f.Fuzz(func(t *testing.T, packet []byte, stream bool) {
		size := ednsSize
		if stream {
			size = streamSize
		}
		s.init()
		reply := roundTrip(t.Context(), s, bytes.Clone(packet), "127.0.0.1", size)
		if n := s.Stats().Panics; n > 0 {
			t.Fatalf("%d panics", n)
		}
		if len(packet) < headerLen || packet[2]&bitQR != 0 {
			if reply != nil {
				t.Fatalf("got  %x\nwant silence", reply)
			}
			return
		}
		m := new(dns.Msg)
		if err := m.Unpack(reply); err != nil || !m.Response || len(reply) > size {
			t.Fatalf("got  %x (%d bytes, %v)\nwant an answer", reply, len(reply), err)
		}
		if reply[0] != packet[0] || reply[1] != packet[1] || len(m.Question) == 1 && !bytes.HasPrefix(packet[headerLen:], reply[headerLen:headerLen+4]) {
			t.Fatalf("got  %v\nwant the answer to %x", m, packet)
		}
	})
}

// FuzzSaved reads any file: no crash, and what is taken from it is an answer.
func FuzzSaved(f *testing.F) {
	s := &Server{Exchange: &upstream{say: records("300 IN A 192.0.2.1", "20 IN CNAME www.example.net.")}}
	for _, name := range []string{"www.example.com", `odd\.name\200.example.com`} {
		ask(f, s, query(name, dns.TypeA, nil))
	}
	file := s.saved()
	now := time.Now()
	f.Add(file[len(savedMagic)+8:len(file)-32], true)
	f.Add(file, false)
	f.Add(file[:len(file)-1], false)
	f.Add([]byte{}, true)
	f.Add([]byte{0, 4, 0, 0, 1, 0, 0, 1, 0}, true)
	f.Fuzz(func(t *testing.T, content []byte, inner bool) {
		read := parseSaved
		if inner { // past the digest, which no fuzzer guesses
			read = parseEntries
		}
		entries, err := read(content, now)
		if !inner && bytes.Equal(content, file) && (err != nil || len(entries) != 2) {
			t.Fatalf("got  %d entries, %v\nwant 2", len(entries), err)
		}
		for _, e := range entries {
			q, err := questionOf([]byte(e.key))
			if err != nil {
				t.Fatal(err)
			}
			m := new(dns.Msg)
			if err := m.Unpack(appendReply(nil, q, e, now.UnixNano(), true)); err != nil || len(m.Answer) == 0 {
				t.Fatalf("got  %v, %v\nwant an answer", m, err)
			}
		}
	})
}

func TestWhatIsSavedIsThereAtTheNextStart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "[state")
	up := &upstream{say: records("300 IN A 192.0.2.1")}
	s := &Server{Exchange: up, State: dir, Private: func(name string) bool { return name == "secret.corp.example." }}
	ctx, cancel := context.WithCancel(t.Context())
	sockets, err := socket.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- s.Serve(ctx, sockets) }()
	ask(t, s, query("www.example.com", dns.TypeA, nil))
	ask(t, s, query("secret.corp.example", dns.TypeA, nil))
	up.set(records("300 IN AAAA 64:ff9b::192.0.2.1"))
	ask(t, s, query("www.example.com", dns.TypeAAAA, nil))
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, savedName)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("got  %v, %v\nwant a file that nobody else may read", info, err)
	}

	up.set(fails(dns.RcodeServerFailure))
	next := &Server{Exchange: up, State: dir}
	next.init()
	next.load()
	if reply := ask(t, next, query("WWW.example.com", dns.TypeA, nil)); len(reply.Answer) != 1 || reply.Answer[0].Header().Ttl != staleTTL {
		t.Errorf("got  %v\nwant the saved answer, with the TTL of a stale one", reply)
	}
	if reply := ask(t, next, query("secret.corp.example", dns.TypeA, nil)); reply.Rcode != dns.RcodeServerFailure {
		t.Errorf("got  %v\nwant nothing saved of a private server", reply)
	}
	if reply := ask(t, next, query("www.example.com", dns.TypeAAAA, nil)); reply.Rcode != dns.RcodeServerFailure {
		t.Errorf("got  %v\nwant nothing saved of a NAT64", reply)
	}

	old := &Server{State: dir, Now: func() time.Time { return time.Now().Add(savedFor + time.Hour) }}
	old.init()
	if old.load(); old.Stats().Entries != 0 {
		t.Errorf("got  %d entries of an old file\nwant none", old.Stats().Entries)
	}
	content, _ := os.ReadFile(path)
	content[len(content)/2] ^= 1
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	damaged := &Server{State: dir}
	damaged.init()
	if damaged.load(); damaged.Stats().Entries != 0 {
		t.Errorf("got  %d entries of a damaged file\nwant none", damaged.Stats().Entries)
	}
}
