package prefetch

import (
	"hither/forward/project"
	"hither/rules"
)

// Walk knows how the clients of one ecosystem go from one request to the next. There is one for each run of a client; its
// methods are called one at a time and beside all requests, so that they may read a file, but wait for nobody. What they
// return may have been asked for already, and may not be in any rule: the caller sees to both, and keeps the order. What else
// some of them know is in the interfaces behind this one, which a walk need not have.
type Walk interface {
	// Asked is told of each request of the client, before its answer.
	Asked(m rules.Match) []project.Want
	// Reads says whether Answered wants the bytes of m.
	Reads(m rules.Match) bool
	// Answered is told what m brought. body is nil if the registry has no such thing. Depth is 0 for what the client asked
	// for itself, 1 for what was fetched ahead because of that, and so on. What was fetched ahead is not told again when
	// the client asks for it; Asked tells of that.
	Answered(m rules.Match, body []byte, depth int) []project.Want
	// Project is told, at most once and at any time, in which directory the client works and with which arguments.
	Project(dir string, args []string) []project.Want
}

// informed is a Walk that may come to know all that a project needs.
type informed interface {
	// Informed says that what the walk wants because of an answer is no guess: the project's files told which answers decide
	// it, and they are here, or nearly all of them.
	Informed() bool
}

// guesser is a Walk that knows of its reasons which are guesses. For others, what follows from an answer is one.
type guesser interface {
	// Guesses is asked right after a want; usually is what it is taken for otherwise.
	Guesses(why string, usually bool) bool
}

// doubter is a Walk that wants things of which nobody knows whether they are. A registry that refuses those is well all the same.
type doubter interface{ Doubts(why string) bool }

// metered is a Walk of a registry that counts requests against its user. No more than the walk wants is asked for ahead:
// nothing because of last time.
type metered interface{ Metered() }

// exact is a Walk that knows when a client will ask for all packages that its project names, and does not have.
type exact interface{ Exact() bool }

// hesitant is a Walk whose client may need none of the packages that its project names. They are asked for when it asked for
// anything.
type hesitant interface{ Waits() bool }

func waits(w Walk) bool {
	h, ok := w.(hesitant)
	return ok && h.Waits()
}

// patient is a Walk that waits for what it wants, to go on with what that says.
type patient interface {
	// Withheld is told of wants that nobody will ask for ahead: the client has them, or keeps them to itself.
	Withheld(wants []project.Want) []project.Want
}

// expectant is a Walk that looks at something only when all has come that it wanted before that.
type expectant interface {
	// Missed is told that what it wanted was asked for in vain.
	Missed(m rules.Match) []project.Want
}

func missed(w Walk, m rules.Match) []project.Want {
	if e, ok := w.(expectant); ok {
		return e.Missed(m)
	}
	return nil
}

func withheld(w Walk, wants []project.Want) []project.Want {
	if p, ok := w.(patient); ok && len(wants) > 0 {
		return p.Withheld(wants)
	}
	return nil
}

// steady is a Walk of a client that has a connection open from its first request to its end: where all are closed, it is gone, and
// who connects then is another.
type steady interface{ Steady() }

// versed is a Walk of a client that asks for something else in another version.
type versed interface {
	// Agent is told before Asked what the client calls itself, which is empty if it does not say.
	Agent(agent string)
}

func asked(w Walk, e event) []project.Want {
	if v, ok := w.(versed); ok {
		v.Agent(e.agent)
	}
	return w.Asked(e.match)
}

// sized is a Walk that knows how large the packages of its ecosystem are, in bytes: so many are asked for ahead, until some
// have come, as fit a window by that size.
type sized interface{ UsualSize() int64 }

// straying is a Walk whose client asks for many packages at a time, and so not quite in any order: it has passed by one that it
// asked for so many others behind.
type straying interface{ Passes() int }

func passesOf(w Walk) int {
	if s, ok := w.(straying); ok {
		return s.Passes()
	}
	return bulkPasses
}

func isExact(w Walk) bool {
	e, ok := w.(exact)
	return ok && e.Exact()
}
