package transport

import (
	"net/netip"
	"time"

	"hither/forward/footing"
)

// longestKept bounds a wait that is believed of the file: an answer that takes longer has no verdict.
const longestKept = time.Hour

// keptVerdict is what was measured at an origin, for the next start. It counts on the network where it was measured: what
// the way there was like elsewhere says nothing.
type keptVerdict struct {
	From   netip.Addr     `json:"from"` // see footing.WayOut
	To     netip.AddrPort `json:"to"`   // that answered last
	TCP    keptPace       `json:"tcp"`
	HTTP3  keptPace       `json:"http3"`
	Size   [kinds]float64 `json:"size"`
	Chosen [kinds]bool    `json:"chosen"` // HTTP/3 is
}

// keptPace is a pace without how often it was seen.
type keptPace struct {
	Wait time.Duration `json:"wait"`           // in nanoseconds
	Rate float64       `json:"rate,omitempty"` // bytes a second; 0: not known
}

func (p *pace) kept() keptPace { return keptPace{p.wait, p.rate} }

// revive makes a pace that is as sure as one must be to choose, and as quickly changed by what is seen from now on as any.
func (k keptPace) revive() pace {
	p := pace{waits: steadyWaits, wait: k.Wait}
	if k.Rate > 0 {
		p.rates, p.rate = steadyRates, k.Rate
	}
	return p
}

// verdict is what is to be kept; nil: nothing is known, or HTTP/3 failed since.
func (o *origin) verdict() *keptVerdict {
	if o.kept != nil {
		return o.kept // nobody asked for this origin since the start
	}
	if !o.known(whole) || o.failures > 0 || !o.last.IsValid() || !o.from.IsValid() {
		return nil
	}
	return &keptVerdict{o.from, o.last, o.tcp.kept(), o.h3.kept(), o.size, o.chosen}
}

// sound says whether a verdict from the file can be true. Whether its address is still the host's is seen when it is used.
func (k *keptVerdict) sound() bool {
	for _, p := range []keptPace{k.TCP, k.HTTP3} {
		if p.Wait <= 0 || p.Wait > longestKept || p.Rate < 0 {
			return false
		}
	}
	for _, size := range k.Size {
		if size < 0 {
			return false
		}
	}
	return k.From.IsValid() && k.To.IsValid() && k.To.Port() > 0
}

// revive takes up the kept verdict at the first request, if we are where it was made. It is not proven then: UDP may have
// been blocked since.
func (o *origin) revive() {
	k := o.kept
	o.kept = nil
	if k == nil || footing.WayOut(k.To) != k.From {
		return
	}
	o.rivals = rivals{tcp: k.TCP.revive(), h3: k.HTTP3.revive(), size: k.Size, chosen: k.Chosen}
	o.judge()
	o.last, o.from, o.unproven = k.To, k.From, true
}

// arrived notes who answered.
func (o *origin) arrived(conn *quicConn) {
	o.last, o.from, o.unproven = conn.to(), conn.from(), false
}
