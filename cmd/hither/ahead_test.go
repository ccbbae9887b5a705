package main

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"hither/cache/mem"
	"hither/cmd/hither/kindling"
	"hither/cmd/hither/ledger"
	"hither/cmd/hither/network"
	"hither/cmd/hither/settings"
	"hither/forward/fetch"
	"hither/forward/measure"
	"hither/rules"
)

// What asks ahead listens beside the log, not in its place.
func TestTheLogHearsOfADownloadThatWaits(t *testing.T) {
	var text bytes.Buffer
	log := slog.New(slog.NewTextHandler(&text, nil))
	out := &network.Network{}
	f := newFetcher(settings.Settings{}, new(mem.Store), new(measure.Board), out, new(ledger.Ledger), log)
	newPrefetcher(settings.Settings{State: t.TempDir()}, nil, f, nil, new(kindling.Lighter), log)
	for range 100 { // hundreds may wait for the same
		f.Trace.Waits(fetch.Request{Match: rules.Match{Name: "docker/blob"}}, errors.New("network is unreachable"))
	}
	for _, part := range []string{"level=WARN", "waits for the network", "docker/blob", "network is unreachable"} {
		if !strings.Contains(text.String(), part) {
			t.Errorf("\n got %s\nwant %s in it", text.String(), part)
		}
		if n := strings.Count(text.String(), part); n > 1 {
			t.Errorf("%s\n got %d times\nwant once a minute", part, n)
		}
	}
}
