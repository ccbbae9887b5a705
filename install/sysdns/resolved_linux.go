package sysdns

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	// scopedPace is how often what systemd-resolved knows of our link is compared with what we told it. NetworkManager
	// clears the DNS of links that it has not made when another link comes or goes (MetaCubeX/mihomo#2907).
	scopedPace = 3 * time.Second
	// busTime is how long one question to systemd-resolved may take. It answers in a millisecond, or hangs.
	busTime = 5 * time.Second
)

// Held leads some names to our resolver for as long as this process lives. The kernel takes everything away with the
// process, kill -9 and all; only the route that refuses outlives it (ReleaseScoped). Its methods may be called at once.
type Held struct {
	Addr netip.Addr // of the link: ours alone, a place for listeners on any port
	Link string     // its name

	scope Scope
	stop  context.CancelFunc
	done  chan struct{} // closed when the keeper has ended

	mu    sync.Mutex
	names []string
	tun   *tun
	bus   *dbus.Conn // nil: lost, to be made again
	gone  chan *dbus.Signal
	err   error // of the last renewal; nil: in force
}

// HoldScoped leads the names of the scope to our resolver, and all others nowhere else than before: a link of our own, which
// the kernel removes when we die, and systemd-resolved told over D-Bus to ask us for them (org.freedesktop.resolve1(5)).
// It renews this when systemd-resolved starts anew, forgets it, or the link is deleted. The resolver should answer already.
//
// ctx is for the beginning alone; Close ends it. ErrNoResolved and ErrNoTun ask for another way to set DNS.
func HoldScoped(ctx context.Context, s Scope) (*Held, error) {
	names, err := cleanNames(s.Names)
	if err != nil {
		return nil, err
	}
	if !s.Server.IsValid() || s.Server.Port() == 0 || s.Server.Addr().IsUnspecified() {
		return nil, fmt.Errorf("systemd-resolved cannot ask %s: give the address and port on which the resolver listens", s.Server)
	}
	if s.Link == "" {
		s.Link = ScopedLink
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	h := &Held{Link: s.Link, scope: s, names: names, done: make(chan struct{})}
	if err := h.connect(ctx); err != nil {
		return nil, err
	}
	if err := h.begin(ctx); err != nil {
		_ = h.bus.Close() // the error before tells more
		return nil, err
	}
	keep, stop := context.WithCancel(context.WithoutCancel(ctx))
	h.stop = stop
	go h.keep(keep)
	return h, nil
}

func (h *Held) begin(ctx context.Context) (err error) {
	if h.tun, err = openTun(h.Link, netip.Addr{}); err != nil {
		return err
	}
	if err := h.tell(ctx); err != nil {
		return errors.Join(err, h.tun.release())
	}
	h.Addr = h.tun.addr
	return nil
}

// SetNames replaces the names. The error is that of telling systemd-resolved; the keeper goes on trying.
func (h *Held) SetNames(ctx context.Context, names []string) error {
	names, err := cleanNames(names)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.names = names
	return h.renewLocked(ctx)
}

// Close gives the names back, and removes the link and its route.
func (h *Held) Close() error {
	h.stop()
	<-h.done
	h.mu.Lock()
	defer h.mu.Unlock()
	var faults []error
	if h.bus != nil {
		faults = append(faults, h.bus.Close())
		h.bus = nil
	}
	if h.tun != nil {
		faults = append(faults, h.tun.release())
		h.tun = nil
	}
	return errors.Join(faults...)
}

// keep renews until ctx ends.
func (h *Held) keep(ctx context.Context) {
	defer close(h.done)
	pace := time.NewTicker(scopedPace)
	defer pace.Stop()
	for {
		gone, deleted := h.signs()
		select {
		case <-ctx.Done():
			return
		case <-pace.C:
		case <-deleted:
		case <-gone: // somebody else has the name on the bus now, or the bus is lost
		}
		h.mu.Lock()
		before := h.err
		err := h.renewLocked(ctx)
		h.mu.Unlock()
		if ctx.Err() == nil {
			h.say(ctx, before, err)
		}
		if err == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
}

func (h *Held) say(ctx context.Context, before, now error) {
	switch {
	case now != nil && before == nil:
		h.scope.Log.WarnContext(ctx, "names are not led to Hither; trying again", "link", h.Link, "reason", now)
	case now == nil && before != nil:
		h.scope.Log.InfoContext(ctx, "names are led to Hither again", "link", h.Link)
	}
}

func (h *Held) signs() (gone <-chan *dbus.Signal, deleted <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.tun != nil {
		deleted = h.tun.done
	}
	return h.gone, deleted
}

// renewLocked makes what is missing: the connection, the link, and what systemd-resolved should know.
func (h *Held) renewLocked(ctx context.Context) error {
	h.err = h.tryLocked(ctx)
	return h.err
}

func (h *Held) tryLocked(ctx context.Context) error {
	if h.bus == nil || !h.bus.Connected() {
		if h.bus != nil {
			_ = h.bus.Close() // it is lost already
		}
		h.bus, h.gone = nil, nil
		if err := h.connect(ctx); err != nil {
			return err
		}
	}
	if h.tun == nil || isClosed(h.tun.done) {
		if h.tun != nil {
			_ = h.tun.Close() // it is gone already
		}
		var err error
		if h.tun, err = openTun(h.Link, h.Addr); err != nil {
			h.tun = nil
			return err
		}
	}
	if h.knows(ctx) {
		return nil
	}
	return h.tell(ctx)
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// connect opens a connection of our own to the bus, and listens for systemd-resolved coming and going. After an error there is none.
func (h *Held) connect(ctx context.Context) error {
	// The connection lives until Close; ctx would end it. A bus that was stopped takes connections and says nothing.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	late := time.AfterFunc(busTime, end)
	defer late.Stop()
	var bus *dbus.Conn
	var err error
	if h.scope.Bus == "" {
		bus, err = dbus.ConnectSystemBus(dbus.WithContext(life))
	} else {
		bus, err = dbus.Connect(h.scope.Bus, dbus.WithContext(life))
	}
	if err != nil {
		end()
		if errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("the system's D-Bus refuses Hither: %w: run it as root or by its systemd unit", err)
		}
		return fmt.Errorf("%w (no D-Bus: %w)", ErrNoResolved, err)
	}
	ctx, cancel := context.WithTimeout(ctx, busTime)
	defer cancel()
	gone := make(chan *dbus.Signal, 8)
	bus.Signal(gone)
	err = bus.AddMatchSignalContext(ctx, dbus.WithMatchSender("org.freedesktop.DBus"),
		dbus.WithMatchInterface("org.freedesktop.DBus"), dbus.WithMatchMember("NameOwnerChanged"),
		dbus.WithMatchArg(0, resolveName))
	if err != nil {
		return errors.Join(fmt.Errorf("%w (D-Bus: %w)", ErrNoResolved, err), bus.Close())
	}
	h.bus, h.gone = bus, gone
	return nil
}
