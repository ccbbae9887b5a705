// Package project reads what the files of a directory say that a package client will ask for: go.mod, go.sum and go.work,
// package.json and the lock files of npm, pnpm, Yarn and Bun, a Dockerfile. It only reads; it runs nothing, follows no link
// out of the directory, and asks nobody. Of other directories it reads those above that have this one in a workspace, and
// the same user's that go.work or a replace names.
package project

import "hither/cache/digest"

// Want is one thing a client of a registry will ask for.
type Want struct {
	// URL is absolute, at the registry as its clients know it: https://HOST/PATH, without a query.
	URL string
	// Accept is what the client will send under that name; nil: nothing. It decides which variant of a document it is.
	Accept []string
	// Bulk says that it is a package, and not a word about one.
	Bulk bool
	// Digest is which bytes the project expects; zero: it does not say.
	Digest digest.Digest
	// Why is the reason in a few words that are the same for all wants of the same kind: "the go.mod of a requirement".
	// Hit rates are kept by it.
	Why string
}
