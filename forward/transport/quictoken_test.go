package transport

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"
	"unsafe"

	"hither/forward/wiretest"

	"github.com/quic-go/quic-go"
)

// A server that is under attack asks for one more round trip, unless we show the token that it gave us.
func TestAnAddressThatWasProvenIsBelievedAfterARestart(t *testing.T) {
	w := newTwin(t, false)
	w.set(func() { w.doubts = true })
	file := filepath.Join(t.TempDir(), "sessions")
	p := resumed(t, w, file)
	prefer(t, w, p)
	until(t, "the token has come", func() bool { return len(p.quic[0].tokens.kept("")) > 0 })
	p.Close()
	asked := func() (n int) { w.set(func() { n = w.asked }); return n }
	before := asked()
	if before == 0 {
		t.Fatal("nobody was asked in the first process")
	}
	p = resumed(t, w, file)
	until(t, "HTTP/3 is connected", func() bool { wiretest.Get(t, p, w.url); return standing(p).Connected > 0 })
	p.Close()
	if got := asked(); got != before {
		t.Errorf("after the restart\ngot  %d questions\nwant %d, as before", got, before)
	}
}

func given(text string) *quic.ClientToken {
	return (*quic.ClientToken)(unsafe.Pointer(&clientToken{[]byte(text), time.Millisecond}))
}

// shown is the token that a server would see; empty: none.
func shown(s *addressTokens, name string) string {
	token := s.Pop(name)
	if token == nil {
		return ""
	}
	return string((*clientToken)(unsafe.Pointer(token)).data)
}

func TestTokensAreShownOnceTheNewestFirst(t *testing.T) {
	if !(clientToken{}).known() {
		t.Fatal("quic-go's tokens have changed, so none is kept: look at its ClientToken")
	}
	changes := 0
	s := &addressTokens{changed: func() { changes++ }}
	for n := range quicTokensEach + 1 {
		s.Put("one.example", given(fmt.Sprint(n)))
	}
	s.Put("two.example", given("other"))
	s.Put("two.example", given(string(make([]byte, maxQUICToken+1))))
	for _, row := range []struct{ name, want string }{
		{"one.example", "2"}, {"one.example", "1"}, {"one.example", ""}, {"two.example", "other"}, {"two.example", ""}, {"three.example", ""},
	} {
		if got := shown(s, row.name); got != row.want {
			t.Errorf("%s\ngot  %q\nwant %q", row.name, got, row.want)
		}
	}
	if changes != 7 {
		t.Errorf("got  %d changes\nwant one for each token that came or went: 7", changes)
	}
}

func TestTokensAreBoundedAndAge(t *testing.T) {
	s := &addressTokens{changed: func() {}}
	for n := range 3 * quicTokens {
		s.Put(fmt.Sprint(n), given("x"))
	}
	if got := len(s.kept("")); got != quicTokens {
		t.Errorf("got  %d\nwant %d", got, quicTokens)
	}
	want(t, shown(s, "0"), "")
	s.keep(addressToken{"old.example", time.Now().Add(-maxSessionAge - time.Second), clientToken{[]byte("x"), 1}})
	want(t, shown(s, "old.example"), "")
	now := time.Now()
	good := keptToken{chosenQUIC, "one.example", now.Add(-time.Second), []byte("x"), time.Millisecond}
	for _, row := range []struct {
		why    string
		change func(*keptToken)
		ok     bool
	}{
		{"as it was written", func(*keptToken) {}, true},
		{"too old", func(k *keptToken) { k.Since = now.Add(-maxSessionAge - time.Second) }, false},
		{"from tomorrow", func(k *keptToken) { k.Since = now.Add(24 * time.Hour) }, false},
		{"empty", func(k *keptToken) { k.Token = nil }, false},
		{"too long", func(k *keptToken) { k.Token = make([]byte, maxQUICToken+1) }, false},
		{"an hour away", func(k *keptToken) { k.Trip = time.Hour }, false},
		{"in no time", func(k *keptToken) { k.Trip = 0 }, false},
	} {
		k := good
		row.change(&k)
		if _, err := k.open(now); (err == nil) != row.ok {
			t.Errorf("%s\ngot  %v\nwant it taken: %t", row.why, err, row.ok)
		}
	}
}
