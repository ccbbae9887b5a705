package nameserver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/miekg/dns"

	"hither/resolver/exchange"
	"hither/resolver/exchange/exchangetest"
	"hither/resolver/exchange/letter"
)

const right = "reg.example. 60 IN A 192.0.2.1"

func ask() *dns.Msg { return new(dns.Msg).SetQuestion("reg.example.", dns.TypeA) }

func TestWrongRepliesArePassedOverUntilTheRightOneComes(t *testing.T) {
	wrong := map[string]func(*dns.Msg){
		"another id":              func(m *dns.Msg) { m.Id++ },
		"another name":            func(m *dns.Msg) { m.Question[0].Name = "evil.example." },
		"another letter case":     func(m *dns.Msg) { m.Question[0].Name = "REG.example." },
		"another type":            func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeAAAA },
		"another class":           func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS },
		"another opcode":          func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify },
		"no question":             func(m *dns.Msg) { m.Question = nil },
		"the question sent back":  func(m *dns.Msg) { m.Response = false },
		"a failure under that id": func(m *dns.Msg) { m.Question, m.Rcode = nil, dns.RcodeServerFailure },
		"a bare failure under it": func(m *dns.Msg) { m.Question, m.Answer, m.Rcode = nil, nil, dns.RcodeServerFailure },
	}
	for name, spoil := range wrong {
		t.Run(name, func(t *testing.T) {
			server := &liar{udp: func(q *dns.Msg) [][]byte {
				forged := exchangetest.Reply(t, q, "reg.example. 60 IN A 203.0.113.66")
				spoil(forged)
				return [][]byte{{1, 2, 3}, exchangetest.Wire(t, forged), exchangetest.Wire(t, exchangetest.Reply(t, q, right))}
			}}
			got, err := Plain{Server: server.start(t)}.Exchange(t.Context(), ask())
			if err != nil {
				t.Fatal(err)
			}
			if text := got.Answer[0].(*dns.A).A.String(); text != "192.0.2.1" {
				t.Errorf("got  %s\nwant 192.0.2.1", text)
			}
		})
	}
}

func TestOnlyWrongRepliesAreSilence(t *testing.T) {
	server := &liar{udp: func(q *dns.Msg) [][]byte {
		forged := exchangetest.Reply(t, q, right)
		forged.Id++
		return [][]byte{exchangetest.Wire(t, forged)}
	}}
	_, err := Plain{Server: server.start(t), Timeout: 100 * time.Millisecond}.Exchange(t.Context(), ask())
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got  %v\nwant a deadline", err)
	}
}

