package e2e_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"testing"
)

// Done when 5: more than a GiB passes with little memory, and does not wait at Hither for its own end.
func TestABigBlobPassesInLittleMemory(t *testing.T) {
	w := newWorld(t)
	blob, err := newBigBlob(1100 << 20)
	w.must(err)
	origin := w.serveTLS(ociHost, blob)
	w.rule("docker", []map[string]any{{"name": ociHost, "origin": []string{origin.URL}}})
	h := w.lightHither()
	path := "/v2/library/big/blobs/" + blob.digest

	// The second half stands at the origin until the client has begun to read.
	h.drink(blob, "https://"+ociHost+path, func() { close(blob.half) })
	origin.Cut()
	h.drink(blob, "http://"+h.addr+path, func() {})

	const most = 150 << 20
	if got := h.PeakMemory(); got > most {
		t.Errorf("resident memory at its peak\n got %d MiB\nwant at most %d MiB", got>>20, most>>20)
	} else {
		t.Logf("resident memory at its peak: %d MiB", got>>20)
	}
}

// drink reads a blob to its end, holding none of it, and calls begun after the first byte.
func (h *hither) drink(blob *bigBlob, url string, begun func()) {
	h.w.t.Helper()
	req, err := http.NewRequestWithContext(h.w.t.Context(), http.MethodGet, url, nil)
	h.w.must(err)
	answer, err := h.Client().Do(req)
	h.w.must(err)
	defer func() { _ = answer.Body.Close() }()
	hash, first := sha256.New(), make([]byte, 1)
	_, err = io.ReadFull(answer.Body, first)
	h.w.must(err)
	begun()
	hash.Write(first)
	n, err := io.Copy(hash, answer.Body)
	h.w.must(err)
	if got := "sha256:" + hex.EncodeToString(hash.Sum(nil)); got != blob.digest || n+1 != blob.size {
		h.w.t.Errorf("the blob from %s, %d bytes\n got %s\nwant %s, %d bytes", url, n+1, got, blob.digest, blob.size)
	}
}
