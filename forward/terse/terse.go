// Package terse tells what strangers say in few words, and in none that a terminal obeys: errors go to the client, into the log
// and into `hither why`, and whoever answers must not fill those with words of his own.
//
//	return nil, terse.Error(err)
package terse

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxWords bounds an error, in bytes. net/http and quic-go repeat what a server said, up to a whole line or frame of a
	// MiB, and errors go to the client, into the log and into `hither why`. A dial that failed at all addresses needs less.
	maxWords = 1500
	// maxHost bounds the HOST:PORT that a stranger names, in bytes: no name is longer (RFC 1035, 2.3.4).
	maxHost = 255 + len(":65535")
)

// terse is an error that is told in other words than its own.
type terse struct {
	error
	words string
}

func (t terse) Error() string { return t.words }
func (t terse) Unwrap() error { return t.error }

// Error is err, of which only the beginning is told if it is long, and nothing that a terminal would obey. It wraps err; nil: nil.
func Error(err error) error {
	if err == nil {
		return nil
	}
	all := err.Error()
	words := strings.Map(printable, all[:min(len(all), maxWords)])
	if len(all) > maxWords {
		words += "…"
	}
	if words == all {
		return err
	}
	return terse{err, words}
}

// IsHost says whether a stranger's HOST:PORT may be one, and be told in an error.
func IsHost(host string) bool {
	odd := func(r rune) bool { return printable(r) != r }
	return host != "" && len(host) <= maxHost && utf8.ValidString(host) && !strings.ContainsFunc(host, odd)
}

// printable is r, or a question mark for what moves the cursor or turns the direction of writing.
func printable(r rune) rune {
	if unicode.IsPrint(r) || r == '\n' || r == '\t' {
		return r
	}
	return '?'
}

// body is one whose errors are told in few words.
type body struct{ io.ReadCloser }

func (b body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	return n, Error(err)
}

// Answer has the errors of an answer's body told in few words. That of a connection that changed its protocol is written to, too.
func Answer(resp *http.Response) {
	if resp.StatusCode != http.StatusSwitchingProtocols && resp.Body != http.NoBody {
		resp.Body = body{resp.Body}
	}
}

// Offset is where json.Unmarshal stopped, in bytes, for an error that shall not repeat what stands there; 0: it did not say.
func Offset(err error) int64 {
	if syntax := new(json.SyntaxError); errors.As(err, &syntax) {
		return syntax.Offset
	}
	if kind := new(json.UnmarshalTypeError); errors.As(err, &kind) {
		return kind.Offset
	}
	return 0
}
