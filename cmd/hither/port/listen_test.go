package port

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"runtime"
	"testing"

	"hither/cmd/hither/hithertest"
)

func TestMistake9ATakenPortIsToldWithItsOwner(t *testing.T) {
	for _, row := range []struct {
		says string
		err  Taken
		want string
	}{
		{"a web server", Taken{Address: "127.0.0.1:7890", Owner: Process{5, "node"}},
			"127.0.0.1:7890 is taken by node (pid 5): take another port with `--listen 127.0.0.1:7891`, or any free one with `--listen 127.0.0.1:0`"},
		{"a proxy", Taken{Address: "127.0.0.1:7890", Owner: Process{5, "node"}, Proxy: true},
			"127.0.0.1:7890 is taken by node (pid 5), which is a proxy: listen beside it and go out through it with `--listen 127.0.0.1:7891 --upstream-proxy http://127.0.0.1:7890`"},
		{"Clash, which does not answer", Taken{Address: "[::1]:7890", Owner: Process{5, "verge-mihomo"}},
			"[::1]:7890 is taken by verge-mihomo (pid 5), which is a proxy: listen beside it and go out through it with `--listen [::1]:7891 --upstream-proxy http://[::1]:7890`"},
		{"another Hither", Taken{Address: "127.0.0.1:7890", Owner: Process{5, "hither"}, Proxy: true},
			"127.0.0.1:7890 is taken by hither (pid 5), another Hither with a state directory of its own: use that one, end it, or start this one with `--listen 127.0.0.1:7891`"},
		{"somebody unseen, at the last port", Taken{Address: "127.0.0.1:65535"},
			"127.0.0.1:65535 is taken by another program: take another port with `--listen 127.0.0.1:0`, or any free one with `--listen 127.0.0.1:0`"},
	} {
		hithertest.Same(t, row.says, row.err.Error(), row.want)
	}
}

// occupy answers on a port of its own as a server would.
func occupy(t *testing.T, handler http.HandlerFunc) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return l.Addr().String()
}

func TestTheOwnerOfAPortIsAsked(t *testing.T) {
	for _, row := range []struct {
		says    string
		answers http.HandlerFunc
		proxy   bool
	}{
		{"a proxy that agrees at once", func(http.ResponseWriter, *http.Request) {}, true},
		{"a proxy that cannot reach the name", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, true},
		{"a proxy that wants a password", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusProxyAuthRequired) }, true},
		{"a web server", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusMethodNotAllowed) }, false},
		{"a server that says nothing", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, false},
	} {
		t.Run(row.says, func(t *testing.T) {
			address := occupy(t, row.answers)
			_, err := Listen(t.Context(), []string{"127.0.0.1:0", address}, nil)
			var taken *Taken
			if !errors.As(err, &taken) {
				t.Fatalf("\n got %v\nwant a taken port", err)
			}
			hithertest.Same(t, "proxy", taken.Proxy, row.proxy)
			if runtime.GOOS == "linux" {
				hithertest.Same(t, "pid", taken.Owner.PID, os.Getpid())
			}
		})
	}
}

// The process of another user is not named to us, and to go out through his Hither would be to meet certificates of his root.
func TestAHitherIsKnownByItsAnswer(t *testing.T) {
	address := occupy(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodConnect {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_, _ = w.Write([]byte("-----BEGIN CERTIFICATE-----\n"))
	})
	_, err := Listen(t.Context(), []string{address}, nil)
	var taken *Taken
	if !errors.As(err, &taken) {
		t.Fatalf("\n got %v\nwant a taken port", err)
	}
	hithertest.Same(t, "Hither", taken.Hither, true)
	hithertest.Same(t, "proxy", taken.Proxy, false)
}

// A status line may come in pieces.
func TestAnAnswerIsReadWhole(t *testing.T) {
	dial := func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			_, _ = far.Read(make([]byte, 512))
			for _, piece := range []string{"HTTP/1.1 ", "20", "0 OK\r\n\r\n"} {
				_, _ = far.Write([]byte(piece))
			}
		}()
		return near, nil
	}
	hithertest.Same(t, "a proxy", AnswersConnect(t.Context(), dial, "x"), true)
	hithertest.Same(t, "one for SOCKS", AnswersSOCKS(t.Context(), dial, "x"), false)
	hithertest.Same(t, "Hither", answersAsHither(t.Context(), dial, "x"), false)
	hithertest.Same(t, "behind the last port", Next("[::1]:65535"), "[::1]:0")
}

func TestAFailureLeavesNoListener(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	if _, err := Listen(t.Context(), []string{address, occupy(t, http.NotFound)}, nil); err == nil {
		t.Fatal("no error")
	}
	again, err := Listen(t.Context(), []string{address}, nil)
	if err != nil {
		t.Fatal(err)
	}
	again[0].Close()
}
