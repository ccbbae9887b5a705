package resolver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/miekg/dns"
)

// bubble runs f in virtual time with a server; what the server started has ended before the bubble does.
func bubble(t *testing.T, f func(t *testing.T, s *Server, up *upstream)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		up := &upstream{say: records("300 IN A 192.0.2.1")}
		s := &Server{Exchange: up}
		s.init()
		f(t, s, up)
		s.work.Wait()
	})
}

// timed asks and says how long it took.
func timed(t *testing.T, s *Server, q *dns.Msg) (*dns.Msg, time.Duration) {
	t.Helper()
	start := time.Now()
	reply := ask(t, s, q)
	return reply, time.Since(start)
}

func edns(q *dns.Msg) { q.SetEdns0(1232, false) }

func TestTTLsRunDown(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, up *upstream) {
		up.set(records("300 IN CNAME a.example.net.", "60 IN A 192.0.2.1"))
		q := query("www.example.com", dns.TypeA, nil)
		ask(t, s, q)
		time.Sleep(59 * time.Second)
		if reply := ask(t, s, q); reply.Answer[0].Header().Ttl != 241 || reply.Answer[1].Header().Ttl != 1 || up.asked.Load() != 1 {
			t.Errorf("got  %v after %d questions\nwant TTLs 241 and 1 after 1", told(reply), up.asked.Load())
		}
		time.Sleep(time.Second)
		if ask(t, s, q); up.asked.Load() != 2 {
			t.Errorf("got  %d questions upstream\nwant 2: the answer has expired", up.asked.Load())
		}
	})
}

func TestOldAnswersAreBetterThanNone(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, up *upstream) {
		q := query("www.example.com", dns.TypeA, edns)
		const stale = "NOERROR | www.example.com. 30 IN A 192.0.2.1 | EDE 3"
		ask(t, s, q)
		time.Sleep(301 * time.Second)
		up.set(silent)
		for _, row := range []struct {
			what string
			wait time.Duration // before
			took time.Duration
			want string
		}{
			{"the first waits a little for a new one", 0, patience, stale},
			{"so does the second, which is merged", 10 * time.Millisecond, patience, stale},
			{"after the failure there is no waiting", 3 * time.Second, 0, stale},
			{"for half a minute", 26 * time.Second, 0, stale},
			{"then it is tried again", 4 * time.Second, patience, stale},
			{"after an hour old answers are worth nothing", time.Hour, budget - margin, "SERVFAIL | EDE 22"},
		} {
			time.Sleep(row.wait)
			if reply, took := timed(t, s, q); told(reply) != row.want || took != row.took {
				t.Errorf("%s\ngot  %s after %v\nwant %s after %v", row.what, told(reply), took, row.want, row.took)
			}
		}
		if got, want := up.asked.Load(), int64(4); got != want {
			t.Errorf("got  %d questions upstream\nwant %d", got, want)
		}
	})
}

// The clock was ahead while the upstreams were away, and is put right by twenty minutes.
func TestAClockThatWentBackEndsTheWaitAfterAFailure(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, up *upstream) {
		var skew atomic.Int64
		s.Now = func() time.Time { return time.Now().Add(time.Duration(skew.Load())) }
		q := query("www.example.com", dns.TypeA, nil)
		ask(t, s, q)
		skew.Store(int64(30 * time.Minute))
		up.set(silent)
		ask(t, s, q)
		time.Sleep(budget)
		up.set(records("300 IN A 192.0.2.2"))
		skew.Store(int64(10 * time.Minute))
		if got, want := told(ask(t, s, q)), "NOERROR | www.example.com. 300 IN A 192.0.2.2"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

func TestANewAnswerInTimeIsBetterThanAnOldOne(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, up *upstream) {
		q := query("www.example.com", dns.TypeA, nil)
		ask(t, s, q)
		time.Sleep(301 * time.Second)
		up.set(func(ctx context.Context, q *dns.Msg) (*dns.Msg, error) {
			time.Sleep(100 * time.Millisecond)
			return records("300 IN A 192.0.2.2")(ctx, q)
		})
		if got, want := told(ask(t, s, q)), "NOERROR | www.example.com. 300 IN A 192.0.2.2"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

func TestEveryQuestionIsAnsweredInTime(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, up *upstream) {
		for _, row := range []struct {
			name string
			say  func(context.Context, *dns.Msg) (*dns.Msg, error)
			want string
		}{
			{"silent.example", silent, "SERVFAIL | EDE 22"},
			{"deaf.example", func(context.Context, *dns.Msg) (*dns.Msg, error) { time.Sleep(time.Minute); return nil, nil }, "SERVFAIL | EDE 22"},
			{"broken.example", func(context.Context, *dns.Msg) (*dns.Msg, error) { return nil, errors.New("refused") }, "SERVFAIL | EDE 23"},
			{"nil.example", func(context.Context, *dns.Msg) (*dns.Msg, error) { return nil, nil }, "SERVFAIL | EDE 24"},
			{"panic.example", func(context.Context, *dns.Msg) (*dns.Msg, error) { panic("oh") }, "SERVFAIL | EDE 0"},
			{"other.example", func(ctx context.Context, _ *dns.Msg) (*dns.Msg, error) {
				return records("300 IN A 192.0.2.66")(ctx, query("mine.example", dns.TypeA, nil))
			}, "SERVFAIL | EDE 24"},
		} {
			up.set(row.say)
			if reply, took := timed(t, s, query(row.name, dns.TypeA, edns)); told(reply) != row.want || took > budget {
				t.Errorf("%s\ngot  %s after %v\nwant %s within %v", row.name, told(reply), took, row.want, budget)
			}
		}
	})
}

