//go:build !windows

package resolver

import (
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"hither/resolver/hosts"
)

// The hosts file may be a long list of what somebody blocks, on a slow disk: here it is a pipe.
func TestAnswersInMemoryDoNotWaitForTheHostsFile(t *testing.T) {
	s := &Server{Exchange: &upstream{say: records("300 IN A 192.0.2.1")}}
	q := query("www.example.com", dns.TypeA, nil)
	ask(t, s, q)
	s.Hosts = &hosts.File{Path: filepath.Join(t.TempDir(), "hosts")}
	if err := syscall.Mkfifo(s.Hosts.Path, 0o600); err != nil {
		t.Fatal(err)
	}
	var dropping sync.WaitGroup
	dropping.Go(s.dropHosts)
	file, err := os.OpenFile(s.Hosts.Path, os.O_WRONLY, 0) // somebody reads
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan bool, 1)
	key := packedKey(t, q)
	go func() { answered <- s.memory.get(key) != nil }()
	select {
	case ok := <-answered:
		if !ok {
			t.Error("got  nothing\nwant the answer in memory")
		}
	case <-time.After(5 * time.Second):
		t.Error("got  no answer within 5s\nwant it at once")
	}
	file.Close()
	dropping.Wait()
}

func packedKey(tb testing.TB, q *dns.Msg) []byte {
	parsed := new(question)
	if parsed.parse(packed(tb, q), ednsSize) != good {
		tb.Fatal("no question")
	}
	return parsed.key
}
