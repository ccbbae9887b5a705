package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hither/cmd/hither/control"
	"hither/cmd/hither/paths"
	"hither/cmd/hither/private"
	"hither/cmd/hither/settings"
	"hither/forward/fetch"
	"hither/install/stage"
)

// served is what serve.go puts together, at work on a loopback port.
type served struct {
	t      *testing.T
	ready  control.Ready
	said   *journal
	rules  string
	origin *httptest.Server
	stop   context.CancelFunc
	ended  chan error
}

// serving starts Hither before an origin until the test ends.
func serving(t *testing.T, origin http.HandlerFunc, edits ...func(*settings.Settings)) *served {
	t.Helper()
	dir := t.TempDir()
	s := &served{t: t, said: &journal{}, rules: filepath.Join(dir, "rules.d"), origin: httptest.NewServer(origin), ended: make(chan error, 1)}
	t.Cleanup(s.origin.Close)
	s.allow("reg", "reg.test")
	roots := filepath.Join(dir, "roots.pem")
	write(t, roots, stage.RootPEM("A company"))
	settings := settings.Settings{Listen: []string{"127.0.0.1:0"}, State: filepath.Join(dir, "state"), Rules: s.rules, Cache: "off", CAFiles: []string{roots}}
	for _, edit := range edits {
		edit(&settings)
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	ready := make(chan control.Ready, 1)
	go func() {
		s.ended <- serve(ctx, settings, slog.New(slog.NewTextHandler(s.said, nil)), func(r control.Ready) { ready <- r })
	}()
	select {
	case s.ready = <-ready:
	case err := <-s.ended:
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(); <-s.ended; s.ended <- nil })
	return s
}

// allow writes a rule file for a host that is the origin.
func (s *served) allow(name, host string) {
	s.t.Helper()
	text := strings.Replace(string(rule(name, host)), "[[path]]", "origin = [\""+s.origin.URL+"\"]\n[[path]]", 1)
	write(s.t, filepath.Join(s.rules, name+".toml"), []byte(text))
}

// root is what Hither shows now. The file is not there for a moment while it is replaced.
func (s *served) root() []byte {
	s.t.Helper()
	res, err := http.Get("http://" + s.ready.Proxy[0] + "/ca.pem")
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	root, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return root
}

