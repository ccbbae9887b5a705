package h2

import (
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2/hpack"
)

// TestTheLastAnswerIsNotHurried is about a client that is busy with other things while the connection ends in peace.
func TestTheLastAnswerIsNotHurried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRaw(t, server(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusOK)
			time.Sleep(time.Second)
			_, _ = w.Write(make([]byte, 30<<10))
		}))
		r.get(1, "/")
		r.conn.(*roomy).setDeaf(true) // behind the farewell
		time.Sleep(20 * time.Second)
		r.conn.(*roomy).setDeaf(false)
		got := r.fate(1)
		for got == "GOAWAY NO_ERROR" {
			got = r.fate(1)
		}
		if got != "END" {
			t.Errorf("an answer that is taken late\ngot  %s\nwant END", got)
		}
	})
}

// TestAnUploadThatComesTooLateHarmsNobody is section 6.8: what a client sent before it heard of the end is thrown away.
func TestAnUploadThatComesTooLateHarmsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := server(func(http.ResponseWriter, *http.Request) { time.Sleep(time.Minute) })
		r := newRaw(t, s)
		r.get(1, "/slow")
		synctest.Wait()
		go s.Shutdown(t.Context()) // the streams tell
		if got := r.fate(1); got != "GOAWAY NO_ERROR" {
			t.Errorf("at first\ngot  %s\nwant GOAWAY NO_ERROR", got)
		}
		r.ask(3, false, ":method", "POST", ":scheme", "https", ":authority", "a.test", ":path", "/")
		r.ask(3, true, "x-trailer", "y")
		if got := r.fate(1); got != "END" {
			t.Errorf("the stream that ran\ngot  %s\nwant END", got)
		}
	})
}

// TestARequestThatIsBeingReadWhenTheServerLeavesIsAnswered: the farewell says that it was heard.
func TestARequestThatIsBeingReadWhenTheServerLeavesIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := server(func(http.ResponseWriter, *http.Request) { time.Sleep(time.Minute) })
		s.Ready = func(*Head) (*Reply, bool) {
			go s.Shutdown(t.Context()) // the stream tells
			time.Sleep(time.Second)
			return nil, false
		}
		r := newRaw(t, s)
		r.get(1, "/")
		if got := r.fate(1); got != "GOAWAY NO_ERROR" {
			t.Errorf("at first\ngot  %s\nwant GOAWAY NO_ERROR", got)
		}
		if got := r.fate(1); got != "END" {
			t.Errorf("the stream\ngot  %s\nwant END", got)
		}
		if got := r.fate(0); got != "EOF" {
			t.Errorf("at last\ngot  %s\nwant EOF", got)
		}
	})
}

func TestAConnectionThatJustBeginsDoesNotHoldShutdownUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := hello()
		near, far := newPipe()
		defer near.Close()
		c := newConn(s, far, nil)
		c.sayGoodbye()
		began := time.Now()
		c.serve()
		if took := time.Since(began); took > 2*lingering {
			t.Errorf("got  %v\nwant at once", took)
		}
	})
}

func TestManyCrumbsOfACookieAreJoinedOnce(t *testing.T) {
	c := &conn{names: map[string]string{}}
	crumb := strings.Repeat("c", 34)
	var fields []hpack.HeaderField
	for range defaultMaxHeader / (len(crumb) + 38) {
		fields = append(fields, hpack.HeaderField{Name: "cookie", Value: crumb})
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	h := c.header(fields)
	runtime.ReadMemStats(&after)
	if got, want := h["Cookie"], strings.TrimSuffix(strings.Repeat(crumb+"; ", len(fields)), "; "); len(got) != 1 || got[0] != want {
		t.Errorf("got  %d lines\nwant all crumbs in one", len(got))
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("memory for a head of 64 KiB\ngot  %d bytes\nwant a few times as many", took)
	}
}
