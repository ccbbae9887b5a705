package h2

import (
	"bytes"
	"errors"
	"net"
	"testing"
)

// counted is a connection that keeps what is written, write by write.
type counted struct {
	net.Conn
	writes [][]byte
	err    error
}

func (c *counted) Write(p []byte) (int, error) {
	c.writes = append(c.writes, bytes.Clone(p))
	return len(p), c.err
}

func TestACorkGathersAndKeepsTheOrder(t *testing.T) {
	under := &counted{}
	k := NewCork(under)
	say := func(s string) { k.Write([]byte(s)) }
	say("a")
	k.Hold()
	say("b")
	say("c")
	if err := k.Release(); err != nil {
		t.Fatal(err)
	}
	say("d")
	k.Hold()
	for range 20 {
		k.Write(make([]byte, maxFrame))
	}
	if len(under.writes) != 4 {
		t.Errorf("more than it holds\ngot  %d writes\nwant one more than before", len(under.writes))
	}
	under.err = errors.New("cut")
	if err := k.Release(); err == nil {
		t.Error("Release\ngot  nil\nwant the failure")
	}
	if got := string(bytes.Join(under.writes[:3], []byte("|"))); got != "a|bc|d" {
		t.Errorf("got  %s\nwant a|bc|d", got)
	}
	total := 0
	for _, w := range under.writes[3:] {
		total += len(w)
	}
	if total != 20*maxFrame {
		t.Errorf("got  %d bytes\nwant %d", total, 20*maxFrame)
	}
	if findCork(under) != nil || findCork(k) == nil {
		t.Error("findCork\nwant only what is one")
	}
}
