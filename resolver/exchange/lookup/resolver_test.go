package lookup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hither/resolver/exchange/exchangetest"

	"github.com/miekg/dns"
)

// zone answers with what it has for a type; a name that is not in it does not exist.
type zone map[string][]string // "name TYPE" → records

func (z zone) ask(t testing.TB) exchangetest.Oracle {
	return func(_ context.Context, q *dns.Msg) (*dns.Msg, error) {
		name := q.Question[0].Name
		records, ok := z[name+" "+dns.TypeToString[q.Question[0].Qtype]]
		if !ok {
			return new(dns.Msg).SetRcode(q, dns.RcodeNameError), nil
		}
		return exchangetest.Reply(t, q, records...), nil
	}
}

func TestLookup(t *testing.T) {
	world := zone{
		"reg.example. A":    {"reg.example. 60 IN A 192.0.2.1", "reg.example. 60 IN A 192.0.2.2"},
		"reg.example. AAAA": {"reg.example. 60 IN AAAA 2001:db8::1"},
		"v4.example. A":     {"v4.example. 60 IN A 192.0.2.4"},
		"v4.example. AAAA":  {},
		"cdn.example. A":    {"cdn.example. 60 IN CNAME Edge.example.", "edge.example. 60 IN CNAME e1.example.", "e1.example. 60 IN A 192.0.2.7"},
		"cdn.example. AAAA": {},
		"forged.example. A": {"other.example. 60 IN A 203.0.113.66", "forged.example. 60 IN A 192.0.2.8"},
		"ring.example. A":   {"ring.example. 60 IN CNAME ring2.example.", "ring2.example. 60 IN CNAME ring.example."}, "ring.example. AAAA": {},
		"none.example. A": {}, "none.example. AAAA": {},
		"search. A": {"search.corp.example. 60 IN A 192.0.2.9"}, "search. AAAA": {},
	}
	tests := map[string]string{
		"reg.example":     "192.0.2.1 192.0.2.2 2001:db8::1",
		"REG.Example.":    "192.0.2.1 192.0.2.2 2001:db8::1",
		"v4.example":      "192.0.2.4",
		"cdn.example":     "192.0.2.7",
		"forged.example":  "192.0.2.8",
		"ring.example":    "ring.example has no address: there is no such host",
		"none.example":    "none.example has no address: there is no such host",
		"search":          "search has no address: there is no such host",
		"gone.example":    "gone.example: there is no such host",
		"192.0.2.99":      "192.0.2.99",
		"2001:db8::9":     "2001:db8::9",
		"localhost":       "127.0.0.1 ::1",
		"a.localhost.":    "127.0.0.1 ::1",
		"":                `"" is not a host name`,
		"a b":             `"a b" is not a host name`,
		"a..example":      `"a..example" is not a host name`,
		"reg.example:443": `"reg.example:443" is not a host name`,
	}
	for host, want := range tests {
		t.Run(host, func(t *testing.T) {
			r := &Resolver{Exchange: world.ask(t)}
			if got := lookup(t, r, host); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestTroubleIsNoAnswerAboutTheName(t *testing.T) {
	fail := func(_ context.Context, q *dns.Msg) (*dns.Msg, error) {
		if q.Question[0].Qtype == dns.TypeAAAA {
			return exchangetest.Reply(t, q), nil // no AAAA, which says nothing about A
		}
		return new(dns.Msg).SetRcode(q, dns.RcodeServerFailure), nil
	}
	for name, o := range map[string]exchangetest.Oracle{"SERVFAIL": fail, "no network": down} {
		_, err := (&Resolver{Exchange: o}).LookupNetIP(t.Context(), "reg.example")
		if err == nil || errors.Is(err, ErrNotFound) {
			t.Errorf("%s\ngot  %v\nwant an error other than ErrNotFound", name, err)
		}
	}
	if _, err := new(Resolver).LookupNetIP(t.Context(), "reg.example"); err == nil {
		t.Error("a Resolver without servers: no error")
	}
}

// A reply that was cut short before its first address says nothing about the name, and old addresses are better than it.
func TestReplyCutShortIsNoAnswerAboutTheName(t *testing.T) {
	cut := func(_ context.Context, q *dns.Msg) (*dns.Msg, error) {
		reply := new(dns.Msg).SetReply(q)
		reply.Truncated = true
		return reply, nil
	}
	_, err := (&Resolver{Exchange: exchangetest.Oracle(cut)}).LookupNetIP(t.Context(), "reg.example")
	if err == nil || errors.Is(err, ErrNotFound) {
		t.Errorf("got  %v\nwant an error other than ErrNotFound", err)
	}
}

func TestAnswersAreKeptAsLongAsTheySayWithinBounds(t *testing.T) {
	tests := map[string]struct {
		record string
		kept   time.Duration
	}{
		"a TTL of 60 s":            {"reg.example. 60 IN A 192.0.2.1", 60 * time.Second},
		"TTL 0 is 5 s":             {"reg.example. 0 IN A 192.0.2.1", 5 * time.Second},
		"a day is 5 min":           {"reg.example. 86400 IN A 192.0.2.1", 5 * time.Minute},
		"a negative TTL is 5 s":    {"reg.example. 4294967295 IN A 192.0.2.1", 5 * time.Second},
		"no address is kept 5 s":   {"", 5 * time.Second},
		"no such name is kept 5 s": {"NXDOMAIN", 5 * time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked atomic.Int32
				r := &Resolver{Exchange: exchangetest.Oracle(func(_ context.Context, q *dns.Msg) (*dns.Msg, error) {
					if test.record == "NXDOMAIN" {
						asked.Add(1)
						return new(dns.Msg).SetRcode(q, dns.RcodeNameError), nil
					}
					if q.Question[0].Qtype == dns.TypeAAAA || test.record == "" {
						asked.Add(1)
						return exchangetest.Reply(t, q), nil
					}
					return exchangetest.Reply(t, q, test.record), nil
				})}
				first := lookup(t, r, "reg.example")
				was := asked.Load()
				time.Sleep(test.kept - time.Millisecond)
				if again := lookup(t, r, "reg.example"); again != first || asked.Load() != was {
					t.Errorf("before the end\ngot  %s, asked %d times\nwant %s, asked %d times", again, asked.Load(), first, was)
				}
				time.Sleep(time.Millisecond)
				if lookup(t, r, "reg.example"); asked.Load() == was {
					t.Errorf("at the end it was not asked again")
				}
			})
		})
	}
}

func TestOldAddressesServeWhileNobodyAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		alive := zone{"reg.example. A": {right}, "reg.example. AAAA": {}}.ask(t)
		var now atomic.Pointer[exchangetest.Oracle]
		var asked atomic.Int32
		set := func(o exchangetest.Oracle) { now.Store(&o) }
		r := &Resolver{Exchange: exchangetest.Oracle(func(ctx context.Context, q *dns.Msg) (*dns.Msg, error) {
			if q.Question[0].Qtype == dns.TypeA {
				asked.Add(1)
			}
			return (*now.Load())(ctx, q)
		})}
		check := func(when, want string, times int32) {
			t.Helper()
			asked.Store(0)
			if got := lookup(t, r, "reg.example"); got != want || asked.Load() != times {
				t.Errorf("%s\ngot  %s, asked %d times\nwant %s, asked %d times", when, got, asked.Load(), want, times)
			}
		}
		set(alive)
		check("at first", "192.0.2.1", 1)
		set(down)
		time.Sleep(time.Minute)
		check("after its time", "192.0.2.1", 1)
		check("just after that", "192.0.2.1", 0)
		time.Sleep(retry)
		set(after(3*time.Second, down))
		begin := time.Now()
		check("when the servers are silent", "192.0.2.1", 1)
		if waited := time.Since(begin); waited != staleAfter {
			t.Errorf("waited %v for a silent server, want %v", waited, staleAfter)
		}
		time.Sleep(time.Hour)
		set(down)
		check("after an hour", "look up reg.example: the network is down", 1)
		set(alive)
		check("when they are back", "192.0.2.1", 1)
	})
}

func TestAnotherNetworkIsAskedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		office := zone{"reg.example. A": {"reg.example. 300 IN A 10.8.0.1"}, "reg.example. AAAA": {}}.ask(t)
		home := zone{"reg.example. A": {right}, "reg.example. AAAA": {}}.ask(t)
		var now atomic.Pointer[exchangetest.Oracle]
		set := func(o exchangetest.Oracle) { now.Store(&o) }
		r := &Resolver{Exchange: exchangetest.Oracle(func(ctx context.Context, q *dns.Msg) (*dns.Msg, error) { return (*now.Load())(ctx, q) })}
		check := func(when, want string) {
			t.Helper()
			if got := lookup(t, r, "reg.example"); got != want {
				t.Errorf("%s\ngot  %s\nwant %s", when, got, want)
			}
		}
		set(office)
		check("with the VPN", "10.8.0.1")
		r.Forget()
		set(home)
		check("without it", "192.0.2.1")
		r.Forget()
		set(down)
		check("while nobody answers", "192.0.2.1")
		r.Forget()
		set(after(200*time.Millisecond, home))
		time.AfterFunc(100*time.Millisecond, func() { r.Forget(); set(office) })
		check("in the midst of a change", "192.0.2.1")
		check("after it", "10.8.0.1")
		set(down)
		check("from memory", "10.8.0.1")
		r.Forget()
		set(after(200*time.Millisecond, down))
		time.AfterFunc(100*time.Millisecond, r.Forget)
		check("while nobody answers, and in the midst of a change", "10.8.0.1")
	})
}

func TestSlowFamilyDoesNotHoldUpTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &Resolver{Exchange: exchangetest.Oracle(func(ctx context.Context, q *dns.Msg) (*dns.Msg, error) {
			if q.Question[0].Qtype == dns.TypeAAAA {
				return after(time.Hour, down)(ctx, q)
			}
			return exchangetest.Reply(t, q, right), nil
		})}
		begin := time.Now()
		if got := lookup(t, r, "reg.example"); got != "192.0.2.1" || time.Since(begin) != grace {
			t.Errorf("got  %s after %v\nwant 192.0.2.1 after %v", got, time.Since(begin), grace)
		}
	})
}

func TestEqualLookupsAreMergedAndOutliveWhoLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		world := zone{"reg.example. A": {right}, "reg.example. AAAA": {}}.ask(t)
		r := &Resolver{Exchange: exchangetest.Oracle(func(ctx context.Context, q *dns.Msg) (*dns.Msg, error) {
			asked.Add(1)
			return after(time.Second, world)(ctx, q)
		})}
		impatient, leave := context.WithCancel(t.Context())
		results := make(chan string, 10)
		go func() { _, err := r.LookupNetIP(impatient, "reg.example"); results <- fmt.Sprint(err) }()
		synctest.Wait()
		for range 9 {
			go func() { results <- lookup(t, r, "reg.example") }()
		}
		synctest.Wait()
		leave()
		if got := <-results; got != context.Canceled.Error() {
			t.Errorf("who left got %s", got)
		}
		for range 9 {
			if got := <-results; got != "192.0.2.1" {
				t.Errorf("got  %s\nwant 192.0.2.1", got)
			}
		}
		if asked.Load() != 2 {
			t.Errorf("asked %d times, want 2 (A and AAAA)", asked.Load())
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	var m memory
	now := time.Now()
	for i := range maxNames + 100 {
		m.keep(fmt.Sprintf("h%d.example.", i), found{err: ErrNotFound}, now)
	}
	if len(m.names) != maxNames {
		t.Errorf("got  %d names\nwant %d", len(m.names), maxNames)
	}
	m.keep("new.example.", found{err: ErrNotFound}, now.Add(time.Hour))
	if len(m.names) != 1 {
		t.Errorf("got  %d names after all were too old\nwant 1", len(m.names))
	}
}