func TestEachQuestionHasItsOwnPortAndIdAndSaysHowMuchFits(t *testing.T) {
	server := &liar{udp: func(q *dns.Msg) [][]byte { return [][]byte{exchangetest.Wire(t, exchangetest.Reply(t, q, right))} }}
	plain := Plain{Server: server.start(t)}
	const times = 20
	for range times {
		q := ask()
		q.Id = 7
		got, err := plain.Exchange(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if got.Id != 7 || q.Id != 7 || len(q.Extra) != 0 || got.IsEdns0() != nil {
			t.Fatalf("the question was changed or the reply is not its own:\n%v\n%v", q, got)
		}
	}
	ports, ids := map[uint16]bool{}, map[uint16]bool{}
	for _, s := range server.questions() {
		ports[s.from.Port()], ids[s.msg.Id] = true, true
		if opt := s.msg.IsEdns0(); opt == nil || opt.UDPSize() != 1232 {
			t.Errorf("got  %v\nwant EDNS with 1232", opt)
		}
	}
	if len(ids) < times-2 || len(ports) < times/2 {
		t.Errorf("got  %d ids from %d ports for %d questions\nwant fresh ones", len(ids), len(ports), times)
	}
}

func TestOneLostPacketIsAskedAgain(t *testing.T) {
	asked := 0
	server := &liar{udp: func(q *dns.Msg) [][]byte {
		if asked++; asked == 1 {
			return nil
		}
		return [][]byte{exchangetest.Wire(t, exchangetest.Reply(t, q, right))}
	}}
	got, err := Plain{Server: server.start(t), Timeout: 10 * time.Second}.Exchange(t.Context(), ask())
	if err != nil || len(got.Answer) != 1 {
		t.Errorf("got  %v, %v\nwant the answer", got, err)
	}
}

func TestWhatDoesNotFitIsAskedOverTCP(t *testing.T) {
	cut := func(q *dns.Msg) [][]byte {
		reply := exchangetest.Reply(t, q)
		reply.Truncated = true
		return [][]byte{exchangetest.Wire(t, reply)}
	}
	server := &liar{udp: cut, tcp: func(q *dns.Msg) []byte { return exchangetest.Wire(t, exchangetest.Reply(t, q, right)) }}
	got, err := Plain{Server: server.start(t)}.Exchange(t.Context(), ask())
	if err != nil || got.Truncated || len(got.Answer) != 1 {
		t.Errorf("got  %v, %v\nwant the whole answer", got, err)
	}
	deaf := &liar{udp: cut}
	got, err = Plain{Server: deaf.start(t)}.Exchange(t.Context(), ask())
	if err != nil || !got.Truncated {
		t.Errorf("got  %v, %v\nwant the short answer, marked", got, err)
	}
}

// Some middleboxes cut what is longer than 512 bytes, and do not mark it.
func TestReplyThatCannotBeReadIsAskedOverTCP(t *testing.T) {
	broken := func(q *dns.Msg) []byte {
		whole := exchangetest.Wire(t, exchangetest.Reply(t, q, right))
		return whole[:len(whole)-2]
	}
	for name, test := range map[string]struct {
		tcp  func(q *dns.Msg) []byte
		want error
	}{
		"whole over TCP":  {func(q *dns.Msg) []byte { return exchangetest.Wire(t, exchangetest.Reply(t, q, right)) }, nil},
		"broken over TCP": {broken, letter.ErrGarbled},
		"no TCP":          {nil, letter.ErrGarbled},
	} {
		server := &liar{udp: func(q *dns.Msg) [][]byte { return [][]byte{broken(q)} }, tcp: test.tcp}
		plain, begin := NewPlain(server.start(t)), time.Now()
		got, err := plain.Exchange(t.Context(), ask())
		if !errors.Is(err, test.want) || err == nil && len(got.Answer) != 1 {
			t.Errorf("%s\ngot  %v, %v\nwant %v", name, got, err, test.want)
		}
		if took := time.Since(begin); took > resend {
			t.Errorf("%s\ngot  it after %v\nwant it soon", name, took)
		}
		plain.Close()
	}
}

func TestReplyThatIsCutBehindARecordIsNotTheWhole(t *testing.T) {
	records := []string{right, "reg.example. 60 IN A 192.0.2.2"}
	server := &liar{
		udp: func(q *dns.Msg) [][]byte {
			whole, shorter := exchangetest.Wire(t, exchangetest.Reply(t, q, records...)), exchangetest.Wire(t, exchangetest.Reply(t, q, right))
			return [][]byte{whole[:len(shorter)]}
		},
		tcp: func(q *dns.Msg) []byte { return exchangetest.Wire(t, exchangetest.Reply(t, q, records...)) },
	}
	if got := exchanged(t, Plain{Server: server.start(t)}, ask()); len(got.Answer) != len(records) {
		t.Errorf("got  %v\nwant %v", got.Answer, records)
	}
}

func TestReplyThatIsCutBehindARecordIsBetterThanNone(t *testing.T) {
	server := &liar{udp: func(q *dns.Msg) [][]byte {
		whole := exchangetest.Wire(t, exchangetest.Reply(t, q, right, "reg.example. 60 IN A 192.0.2.2"))
		return [][]byte{whole[:len(exchangetest.Wire(t, exchangetest.Reply(t, q, right)))]}
	}}
	if got := exchanged(t, Plain{Server: server.start(t)}, ask()); len(got.Answer) != 1 || !got.Truncated {
		t.Errorf("got  %v\nwant what came, marked as cut short, where TCP is refused", got)
	}
}

func TestServerFromBeforeEDNSIsAskedWithout(t *testing.T) {
	server := &liar{udp: func(q *dns.Msg) [][]byte {
		reply := exchangetest.Reply(t, q, right)
		if q.IsEdns0() != nil {
			reply = new(dns.Msg).SetRcode(q, dns.RcodeFormatError)
		}
		return [][]byte{exchangetest.Wire(t, reply)}
	}}
	got, err := Plain{Server: server.start(t)}.Exchange(t.Context(), ask())
	if err != nil || got.Rcode != dns.RcodeSuccess {
		t.Errorf("got  %v, %v\nwant the answer", got, err)
	}
}

func TestCancelEndsTheWait(t *testing.T) {
	server := &liar{udp: func(*dns.Msg) [][]byte { return nil }}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err := Plain{Server: server.start(t), Timeout: time.Hour}.Exchange(ctx, ask())
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got  %v\nwant canceled", err)
	}
}

