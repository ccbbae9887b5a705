package transport

import (
	"io"
	"net/http"
	"strings"
)

const (
	// maxWords bounds an error, in bytes. net/http and quic-go repeat what a server said, up to a whole line or frame of a
	// MiB, and errors go to the client, into the log and into `hither why`. A dial that failed at all addresses needs less.
	maxWords = 1500
	// maxHost bounds the HOST:PORT that a stranger names, in bytes: no name is longer (RFC 1035, 2.3.4).
	maxHost = 255 + len(":65535")
)

// terse is an error of which only the beginning is told.
type terse struct{ error }

func (t terse) Error() string { return strings.ToValidUTF8(t.error.Error()[:maxWords], "") + "…" }
func (t terse) Unwrap() error { return t.error }

func inFewWords(err error) error {
	if err == nil || len(err.Error()) <= maxWords {
		return err
	}
	return terse{err}
}

// terseBody is a body whose errors are told in few words.
type terseBody struct{ io.ReadCloser }

func (b terseBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	return n, inFewWords(err)
}

// speaksTersely makes the body of an answer terse. That of a connection that changed its protocol is written to, too.
func speaksTersely(resp *http.Response) {
	if resp.StatusCode != http.StatusSwitchingProtocols && resp.Body != http.NoBody {
		resp.Body = terseBody{resp.Body}
	}
}
