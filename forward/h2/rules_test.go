package h2

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

func hello() *Server {
	return &Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })}
}

// TestARequestThatIsWrongReachesNobody is section 8.
func TestARequestThatIsWrongReachesNobody(t *testing.T) {
	m, s, a, p := []string{":method", "GET"}, []string{":scheme", "https"}, []string{":authority", "a.test"}, []string{":path", "/"}
	join := func(parts ...[]string) (all []string) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	whole := join(m, s, a, p)
	for _, row := range []struct {
		what   string
		fields []string
		want   string
	}{
		{"a sound one", whole, "END"},
		{"no host but that of the field", join(m, s, p, []string{"host", "a.test"}), "END"},
		{"the same host twice", join(whole, []string{"host", "A.test"}), "END"},
		{"asterisk", join([]string{":method", "OPTIONS"}, s, a, []string{":path", "*"}), "END"},
		{"another host", join(whole, []string{"host", "b.test"}), "RST PROTOCOL_ERROR"},
		{"a host with a user", join(m, s, p, []string{":authority", "u@a.test"}), "RST PROTOCOL_ERROR"},
		{"no method", join(s, a, p), "RST PROTOCOL_ERROR"},
		{"no scheme", join(m, a, p), "RST PROTOCOL_ERROR"},
		{"no path", join(m, s, a), "RST PROTOCOL_ERROR"},
		{"an absolute path", join(m, s, a, []string{":path", "https://a.test/"}), "RST PROTOCOL_ERROR"},
		{"a path in two words", join(m, s, a, []string{":path", "/ HTTP/1.1"}), "RST PROTOCOL_ERROR"},
		{"two paths", join(whole, p), "RST PROTOCOL_ERROR"},
		{"a method in two words", join([]string{":method", "GET /"}, s, a, p), "RST PROTOCOL_ERROR"},
		{"a scheme of another world", join(m, []string{":scheme", "ftp"}, a, p), "RST PROTOCOL_ERROR"},
		{"extended CONNECT", join(whole, []string{":protocol", "websocket"}), "RST PROTOCOL_ERROR"},
		{"a pseudo-header after a field", join(m, s, a, []string{"x", "y"}, p), "RST PROTOCOL_ERROR"},
		{"upper case", join(whole, []string{"X-Up", "y"}), "RST PROTOCOL_ERROR"},
		{"a name with a space", join(whole, []string{"x y", "z"}), "RST PROTOCOL_ERROR"},
		{"an empty name", join(whole, []string{"", "z"}), "RST PROTOCOL_ERROR"},
		{"a value of two lines", join(whole, []string{"x", "a\r\nb: c"}), "RST PROTOCOL_ERROR"},
		{"a value that ends blank", join(whole, []string{"x", "a "}), "RST PROTOCOL_ERROR"},
		{"connection", join(whole, []string{"connection", "close"}), "RST PROTOCOL_ERROR"},
		{"transfer-encoding", join(whole, []string{"transfer-encoding", "chunked"}), "RST PROTOCOL_ERROR"},
		{"te", join(whole, []string{"te", "gzip"}), "RST PROTOCOL_ERROR"},
		{"a length without body", join(whole, []string{"content-length", "1"}), "RST PROTOCOL_ERROR"},
		{"a length of two words", join(whole, []string{"content-length", "0, 0"}), "RST PROTOCOL_ERROR"},
		{"two lengths", join(whole, []string{"content-length", "0", "content-length", "0"}), "RST PROTOCOL_ERROR"},
		{"CONNECT", join([]string{":method", "CONNECT"}, a), "END"},
		{"CONNECT with a path", join([]string{":method", "CONNECT"}, s, a, p), "END"},
	} {
		t.Run(row.what, func(t *testing.T) {
			called := 0
			server := &Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called++ })}
			r := newRaw(t, server)
			r.ask(1, true, row.fields...)
			if got := r.fate(1); got != row.want {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
			r.conn.Close()
			<-r.ended
			if heard := row.want == "END" && !strings.HasPrefix(row.what, "CONNECT"); (called == 1) != heard {
				t.Errorf("handler called\ngot  %d times\nwant %v", called, heard)
			}
		})
	}
}

func TestCONNECTIsRefusedInWords(t *testing.T) {
	r := newRaw(t, hello())
	r.ask(1, false, ":method", "CONNECT", ":authority", "a.test:443")
	if got := r.status(); got != "405" {
		t.Errorf("got  %s\nwant 405", got)
	}
	if got := r.fate(1); got != "RST NO_ERROR" {
		t.Errorf("and then\ngot  %s\nwant RST NO_ERROR", got)
	}
}

