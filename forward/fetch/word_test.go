package fetch_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"hither/forward/notary"
)

// Where only the origin may be asked, there is no reason to wait for who names the bytes; where a mirror may, its word comes first.
func TestAnAuthorityThatPinsIsNotWaitedForBeforeTheOnlyOriginIsAsked(t *testing.T) {
	for _, c := range []struct{ host, path, asked, want string }{
		{"twin", "/alone/a/b", "[one]", "hello from one (miss) after [one]"},
		{"reg", "/tar/a/b", "[]", "hello from reg (miss) after [reg]"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.put(c.path, []byte("hello"))
			*w.notary["npm"] = scribe{pins: true, digest: sum([]byte("hello")), lag: time.Minute}
			got := make(chan string)
			go func() { got <- w.ask(w.requestOf(c.host, c.path)) }()
			time.Sleep(time.Second)
			if asked := fmt.Sprint(w.seen()); asked != c.asked {
				t.Errorf("%s: asked before the authority spoke\ngot  %s\nwant %s", c.path, asked, c.asked)
			}
			expect(t, <-got, c.want)
		})
	}
}

func TestWhatThatAuthoritySaysDecides(t *testing.T) {
	hello := sum([]byte("hello"))
	for _, c := range []struct {
		name  string
		npm   scribe
		flip  int
		want  string
		again string
	}{
		{"the bytes are right", scribe{pins: true, digest: hello}, 0, "hello from one (miss) after [one]", "hello from one (hit) after []"},
		{"one is wrong", scribe{pins: true, digest: hello}, 3, "hello from two (miss) after [one two]", "hello from two (hit) after []"},
		{"nobody names them", scribe{pins: true, err: notary.ErrUnknown}, 0, "hello from one (miss) after [one]", "hello from one (hit) after []"},
		{"it contradicts itself", scribe{pins: true, err: notary.ErrSecurity}, 0, "failure 502 after [one]", "failure 502 after [one]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.put("/alone/a/b", []byte("hello"))
				w.hosts["one"].flip = c.flip
				*w.notary["npm"] = c.npm
				expect(t, w.ask(w.requestOf("twin", "/alone/a/b")), c.want)
				expect(t, w.ask(w.requestOf("twin", "/alone/a/b")), c.again)
			})
		})
	}
}

func TestBytesThatAreHereUnderAnotherNameAreNotFetchedToTheirEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		body := noise(12 << 20)
		w.put("/alone/a/b", body)
		w.get(w.blob(body))
		*w.notary["npm"] = scribe{pins: true, digest: sum(body)}
		w.hosts["one"].gate = make(chan struct{}) // nothing opens it
		expect(t, w.ask(w.requestOf("twin", "/alone/a/b")), fmt.Sprintf("%d bytes %s from  (hit) after [one]", len(body), sum(body)[7:15]))
		close(w.hosts["one"].gate)
	})
}
