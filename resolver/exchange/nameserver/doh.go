package nameserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"hither/resolver/exchange"
	"hither/resolver/exchange/letter"
)

const (
	// maxLosses is how often in a row HTTP/3 may be worse than HTTP/2 before it is left for retryHTTP3.
	maxLosses = 3
	// retryHTTP3 is how long HTTP/3 is not tried again where it did not work: most often a network drops UDP.
	retryHTTP3 = 10 * time.Minute
)

// webUpstream asks over HTTPS (RFC 8484): by HTTP/2, and by HTTP/3 once the server has offered it and it worked.
type webUpstream struct {
	url   string // for people
	page  *page
	end   *endpoint
	only3 bool // h3://
	two   *warm
	three *warm

	mu     sync.Mutex
	port   uint16 // where HTTP/3 is offered; 0: nowhere
	proven bool   // HTTP/3 has worked on this network
	trying bool
	closed bool // HTTP/3 is not tried any more
	losses int
	later  time.Time // not tried before
	trials sync.WaitGroup
}

func newWebUpstream(url string, p *page, e *endpoint, only3 bool) *webUpstream {
	u := &webUpstream{url: url, page: p, end: e, only3: only3, port: e.port, proven: only3}
	u.two = &warm{open: func(ctx context.Context) (carrier, error) { return overHTTP2(ctx, p, e), nil }}
	u.three = &warm{open: func(ctx context.Context) (carrier, error) { return overHTTP3(ctx, p, e, u.offered()) }}
	if !only3 {
		u.port = 0
		p.alt = u.hear
	}
	return u
}

// Exchange implements [exchange.Exchanger].
func (u *webUpstream) Exchange(ctx context.Context, q *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, exchange.Patience)
	defer cancel()
	l, err := letter.Write(q, letter.Sealed)
	if err != nil {
		return nil, err
	}
	reply, err := u.ask(ctx, l)
	if err != nil {
		u.end.failed(ctx)
		return nil, fmt.Errorf("name server %s: %w", u.url, err)
	}
	return letter.Readdress(reply, q, true), nil
}

func (u *webUpstream) ask(ctx context.Context, l letter.Letter) (*dns.Msg, error) {
	switch {
	case u.only3:
		return u.three.ask(ctx, l)
	case u.usable(ctx, l):
		return u.either(ctx, l)
	}
	return u.two.ask(ctx, l)
}

// either asks by HTTP/3, and by HTTP/2 too if that is late or fails.
func (u *webUpstream) either(ctx context.Context, l letter.Letter) (*dns.Msg, error) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	type result struct {
		by    *warm
		reply *dns.Msg
		err   error
	}
	results := make(chan result, 2)
	start := func(by *warm) {
		running.Go(func() {
			reply, err := by.ask(ctx, l)
			results <- result{by, reply, err}
		})
	}
	start(u.three)
	timer := time.NewTimer(headStart)
	defer timer.Stop()
	var errs []error
	for second := false; ; {
		select {
		case <-timer.C:
		case r := <-results:
			if r.err == nil {
				u.judge(r.by == u.three)
				return r.reply, nil
			}
			if errs = append(errs, r.err); len(errs) == 2 {
				return nil, errors.Join(errs...)
			}
		}
		if !second {
			second = true
			start(u.two)
		}
	}
}

// usable says whether to ask by HTTP/3. If it is offered but has not been seen to work, it is tried beside.
func (u *webUpstream) usable(ctx context.Context, l letter.Letter) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed || u.port == 0 || time.Now().Before(u.later) {
		return false
	}
	if !u.proven && !u.trying {
		u.trying = true
		ctx := context.WithoutCancel(ctx)
		u.trials.Go(func() { u.try(ctx, l) })
	}
	return u.proven
}

func (u *webUpstream) try(ctx context.Context, l letter.Letter) {
	ctx, cancel := context.WithTimeout(ctx, openPatience)
	defer cancel()
	_, err := u.three.ask(exchange.WithResend(ctx, nil), l)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.trying = false
	u.proven = err == nil && u.port != 0
	if err != nil {
		u.later = time.Now().Add(retryHTTP3)
	}
}

// judge counts how often HTTP/3 lost against HTTP/2 that was asked later.
func (u *webUpstream) judge(won bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if won {
		u.losses = 0
		return
	}
	if u.losses++; u.losses >= maxLosses {
		u.proven, u.losses, u.later = false, 0, time.Now().Add(retryHTTP3)
		u.three.retire(func(*held) bool { return true })
	}
}

// hear takes in an Alt-Svc field. No field says nothing new.
func (u *webUpstream) hear(field string) {
	if field == "" {
		return
	}
	port := offersH3(field, u.end.host)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.port != port {
		u.port, u.proven = port, false
	}
}

func (u *webUpstream) offered() uint16 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.port
}

// offersH3 reads the port at which an Alt-Svc field (RFC 7838, 3) offers HTTP/3 on the same host; 0: it does not.
func offersH3(field, host string) uint16 {
	for entry := range strings.SplitSeq(field, ",") {
		value, ok := strings.CutPrefix(strings.TrimSpace(entry), `h3="`)
		if !ok {
			continue
		}
		authority, _, ok := strings.Cut(value, `"`)
		if !ok {
			continue
		}
		name, text, err := net.SplitHostPort(authority)
		if err != nil || name != "" && !strings.EqualFold(name, host) {
			continue
		}
		if port, err := strconv.ParseUint(text, 10, 16); err == nil && port != 0 {
			return uint16(port)
		}
	}
	return 0
}

// String is the URL.
func (u *webUpstream) String() string { return u.url }

// Forget drops the connections and what was learnt of HTTP/3.
func (u *webUpstream) Forget() {
	u.two.forget()
	u.three.forget()
	u.end.forget()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.proven, u.losses, u.later = u.only3, 0, time.Time{}
}

// Close ends what is being asked.
func (u *webUpstream) Close() error {
	u.mu.Lock()
	u.closed = true
	u.mu.Unlock()
	err := errors.Join(u.two.Close(), u.three.Close())
	u.trials.Wait()
	return err
}
