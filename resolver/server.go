// Package resolver answers DNS on loopback: the hosts of the rules get our own address ([Names]), everything else is passed
// on faithfully, from memory if it is there, and within 2.5 seconds either way. It is no recursive resolver, validates
// nothing and serves no other machine. Who asks for signatures may validate, and gets the true answer even for those hosts if it
// is signed.
//
//	sockets, err := socket.Listen(ctx, "127.0.0.1:53")
//	server := &resolver.Server{Names: names.Load, Exchange: upstreams, Hosts: &hosts.File{}}
//	err = server.Serve(ctx, sockets)
package resolver

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"hither/resolver/exchange"
	"hither/resolver/hosts"
	"hither/resolver/socket"
)

// budget is what a question may take from its arrival to its answer. The stub resolvers of the systems ask again, or
// somebody else, after 3 to 5 s.
const budget = 2500 * time.Millisecond

// Server answers questions. Its fields are set before the first use; Exchange is the only one it needs. It must not be
// copied.
type Server struct {
	// Names tells whose address is ours just now. It is asked at each question, so it should be an atomic load. nil, or
	// a nil answer: nobody's.
	Names func() *Names
	// Exchange asks the upstreams. It gets a context that ends before the question's time is up, and in which the client's
	// repetitions of the question arrive ([exchange.WithResend]). nil: only what needs no upstream is answered.
	Exchange exchange.Exchanger
	// Private says whether a name server of this network is the one to ask for name (in presentation form, with the last
	// dot, in lower case): a VPN's suffix, the reverse zone of the network's own addresses. Such names are passed on even
	// if they are of special use, keep private addresses, are not saved, and are forgotten when the network changes.
	// nil: none.
	Private func(name string) bool
	// Hosts is the hosts file, which goes before the upstreams and the memory, but not before Names. nil: none.
	Hosts *hosts.File
	// Clients says who else is answered; nobody else hears a word. nil: processes of this machine, which are those who
	// come from a loopback address or from the very address they ask.
	Clients func(netip.Addr) bool

	Canary    bool     // use-application-dns.net does not exist, which asks browsers to leave their own DNS over HTTPS
	Rebinding bool     // answers for names that a stranger may own are withheld if they lead to loopback or private addresses
	Allow     []string // names, and all below them, that Rebinding spares
	Memory    int64    // bytes for answers; 0: 8 MB, some 20000 of them. Go's collector lets the process grow by twice as much
	State     string   // a directory for what is saved for the next start; empty: nothing is saved

	// LoopSeen is told the name, in lower case, of a question below [group.LoopZone]: a probe came back, the upstream it was
	// sent to asks us. It must return at once. nil: nobody is told.
	LoopSeen func(name string)
	Now      func() time.Time // nil: time.Now
	Log      *slog.Logger     // nil: nowhere

	once     sync.Once
	memory   *cache
	failures *failures
	flights  flights
	limit    *limiter
	hot      chan renewal  // asked often; the refresher takes them
	slow     chan struct{} // a place for each question that is not answered from memory
	counts   counts
	trace    trace
	warned   atomic.Int64   // when rebinding was last warned of, Unix time in ns
	work     sync.WaitGroup // every goroutine but the loops
}

// maxSlow is how many questions may wait for upstreams at once. Each is a goroutine of some 10 KB.
const maxSlow = 1024

func (s *Server) init() {
	s.once.Do(func() {
		size := s.Memory
		if size <= 0 {
			size = 8 << 20
		}
		if s.Log == nil {
			s.Log = slog.New(slog.DiscardHandler)
		}
		s.memory = newCache(size)
		s.failures = new(failures)
		s.limit = newLimiter(clientRate)
		s.hot = make(chan renewal, maxHot)
		s.slow = make(chan struct{}, maxSlow)
	})
}

func (s *Server) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// Serve answers on sockets until ctx ends, and then returns nil; it returns an error if a socket fails before. Either way the
// sockets are closed at once, because a name server that is open and mute costs its clients more than none, and
// everything Serve started has ended. It is called once.
func (s *Server) Serve(ctx context.Context, sockets ...*socket.Set) error {
	s.init()
	s.load()
	ctx, cancel := context.WithCancel(ctx)
	var loops sync.WaitGroup
	errs := make(chan error, 64)
	start := func(run func(context.Context) error) {
		loops.Go(func() {
			if err := s.guard(func() error { return run(ctx) }); err != nil {
				select {
				case errs <- err:
				default:
				}
				cancel()
			}
		})
	}
	for _, set := range sockets {
		for _, conn := range set.Packets {
			start(func(ctx context.Context) error { return s.servePackets(ctx, conn, set.Addr()) })
		}
		start(func(ctx context.Context) error { return s.serveStreams(ctx, set) })
	}
	start(s.refresh)
	start(s.keepHouse)
	<-ctx.Done()
	cancel()
	for _, set := range sockets {
		set.Close()
	}
	loops.Wait()
	s.work.Wait()
	s.save()
	close(errs)
	var all []error
	for err := range errs {
		all = append(all, err)
	}
	return errors.Join(all...)
}

// guard runs a step that no packet should be able to break. If one does, that is logged, and the others live on.
func (s *Server) guard(step func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.counts.panics.Add(1)
			s.Log.Error("a DNS question broke the resolver; please report this", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	return step()
}