func TestFailuresAreRemembered(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, up *upstream) {
		up.set(fails(dns.RcodeServerFailure))
		q := query("www.example.com", dns.TypeA, edns)
		for i, wait := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
			ask(t, s, q)
			time.Sleep(wait*time.Second - time.Millisecond)
			if got := told(ask(t, s, q)); got != "SERVFAIL | EDE 13" || up.asked.Load() != int64(i+1) {
				t.Errorf("got  %s after %d questions\nwant SERVFAIL | EDE 13 after %d", got, up.asked.Load(), i+1)
			}
			time.Sleep(time.Millisecond)
		}
		if ask(t, s, query("www.example.com", dns.TypeAAAA, nil)); up.asked.Load() != 8 {
			t.Error("the failure of one type was held against another")
		}
		up.set(records("300 IN A 192.0.2.1"))
		if got := ask(t, s, q); got.Rcode != dns.RcodeSuccess {
			t.Errorf("got  %s\nwant the answer of a server that works again", told(got))
		}
	})
}

// TestARepeatedQuestionIsSentAgain is finding 7 of reference/dns.md: a lost packet upstream must not swallow the client's
// own repetition.
func TestARepeatedQuestionIsSentAgain(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, up *upstream) {
		q := query("www.example.com", dns.TypeA, nil)
		up.set(func(ctx context.Context, q *dns.Msg) (*dns.Msg, error) { // the first packet is lost
			s.flights.mu.Lock()
			sentAgain := slices.Collect(maps.Values(s.flights.by))[0].resend
			s.flights.mu.Unlock()
			select {
			case <-sentAgain:
				return records("300 IN A 192.0.2.1")(ctx, q)
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
		var clients sync.WaitGroup
		var first, second, retry time.Duration
		clients.Go(func() { _, first = timed(t, s, q) })
		clients.Go(func() {
			time.Sleep(again / 2)
			_, second = timed(t, s, q)
		})
		clients.Go(func() {
			time.Sleep(time.Second)
			_, retry = timed(t, s, q)
		})
		clients.Wait()
		if first != time.Second || second != time.Second-again/2 || retry != 0 || up.asked.Load() != 1 {
			t.Errorf("got  %v, %v and %v after %d questions\nwant all answered by the one that was sent again after a second", first, second, retry, up.asked.Load())
		}
		if got := s.Stats(); got.Merged != 2 || got.Resent != 1 {
			t.Errorf("got  %+v\nwant 2 merged and 1 resent", got)
		}
	})
}

func TestHotNamesAreAskedForAtExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := &upstream{say: records("60 IN A 192.0.2.1")}
		s := &Server{Exchange: up}
		s.init()
		ctx, cancel := context.WithCancel(t.Context())
		var loop sync.WaitGroup
		loop.Go(func() { _ = s.refresh(ctx) })
		for i := range 30 {
			for range hotHits + 1 {
				ask(t, s, query(fmt.Sprintf("hot%d.example.com", i), dns.TypeA, nil))
			}
		}
		for range hotHits - 1 {
			ask(t, s, query("cold.example.com", dns.TypeA, nil))
		}
		time.Sleep(60*time.Second - time.Millisecond)
		synctest.Wait()
		if got := up.asked.Load(); got != 31 {
			t.Errorf("got  %d questions before expiry\nwant 31", got)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := up.asked.Load() - 31; got < 9 || got > 11 {
			t.Errorf("got  %d questions in the first second\nwant ten", got)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got := s.Stats().Refreshed; got != 30 || up.asked.Load() != 61 {
			t.Errorf("got  %d refreshed, %d questions\nwant 30, 61: once each", got, up.asked.Load())
		}
		cancel()
		loop.Wait()
		s.work.Wait()
	})
}

