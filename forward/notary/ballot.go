package notary

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"hither/cache/digest"
	"hither/rules"
)

// vote is what one mirror says that a tag means.
type vote struct {
	base   string        // the mirror
	digest digest.Digest // zero: it did not say
	kind   string        // the Content-Type that goes with it
	err    error         // why it did not say
}

// ballot is the votes of a poll. A mirror votes once.
type ballot struct {
	rule  *rules.Rule
	votes []vote
}

func (b *ballot) add(v vote) { b.votes = append(b.votes, v) }

// elected are, of each digest that two independent mirrors name, the first two that do.
func (b *ballot) elected() (pairs [][2]vote) {
	var done []digest.Digest
	for i, second := range b.votes {
		if second.digest == "" || slices.Contains(done, second.digest) {
			continue
		}
		for _, first := range b.votes[:i] {
			if first.digest == second.digest && b.rule.Independent(first.base, second.base) {
				pairs, done = append(pairs, [2]vote{first, second}), append(done, second.digest)
				break
			}
		}
	}
	return pairs
}

// named are the digests that were named, each once.
func (b *ballot) named() []digest.Digest {
	var all []digest.Digest
	for _, v := range b.votes {
		if v.digest != "" && !slices.Contains(all, v.digest) {
			all = append(all, v.digest)
		}
	}
	return all
}

// first is the vote that came first of those that name a digest.
func (b *ballot) first() vote {
	return b.votes[slices.IndexFunc(b.votes, func(v vote) bool { return v.digest != "" })]
}

// String lists what each mirror said, for people.
func (b *ballot) String() string {
	all := make([]string, 0, len(b.votes))
	for _, v := range b.votes {
		if v.err != nil {
			all = append(all, fmt.Sprintf("%s: %s", hostOf(v.base), brief(v.err.Error())))
		} else {
			all = append(all, fmt.Sprintf("%s says %s", hostOf(v.base), v.digest))
		}
	}
	if len(all) == 0 {
		return "nobody answered in time"
	}
	return strings.Join(all, "; ")
}

// maxBrief bounds what is repeated of a mirror's words, in bytes: they stand in our errors and in the log.
const maxBrief = 200

func brief(s string) string {
	if len(s) <= maxBrief {
		return s
	}
	return strings.ToValidUTF8(s[:maxBrief], "") + "…"
}

// readVote takes a digest only from an answer that looks like a registry's in every way: who sends a page, or another kind
// than was asked for, did not understand the question.
func readVote(m rules.Match, base string, header http.Header, status int) vote {
	v := vote{base: base}
	if status != http.StatusOK {
		v.err = fmt.Errorf("answered %d", status)
		return v
	}
	kinds := header.Values("Content-Type")
	kind, _, _ := strings.Cut(strings.Join(kinds, ","), ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	if !isWanted(m.Path, kind) {
		v.err = fmt.Errorf("sent %q, which is no kind of manifest that was asked for", kinds)
		return v
	}
	if v.digest, v.err = contentDigest(header); v.err == nil {
		v.kind = kind
	}
	return v
}

// isWanted says whether a media type, which no digest covers, is one that the rule allows.
func isWanted(p *rules.Path, kind string) bool {
	if len(p.Accept) > 0 {
		return slices.Contains(p.Accept, kind)
	}
	return strings.HasPrefix(kind, p.Type) && !strings.HasPrefix(kind, "text/html") && !strings.ContainsAny(kind, ", ")
}

// isPrivy says that nobody between us and a mirror can speak in its name: it is asked over TLS, or on this machine.
func isPrivy(base string) bool {
	u, err := url.Parse(base)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || err == nil && addr.IsLoopback()
}

// hostOf is how a person calls a mirror.
func hostOf(base string) string {
	if u, err := url.Parse(base); err == nil && u.Host != "" {
		return u.Host
	}
	return base
}
