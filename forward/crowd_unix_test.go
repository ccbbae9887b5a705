//go:build unix

package forward

import (
	"context"
	"math"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"hither/rules"
)

func TestTheFewerFilesAreLeftTheLongerClientsWait(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		number, most uint64
		want         time.Duration
	}{
		{31, 64, 0}, {32, 64, 5 * ms}, {48, 64, 80 * ms}, {63, 64, 640 * ms},
		{895, 1024, 0}, {896, 1024, 5 * ms}, {1023, 1024, 640 * ms},
		{5000, math.MaxUint64, 0}, {5000, math.MaxInt64, 0},
		{70, 64, 640 * ms}, {3, 1, 640 * ms}, {3, 0, 640 * ms}, // it was lowered meanwhile
	} {
		if got := latenessOf(c.number, c.most); got != c.want {
			t.Errorf("number %d of %d\ngot:  %v\nwant: %v", c.number, c.most, got, c.want)
		}
	}
}

// Several doors see at a time that there is a crowd, and that there is none any more: what they say last counts for all.
func TestDoorsAgreeOnACrowd(t *testing.T) {
	set := new(rules.Set)
	s := &Server{Rules: func() *rules.Set { return set }}
	s.begin()
	defer s.Shutdown(t.Context())
	for range 1000 {
		var doors sync.WaitGroup
		for i := range 16 {
			doors.Go(func() {
				for j := range 30 {
					s.crowd((i+j)%2 == 0)
				}
			})
		}
		doors.Wait()
		if crowded, leaves := s.crowded.Load(), leavesAfterOne(t, s); crowded != leaves {
			t.Fatalf("a crowd: %v\ngot:  clients leave: %v\nwant: the same", crowded, leaves)
		}
	}
}

// leavesAfterOne says whether a client has to go after an answer.
func leavesAfterOne(t *testing.T, s *Server) bool {
	t.Helper()
	near, far := net.Pipe()
	defer near.Close()
	s.toPlain.offer(far)
	client := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return near, nil }}}
	res, err := client.Get("http://x.test/")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.Close
}