func TestAHeadThatIsTooLongIsAnsweredAndTheNextIsHeard(t *testing.T) {
	s := hello()
	s.MaxHeaderBytes = 2000
	r := newRaw(t, s)
	r.ask(1, true, ":method", "GET", ":scheme", "https", ":authority", "a.test", ":path", "/", "x-long", strings.Repeat("a", 2500))
	if got := r.status(); got != "431" {
		t.Errorf("got  %s\nwant 431", got)
	}
	r.get(3, "/")
	if got := r.status(); got != "200" {
		t.Errorf("the next\ngot  %s\nwant 200", got)
	}
}

// TestAbuseIsEnded is section 10.5: each of these sends much that asks for little.
func TestAbuseIsEnded(t *testing.T) {
	for _, row := range []struct {
		what string
		do   func(r *raw, i int)
		want string
	}{
		{"requests that are reset at once", func(r *raw, i int) {
			r.get(uint32(2*i+1), "/wait")
			r.framer.WriteRSTStream(uint32(2*i+1), http2.ErrCodeCancel)
		}, "GOAWAY ENHANCE_YOUR_CALM"},
		{"requests that make us reset them", func(r *raw, i int) {
			r.get(uint32(2*i+1), "/wait")
			r.framer.WriteWindowUpdate(uint32(2*i+1), 0)
		}, "GOAWAY ENHANCE_YOUR_CALM"},
		{"pings", func(r *raw, _ int) { r.framer.WritePing(false, [8]byte{}) }, "GOAWAY ENHANCE_YOUR_CALM"},
		{"settings", func(r *raw, _ int) { r.framer.WriteSettings() }, "GOAWAY ENHANCE_YOUR_CALM"},
		{"priorities", func(r *raw, _ int) {
			r.framer.WritePriority(1, http2.PriorityParam{StreamDep: 3})
		}, "GOAWAY ENHANCE_YOUR_CALM"},
		{"data of nothing", func(r *raw, i int) {
			if i == 0 {
				r.ask(1, false, ":method", "POST", ":scheme", "https", ":authority", "a.test", ":path", "/wait")
			}
			r.framer.WriteData(1, false, nil)
		}, "GOAWAY ENHANCE_YOUR_CALM"},
		{"a header block without end", func(r *raw, i int) {
			if i == 0 {
				r.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: r.fields(":method", "GET")})
			}
			r.framer.WriteContinuation(1, false, nil)
		}, "GOAWAY ENHANCE_YOUR_CALM"},
		{"a header block that is too large", func(r *raw, i int) {
			if i == 0 {
				r.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: make([]byte, 16000)})
			}
			r.framer.WriteContinuation(1, false, make([]byte, 16000))
		}, "GOAWAY ENHANCE_YOUR_CALM"},
	} {
		t.Run(row.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				most := 0
				s := &Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })}
				r := newRaw(t, s)
				done := make(chan string)
				go func() { done <- r.fate(0) }()
				for i := range 20000 {
					row.do(r, i)
					select {
					case got := <-done:
						if got != row.want {
							t.Errorf("got  %s\nwant %s", got, row.want)
						}
						return
					default:
						most = i
					}
				}
				t.Errorf("after %d times\ngot  nothing\nwant %s", most+1, row.want)
			})
		})
	}
}

func TestNoMoreHandlersRunThanStreamsAreAllowedEvenIfTheyAreReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		running := make(chan struct{}, 1000)
		s := &Server{MaxStreams: 10, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			running <- struct{}{}
			<-release // it does not look at its context
		})}
		r := newRaw(t, s)
		for i := range uint32(100) {
			r.get(2*i+1, "/")
			r.framer.WriteRSTStream(2*i+1, http2.ErrCodeCancel)
		}
		r.get(201, "/")
		if got := r.fate(201); got != "RST REFUSED_STREAM" {
			t.Errorf("got  %s\nwant RST REFUSED_STREAM", got)
		}
		synctest.Wait()
		if got := len(running); got != 10 {
			t.Errorf("handlers\ngot  %d\nwant 10", got)
		}
		close(release)
		synctest.Wait()
		r.get(203, "/")
		if got := r.fate(203); got != "END" {
			t.Errorf("when they have returned\ngot  %s\nwant END", got)
		}
	})
}

