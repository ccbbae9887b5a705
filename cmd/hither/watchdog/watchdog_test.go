package watchdog

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"hither/cmd/hither/hithertest"
)

// kennel is a watchdog with the doors it asks, whose health each step sets.
type kennel struct {
	*Watch
	mute, deaf atomic.Bool  // DNS, TLS
	ahead      atomic.Int64 // of the wall clock
	mu         sync.Mutex
	said       []string // what Sick was told
	log        strings.Builder
}

func newKennel() *kennel {
	k := &kennel{}
	ask := func(ctx context.Context, dead *atomic.Bool) error {
		if !dead.Load() {
			return nil
		}
		<-ctx.Done() // a mute socket
		return ctx.Err()
	}
	k.Watch = &Watch{
		Resolve: func(ctx context.Context) error { return ask(ctx, &k.mute) },
		Shake:   func(ctx context.Context) error { return ask(ctx, &k.deaf) },
		Sick: func(sick bool) {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.said = append(k.said, map[bool]string{true: "empty", false: "fill"}[sick])
		},
		Log:  slog.New(slog.NewTextHandler(&k.log, nil)),
		Wall: func() time.Time { return time.Now().Round(0).Add(time.Duration(k.ahead.Load())) },
	}
	return k
}

func (k *kennel) heard() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return strings.Join(k.said, " ")
}

func TestTheWatchdogEmptiesTheTableAndFillsItAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKennel()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- k.Run(ctx) }()
		for _, step := range []struct {
			name  string
			do    func()
			after time.Duration
			said  string
		}{
			{"all is well", func() {}, 10 * time.Second, ""},
			{"the door fails once", func() { k.deaf.Store(true) }, 1200 * time.Millisecond, ""},
			{"and then answers", func() { k.deaf.Store(false) }, 5 * time.Second, ""},
			{"the door is deaf", func() { k.deaf.Store(true) }, 5 * time.Second, "empty"},
			{"it stays so", func() {}, time.Minute, "empty"},
			{"it answers", func() { k.deaf.Store(false) }, 5 * time.Second, "empty fill"},
			{"DNS is mute", func() { k.mute.Store(true) }, 2 * time.Second, "empty fill"},
			{"and answers after two questions", func() { k.mute.Store(false) }, 900 * time.Millisecond, "empty fill empty"},
			{"for a while", func() {}, 5 * time.Second, "empty fill empty fill"},
		} {
			step.do()
			<-time.After(step.after)
			synctest.Wait()
			hithertest.Same(t, step.name, k.heard(), step.said)
		}
		cancel()
		hithertest.Same(t, "end", <-done, nil)
	})
}

func TestTheWatchdogEndsAMuteProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKennel()
		var exit error
		k.Exit = func(err error) { exit = err }
		k.mute.Store(true)
		begun := time.Now()
		hithertest.Same(t, "end", errors.Is(k.Run(t.Context()), errMute), true)
		hithertest.Same(t, "exit", exit, errMute)
		hithertest.Same(t, "after", time.Since(begun) <= 6*time.Second, true)
		hithertest.Same(t, "table", k.heard(), "empty")
		hithertest.Contains(t, k.log.String(), "watchdog_test.go") // the stacks
	})
}

func TestADeafDoorDoesNotEndTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKennel()
		k.Exit = func(err error) { t.Errorf("exit\n got %v\nwant none", err) }
		k.deaf.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		hithertest.Same(t, "end", k.Run(ctx), nil)
	})
}

func TestASleepIsNoFailure(t *testing.T) {
	for name, jump := range map[string]func(k *kennel){
		"the wall clock goes on while the machine sleeps": func(k *kennel) { k.ahead.Add(int64(time.Hour)) },
		"the wall clock is put back":                      func(k *kennel) { k.ahead.Add(-int64(time.Hour)) },
		"the process was stopped":                         func(*kennel) { <-time.After(time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newKennel()
				k.Resolve = func(context.Context) error { jump(k); return errors.New("the network is not up yet") }
				k.Exit = func(err error) { t.Errorf("exit\n got %v\nwant none", err) }
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
				defer cancel()
				hithertest.Same(t, "end", k.Run(ctx), nil)
				hithertest.Same(t, "table", k.heard(), "")
			})
		})
	}
}

func TestTheWatchdogAsksOverTheKernel(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	hithertest.Same(t, "listen", err, nil)
	var asked atomic.Value
	srv := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		asked.Store(q.Question[0].Name)
		w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeServerFailure))
	})}
	go srv.ActivateAndServe()
	defer srv.Shutdown()
	ask := Ask(netip.MustParseAddrPort(conn.LocalAddr().String()))
	hithertest.Same(t, "ask", ask(t.Context()), nil)
	hithertest.Same(t, "asked", asked.Load(), any(localName))
	srv.Shutdown()
	if err := ask(t.Context()); err == nil {
		t.Error("a closed socket\n got no error\nwant one")
	}
}

func TestTheWatchdogShakesHands(t *testing.T) {
	door := httptest.NewTLSServer(nil)
	defer door.Close()
	at := netip.MustParseAddrPort(door.Listener.Addr().String())
	roots := x509.NewCertPool()
	roots.AddCert(door.Certificate())
	hithertest.Same(t, "our door", ShakeHands(at, "example.com", roots)(t.Context()), nil)
	var wrong *tls.CertificateVerificationError
	hithertest.Same(t, "another's root", errors.As(ShakeHands(at, "example.com", x509.NewCertPool())(t.Context()), &wrong), true)
	hithertest.Same(t, "another's name", errors.As(ShakeHands(at, "reg.lab.example", roots)(t.Context()), &wrong), true)
}
