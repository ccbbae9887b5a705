// Package hithertest is what the tests of the commands' packages compare with, and write files with. A difference fails the
// test, which goes on; a file that cannot be written ends it.
//
//	hithertest.Same(t, "status", code, 0)
package hithertest

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Same fails with both values on lines of their own.
func Same[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s\n got %v\nwant %v", what, got, want)
	}
}

// Contains fails unless text has every part.
func Contains(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("\n got %s\nwant in it %s", text, part)
		}
	}
}

// Write makes a file for this user alone, and the directories above it.
func Write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Golden compares with the file of that name in testdata; update writes that anew first.
func Golden(t testing.TB, name, got string, update bool) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if update {
		Write(t, path, []byte(got))
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s\n got\n%s\nwant\n%s", path, got, want)
	}
}

// SkipElsewhere leaves out what speaks of paths and permissions as Linux has them.
func SkipElsewhere(t testing.TB) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the expectations are those of Linux")
	}
}

// RootNames lists whose certificates a bundle holds.
func RootNames(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			return strings.Join(names, ", ")
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, cert.Subject.CommonName)
	}
}

// Must ends the test at an error.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// JSON is what a value is as JSON.
func JSON(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	Must(t, err)
	return string(text)
}
