package h2

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
)

// server answers everything by f.
func server(f http.HandlerFunc) *Server { return &Server{Handler: f} }

func TestAContextEndsWithItsRequest(t *testing.T) {
	for _, row := range []struct {
		what string
		end  func(r *raw)
	}{
		{"reset", func(r *raw) { r.framer.WriteRSTStream(1, http2.ErrCodeCancel) }},
		{"closed", func(r *raw) { r.conn.Close() }},
	} {
		t.Run(row.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ended := make(chan error, 3)
				s := server(func(w http.ResponseWriter, r *http.Request) {
					<-r.Context().Done()
					_, err := r.Body.Read(make([]byte, 1))
					ended <- err
					_, err = w.Write(make([]byte, bodySize))
					ended <- err
					ended <- http.NewResponseController(w).SetWriteDeadline(time.Now())
				})
				r := newRaw(t, s)
				r.ask(1, false, ":method", "POST", ":scheme", "https", ":authority", "a.test", ":path", "/")
				synctest.Wait()
				began := time.Now()
				row.end(r)
				for range 3 {
					if err := <-ended; err == nil || errors.Is(err, io.EOF) {
						t.Errorf("reading, writing, and setting a deadline\ngot  %v\nwant a failure", err)
					}
				}
				if took := time.Since(began); took > time.Second {
					t.Errorf("got  %v\nwant at once", took)
				}
			})
		})
	}
}

func TestDeadlinesOfAHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wrote, read := make(chan error, 1), make(chan error, 1)
		s := server(func(w http.ResponseWriter, r *http.Request) {
			control := http.NewResponseController(w)
			if r.URL.Path == "/read" {
				control.SetReadDeadline(time.Now().Add(time.Minute))
				_, err := io.ReadAll(r.Body)
				read <- err
				io.WriteString(w, "too slow")
				return
			}
			for {
				control.SetWriteDeadline(time.Now().Add(time.Minute))
				if _, err := w.Write(make([]byte, 60000)); err != nil {
					wrote <- err
					return
				}
			}
		})
		r := newRaw(t, s)
		r.get(1, "/write")
		if got := r.fate(1); got != "RST INTERNAL_ERROR" {
			t.Errorf("an answer that nobody takes\ngot  %s\nwant RST INTERNAL_ERROR", got)
		}
		if err := <-wrote; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("writing\ngot  %v\nwant %v", err, os.ErrDeadlineExceeded)
		}
		r.framer.WriteWindowUpdate(0, 1<<20)
		r.ask(3, false, ":method", "POST", ":scheme", "https", ":authority", "a.test", ":path", "/read")
		if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("reading\ngot  %v\nwant %v", err, os.ErrDeadlineExceeded)
		}
		if got := r.fate(3); got != "END" {
			t.Errorf("the answer to a slow body\ngot  %s\nwant END", got)
		}
	})
}

// TestADeadlineThatIsMovedHolds: forward gives a client more time with every write.
func TestADeadlineThatIsMovedHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := server(func(w http.ResponseWriter, _ *http.Request) {
			control := http.NewResponseController(w)
			for range 100 {
				control.SetWriteDeadline(time.Now().Add(time.Second))
				time.Sleep(900 * time.Millisecond)
			}
			control.SetWriteDeadline(time.Time{})
			time.Sleep(time.Hour)
		})
		r := newRaw(t, s)
		r.get(1, "/")
		if got := r.fate(1); got != "END" {
			t.Errorf("got  %s\nwant END", got)
		}
	})
}

func TestAHandlerThatPanicsIsLoggedAndItsStreamReset(t *testing.T) {
	w := newWorld(t, server(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bug" {
			panic("a bug")
		}
	}))
	if answer, err := w.client.Get(w.url + "/bug"); err == nil {
		t.Errorf("got  %s\nwant no answer", answer.Status)
	}
	if got := w.log.String(); !strings.Contains(got, "panic serving") || !strings.Contains(got, "a bug") {
		t.Errorf("log\ngot  %s\nwant the panic", got)
	}
	if answer, err := w.client.Get(w.url + "/"); err != nil {
		t.Errorf("the next request\ngot  %v\nwant an answer", err)
	} else {
		answer.Body.Close()
	}
}

func TestNothingCanBeWrittenAfterTheHandler(t *testing.T) {
	kept := make(chan http.ResponseWriter, 1)
	w := newWorld(t, server(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "whole")
		kept <- w
	}))
	answer, err := w.client.Get(w.url)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(answer.Body)
	late := <-kept
	late.WriteHeader(http.StatusInternalServerError)
	if _, err := late.Write([]byte("late")); err == nil {
		t.Error("writing\ngot  no error\nwant one")
	}
	if err := http.NewResponseController(late).Flush(); err == nil {
		t.Error("flushing\ngot  no error\nwant one")
	}
	if string(body) != "whole" {
		t.Errorf("body\ngot  %q\nwant whole", body)
	}
}

func TestAnAnswerShorterThanAnnouncedIsNoAnswer(t *testing.T) {
	r := newRaw(t, server(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		io.WriteString(w, "abc")
	}))
	r.get(1, "/")
	if got := r.fate(1); got != "RST INTERNAL_ERROR" {
		t.Errorf("got  %s\nwant RST INTERNAL_ERROR", got)
	}
}

