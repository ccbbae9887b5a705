package main

import (
	"context"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"hither/cache"
	"hither/cache/hot"
	"hither/cmd/hither/control"
	"hither/cmd/hither/house"
	"hither/cmd/hither/kindling"
	"hither/cmd/hither/led"
	"hither/cmd/hither/ledger"
	"hither/cmd/hither/memory"
	"hither/cmd/hither/mirrors"
	"hither/cmd/hither/netwatch"
	"hither/cmd/hither/network"
	"hither/cmd/hither/port"
	"hither/cmd/hither/rulebook"
	"hither/cmd/hither/scores"
	"hither/cmd/hither/settings"
	"hither/cmd/hither/trust"
	"hither/cmd/hither/upkeep"
	"hither/forward"
	"hither/forward/fetch"
	"hither/forward/listener"
	"hither/forward/measure"
	"hither/forward/notary"
	"hither/forward/split"
	"hither/forward/spool"
	"hither/rules"
)

// stopping is how long requests under way may take to end when Hither stops; it leaves the rest of stopWait to the cache.
const stopping = 3 * time.Second

// serve puts the parts of Hither together and runs them until ctx ends. It calls ready once, when clients may come.
// Everything is made from the lowest floor up and closed in the opposite order.
func serve(ctx context.Context, s settings.Settings, log *slog.Logger, ready func(control.Ready)) error {
	memory.Tune()
	in, err := openEntrance(ctx, s, log)
	if err != nil {
		return err
	}
	defer in.close()
	socket, way, keep := in.control, in.way, in.keep
	s.Listen = network.NewSelf(in.listeners).Addresses() // port 0 has become one
	self := network.NewSelf(in.listeners).With(way.Addresses())
	book, err := rulebook.Open(s, log)
	if err != nil {
		return err
	}
	s.TellUnknownRules(book.Now(), log)
	kept, err := openStore(s, log)
	if err != nil {
		return err
	}
	store := hot.New(kept, memory.Scaled(hotMemory))
	defer store.Close()
	out, err := network.New(s, self, version(), book.OffersH3, log)
	if err != nil {
		return err
	}
	defer out.Close()
	out.Tokens.Realms = book.Realms
	trust, err := trust.Open(s.State, book.Now(), log)
	if err != nil {
		return err
	}
	h := &house.House{Settings: s, Self: self, Book: book, Way: way, Store: store, Ledger: ledger.New(), Probe: out.Prober().Probe}
	calm := memory.NewQuiet(kept, log)
	h.Ledger.Stir = calm.Stir
	learned := remember(h, out, log)
	fetcher := newFetcher(s, store, noticing{ledger.Tallied{Board: h.Board, Ledger: h.Ledger}, h.Rounds.Used}, out, h.Ledger, log)
	defer fetcher.Close()
	kindle := &kindling.Lighter{Connect: out.Pool.Warm, Board: h.Board}
	lookAhead(h, socket, fetcher, kindle, log)
	doors := newDoors(h, trust, out, fetcher, kindle, log)
	way.Answer(s, book.Now(), out.Names, log)
	socket.Names, socket.Log = way.NamesServer(), log
	here := newReady(s, network.NewSelf(in.listeners), way, keep, trust)
	work, ctx := errgroup.WithContext(ctx)
	open, shut := context.WithCancel(context.WithoutCancel(ctx)) // doors close when nobody is sent to them any more
	keeping := &keeper{settings: s, upkeep: keep, way: way, ca: trust, restored: shut, letGo: control.NewLetGo(), log: log}
	socket.LetGo = keeping.letGo
	openDoors(open, work, doors, in.listeners)
	way.Serve(open, doors, work.Go)
	runAll(ctx, work, keeping.run, learned.Run, h.Ahead.Run, calm.Run,
		func(ctx context.Context) error { return book.Watch(ctx, extending(trust, way)) },
		func(ctx context.Context) error { return untilEnd(ctx, h.Rounds.Run) },
		func(ctx context.Context) error { return watchNetwork(ctx, h.Board, h.Rounds, out, way, log) })
	tell, withdraw := publishing(notifying(ready, log), log)
	defer withdraw()
	work.Go(func() error { return socket.Serve(ctx, h, here, tell) })
	return work.Wait()
}

