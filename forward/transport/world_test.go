package transport

import (
	"io"
	"log"
	"testing"
)

func want(t testing.TB, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// discardLog keeps the handshakes that fail on purpose out of the test's output.
var discardLog = log.New(io.Discard, "", 0)
