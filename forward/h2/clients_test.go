package h2

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRealClients lets those of other makers say whether this is HTTP/2. A client that is not installed is left out.
func TestRealClients(t *testing.T) {
	blob := make([]byte, 5<<20)
	rand.Read(blob)
	sum := func(p []byte) string { return fmt.Sprintf("%x", sha256.Sum256(p)) }
	s := server(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/blob":
			w.Write(blob)
		case "/sum":
			w.WriteHeader(http.StatusEarlyHints)
			body, _ := io.ReadAll(r.Body)
			w.Header().Set("Trailer", "Size")
			io.WriteString(w, sum(body))
			w.Header().Set("Size", fmt.Sprint(len(body)))
		}
	})
	s.Ready = func(h *Head) (*Reply, bool) {
		return &Reply{Block: AppendField(AppendStatus(nil, 200), "content-length", "5"), Body: []byte("ready")}, h.Path == "/ready"
	}
	w := newWorld(t, s)
	up := filepath.Join(t.TempDir(), "up")
	if err := os.WriteFile(up, blob, 0o600); err != nil {
		t.Fatal(err)
	}
	curl := func(args ...string) []string { return append([]string{"curl", "-sSk", "--http2"}, args...) }
	for _, row := range []struct {
		what    string
		command []string
		want    string
	}{
		{"curl gets what lies ready", curl("-w", " %{http_version}", w.url+"/ready"), "ready 2"},
		{"curl asks for a head", curl("-I", "-o", "-", "-w", "%{http_code}", w.url+"/ready"), "200"},
		{"curl gets much at once", curl("-Z", "-o", "/dev/null", "-w", "%{size_download} ", w.url+"/blob", "-o", "/dev/null", w.url+"/blob"), "5242880 5242880"},
		{"curl sends much", curl("-T", up, w.url+"/sum"), sum(blob)},
		{"curl waits for leave to send", curl("-H", "Expect: 100-continue", "-T", up, w.url+"/sum"), sum(blob)},
		{"h2load gets much", []string{"h2load", "-n", "300", "-c", "3", "-m", "32", w.url + "/ready", w.url + "/sum"}, "300 succeeded, 0 failed, 0 errored, 0 timeout"},
		{"h2load with small windows", []string{"h2load", "-n", "8", "-c", "2", "-m", "4", "-w", "15", "-W", "16", w.url + "/blob"}, "8 succeeded, 0 failed"},
		{"nghttp waits for a body", []string{"nghttp", "--no-verify-peer", "-v", "--expect-continue", "-d", up, w.url + "/sum"}, sum(blob)},
		{"node does everything at once", []string{"node", "-e", nodeClient, w.url, up}, "ready " + sum(blob) + " size 5242880 " + sum(blob)},
	} {
		t.Run(row.what, func(t *testing.T) {
			if _, err := exec.LookPath(row.command[0]); err != nil {
				t.Skipf("%s is not installed", row.command[0])
			}
			out, err := exec.CommandContext(t.Context(), row.command[0], row.command[1:]...).CombinedOutput()
			if err != nil || !strings.Contains(string(out), row.want) {
				t.Errorf("got  %v, %.3000s\nwant %s", err, bytes.ToValidUTF8(out, []byte("?")), row.want)
			}
		})
	}
}

const nodeClient = `
const http2 = require('http2'), fs = require('fs'), crypto = require('crypto');
const [url, up] = process.argv.slice(1);
const session = http2.connect(url, {rejectUnauthorized: false});
const ask = (headers, body) => new Promise((done, fail) => {
  const stream = session.request(headers, {endStream: !body});
  const parts = []; let trailers = {};
  stream.on('data', p => parts.push(p));
  stream.on('trailers', t => trailers = t);
  stream.on('error', fail);
  stream.on('end', () => done([Buffer.concat(parts), trailers]));
  if (body) fs.createReadStream(body).pipe(stream);
});
Promise.all([
  ask({':path': '/ready'}),
  ask({':path': '/sum', ':method': 'POST'}, up),
  ask({':path': '/blob'}),
]).then(([ready, sum, blob]) => {
  console.log(ready[0].toString(), sum[0].toString(), 'size', sum[1].size, crypto.createHash('sha256').update(blob[0]).digest('hex'));
  session.close();
});
`