func TestWindowsOfTheClientAreObeyed(t *testing.T) {
	body := strings.Repeat("x", 100)
	block := AppendStatus(nil, 200)
	for _, s := range []*Server{
		{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) })},
		{Ready: func(*Head) (*Reply, bool) { return &Reply{Block: block, Body: []byte(body)}, true }},
	} {
		t.Run(fmt.Sprintf("ready %v", s.Ready != nil), func(t *testing.T) {
			r := newRaw(t, s, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
			r.get(1, "/")
			sizes := func(n int) (all []int) {
				for len(all) < n {
					if d, ok := r.read().(*http2.DataFrame); ok {
						all = append(all, len(d.Data()))
					}
				}
				return all
			}
			if got := sizes(1); got[0] != 10 {
				t.Errorf("at first\ngot  %d\nwant 10", got)
			}
			r.framer.WriteWindowUpdate(1, 30)
			if got := sizes(1); got[0] != 30 {
				t.Errorf("then\ngot  %d\nwant 30", got)
			}
			r.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 5})
			r.framer.WriteWindowUpdate(1, 3) // pays a debt
			r.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1000})
			if got := sizes(1); got[0] != 60 {
				t.Errorf("at last\ngot  %d\nwant 60", got)
			}
		})
	}
}

func TestALongAnswerWaitsForTheConnectionsWindow(t *testing.T) {
	s := &Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 100000)) })}
	r := newRaw(t, s, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
	r.get(1, "/")
	r.get(3, "/")
	got := 0
	for got < 65535 {
		if d, ok := r.read().(*http2.DataFrame); ok {
			got += len(d.Data())
		}
	}
	if got != 65535 {
		t.Errorf("at first\ngot  %d bytes\nwant 65535", got)
	}
	r.framer.WriteWindowUpdate(0, 1<<20)
	for ends := 0; ends < 2; {
		if d, ok := r.read().(*http2.DataFrame); ok {
			if got += len(d.Data()); d.StreamEnded() {
				ends++
			}
		}
	}
	if got != 200000 {
		t.Errorf("got  %d bytes\nwant 200000", got)
	}
}

// TestAnswersThatAreResetNeedNoWindow: a client that gives the connection none could else fill our memory with them.
func TestAnswersThatAreResetNeedNoWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := server(func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 100000)) })
		r := newRaw(t, s, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
		for id := uint32(1); id < 200; id += 2 {
			r.get(id, "/")
			synctest.Wait()
			r.framer.WriteRSTStream(id, http2.ErrCodeCancel)
		}
		r.get(201, "/")
		synctest.Wait()
		for c := range s.conns {
			if got := len(c.starved); got != 1 {
				t.Errorf("streams that wait\ngot  %d\nwant 1", got)
			}
		}
	})
}

// TestAClientThatKeepsNoTableIsTold: RFC 7541 section 4.2.
func TestAClientThatKeepsNoTableIsTold(t *testing.T) {
	r := newRaw(t, hello(), http2.Setting{ID: http2.SettingHeaderTableSize, Val: 0})
	r.framer.ReadMetaHeaders = nil
	r.get(1, "/")
	for {
		h, ok := r.read().(*http2.HeadersFrame)
		if !ok {
			continue
		}
		if got := h.HeaderBlockFragment()[0]; got != 0x20 {
			t.Errorf("the first byte of the block\ngot  %#x\nwant 0x20", got)
		}
		if _, err := hpack.NewDecoder(0, nil).DecodeFull(h.HeaderBlockFragment()); err != nil {
			t.Errorf("the block\ngot  %v\nwant sound", err)
		}
		return
	}
}

func TestShortAnswersOvertakeLongOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/long" {
				w.Write(make([]byte, 8<<20))
				return
			}
			io.WriteString(w, "short")
		})}
		r := newRaw(t, s, http2.Setting{ID: http2.SettingInitialWindowSize, Val: maxWindow})
		r.get(1, "/long")
		r.get(3, "/long")
		synctest.Wait() // both wait for the window of the connection
		r.get(5, "/short")
		synctest.Wait()
		r.framer.WriteWindowUpdate(0, maxWindow-65535)
		before, share := 0, map[uint32]int{}
		for {
			d, ok := r.read().(*http2.DataFrame)
			if !ok {
				continue
			}
			if d.StreamID == 5 {
				break
			}
			before += len(d.Data())
			share[d.StreamID] += len(d.Data())
		}
		if before > 65535+3*outGoal {
			t.Errorf("in front of the short answer\ngot  %d bytes\nwant at most what was under way", before)
		}
		if diff := share[1] - share[3]; diff > 4*maxFrame || -diff > 4*maxFrame {
			t.Errorf("the long ones\ngot  %v\nwant equal shares", share)
		}
	})
}