func TestANetworkChangeForgetsWhatItMayHaveCaused(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, up *upstream) {
		s.Private = func(name string) bool { return name == "intern.corp.example." }
		good, private := query("www.example.com", dns.TypeA, nil), query("intern.corp.example", dns.TypeA, nil)
		missing, failed := query("none.example.com", dns.TypeA, nil), query("fail.example.com", dns.TypeA, nil)
		ask(t, s, good)
		ask(t, s, private)
		up.set(nothing(dns.RcodeNameError, 60, 60))
		ask(t, s, missing)
		up.set(fails(dns.RcodeServerFailure))
		ask(t, s, failed)
		native := query("six.example.com", dns.TypeAAAA, nil)
		up.set(records("300 IN AAAA 2001:db8::64"))
		ask(t, s, native)
		translated := query("www.example.com", dns.TypeAAAA, nil)
		up.set(records("300 IN AAAA 2001:db8::1", "300 IN AAAA 64:ff9b::192.0.2.1"))
		ask(t, s, translated)
		tells := query("ipv4only.arpa", dns.TypeAAAA, nil)
		up.set(records("300 IN AAAA 2001:db8:64::192.0.0.170"))
		ask(t, s, tells)
		s.Forget(NetworkChanged)
		for _, row := range []struct {
			q     *dns.Msg
			asked int64
		}{{good, 0}, {private, 1}, {missing, 1}, {failed, 1}, {native, 0}, {translated, 1}, {tells, 1}} {
			before := up.asked.Load()
			if ask(t, s, row.q); up.asked.Load()-before != row.asked {
				t.Errorf("%s\ngot  %d questions upstream\nwant %d", row.q.Question[0].Name, up.asked.Load()-before, row.asked)
			}
		}
		s.Forget(EverythingWrong)
		if got := s.Stats(); got.Entries != 0 || got.Bytes != 0 {
			t.Errorf("got  %d entries of %d bytes\nwant none", got.Entries, got.Bytes)
		}
	})
}

func TestWhatWasAskedBeforeAChangeIsNotKept(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, up *upstream) {
		up.set(func(ctx context.Context, q *dns.Msg) (*dns.Msg, error) {
			time.Sleep(time.Second)
			return records("300 IN A 192.0.2.1")(ctx, q)
		})
		time.AfterFunc(500*time.Millisecond, func() { s.Forget(NetworkChanged) })
		ask(t, s, query("www.example.com", dns.TypeA, nil))
		if got := s.Stats().Entries; got != 0 {
			t.Errorf("got  %d entries\nwant none", got)
		}
	})
}

func TestNobodyTakesAllPlaces(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, _ *upstream) {
		s.Clients = func(netip.Addr) bool { return true }
		s.limit = newLimiter(10)
		rcodes := map[int]int{}
		for i := range 30 {
			rcodes[askAs(t, s, query(fmt.Sprintf("n%d.example.com", i), dns.TypeA, nil), "172.17.0.9", ednsSize).Rcode]++
		}
		if rcodes[dns.RcodeSuccess] != 10 || rcodes[dns.RcodeRefused] != 20 {
			t.Errorf("got  %v\nwant 10 answered and 20 refused", rcodes)
		}
		if got := askAs(t, s, query("n100.example.com", dns.TypeA, nil), "172.17.0.10", ednsSize).Rcode; got != dns.RcodeSuccess {
			t.Errorf("got  %s for another client\nwant NOERROR", dns.RcodeToString[got])
		}
		time.Sleep(time.Second)
		if got := askAs(t, s, query("n101.example.com", dns.TypeA, nil), "172.17.0.9", ednsSize).Rcode; got != dns.RcodeSuccess {
			t.Errorf("got  %s after a second\nwant NOERROR", dns.RcodeToString[got])
		}
	})
}

func TestTooManyWaiting(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, up *upstream) {
		up.set(silent)
		var clients sync.WaitGroup
		for i := range maxSlow {
			clients.Go(func() { ask(t, s, query(fmt.Sprintf("n%d.example.com", i), dns.TypeA, nil)) })
		}
		synctest.Wait()
		reply, took := timed(t, s, query("more.example.com", dns.TypeA, edns))
		if told(reply) != "SERVFAIL | EDE 23" || took != 0 {
			t.Errorf("got  %s after %v\nwant SERVFAIL | EDE 23 at once", told(reply), took)
		}
		clients.Wait()
	})
}

func TestTheHostsFileIsSeenWhenItChanges(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, _ *upstream) {
		s.Hosts = writeHosts(t, "")
		ctx, cancel := context.WithCancel(t.Context())
		var loop sync.WaitGroup
		loop.Go(func() { _ = s.keepHouse(ctx) })
		q := query("www.example.com", dns.TypeA, nil)
		ask(t, s, q)
		if err := os.WriteFile(s.Hosts.Path, []byte("192.0.2.77 www.example.com\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * hostsEach)
		if got, want := told(ask(t, s, q)), "NOERROR | www.example.com. 5 IN A 192.0.2.77"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		cancel()
		loop.Wait()
	})
}

func TestWhatLeftTheMemoryIsNotHeldForItsRenewal(t *testing.T) {
	s := &Server{Exchange: &upstream{say: records("3600 IN A 192.0.2.1")}}
	s.init()
	ctx, cancel := context.WithCancel(t.Context())
	var loop sync.WaitGroup
	loop.Go(func() { _ = s.refresh(ctx) })
	q := query("www.example.com", dns.TypeA, nil)
	for range hotHits + 1 {
		ask(t, s, q)
	}
	for len(s.hot) > 0 {
		runtime.Gosched()
	}
	var held weak.Pointer[entry]
	s.memory.each(func(e *entry) { held = weak.Make(e) })
	s.Forget(EverythingWrong)
	s.work.Wait()
	runtime.GC()
	if held.Value() != nil {
		t.Error("got  an answer that nobody can be given\nwant its room back")
	}
	cancel()
	loop.Wait()
}
