package nameserver

import (
	"io"
	"net"
	"slices"
	"testing"

	"hither/resolver/exchange/letter"
)

// TestReplyThatCameBeforeTheEndIsTaken guards servers that answer one question and hang up.
func TestReplyThatCameBeforeTheEndIsTaken(t *testing.T) {
	for range 64 { // a select takes any case that is ready
		ours, theirs := net.Pipe()
		p := newPipe(ours)
		l, err := letter.Write(ask(), letter.Bare)
		if err != nil {
			t.Fatal(err)
		}
		w, err := p.enlist(l)
		if err != nil {
			t.Fatal(err)
		}
		reply := slices.Clone(w.letter.Wire)
		reply[2] |= 0x80 // QR
		if err := p.deliver(reply); err != nil {
			t.Fatal(err)
		}
		p.fail(io.EOF)
		if _, err := p.await(t.Context(), w); err != nil {
			t.Fatalf("\ngot  %v\nwant the reply", err)
		}
		p.close()
		theirs.Close()
	}
}