// client goes through Hither and trusts the root that it shows now.
func (s *served) client() *http.Client {
	s.t.Helper()
	root := s.root()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(root)
	transport := &http.Transport{
		Proxy:           http.ProxyURL(&url.URL{Scheme: "http", Host: s.ready.Proxy[0]}),
		TLSClientConfig: &tls.Config{RootCAs: roots},
	}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func (s *served) get(url string) (string, error) {
	res, err := s.client().Get(url)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

// TestANewRuleWorksWithoutARestart goes by the doors: the rule decides, the certificate fits, the root is served.
func TestANewRuleWorksWithoutARestart(t *testing.T) {
	s := serving(t, has("package"))
	body, err := s.get("https://reg.test/x")
	same(t, "error", err, nil)
	same(t, "body", body, "package")
	before := s.root()

	s.allow("new", "new.test")
	s.said.Await("the changed rule files are in force")
	body, err = s.get("https://new.test/x")
	same(t, "error", err, nil)
	same(t, "body", body, "package")
	contains(t, s.said.String(), "was replaced by", "new.test")
	after := s.root()
	same(t, "the root is another", string(after) != string(before), true)
	file, err := os.ReadFile(s.ready.CA)
	same(t, "error", err, nil)
	same(t, "the root as it is served", string(after), string(file))
	body, err = s.get("https://reg.test/x")
	same(t, "error", err, nil)
	same(t, "the old host", body, "package")
}

func TestStatusIsOfThisHither(t *testing.T) {
	s := serving(t, has("package"))
	client := s.client() // with one connection, so that one request is counted before the next begins
	for _, path := range []string{"/x", "/x", "/x", "/last"} {
		res, err := client.Get("https://reg.test" + path)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	s.said.Await("path=/last")
	status, err := control.NewClient(s.ready.State).Status(t.Context())
	same(t, "error", err, nil)
	same(t, "misses", status.Requests[fetch.Miss], 2)
	same(t, "hits", status.Requests[fetch.Hit], 2)
	same(t, "served, without our own pages", status.Served, 28)
	same(t, "saved", status.Saved, 14)
	same(t, "time saved", status.TimeSaved > 0, true)
	same(t, "names", status.Cache.Names, 2)
	for _, u := range status.Upstreams {
		if u.Base == s.origin.URL {
			same(t, "asked", u.Requests, 2)
		}
	}
	why, err := control.NewClient(s.ready.State).Why(t.Context(), "http://"+s.ready.Proxy[0]+"/")
	same(t, "error", err, nil)
	contains(t, why.Note, "This is Hither's own address")
}

func TestATransferThatEndsSoonIsFinishedBeforeTheEnd(t *testing.T) {
	begun, goOn := make(chan struct{}), make(chan struct{})
	s := serving(t, func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-goOn
		_, _ = w.Write([]byte("package"))
	})
	got := make(chan string, 1)
	client := s.client()
	go func() {
		res, err := client.Get("https://reg.test/x")
		if err != nil {
			got <- err.Error()
			return
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		got <- strings.TrimSuffix(string(body)+" "+errorText(err), " ")
	}()
	<-begun
	s.stop()
	for { // the door is shut when nobody is let in any more
		conn, err := net.Dial("tcp", s.ready.Proxy[0])
		if err != nil {
			break
		}
		conn.Close()
	}
	close(goOn)
	same(t, "what the client got", <-got, "package")
	same(t, "serve", <-s.ended, nil)
	s.ended <- nil
	_, err := os.Stat(filepath.Join(s.ready.State, paths.ReadyName))
	same(t, "the ready file is gone", errors.Is(err, os.ErrNotExist), true)
}

// A body that does not end in time is broken off, which the client sees; an end that looks like one would be a lie.
func TestATransferThatDoesNotEndIsCutHonestly(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for as long as a stop waits for transfers")
	}
	t.Parallel()
	s := serving(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "67108864")
		_, _ = w.Write(make([]byte, 16<<20)) // more than is held back
		<-r.Context().Done()
	})
	res, err := s.client().Get("https://reg.test/x")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.ReadFull(res.Body, make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	s.stop()
	if _, err := io.Copy(io.Discard, res.Body); err == nil {
		t.Error("the body ended as if it were whole")
	}
	same(t, "serve", <-s.ended, nil)
	s.ended <- nil
}

func TestAClientWithoutTheGatewayIsToldSo(t *testing.T) {
	s := serving(t, has("package"))
	own := "http://" + s.ready.Proxy[0]
	for path, want := range map[string]int{
		"/": 200, "/ca.pem": 200, "/favicon.ico": 404, "/github.com/a/b/@v/list": 400, "/@a%2fb": 400, "/express": 400,
	} {
		res, err := http.Get(own + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		same(t, path, res.StatusCode, want)
		if want == 400 {
			contains(t, string(body), "Hither has nothing at "+path, own+"/go, "+own+"/npm, "+own+"/v2.")
		}
	}
}

func TestOneWhoWasKilledIsNotNamed(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	if err := private.MakeDir(state); err != nil {
		t.Fatal(err)
	}
	left, err := json.Marshal(control.Ready{PID: 4711})
	same(t, "error", err, nil)
	write(t, filepath.Join(state, paths.ReadyName), left)
	c, err := control.Open(state)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = control.Open(state)
	var other *control.RunningError
	if !errors.As(err, &other) {
		t.Fatalf("\n got %v\nwant a runningError", err)
	}
	same(t, "pid", other.PID, 0)
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