// FuzzRead: what is read of a reply is addresses or an error, within bounds, and reading never panics.
func FuzzRead(f *testing.F) {
	f.Add(exchangetest.Wire(f, exchangetest.Reply(f, new(dns.Msg).SetQuestion("reg.example.", dns.TypeA), right, "reg.example. 5 IN CNAME a.example.", "a.example. 1 IN A 192.0.2.9")))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, packet []byte) {
		reply := new(dns.Msg)
		if reply.Unpack(packet) != nil {
			return
		}
		got := read(reply, "reg.example.", dns.TypeA)
		if (len(got.addrs) == 0) == (got.err == nil) || len(got.addrs) > maxAddrs || got.ttl < 0 || got.ttl > maxFresh {
			t.Errorf("read %+v", got)
		}
	})
}

// lookup tells the addresses, IPv4 first, or the error, in words.
func lookup(t *testing.T, r *Resolver, host string) string {
	addrs, err := r.LookupNetIP(t.Context(), host)
	if err != nil {
		return err.Error()
	}
	v4, v6 := addrs[:0:0], addrs[:0:0]
	for _, a := range addrs {
		if a.Is4() {
			v4 = append(v4, a)
		} else {
			v6 = append(v6, a)
		}
	}
	return text(append(v4, v6...))
}

func text[T interface{ String() string }](list []T) string {
	var words []string
	for _, one := range list {
		words = append(words, one.String())
	}
	return strings.Join(words, " ")
}

// A sign-in page says of all names that they are its own, and to whom it has let go that it was so is no use.
func TestWhatLedToSomebodyElseIsAskedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names := func(addr string) exchangetest.Oracle {
			return func(_ context.Context, q *dns.Msg) (*dns.Msg, error) {
				if q.Question[0].Qtype == dns.TypeAAAA {
					return exchangetest.Reply(t, q), nil
				}
				return exchangetest.Reply(t, q, q.Question[0].Name+" 300 IN A "+addr), nil
			}
		}
		now := names("192.168.0.1")
		r := &Resolver{Exchange: exchangetest.Oracle(func(ctx context.Context, q *dns.Msg) (*dns.Msg, error) { return now(ctx, q) })}
		check := func(when, host, want string) {
			t.Helper()
			if got := lookup(t, r, host); got != want {
				t.Errorf("%s, %s\ngot  %s\nwant %s", when, host, got, want)
			}
		}
		doubt := func(when, host string, want bool, since ...time.Time) {
			t.Helper()
			if got := r.Doubt(host, append(since, time.Now())[0]); got != want {
				t.Errorf("%s, %s\ngot  %t\nwant %t", when, host, got, want)
			}
		}
		check("behind the page", "reg.example", "192.168.0.1")
		check("behind the page", "git.example", "192.168.0.1")
		doubt("just asked", "reg.example", false)
		doubt("never asked", "other.example", false)
		doubt("no name", "192.168.0.1", false)
		time.Sleep(minFresh)
		now = names("192.0.2.1")
		check("undoubted", "reg.example", "192.168.0.1")
		doubt("a stranger answered", "reg.example", true)
		check("after that", "reg.example", "192.0.2.1")
		check("after that, as it led to the same", "git.example", "192.0.2.1")
		now = names("192.0.2.2")
		doubt("a stranger answered somebody who had asked before", "reg.example", true, time.Now().Add(-1))
		check("who is told what others found", "reg.example", "192.0.2.1")
		time.Sleep(minFresh)
		now = down
		doubt("it failed", "reg.example", true)
		check("while nobody answers", "reg.example", "192.0.2.1")
		doubt("while nobody answers", "reg.example", false)
	})
}