func TestAnAnswerIsNotLongerThanAnnounced(t *testing.T) {
	wrote := make(chan error, 1)
	r := newRaw(t, server(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "3")
		_, err := io.WriteString(w, "abcd")
		wrote <- err
	}))
	r.get(1, "/")
	if err := <-wrote; !errors.Is(err, http.ErrContentLength) {
		t.Errorf("got  %v\nwant %v", err, http.ErrContentLength)
	}
	if got := r.fate(1); got != "RST INTERNAL_ERROR" {
		t.Errorf("got  %s\nwant RST INTERNAL_ERROR", got)
	}
}

func TestFieldsOfHTTP1AreNotSent(t *testing.T) {
	w := newWorld(t, server(func(w http.ResponseWriter, _ *http.Request) {
		for _, name := range []string{"Keep-Alive", "Proxy-Connection", "Upgrade", "Transfer-Encoding", "Connection"} {
			w.Header().Set(name, "x")
		}
	}))
	answer, err := w.client.Get(w.url)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if got := flat(answer.Header); strings.Contains(got, `"x"`) {
		t.Errorf("got  %s\nwant none of them", got)
	}
}

func TestConnectionCloseEndsTheConnectionAfterItsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRaw(t, server(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/last" {
				w.Header().Set("Connection", "close")
				return
			}
			time.Sleep(time.Minute)
		}))
		r.get(1, "/slow")
		r.get(3, "/last")
		if got := r.fate(1); got != "GOAWAY NO_ERROR" {
			t.Errorf("at first\ngot  %s\nwant GOAWAY NO_ERROR", got)
		}
		if got := r.fate(1); got != "END" {
			t.Errorf("then\ngot  %s\nwant END", got)
		}
		if got := r.fate(0); got != "EOF" {
			t.Errorf("at last\ngot  %s\nwant EOF", got)
		}
	})
}

func TestShutdownLetsStreamsEndAndHearsNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := server(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(time.Minute)
			io.WriteString(w, "done")
		})
		r := newRaw(t, s)
		r.get(1, "/")
		synctest.Wait()
		ended := make(chan error)
		go func() { ended <- s.Shutdown(t.Context()) }()
		if got := r.fate(1); got != "GOAWAY NO_ERROR" {
			t.Errorf("at first\ngot  %s\nwant GOAWAY NO_ERROR", got)
		}
		r.get(3, "/")
		if got := r.fate(1); got != "END" {
			t.Errorf("the stream\ngot  %s\nwant END", got)
		}
		if err := <-ended; err != nil {
			t.Errorf("Shutdown\ngot  %v\nwant nil", err)
		}
		near, far := net.Pipe()
		s.Serve(far, nil)
		if _, err := near.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("a connection after that\ngot  %v\nwant EOF", err)
		}
	})
}

func TestShutdownBreaksWhatDoesNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := server(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		r := newRaw(t, s)
		newSilent(t, s) // a client that has not said anything
		r.get(1, "/")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got  %v\nwant %v", err, context.DeadlineExceeded)
		}
		<-r.ended
	})
}

func TestClientsThatDoNothingAreLetGo(t *testing.T) {
	for _, row := range []struct {
		what  string
		do    func(r *raw)
		most  time.Duration
		least time.Duration
		want  string
	}{
		{"no preface", func(*raw) {}, 31 * time.Second, 0, "EOF"},
		{"a slow preface", func(r *raw) { io.WriteString(r.conn, http2.ClientPreface[:10]) }, 31 * time.Second, 0, "EOF"},
		{"idle", func(r *raw) { r.hello() }, 4 * time.Minute, 2 * time.Minute, "GOAWAY NO_ERROR"},
		{"idle after a request", func(r *raw) { r.hello(); r.get(1, "/"); r.fate(1) }, 4 * time.Minute, 2 * time.Minute, "GOAWAY NO_ERROR"},
		{"half a head", func(r *raw) {
			r.hello()
			r.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: r.fields(":method", "GET")})
		}, 2 * time.Minute, 30 * time.Second, "EOF"},
		{"an answer that lies ready, and is not taken", func(r *raw) { r.hello(); r.get(1, "/ready") }, 5 * time.Minute, time.Minute, "RST CANCEL"},
	} {
		t.Run(row.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := hello()
				reply := &Reply{Block: AppendStatus(nil, 200), Body: make([]byte, 100000)}
				s.Ready = func(h *Head) (*Reply, bool) { return reply, h.Path == "/ready" }
				r := newSilent(t, s)
				began := time.Now()
				row.do(r)
				got := r.fate(1)
				if took := time.Since(began); got != row.want || took > row.most || took < row.least {
					t.Errorf("got  %s after %v\nwant %s after %v to %v", got, took, row.want, row.least, row.most)
				}
			})
		})
	}
}

func TestAClientThatDoesNotReadIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		s := hello()
		ended := make(chan struct{})
		go func() { s.Serve(far, nil); close(ended) }()
		began := time.Now()
		io.WriteString(near, http2.ClientPreface)
		go http2.NewFramer(near, nil).WriteSettings() // nobody reads the answer
		<-ended
		if took := time.Since(began); took > 3*time.Minute {
			t.Errorf("got  %v\nwant 2 to 3 minutes", took)
		}
	})
}
