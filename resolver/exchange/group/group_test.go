package group

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"hither/resolver/exchange"
)

const ms = time.Millisecond

// member is an upstream of a Group in virtual time. What it does may be changed between questions.
type member struct {
	name  string
	after time.Duration
	rcode int
	err   error
	mute  bool

	mu    sync.Mutex
	asked []time.Time
}

func (m *member) Exchange(ctx context.Context, q *dns.Msg) (*dns.Msg, error) {
	m.mu.Lock()
	m.asked = append(m.asked, time.Now())
	m.mu.Unlock()
	wait := m.after
	if m.mute {
		wait = time.Hour
	}
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: %w", m.name, ctx.Err())
	}
	if m.err != nil {
		return nil, m.err
	}
	reply := new(dns.Msg).SetRcode(q, m.rcode)
	reply.Answer = []dns.RR{&dns.TXT{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeTXT, Class: 1}, Txt: []string{m.name}}}
	return reply, nil
}

func (m *member) String() string { return m.name }

func (m *member) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.asked)
}

var errDown = errors.New("the network is down")

func ask() *dns.Msg { return new(dns.Msg).SetQuestion("reg.example.", dns.TypeA) }

func never(n int) int { return n - 1 }

func groupOf(members ...*member) *Group {
	g := &Group{dice: never}
	for _, m := range members {
		g.Upstreams = append(g.Upstreams, m)
	}
	return g
}

// who says who answered, and after how long.
func who(t *testing.T, e exchange.Exchanger) string {
	t.Helper()
	begin := time.Now()
	reply, err := e.Exchange(t.Context(), ask())
	took := time.Since(begin)
	if err != nil {
		return fmt.Sprintf("nobody after %v", took)
	}
	return fmt.Sprintf("%s says %s after %v", reply.Answer[0].(*dns.TXT).Txt[0], dns.RcodeToString[reply.Rcode], took)
}

func TestGroup(t *testing.T) {
	tests := map[string]struct {
		a, b, c *member
		want    string
		asked   [3]int
	}{
		"the first is prompt and alone":                 {&member{after: 10 * ms}, &member{}, &member{}, "a says NOERROR after 10ms", [3]int{1, 0, 0}},
		"an unknown one has a quarter of a second":      {&member{mute: true}, &member{after: 10 * ms}, &member{}, "b says NOERROR after 260ms", [3]int{1, 1, 0}},
		"two are silent, the third is asked in turn":    {&member{mute: true}, &member{mute: true}, &member{rcode: 3}, "c says NXDOMAIN after 500ms", [3]int{1, 1, 1}},
		"the first fails, the second is asked now":      {&member{err: errDown}, &member{}, &member{}, "b says NOERROR after 0s", [3]int{1, 1, 0}},
		"SERVFAIL waits for a better answer":            {&member{rcode: 2}, &member{after: 20 * ms}, &member{}, "b says NOERROR after 20ms", [3]int{1, 1, 0}},
		"REFUSED by all is the answer":                  {&member{rcode: 5}, &member{rcode: 5}, &member{err: errDown}, "a says REFUSED after 0s", [3]int{1, 1, 1}},
		"the first is late and still wins":              {&member{after: 300 * ms}, &member{mute: true}, &member{}, "a says NOERROR after 300ms", [3]int{1, 1, 0}},
		"all fail at once":                              {&member{err: errDown}, &member{err: errDown}, &member{err: errDown}, "nobody after 0s", [3]int{1, 1, 1}},
		"all are silent: asked again, and ended in 2.5": {&member{mute: true}, &member{mute: true}, &member{mute: true}, "nobody after 2.5s", [3]int{3, 2, 2}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test.a.name, test.b.name, test.c.name = "a", "b", "c"
				g := groupOf(test.a, test.b, test.c)
				if got := who(t, g); got != test.want {
					t.Errorf("got  %s\nwant %s", got, test.want)
				}
				if got := [3]int{test.a.count(), test.b.count(), test.c.count()}; got != test.asked {
					t.Errorf("got  %v asked\nwant %v", got, test.asked)
				}
			})
		})
	}
}

func TestGroupOfOneAsksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &member{name: "a", mute: true}
		g, begin := groupOf(a), time.Now()
		who(t, g)
		if g.figures[0].failures == 0 {
			t.Error("its silence was not counted")
		}
		var at []time.Duration
		for _, when := range a.asked {
			at = append(at, when.Sub(begin))
		}
		if got, want := fmt.Sprint(at), "[0s 250ms 750ms 1.75s]"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

