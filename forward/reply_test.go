package forward

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hither/rules"
)

// clock is a ResponseWriter that remembers its deadlines, and of which writes may hang.
type clock struct {
	*httptest.ResponseRecorder
	deadline time.Time
	sizes    []int
	hangs    bool
}

func (c *clock) SetWriteDeadline(t time.Time) error { c.deadline = t; return nil }

func (c *clock) Write(p []byte) (int, error) {
	c.sizes = append(c.sizes, len(p))
	if c.hangs {
		time.Sleep(time.Until(c.deadline))
		return 0, os.ErrDeadlineExceeded
	}
	return c.ResponseRecorder.Write(p)
}

func newReply(hangs bool) (*reply, *clock) {
	c := &clock{ResponseRecorder: httptest.NewRecorder(), hangs: hangs}
	return &reply{ResponseWriter: c, control: http.NewResponseController(c), buffers: &buffers{}}, c
}

func TestAClientThatTakesNothingIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newReply(true)
		began := time.Now()
		_, err := w.ReadFrom(strings.NewReader("something"))
		if got := time.Since(began); !errors.Is(err, ErrAsleep) || got != patience {
			t.Errorf("got:  %v after %s\nwant: a timeout after %s", err, got, patience)
		}
	})
}

// Trap: the deadline of an HTTP/2 stream resets it, also while we wait for the mirror and not for the client.
func TestASlowMirrorIsNotTheClientsFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := newReply(false)
		r, mirror := io.Pipe()
		go func() {
			for range 3 {
				io.WriteString(mirror, "x")
				time.Sleep(2 * patience)
				synctest.Wait()
				if !c.deadline.IsZero() {
					t.Errorf("the deadline between writes\ngot:  %v\nwant: none", c.deadline)
				}
			}
			mirror.Close()
		}()
		if n, err := w.ReadFrom(r); n != 3 || err != nil {
			t.Errorf("got:  %d, %v\nwant: 3, nil", n, err)
		}
	})
}

func TestARegistryThatStallsIsBrokenOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fired := make(chan error, 1)
		s := &Server{}
		silent, _ := io.Pipe()
		res := &http.Response{Header: http.Header{}, Body: silent, Request: &http.Request{}}
		s.relay(res, errand{rule: &rules.Rule{Name: "reg"}}, func(err error) { fired <- err; silent.Close() })
		began := time.Now()
		res.Body.Read(make([]byte, 1))
		if got := time.Since(began); got != stallWait || !errors.Is(<-fired, errStalled) {
			t.Errorf("got:  broken off after %s\nwant: after %s", got, stallWait)
		}
	})
}