// runAll has all of them run, each until it ends or ctx does.
func runAll(ctx context.Context, work *errgroup.Group, runs ...func(context.Context) error) {
	for _, run := range runs {
		work.Go(func() error { return run(ctx) })
	}
}

// publishing lets everybody on this machine know where we are before ready is called, and takes that back by withdraw.
func publishing(ready func(control.Ready), log *slog.Logger) (tell func(control.Ready), withdraw func()) {
	taken := func() {}
	tell = func(r control.Ready) {
		taken = control.Publish(r, log)
		ready(r)
	}
	return tell, func() { taken() }
}

// entrance is where clients and our own commands come in.
type entrance struct {
	control   *control.Socket
	inherited *listener.Inherited
	listeners []net.Listener // of the proxy
	keep      upkeep.Upkeep
	way       *led.Way
}

// openEntrance opens all or nothing. Nobody is let in yet.
func openEntrance(ctx context.Context, s settings.Settings, log *slog.Logger) (*entrance, error) {
	socket, err := control.Take(ctx, s.State, stopWait+time.Second)
	if err != nil {
		return nil, err
	}
	in := &entrance{control: socket, inherited: listener.Inherit()}
	if err = in.open(ctx, s, log); err != nil {
		in.close()
		return nil, err
	}
	return in, nil
}

func (in *entrance) open(ctx context.Context, s settings.Settings, log *slog.Logger) (err error) {
	if in.listeners, err = port.Listen(ctx, s.Listen, in.inherited); err != nil {
		return err
	}
	if in.keep, err = upkeep.Of(s); err != nil {
		return err
	}
	if in.way, err = led.Open(ctx, s, in.keep, in.inherited, log); err != nil {
		return err
	}
	for _, at := range in.inherited.Left() {
		log.WarnContext(ctx, "a port that was opened for Hither is named by none of its settings: name it with listen or transparent, or take it out of the socket unit; clients may wait there for nothing", "address", at)
	}
	return in.inherited.Close()
}

func (in *entrance) close() {
	if in.way != nil {
		in.way.Close()
	}
	closeAll(in.listeners)
	in.inherited.Close()
	in.control.Close()
}

// extending is for new rules. A name for which we cannot vouch would be led to its end, so that comes first.
func extending(ca *trust.Authority, way *led.Way) func(*rules.Set) error {
	return func(set *rules.Set) error {
		if err := ca.Extend(set); err != nil {
			return err
		}
		way.SetNames(set)
		return nil
	}
}

// What is held in memory, in bytes; less where there is little.
const (
	hotMemory  = 32 << 20 // small things that clients ask for again and again
	partMemory = 32 << 20 // parts of large bodies that come before their turn
	overMemory = 96 << 20 // bodies on their way, for want of a disk
)

// remember gives a house its board and rounds, with what was measured before this start.
func remember(h *house.House, out *network.Network, log *slog.Logger) *scores.Keeper {
	h.Board = new(measure.Board)
	h.Rounds = &measure.Rounds{
		Prober: out.Prober(), Board: ledger.Tallied{Board: h.Board, Ledger: h.Ledger}, Targets: func() [][]measure.Target { return mirrors.Targets(h.Book.Now()) },
	}
	kept := &scores.Keeper{State: h.Settings.State, Board: h.Board, Rounds: h.Rounds, Log: log}
	kept.Load()
	return kept
}

