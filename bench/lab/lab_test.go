//go:build linux

package lab

import (
	"slices"
	"testing"
)

func TestWhatIsMadeIsTakenBackInReverse(t *testing.T) {
	var u Undo
	var got []int
	for i := range 3 {
		u.Add(func() { got = append(got, i) })
	}
	u.All()
	u.All()
	if !slices.Equal(got, []int{2, 1, 0}) {
		t.Errorf("order\ngot  %v\nwant [2 1 0]", got)
	}
}
