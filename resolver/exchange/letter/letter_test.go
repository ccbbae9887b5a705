package letter

import (
	"errors"
	"testing"

	"hither/resolver/exchange/exchangetest"

	"github.com/miekg/dns"
)

// Letters are written byte by byte; miekg's packer says what they mean.
func TestLetterIsWhatWasAsked(t *testing.T) {
	for _, as := range []Envelope{Open, Bare, Sealed} {
		for bits := range 16 {
			q := new(dns.Msg).SetQuestion(`Odd\.\200.example.`, dns.TypeHTTPS)
			q.RecursionDesired, q.CheckingDisabled, q.AuthenticatedData = bits&1 != 0, bits&2 != 0, bits&4 != 0
			if bits&8 != 0 {
				q.SetEdns0(4096, true).IsEdns0().SetCo(true)
				q.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0011223344556677"}}
			}
			l, err := Write(q, as)
			got := new(dns.Msg)
			if err := errors.Join(err, got.Unpack(l.Wire)); err != nil {
				t.Fatal(err)
			}
			want := &dns.Msg{MsgHdr: q.MsgHdr, Question: q.Question}
			want.Id = got.Id
			if as != Bare {
				want.SetEdns0(udpSize, bits&8 != 0).IsEdns0().SetCo(bits&8 != 0)
			}
			if as == Sealed {
				fill := len(l.Wire) - want.Len() - optionHead
				want.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_PADDING{Padding: make([]byte, fill)}}
				if len(l.Wire)%block != 0 {
					t.Errorf("got  %d bytes\nwant whole blocks", len(l.Wire))
				}
			}
			if packed := exchangetest.Wire(t, want); string(packed) != string(l.Wire) {
				t.Errorf("got  %x\nwant %x", l.Wire, packed)
			}
		}
	}
}

// Type 97 would be type 65 (HTTPS) in capitals, if it had letters.
func TestOnlyNamesHaveLetterCase(t *testing.T) {
	l, err := Write(new(dns.Msg).SetQuestion("A.example.", dns.TypeHTTPS), Open)
	if err != nil {
		t.Fatal(err)
	}
	l = l.Under(7)
	for name, test := range map[string]struct {
		name string
		kind uint16
		want bool
	}{
		"as it was":            {"A.example.", 65, true},
		"lower case":           {"a.eXample.", 65, true},
		"another type":         {"A.example.", 97, false},
		"a name as long":       {"B.example.", 65, false},
		"a letter as a number": {"A.exam\\080le.", 65, true},
		"no letter":            {"\\001.example.", 65, false},
	} {
		m := new(dns.Msg).SetQuestion(test.name, test.kind)
		m.Id, m.Response = 7, true
		if _, err := l.Answered(exchangetest.Wire(t, m)); (err == nil) != test.want {
			t.Errorf("%s\ngot  %v\nwant it taken: %v", name, err, test.want)
		}
	}
}

// Whether a server takes EDNS is told by what it replies to: some put EDNS into each reply.
func TestALetterWithoutEDNSIsTakenForNoOther(t *testing.T) {
	first, err := Write(ask(), Open)
	if err != nil {
		t.Fatal(err)
	}
	stripped := first.Strip().Strip()
	for _, to := range []Letter{first, stripped} {
		sent := new(dns.Msg)
		if err := sent.Unpack(to.Wire); err != nil {
			t.Fatal(err)
		}
		packet := exchangetest.Wire(t, exchangetest.Reply(t, sent, right).SetEdns0(udpSize, false))
		reply, err := stripped.Answered(packet)
		if err != nil || stripped.ToEDNS(reply) != (sent.IsEdns0() != nil) {
			t.Errorf("got  %v, %v\nwant it taken for the reply to %v", reply, err, sent)
		}
		if _, err := first.Answered(packet); (err == nil) != (sent.IsEdns0() != nil) {
			t.Errorf("got  %v\nwant only its own reply taken for one to the first", err)
		}
	}
}

// FuzzAnswered: a packet is believed only if it repeats the id and the question, and reading it never panics.
func FuzzAnswered(f *testing.F) {
	l, err := Write(ask(), Open)
	if err != nil {
		f.Fatal(err)
	}
	sent := new(dns.Msg)
	if err := sent.Unpack(l.Wire); err != nil {
		f.Fatal(err)
	}
	good := exchangetest.Wire(f, exchangetest.Reply(f, sent, right, "reg.example. 5 IN CNAME a.example.", "a.example. 1 IN A 192.0.2.9"))
	f.Add(good)
	f.Add(l.Wire)
	f.Add(good[:len(good)-3])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, packet []byte) {
		reply, err := l.Answered(packet)
		if err != nil {
			return
		}
		if reply.Id != sent.Id || reply.Question[0] != sent.Question[0] || !reply.Response {
			t.Errorf("believed %v", reply)
		}
	})
}

const right = "reg.example. 60 IN A 192.0.2.1"

func ask() *dns.Msg { return new(dns.Msg).SetQuestion("reg.example.", dns.TypeA) }
