// Package notary answers "which bytes?" for objects whose registry has a way of telling: the digest in the URL (path), the
// checksum database (gosum), the packument (npm), the registry's word on a tag (tag). It never says who sends them.
//
// A notary asks authorities through functions it is handed, so that its questions take the same way as everybody's: the
// cache, merged requests, the origin's TLS.
package notary

import (
	"context"
	"errors"
	"net/http"

	"hither/cache/digest"
	"hither/rules"
)

var (
	// ErrUnknown says that no authority speaks of this object (a module that is in no checksum database, a registry
	// that sends no digest). Without a digest there is no mirror: the origin alone sends it.
	ErrUnknown = errors.New("no authority names these bytes")
	// ErrGone says that the authority answered and the object does not exist there.
	ErrGone = errors.New("the origin does not have it")
	// ErrRefused says that the authority tells us nothing about this object, but might tell a client that it knows.
	ErrRefused = errors.New("the origin refuses it to strangers")
	// ErrSecurity says that an authority contradicts itself or what it said before. Nothing is served on its word.
	ErrSecurity = errors.New("the checksum database contradicts itself")
)

// LimitError says that the authority is asked too much (429). Whoever asks it for the bytes asks it once more, and the answer is the same.
type LimitError struct {
	Path   string      // what it was asked for
	Header http.Header // of its answer: when to ask again
}

func (e *LimitError) Error() string {
	return "the registry answered 429 for " + e.Path + ": its limit is reached; wait, or log in with the client"
}

// Attestation is a notary's answer.
type Attestation struct {
	Digest digest.Digest
	// By is who says so, if it is not the authority itself: "quorum of docker.1ms.run and dockerproxy.net". [Hearsay] knows
	// such words. It stands for the origin only while that is silent: it proves nothing public, and is to be asked about
	// again as soon as the copy is not fresh any more. Empty: the authority, under the notary's own name.
	By string
	// Path is where the bytes are better asked for upstream, escaped; empty: at the path of the request. A tag's
	// manifest is fetched by its digest, which registries do not count as a pull of their own.
	Path string
	// Header holds response headers that the authority gave and the client should see (Docker-Content-Digest, Content-Type).
	Header map[string]string
}

// Notary tells which bytes a match means. Attest may be called from many goroutines; it obeys ctx. Its errors wrap one of
// the errors above, or tell that the authority could not be asked now: then too there is no mirror.
type Notary interface {
	Attest(ctx context.Context, m rules.Match) (Attestation, error)
}

// Besider is what a notary may be too: one whose answer is not needed to choose where to ask. The bytes are then fetched
// while it is thinking, and checked when both are here.
type Besider interface{ Beside() bool }

// Pinner is what a notary may be too: one whose answer is the digest of the bytes as they are. Where only the origin can be asked
// for them, that is done while the notary is thinking, and its answer is waited for when they begin to come.
type Pinner interface{ Pins() bool }

// Fetch gets a small document of an authority (a packument, a checksum record), from the cache if that is fresh. With
// fresh set, the authority is asked even then. It returns an error wrapping ErrGone for the origin's 404 and 410.
type Fetch func(ctx context.Context, m rules.Match, fresh bool) ([]byte, error)
