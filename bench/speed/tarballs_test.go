//go:build linux

package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestTarballsAreThoseOfTheLockFile: in npm's order, once, and without the project itself
// and what is for other systems.
func TestTarballsAreThoseOfTheLockFile(t *testing.T) {
	all, err := asNpmAsks([]byte(`{"packages": {
		"": {"version": "1.0.0"},
		"node_modules/a": {"resolved": "one"},
		"node_modules/a/node_modules/b": {"resolved": "two", "os": ["linux", "darwin"]},
		"node_modules/fsevents": {"resolved": "for a Mac", "os": ["darwin"]},
		"node_modules/y/node_modules/a": {"resolved": "one"},
		"node_modules/z": {"resolved": "three"}
	}}`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range all {
		got = append(got, p.Resolved)
	}
	same(t, "what is asked for", strings.Join(got, ", "), "three, one, two")
}

func TestTarballsAreChecked(t *testing.T) {
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/gone" {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = w.Write([]byte("hello"))
	}))
	defer far.Close()
	const hello = "sha512-m3HSJL1i83hdltRq0+o9czGb+8KJDKra4t/3JRlnPKcjI8PZm6XBHXx6zG4UuMXaDEZjR1wuXDre9G9zvN7AQw=="
	for _, c := range []struct {
		what, path, integrity string
		good                  bool
	}{
		{"the right bytes", "/hello", hello, true},
		{"other bytes", "/hello", "sha512-AAAA", false},
		{"an error with the right bytes", "/gone", hello, false},
	} {
		err := fetchAll(t.Context(), far.Client().Transport, []locked{{Resolved: far.URL + c.path, Integrity: c.integrity}})
		if (err == nil) != c.good {
			t.Errorf("%s\ngot  %v\nwant good: %v", c.what, err, c.good)
		}
	}
}