// A loss that lasts for a moment must not take all that may be sent of one question.
func TestGroupOfOneThatIsFastIsPatientFromTheSecondTimeOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &member{name: "a", after: ms}
		g := groupOf(a)
		who(t, g)
		a.mute, a.asked = true, nil
		begin := time.Now()
		who(t, g)
		var at []time.Duration
		for _, when := range a.asked {
			at = append(at, when.Sub(begin))
		}
		if got, want := fmt.Sprint(at), "[0s 30ms 530ms 1.53s]"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

func TestGroupLearnsWhoIsBest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &member{name: "a", after: 100 * ms}, &member{name: "b", after: 10 * ms}
		g := groupOf(a, b)
		step := func(want string) {
			t.Helper()
			if got := who(t, g); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		}
		for range 5 {
			step("a says NOERROR after 100ms") // nobody has measured b, so it does not count as better
		}
		g.dice = func(int) int { return 0 }
		step("a says NOERROR after 100ms") // and beside it b is asked
		g.dice = never
		for range 20 {
			step("b says NOERROR after 10ms")
		}
		b.mute = true // a is asked after b's own patience, which is at least 30 ms
		step("a says NOERROR after 130ms")
		for range 5 {
			step("a says NOERROR after 100ms")
		}
		b.mute = false
		g.Forget()
		step("a says NOERROR after 100ms")
	})
}

func TestGroupKeepsTheIncumbentUnlessClearlyBeaten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &member{name: "a", after: 20 * ms}, &member{name: "b", after: 18 * ms}
		g := groupOf(a, b)
		g.dice = func(int) int { return 0 }
		for range 50 {
			who(t, g)
			synctest.Wait()
		}
		g.dice = never
		if got := who(t, g); got != "a says NOERROR after 20ms" {
			t.Errorf("got  %s\nwant a, which is hardly slower", got)
		}
		b.after = 5 * ms
		g.dice = func(int) int { return 0 }
		for range 50 {
			who(t, g)
			synctest.Wait()
		}
		g.dice = never
		if got := who(t, g); got != "b says NOERROR after 5ms" {
			t.Errorf("got  %s\nwant b, which is clearly better", got)
		}
		g.Close()
	})
}

func TestSilentServerNeverLooksGood(t *testing.T) { // dns.md, finding 8
	synctest.Test(t, func(t *testing.T) {
		a, b := &member{name: "a", mute: true}, &member{name: "b", after: 20 * ms}
		g := groupOf(a, b)
		for range 100 {
			who(t, g)
		}
		if n := a.count(); n > 3 {
			t.Errorf("got  %d of 100 to the silent one\nwant 3 at most", n)
		}
	})
}

func TestRetryAsksTheNextOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, c := &member{name: "a", mute: true}, &member{name: "b", mute: true}, &member{name: "c"}
		again := make(chan struct{}, 1)
		time.AfterFunc(300*ms, func() { again <- struct{}{} })
		begin := time.Now()
		_, err := groupOf(a, b, c).Exchange(exchange.WithResend(t.Context(), again), ask())
		if err != nil || time.Since(begin) != 300*ms {
			t.Errorf("got  %v after %v\nwant c after 300ms", err, time.Since(begin))
		}
	})
}

func TestFallbackAnswersForMuteUpstreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told strings.Builder
		a, f := &member{name: "a", mute: true}, &member{name: "f", after: 10 * ms}
		g := groupOf(a)
		g.Fallback, g.Log = f, slog.New(slog.NewTextHandler(&told, nil))
		step := func(want string) {
			t.Helper()
			if got := who(t, g); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			synctest.Wait()
		}
		step("f says NOERROR after 1.51s")
		step("f says NOERROR after 10ms")
		a.mute = false
		step("f says NOERROR after 10ms")
		time.Sleep(reprobe)
		step("f says NOERROR after 10ms") // beside it a is asked, and answers
		step("a says NOERROR after 0s")
		a.err = errDown
		step("f says NOERROR after 10ms") // at once when all have failed
		if text := told.String(); strings.Count(text, "level=WARN") != 2 || strings.Count(text, "answer again") != 1 {
			t.Errorf("got  %s\nwant two warnings and one all-clear", text)
		}
		a.err, a.rcode = nil, 2
		g.Forget()
		step("a says SERVFAIL after 0s") // an answer: another server's yes would be no proof
		g.Close()
	})
}

