package transport

import (
	"cmp"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"hither/forward/dial"
	"hither/forward/field"
)

const (
	// maxOrigins bounds what is remembered of hosts, so that no stranger can fill our memory: about 300 bytes each.
	maxOrigins = 1000
	// backOff is how long HTTP/3 to a host rests after UDP failed. It doubles up to maxBackOff.
	backOff, maxBackOff = 5 * time.Minute, 24 * time.Hour
	// maxStalls is after how many standstills HTTP/3 rests, with no large body that came whole between them. What stands still
	// less than stallApart after another is the same one: a moment without a network says nothing of UDP. Behind an hour
	// without, a standstill is the first again.
	maxStalls, stallApart, stallLife = 3, 10 * time.Second, time.Hour
	// httpsEvery is when the HTTPS record of a host is asked for again, httpsPatience how long that may take.
	httpsEvery, httpsPatience = time.Hour, 5 * time.Second
)

// offer is somebody's word that an origin speaks HTTP/3. The zero offer is none.
type offer struct {
	port    uint16
	until   time.Time
	persist bool // also on another network (RFC 7838, 3.1)
}

// origin is what is known of HTTP/3 at one HOST:PORT. The contest that it belongs to locks it.
type origin struct {
	host string // lower case
	port uint16
	used time.Time // last asked for

	answers offer // learnt from Alt-Svc
	record  offer // learnt from DNS
	asked   time.Time
	hinted  bool

	rivals
	last     netip.AddrPort // that answered last; zero: none yet, or another network
	from     netip.Addr     // of ours, to last: see footing.WayOut
	kept     *keptVerdict   // of the process before, not yet looked at; nil: none
	unproven bool           // rivals are those of the process before, and nobody answered since
	failures int            // of UDP, in a row
	retry    time.Time      // not tried before
	requests int            // answered over HTTP/3
	stalls   int            // of bodies over HTTP/3 that were given up, in a row
	stood    time.Time      // the last of them
}

// originOf names the origin of a URL; "" if HTTP/3 is nothing for it.
func originOf(u *url.URL) string {
	if u.Scheme != "https" || u.Hostname() == "" {
		return ""
	}
	return net.JoinHostPort(strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")), dial.Port(u))
}

// offered is where HTTP/3 is offered, and who says so; 0: nowhere.
func (o *origin) offered(now time.Time) (port uint16, by string) {
	switch {
	case now.Before(o.answers.until):
		return o.answers.port, "Alt-Svc"
	case now.Before(o.record.until):
		return o.record.port, "DNS"
	case o.hinted:
		return o.port, "rule"
	}
	return 0, ""
}

// usable says whether HTTP/3 may be tried now.
func (o *origin) usable(now time.Time) bool {
	port, _ := o.offered(now)
	return port != 0 && !now.Before(o.retry)
}

// listen takes what an answer of the origin said. Another host is not believed: it would be one that a hostile mirror
// chose. Nor is a port that something else than HTTP may listen on.
func (o *origin) listen(found []field.Alternative, clear bool, now time.Time) {
	if clear {
		o.answers, o.record = offer{}, offer{}
		return
	}
	o.answers = offer{} // what is said replaces all that was said before (RFC 7838, 3)
	for _, a := range found {
		if a.Proto == "h3" && a.Age > 0 && o.mayBe(a.Host, a.Port) {
			o.answers = offer{a.Port, now.Add(a.Age), a.Persist}
			return
		}
	}
}

// mayBe says whether an alternative is believed.
func (o *origin) mayBe(host string, port uint16) bool {
	same := host == "" || strings.EqualFold(strings.TrimSuffix(host, "."), o.host)
	return same && (port == 443 || port == o.port || port >= 1024)
}

// fail rests HTTP/3 for a while. While it rests, what else fails was under way and says nothing new. After it a handshake is
// tried, at nobody's expense, and no request.
func (o *origin) fail(now time.Time) {
	if now.Before(o.retry) {
		return
	}
	o.retry = now.Add(min(backOff<<min(o.failures, 10), maxBackOff))
	o.failures++
	o.chosen, o.last = [kinds]bool{}, netip.AddrPort{}
}

// stall notes that a body stood still until it was given up. Where something lets small packets through only, handshakes and
// heads of answers go well, and nothing else would tell.
func (o *origin) stall(now time.Time) {
	if now.Sub(o.stood) < stallApart {
		return
	}
	if now.Sub(o.stood) > stallLife {
		o.stalls = 0
	}
	o.stood = now
	if o.stalls++; o.stalls >= maxStalls {
		o.fail(now)
	}
}

// answered notes that a head came over HTTP/3: UDP works. While HTTP/3 rests for its bodies that was under way and says nothing new.
func (o *origin) answered(now time.Time) {
	o.requests++
	o.unproven = false
	if o.stalls >= maxStalls {
		if now.Before(o.retry) {
			return
		}
		o.stalls = 0
	}
	o.failures, o.retry = 0, time.Time{}
}

// move forgets what was seen on another network.
func (o *origin) move() {
	if !o.answers.persist {
		o.answers = offer{}
	}
	o.record, o.asked = offer{}, time.Time{}
	o.rivals, o.last, o.failures, o.retry = rivals{}, netip.AddrPort{}, 0, time.Time{}
	o.from, o.kept, o.unproven = netip.Addr{}, nil, false
	o.stalls, o.stood = 0, time.Time{}
}

// patience is how long an answer over HTTP/3 may take before TCP is asked too.
func (o *origin) patience() time.Duration {
	usual := cmp.Or(o.h3.wait, o.tcp.wait, lateUnknown/lateTimes)
	return min(max(lateTimes*usual, lateLeast), lateMost)
}

// splitOrigin takes the name of an origin apart again.
func splitOrigin(name string) (host string, port uint16, ok bool) {
	host, text, err := net.SplitHostPort(name)
	n, err2 := strconv.ParseUint(text, 10, 16)
	return host, uint16(n), err == nil && err2 == nil && host != "" && n != 0
}
