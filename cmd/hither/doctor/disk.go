package doctor

import (
	"context"
	"fmt"
	"math"

	"hither/cmd/hither/amount"
	"hither/cmd/hither/doctor/kernel"
)

// disk looks whether there is room for the cache.
type disk struct{}

// Name implements Check.
func (disk) Name() string { return "disk" }

const (
	// leastFiles is how many files must be left for a cache to work.
	leastFiles = 1000
	// scarce is how much beyond what stays free is little, in bytes.
	scarce = 1 << 30
)

// Run implements Check.
func (c disk) Run(_ context.Context, p *Patient) []Finding {
	if p.State == "" || p.Daemon.Stranger { // the one that answers keeps things elsewhere
		return nil
	}
	look := p.Space
	if look == nil {
		look = kernel.SpaceAt
	}
	place := p.State
	if !p.exists(place) {
		return nil // it is made when Hither first starts
	}
	s, err := look(p.path(place))
	if err != nil {
		return []Finding{warn("the disk of the state directory "+place+" cannot be looked at: "+err.Error(), "Name another with `hither up --state DIRECTORY`.")}
	}
	return []Finding{c.judge(p, s).with("free", size(s.Free)).with("total", size(s.Total)).with("kept free", size(uint64(max(p.MinFree, 0))))}
}

func (disk) judge(p *Patient, s kernel.Space) Finding {
	keep := uint64(max(p.MinFree, 0))
	room := "Make room (`" + p.call("cache du") + "`, `" + p.call("cache rm") + " --all`), or put the cache elsewhere: " + p.elsewhere()
	if p.MinFree > p.LeastFree {
		room += "; to leave less free: " + p.set("cache-free", fmt.Sprintf("%dMiB", p.LeastFree>>20))
	}
	room += "."
	switch {
	case s.ReadOnly:
		return fail("the file system of "+p.State+" is read-only, so nothing can be kept and no certificate made", "Mount it for writing, or name another place: "+p.elsewhere()+".")
	case !s.NoInodes && s.Files < leastFiles:
		return fail(fmt.Sprintf("the file system of %s has room for %d more files only, however many bytes are free", p.State, s.Files), "Remove small files, or name another place: "+p.elsewhere()+".")
	case s.Free < keep/64 || s.Free < 16<<20:
		return fail(fmt.Sprintf("the disk of %s is full: %s of %s are free, and Hither leaves %s free, so nothing new is kept and every download comes from the network", p.State, size(s.Free), size(s.Total), size(keep)), room)
	case s.Free < keep:
		return fail(fmt.Sprintf("the disk of %s has %s of %s free, less than the %s that Hither leaves free, so nothing new is kept", p.State, size(s.Free), size(s.Total), size(keep)), room)
	case s.Free < keep+scarce:
		return note(fmt.Sprintf("the disk of %s has %s free: there is little room above the %s that Hither leaves free", p.State, size(s.Free), size(keep)), room)
	}
	return well(fmt.Sprintf("%s are free for the cache in %s", size(s.Free), p.State))
}

// size is an amount for people. A file system of the network may say that it has no end.
func size(n uint64) string { return amount.Bytes(min(n, math.MaxInt64)).String() }
