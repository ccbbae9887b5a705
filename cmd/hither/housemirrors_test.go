package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hither/cmd/hither/mirrors"
	"hither/forward/measure"
	"hither/rules"
)

// What a user measures counts as extra, and is taken from the day's budget, but never refused.
func TestASurveyIsCharged(t *testing.T) {
	h := newHousehold(t)
	defer h.stop()
	h.Probe = func(_ context.Context, target measure.Target, _ string) measure.Result {
		return measure.Result{Base: target.Base, URL: target.URL, Proto: "h2", When: time.Now(), Status: 200, Bytes: 40, Cost: 100, Origin: target.Origin}
	}
	text := strings.Replace(registry, "[[path]]", "[probe]\npath = \"/list/a\"\nwhy = \"a test\"\n[[path]]", 1)
	write(t, filepath.Join(h.Settings.Rules, "reg.toml"), []byte(text))
	same(t, "the rules are read", h.Book.Reload(func(*rules.Set) error { return nil }), true)
	for range 30 { // more than the budget
		if _, err := h.Survey(t.Context(), mirrors.Ask{Rules: []string{"reg"}, Count: 1, Interval: time.Second}, func(mirrors.SurveyLine) {}); err != nil {
			t.Fatal(err)
		}
	}
	spent := h.Rounds.Spent()["https://near.test"]
	same(t, "questions of today", spent.Probes, 30)
	same(t, "bytes of today", spent.Bytes, 3000)
	s, err := h.Status(t.Context())
	same(t, "error", err, nil)
	same(t, "extra", s.Extra, 30*3*100)
	same(t, "fetched", s.Fetched, 30*3*100)
	for _, u := range s.Upstreams {
		if u.Rule == "reg" {
			same(t, u.Base+": asked", u.Requests, 30)
		}
	}
}
