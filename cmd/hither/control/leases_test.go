package control

import (
	"testing"
	"testing/synctest"

	"hither/cmd/hither/hithertest"
)

func TestDrainWaitsForTheLastLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l leases
		hithertest.Same(t, "the first", l.take(), true)
		hithertest.Same(t, "the second", l.take(), true)
		done := l.drain()
		hithertest.Same(t, "after drain", l.take(), false)
		l.giveBack()
		select {
		case <-done:
			t.Error("drained with one lease out")
		default:
		}
		l.giveBack()
		<-done
		<-l.drain()
	})
}
