package main

import (
	"hither/forward/fetch"
	"hither/forward/measure"
)

// noticing lets somebody know which rules are in use, so that their mirrors are worth measuring.
type noticing struct {
	fetch.Board
	used func(base string)
}

// Order tells of the first candidate; the others are of the same rule.
func (n noticing) Order(bases []string, o measure.Object) []string {
	if len(bases) > 0 {
		n.used(bases[0])
	}
	return n.Board.Order(bases, o)
}
