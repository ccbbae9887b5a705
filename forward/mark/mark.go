// Package mark is what the context of a request says of how it shall travel. Whoever makes a request marks it, and those who
// carry it look: where a hop may lead, over which connection it goes, how long it waits. A context without marks is that of a
// request that the user's own words sent, which goes over the common connection.
//
//	ctx = mark.Lane(mark.Public(ctx), 3)
package mark

import "context"

type publicKey struct{}

// Public marks a request whose next hop was chosen by a stranger: a redirect, a token realm. Private, loopback,
// link-local and shared addresses are refused to it, so that no upstream can use us to reach into the network we stand in.
// Behind an upstream proxy that holds for written addresses only, in any notation: the proxy alone sees where a name leads.
func Public(ctx context.Context) context.Context { return context.WithValue(ctx, publicKey{}, true) }

// Private takes the mark away, for a hop that the user chose: the upstream proxy.
func Private(ctx context.Context) context.Context { return context.WithValue(ctx, publicKey{}, false) }

// IsPublic says whether a request is marked [Public].
func IsPublic(ctx context.Context) bool {
	marked, _ := ctx.Value(publicKey{}).(bool)
	return marked
}

type patientKey struct{}

// Patient marks a request whose client waits as long as it likes: an upload, a long poll, a WebSocket. Its answer has no
// deadline but ctx's, and its connection is not counted among those to the host.
func Patient(ctx context.Context) context.Context {
	return context.WithValue(ctx, patientKey{}, true)
}

// IsPatient says whether a request is marked [Patient].
func IsPatient(ctx context.Context) bool {
	marked, _ := ctx.Value(patientKey{}).(bool)
	return marked
}

type laneKey struct{}

// Lane marks a request that shall travel over connections of its own: all HTTP/2 requests to a host share one TCP
// connection otherwise, and several ranges of one blob then share its window and its losses. Requests of the same lane
// share theirs and keep them warm. Lanes are counted modulo 16; n below 1 is no lane, and takes the mark away. Redirects
// keep it. A request that is marked [Patient] has no lane.
func Lane(ctx context.Context, n int) context.Context { return context.WithValue(ctx, laneKey{}, n) }

// LaneOf tells the lane of a request; 0: none.
func LaneOf(ctx context.Context) int {
	n, _ := ctx.Value(laneKey{}).(int)
	return max(n, 0)
}

type tightKey struct{}

// Tight marks a dial whose connection shall carry short packets both ways, because long ones seem to get lost.
func Tight(ctx context.Context) context.Context { return context.WithValue(ctx, tightKey{}, true) }

// IsTight says whether a dial is marked [Tight].
func IsTight(ctx context.Context) bool {
	marked, _ := ctx.Value(tightKey{}).(bool)
	return marked
}

type outsetKey struct{}

// Outset marks a request in a lane that is most likely redirected to where the body is: the way there is asked over the
// common connection, which is warm, and only those hops that follow travel in the lane, or the body, if it turns out to be there.
func Outset(ctx context.Context) context.Context { return context.WithValue(ctx, outsetKey{}, true) }

// IsOutset says whether a request is marked [Outset].
func IsOutset(ctx context.Context) bool {
	marked, _ := ctx.Value(outsetKey{}).(bool)
	return marked
}

type briefKey struct{}

// Brief marks a request in a lane whose answer is most likely small, although its kind may be large: it may serve to try
// HTTP/3 with.
func Brief(ctx context.Context) context.Context { return context.WithValue(ctx, briefKey{}, true) }

// IsBrief says whether a request is marked [Brief].
func IsBrief(ctx context.Context) bool {
	marked, _ := ctx.Value(briefKey{}).(bool)
	return marked
}

type grantedKey struct{}

// Granted marks a request to a registry, of which the caller wants to know as early as possible that anybody may read what it
// asks for. open is called before the request is sent with an anonymous token that says so of its repository: that is what
// the registry will go by, so its answer need not be waited for. It is called on no redirect's way, by several goroutines
// perhaps, and must not block. Only bearer.Tokens knows of it, and many tokens say nothing. nil takes the mark away.
func Granted(ctx context.Context, open func()) context.Context {
	return context.WithValue(ctx, grantedKey{}, open)
}

// GrantedOf is open of [Granted]; nil: nobody wants to know.
func GrantedOf(ctx context.Context) func() {
	open, _ := ctx.Value(grantedKey{}).(func())
	return open
}
