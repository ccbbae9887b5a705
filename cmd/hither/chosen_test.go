package main

import (
	"path/filepath"
	"testing"

	"hither/cmd/hither/mirrors"
)

// A running Hither follows the choice at once, and one that another process wrote when it looks.
func TestTheRulebookFollowsChoices(t *testing.T) {
	h := newHousehold(t)
	defer h.stop()
	h.book.state = filepath.Join(t.TempDir(), "state")
	if _, err := h.Choose(t.Context(), mirrors.Change{Verb: "set", Rule: "reg", URL: "far.test"}); err != nil {
		t.Fatal(err)
	}
	rule, _ := h.book.now().Host("reg.test")
	same(t, "pinned", rule.Pin, "https://far.test")
	contains(t, h.why("/reg"+blobPath("x")), "Choice: far.test, because you pinned it", "pinned by you")
	if _, _, err := mirrors.Decide(h.book.state, h.book.plain, mirrors.Change{Verb: "off", URL: "far.test"}); err != nil {
		t.Fatal(err)
	}
	h.book.rechoose()
	rule, _ = h.book.now().Host("reg.test")
	same(t, "pinned", rule.Pin, "")
	contains(t, rule.Mirrors[1].Off, "switched off by you")
}