func TestPlainRefusesWhatIsNoQuestion(t *testing.T) {
	for name, q := range map[string]*dns.Msg{"none": {}, "a name that is too long": new(dns.Msg).SetQuestion(string(make([]byte, 300))+".", dns.TypeA)} {
		if _, err := (Plain{Server: netip.MustParseAddrPort("127.0.0.1:9")}).Exchange(t.Context(), q); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := (Plain{}).Exchange(t.Context(), ask()); err == nil {
		t.Error("a Plain without a server: no error")
	}
}

func TestForgersDriveTheQuestionToTCP(t *testing.T) {
	forge := func(q *dns.Msg) (out [][]byte) {
		for i := range uint16(maxWrong) {
			forged := exchangetest.Reply(t, q, "reg.example. 60 IN A 203.0.113.66")
			forged.Id += i + 1
			out = append(out, exchangetest.Wire(t, forged))
		}
		return append(out, exchangetest.Wire(t, exchangetest.Reply(t, q, "reg.example. 60 IN A 203.0.113.66")))
	}
	server := &liar{udp: forge, tcp: func(q *dns.Msg) []byte { return exchangetest.Wire(t, exchangetest.Reply(t, q, right)) }}
	got, err := Plain{Server: server.start(t)}.Exchange(t.Context(), ask())
	if err != nil || got.Answer[0].(*dns.A).A.String() != "192.0.2.1" {
		t.Errorf("got  %v, %v\nwant what TCP says", got, err)
	}
	deaf := &liar{udp: forge}
	if _, err = (Plain{Server: deaf.start(t)}).Exchange(t.Context(), ask()); !errors.Is(err, errForged) {
		t.Errorf("got  %v\nwant word of forgery", err)
	}
}

func TestServerThatIsSilentOverUDPIsAskedOverTCP(t *testing.T) {
	t.Parallel()
	server := &liar{udp: func(*dns.Msg) [][]byte { return nil }, tcp: func(q *dns.Msg) []byte { return exchangetest.Wire(t, exchangetest.Reply(t, q, right)) }}
	got, err := NewPlain(server.start(t)).Exchange(t.Context(), ask())
	if err != nil || len(got.Answer) != 1 {
		t.Errorf("got  %v, %v\nwant the answer", got, err)
	}
}

func TestServerFromBeforeEDNSIsRemembered(t *testing.T) {
	for name, test := range map[string]struct {
		refuse func(q *dns.Msg) *dns.Msg
		with   int // questions with EDNS, of 3
		asked  int
	}{
		"does not know it": {func(q *dns.Msg) *dns.Msg { return new(dns.Msg).SetRcode(q, dns.RcodeNotImplemented) }, 1, 4},
		"does not read on": {func(q *dns.Msg) *dns.Msg {
			m := new(dns.Msg).SetRcode(q, dns.RcodeFormatError)
			m.Question = nil
			return m
		}, 1, 4},
		"knows it but not this":  {func(q *dns.Msg) *dns.Msg { return new(dns.Msg).SetRcode(q, dns.RcodeFormatError).SetEdns0(512, false) }, 3, 3},
		"understands it rightly": {func(q *dns.Msg) *dns.Msg { return exchangetest.Reply(t, q, right) }, 3, 3},
	} {
		server := &liar{udp: func(q *dns.Msg) [][]byte {
			if q.IsEdns0() != nil {
				return [][]byte{exchangetest.Wire(t, test.refuse(q))}
			}
			return [][]byte{exchangetest.Wire(t, exchangetest.Reply(t, q, right))}
		}}
		plain := NewPlain(server.start(t))
		for range 3 {
			if _, err := plain.Exchange(t.Context(), ask()); err != nil {
				t.Fatal(err)
			}
		}
		with := 0
		for _, s := range server.questions() {
			if s.msg.IsEdns0() != nil {
				with++
			}
		}
		if asked := len(server.questions()); with != test.with || asked != test.asked {
			t.Errorf("%s\ngot  %d of %d with EDNS\nwant %d of %d", name, with, asked, test.with, test.asked)
		}
		plain.Forget()
		plain.Exchange(t.Context(), ask())
		if last := server.questions()[test.asked]; last.msg.IsEdns0() == nil {
			t.Errorf("%s: not tried again on another network", name)
		}
	}
}

// Such a server may not understand the question either. It has said so, and is asked no third time.
func TestServerThatReadsNoQuestionIsHeard(t *testing.T) {
	server := &liar{udp: func(q *dns.Msg) [][]byte {
		m := new(dns.Msg).SetRcode(q, dns.RcodeNotImplemented)
		m.Question = nil
		return [][]byte{exchangetest.Wire(t, m)}
	}}
	got, err := NewPlain(server.start(t)).Exchange(t.Context(), ask())
	if err != nil || got.Rcode != dns.RcodeNotImplemented || len(server.questions()) != 2 {
		t.Errorf("got  %v, %v after %d questions\nwant NOTIMP after 2", got, err, len(server.questions()))
	}
}

func TestClientsRetryIsSentFromAnotherPort(t *testing.T) {
	again := make(chan struct{}, 1)
	asked := 0
	server := &liar{udp: func(q *dns.Msg) [][]byte {
		if asked++; asked == 1 {
			again <- struct{}{}
			return nil
		}
		return [][]byte{exchangetest.Wire(t, exchangetest.Reply(t, q, right))}
	}}
	plain := Plain{Server: server.start(t), Timeout: 500 * time.Millisecond} // less than a resend of our own
	if _, err := plain.Exchange(exchange.WithResend(t.Context(), again), ask()); err != nil {
		t.Fatal(err)
	}
	if s := server.questions(); s[0].from == s[1].from || s[0].msg.Id == s[1].msg.Id {
		t.Errorf("got  %v and %v with ids %d and %d\nwant two ports and ids", s[0].from, s[1].from, s[0].msg.Id, s[1].msg.Id)
	}
}

func TestAServersWordOfValidationIsTakenOnlyFromThisMachine(t *testing.T) {
	validated := func(q *dns.Msg) *dns.Msg {
		reply := exchangetest.Reply(t, q, right)
		reply.AuthenticatedData = true
		return reply
	}
	hosts := map[string]bool{"127.0.0.1": true, outwardAddress(t): false}
	if runtime.GOOS == "linux" { // elsewhere not all of 127.0.0.0/8 is there
		hosts["127.0.0.11"] = false // where Docker answers its containers
	}
	for host, want := range hosts {
		server := &liar{
			host: host,
			udp:  func(q *dns.Msg) [][]byte { return [][]byte{exchangetest.Wire(t, validated(q))} },
			tcp:  func(q *dns.Msg) []byte { return exchangetest.Wire(t, validated(q)) },
		}
		at := server.start(t).String()
		for _, url := range []string{"udp://" + at, "tcp://" + at} {
			e, err := Parse(url, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := exchanged(t, e, ask()).AuthenticatedData; got != want {
				t.Errorf("%s\ngot  AD %v\nwant AD %v", url, got, want)
			}
			shut(e)
		}
	}
}

// outwardAddress is one of this machine's that is not loopback: what comes from there is asked as if it were far away.
func outwardAddress(t *testing.T) string {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Skip(err)
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() && p.Addr().IsGlobalUnicast() {
			return p.Addr().String()
		}
	}
	t.Skip("this machine has no address but loopback")
	return ""
}
