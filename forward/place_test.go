package forward_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"hither/forward"
	"hither/rules"
)

const portsFile = `
name    = "ports"
home    = "https://world.test"
gateway = "/ports"
ns      = ["corp.test:5000"]
[[host]]
name   = "corp.test:5000"
origin = ["ORIGIN/one"]
[[host]]
name   = "corp.test:5001"
origin = ["ORIGIN/two"]
[[host]]
name   = "[::1]:5002"
origin = ["ORIGIN/three"]
[[path]]
match = "/{x...}"
keep  = "never"
[[path]]
match = "/{x...}"
host  = "corp.test:5001"
keep  = "never"
[[path]]
match = "/{x...}"
host  = "[::1]:5002"
keep  = "never"
`

// Two ports of one name are two registries, and each has passwords of its own.
func TestEachPortIsAPlaceOfItsOwn(t *testing.T) {
	var set atomic.Pointer[rules.Set]
	w := newWorld(t, func(s *forward.Server) { s.Rules = set.Load })
	loaded, err := rules.Load(fstest.MapFS{"ports.toml": {Data: []byte(strings.ReplaceAll(portsFile, "ORIGIN", w.origin.URL))}})
	if err != nil {
		t.Fatal(err)
	}
	set.Store(loaded)
	for _, c := range []struct{ what, url, want string }{
		{"the first", "http://corp.test:5000/x", "200 origin GET /one/x"},
		{"its neighbour", "http://corp.test:5001/x", "200 origin GET /two/x"},
		{"an address in another spelling", "http://[0:0:0:0:0:0:0:1]:5002/x", "200 origin GET /three/x"},
		{"the gateway", "http://" + w.addr + "/ports/x?ns=corp.test:5000", "200 origin GET /one/x"},
		{"a registry on another port, by the gateway", "http://" + w.addr + "/ports/x?ns=corp.test:9999", "421 No rule speaks of the registry"},
		{"a registry on no port, by the gateway", "http://" + w.addr + "/ports/x?ns=corp.test", "421 No rule speaks of the registry"},
	} {
		res, body := get(t, w.client(false), c.url, "Authorization", "Basic c2VjcmV0")
		if got := fmt.Sprint(res.StatusCode, " ", body); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s\ngot:  %s\nwant: %s", c.what, got, c.want)
		}
	}
}

// A server name goes to an upstream proxy as a line of its request.
func TestAServerNameThatIsNoHostIsNotDialled(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"evil.test\r\nX-Injected: yes", "evil.test:25 HTTP/1.1", "a b.test", "evil.test/x"} {
		conn, r := w.raw(string(hello(name)))
		if _, err := r.ReadByte(); err == nil {
			t.Errorf("%q\ngot:  an answer\nwant: the end", name)
		}
		conn.Close()
	}
	if len(w.dialed) != 0 {
		t.Errorf("dialled\ngot:  %q\nwant: nothing", w.dialed)
	}
}

// curl --http2 and Java's HttpClient offer HTTP/2 in the clear with every http request. Nobody has to take it (RFC 9113, 3.1).
func TestAnOfferOfHTTP2InTheClearIsPassedOver(t *testing.T) {
	w := newWorld(t)
	w.setFetch(content("cache", nil))
	offer := []string{"Connection", "Upgrade, HTTP2-Settings", "Upgrade", "h2c", "HTTP2-Settings", "AAMAAABkAAQAAP__"}
	for _, c := range []struct{ what, url, want string }{
		{"what the cache has", "http://" + w.addr + "/reg/forever/a", "200 cache"},
		{"what goes to an origin that speaks HTTP/2", "http://" + w.addr + "/reg/never/a", "200 origin GET /never/a"},
		{"a stranger", "http://" + alien + "/a", "200 origin GET /a"},
	} {
		res, body := get(t, w.client(false), c.url, offer...)
		if got := strings.TrimSpace(fmt.Sprint(res.StatusCode, " ", body)); got != c.want {
			t.Errorf("%s\ngot:  %s\nwant: %s", c.what, got, c.want)
		}
	}
	if got := w.lastSeen().Header["Upgrade"]; got != nil {
		t.Errorf("at the stranger\ngot:  Upgrade: %q\nwant: none", got)
	}
}

// Over TLS an origin may speak HTTP/2, which has no upgrades but WebSocket's.
func TestAnUpgradeThatNobodyCanCarryIsPassedOver(t *testing.T) {
	w := newWorld(t)
	res, body := get(t, w.client(false), "https://"+host+"/never/a", "Connection", "Upgrade", "Upgrade", "tcp")
	if res.StatusCode != http.StatusOK {
		t.Errorf("got:  %d %s\nwant: 200", res.StatusCode, body)
	}
}

// hello is a ClientHello for any server name, host or not.
func hello(name string) []byte {
	sent := &mouth{}
	tls.Client(sent, &tls.Config{ServerName: name}).Handshake()
	return sent.bytes
}

// mouth is a connection that keeps what is written and hears nothing.
type mouth struct {
	net.Conn
	bytes []byte
}

func (m *mouth) Write(p []byte) (int, error) { m.bytes = append(m.bytes, p...); return len(p), nil }
func (m *mouth) Read([]byte) (int, error)    { return 0, net.ErrClosed }
func (m *mouth) Close() error                { return nil }