// newFetcher is the fetcher with all its notaries. They ask their authorities through it, as everybody does.
func newFetcher(s settings.Settings, store cache.Store, board fetch.Board, out *network.Network, l *ledger.Ledger, log *slog.Logger) *fetch.Fetcher {
	f := &fetch.Fetcher{
		Store: store, Board: board, Transport: out.Follow, Bearer: out.Bearer, Connect: out.Pool.Warm, Reach: out.Reach, Private: s.Private, Hedge: &l.Hedges,
		Ahead: split.Memory{Limit: memory.Scaled(partMemory)}, Over: spool.Room{Limit: memory.Scaled(overMemory)},
		Trace: fetch.Trace{Answered: l.Answered, Filled: l.Filled},
	}
	f.Trace.Waits = warnOfWaits(log)
	f.Parts = func(m rules.Match) (parts []fetch.Part) {
		wider, size := notary.WiderTiles(m)
		for _, tile := range wider {
			parts = append(parts, fetch.Part{Of: tile, Size: size})
		}
		return parts
	}
	gosum := &notary.GoSum{Fetch: f.Document, Store: store, Log: log}
	f.Inspector = gosum
	f.Notaries = map[string]notary.Notary{
		"path":  notary.Path{},
		"gosum": gosum,
		"npm":   &notary.NPM{Fetch: f.Document, Kept: f.Kept},
		"tag":   &notary.Tag{Head: f.Head, Poll: f.Poll, TrustOne: s.TrustOneMirror, Log: log},
	}
	return f
}

// newDoors is where clients come into a house, which is told how many wait, and tells what to forget.
func newDoors(h *house.House, ca *trust.Authority, out *network.Network, f *fetch.Fetcher, kindle *kindling.Lighter, log *slog.Logger) *forward.Server {
	doors := &forward.Server{
		Rules: h.Book.Now, Fetch: h.Ledger.Saving(f.Fetch), Pass: out.Pass, Anonymous: out.Tokens, Dial: out.Dialer.DialContext,
		CA: ca, Self: h.Self.Host, Own: out.Dialer.Own, Console: welcome(h.Self, ca, h.Book.Now), Log: log, Done: h.Ledger.Served, Again: h.Ledger.Again(f),
		Greeted: kindle.Greet, Changed: f.Changed, Persist: f.Persist, Short: out.Pool.CloseIdle, ID: instance(),
	}
	h.Removed, h.Waiting = doors.Forget, f.Waiting
	return doors
}

// warnOfWaits logs that requests and downloads wait for the network: one a minute for all that wait for the same, the others for who looks closer.
func warnOfWaits(log *slog.Logger) func(fetch.Request, error) {
	var next atomic.Int64 // when the next one is a warning, in nanoseconds since 1970
	return func(r fetch.Request, err error) {
		say, now, at := log.Debug, time.Now(), next.Load()
		if now.UnixNano() >= at && next.CompareAndSwap(at, now.Add(time.Minute).UnixNano()) {
			say = log.Warn
		}
		say("what is asked for waits for the network; it goes on when that is back", "name", r.Name, "error", err)
	}
}

// untilEnd runs what ends with ctx, and says so as an error that nobody waits for.
func untilEnd(ctx context.Context, run func(context.Context) error) error {
	if err := run(ctx); ctx.Err() == nil {
		return err
	}
	return nil
}

// watchNetwork forgets what a change of the network made wrong: what was measured, and the connections of the old one.
func watchNetwork(ctx context.Context, board *measure.Board, rounds *measure.Rounds, out *network.Network, way *led.Way, log *slog.Logger) error {
	return netwatch.Watch{Changed: func(why string) {
		log.Info("measuring anew", "because", why)
		board.Doubt()
		out.Forget()
		way.Forget()
		rounds.Wake()
	}}.Run(ctx)
}

// openDoors lets clients in until ctx ends, and then lets those who are in leave.
func openDoors(ctx context.Context, work *errgroup.Group, doors *forward.Server, listeners []net.Listener) {
	for _, l := range listeners {
		work.Go(func() error { return led.IgnoreClosed(doors.Serve(l)) })
	}
	work.Go(func() error {
		<-ctx.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopping)
		defer cancel()
		_ = doors.Shutdown(stop) // what did not end in time was cut off, which the client sees
		return nil
	})
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		l.Close()
	}
}

// instance tells this Hither from others in Via.
func instance() string {
	return strconv.FormatInt(int64(os.Getpid()), 36) + "-" + strconv.FormatInt(time.Now().UnixNano(), 36)
}
