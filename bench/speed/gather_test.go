//go:build linux

package main

import (
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// TestCutEndsAConnectionWhosePeerTakesNothing: what a run that was broken off leaves is a line whose emulator is dead.
func TestCutEndsAConnectionWhosePeerTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe() // nobody ever reads from far
		defer far.Close()
		clients := &gatherer{Listener: &oneConn{conn: near}}
		conn, err := clients.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte("an answer that stays")); err != nil {
			t.Fatal(err)
		}
		<-time.After(2 * gatherFor) // it is being sent now, and waits for its peer
		began := time.Now()
		clients.cut()
		conn.Close()
		if waited := time.Since(began); waited != 0 {
			t.Errorf("waited %v for a peer that takes nothing, want not at all", waited)
		}
		clients.cut() // it knows none any more
		if len(clients.open) != 0 {
			t.Errorf("%d connections are still known after they were closed, want 0", len(clients.open))
		}
	})
}

// oneConn is a listener of one connection.
type oneConn struct {
	net.Listener
	conn net.Conn
}

func (o *oneConn) Accept() (net.Conn, error) { return o.conn, nil }
