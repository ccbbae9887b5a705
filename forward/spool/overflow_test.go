package spool

import (
	"errors"
	"testing"

	"hither/cache"
)

// fullDisk takes nothing.
type fullDisk struct{ page }

func (*fullDisk) Write([]byte) (int, error) { return 0, cache.ErrFull }

func TestAllFillsTogetherAreBoundedWithoutADisk(t *testing.T) {
	all := Room{Limit: 30}
	all.held.Store(25) // other fills
	o := &Overflow{Writer: &fullDisk{}, Room: &all}
	if _, err := o.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Write([]byte("!")); !errors.Is(err, cache.ErrFull) {
		t.Errorf("\ngot  %v\nwant %v", err, cache.ErrFull)
	}
	o.Close()
	o.Close()
	if got := all.Held(); got != 25 {
		t.Errorf("\ngot  %d bytes held\nwant 25", got)
	}
	all.held.Store(0)
	if _, err := (&Overflow{Writer: &fullDisk{}, Room: &all}).Write(make([]byte, 21)); !errors.Is(err, cache.ErrFull) {
		t.Errorf("of more than two thirds for one\ngot  %v\nwant %v", err, cache.ErrFull)
	}
}

// A client that joins while a liar's body is looked at must not be told its length: of nothing, it would have all.
func TestNobodyIsToldALengthThatIsNotYetTrue(t *testing.T) {
	s := newSpool(&page{}, 0, true)
	if got := s.Reader(t.Context()).Told; got != -1 {
		t.Errorf("\ngot  %d bytes promised\nwant -1", got)
	}
	s.Finish(nil)
	if got := s.Reader(t.Context()).Told; got != 0 {
		t.Errorf("\ngot  %d bytes promised\nwant 0", got)
	}
}
