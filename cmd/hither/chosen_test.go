package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hither/cmd/hither/mirrors"
)

// A running Hither follows the choice at once, and one that another process wrote when it looks.
func TestTheRulebookFollowsChoices(t *testing.T) {
	h := newHousehold(t)
	defer h.stop()
	h.Book.State = filepath.Join(t.TempDir(), "state")
	if _, err := h.Choose(t.Context(), mirrors.Change{Verb: "set", Rule: "reg", URL: "far.test"}); err != nil {
		t.Fatal(err)
	}
	rule, _ := h.Book.Now().Host("reg.test")
	same(t, "pinned", rule.Pin, "https://far.test")
	contains(t, h.why("/reg"+blobPath("x")), "Choice: far.test, because you pinned it", "pinned by you")
	file := filepath.Join(h.Book.State, mirrors.ChoicesName)
	good, err := os.ReadFile(file)
	same(t, "error", err, nil)
	var said strings.Builder
	h.Book.Log = slog.New(slog.NewTextHandler(&said, nil))
	write(t, file, []byte("{"))
	h.Book.Rechoose()
	contains(t, said.String(), "choose again with `hither mirrors set --state "+h.Book.State+"`")
	write(t, file, good)
	if _, _, err := mirrors.Decide(h.Book.State, h.Book.Plain(), mirrors.Change{Verb: "off", URL: "far.test"}); err != nil {
		t.Fatal(err)
	}
	h.Book.Rechoose()
	rule, _ = h.Book.Now().Host("reg.test")
	same(t, "pinned", rule.Pin, "")
	contains(t, rule.Mirrors[1].Off, "switched off by you")
}