func TestStrictGroupShowsTheFallbackOnlyPortalChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := groupOf(&member{name: "a", err: errDown})
		f := &member{name: "f"}
		g.Fallback, g.Strict = f, true
		if got := who(t, g); got != "nobody after 0s" || f.count() != 0 {
			t.Errorf("got  %s\nwant nobody", got)
		}
		if _, err := g.Exchange(t.Context(), new(dns.Msg).SetQuestion("Captive.Apple.com.", dns.TypeA)); err != nil {
			t.Errorf("got  %v\nwant the fallback", err)
		}
		g.Close()
	})
}

func TestGroupErrors(t *testing.T) {
	other := errors.New("the other is down too")
	g := groupOf(&member{err: errDown}, &member{err: other})
	if _, err := g.Exchange(t.Context(), ask()); !errors.Is(err, errDown) || !errors.Is(err, other) {
		t.Errorf("got  %v\nwant both", err)
	}
	if _, err := new(Group).Exchange(t.Context(), ask()); err == nil {
		t.Error("a group of nobody: no error")
	}
}

// echo is a server that leads back to us: the group is told of each name it is asked for.
type echo struct {
	*member
	group *Group
}

func (e echo) Exchange(ctx context.Context, q *dns.Msg) (*dns.Msg, error) {
	e.group.Seen(strings.ToUpper(q.Question[0].Name))
	return e.member.Exchange(ctx, q)
}

func TestLoopingServerIsLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &member{name: "a"}, &member{name: "b"}
		g := groupOf(b)
		g.Upstreams = []exchange.Exchanger{echo{a, g}, b}
		if got := who(t, g); got != "a says NOERROR after 0s" {
			t.Errorf("got  %s\nwant a before the probe", got)
		}
		g.Probe(t.Context())
		if got := who(t, g); got != "b says NOERROR after 0s" {
			t.Errorf("got  %s\nwant b", got)
		}
		if g.Seen("reg.example.") || g.Seen("0011."+LoopZone) {
			t.Error("got  a probe that nobody sent\nwant none")
		}
		g.Upstreams = g.Upstreams[:1]
		g.Forget()
		g.Probe(t.Context())
		if _, err := g.Exchange(t.Context(), ask()); err == nil || !strings.Contains(err.Error(), "back to us") {
			t.Errorf("got  %v\nwant word of the loop", err)
		}
		if len(g.probes) != 0 {
			t.Errorf("got  %v kept\nwant none", g.probes)
		}
	})
}

// Somebody who has what they wanted elsewhere, and leaves, says nothing about the server.
func TestWithdrawnQuestionIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &member{name: "a", after: 100 * ms}, &member{name: "b", after: 90 * ms}
		g := groupOf(a, b)
		who(t, g)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*ms, cancel)
		if _, err := g.Exchange(ctx, ask()); !errors.Is(err, context.Canceled) {
			t.Errorf("got  %v\nwant %v", err, context.Canceled)
		}
		if got, want := who(t, g), "a says NOERROR after 100ms"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

func TestMoreServersThanAreAskedHaveFailedWhenThoseHave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var members []*member
		for range maxAsked + 1 {
			members = append(members, &member{rcode: dns.RcodeRefused})
		}
		if got, want := who(t, groupOf(members...)), " says REFUSED after 0s"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		for _, m := range members {
			m.err = errDown
		}
		if got, want := who(t, groupOf(members...)), "nobody after 0s"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

// Questions may still be on their way to servers that were left. What began beside them while the last of it was waited for
// ended the process.
func TestNothingBeginsBesideTheQuestionsOfAGroupThatWasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &member{name: "a"}, &member{name: "b"}
		g := groupOf(a, b)
		g.dice = func(int) int { return 0 } // each question is one to look at others by
		who(t, g)
		g.Retire()
		before := b.count()
		if got := who(t, g); !strings.HasPrefix(got, "a says NOERROR") || before != 1 || b.count() != 1 {
			t.Errorf("got  %s, and %d questions to b after %d\nwant an answer of a, and none after one", got, b.count(), before)
		}
	})
}
