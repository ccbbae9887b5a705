package why

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"hither/cache"
	"hither/cmd/hither/amount"
	"hither/forward/fetch"
	"hither/forward/measure"
	"hither/forward/notary"
	"hither/rules"
)

// NewRulePart tells which part of a rule file spoke.
func NewRulePart(m rules.Match) *RulePart {
	return &RulePart{
		Rule: m.Rule.Name, File: m.Rule.File, Line: m.Path.Line, Pattern: m.Path.Pattern,
		Keep: time.Duration(m.Path.Keep), From: string(m.Path.From), Notary: m.Path.Notary, Why: m.Path.Why,
		Subject: m.Subject, Name: m.Name,
	}
}

// Keeps says whether an answer may be kept, and therefore fetched by us.
func (e Explanation) Keeps() bool { return e.Private == "" && rules.Keep(e.Rule.Keep) != rules.Never }

// Sentences says the explanation to a person, one thought a line.
func (e Explanation) Sentences(now time.Time) []string {
	if e.Rule == nil {
		return []string{e.Note}
	}
	lines := []string{
		fmt.Sprintf("Rule: %s of the rule %s (%s:%d); the cache calls it %s.", e.Rule.Pattern, e.Rule.Rule, e.Rule.File, e.Rule.Line, e.Rule.Name),
		"Keep: " + e.keepSentence(),
		"Authority: " + e.authoritySentence(),
	}
	if e.Keeps() {
		lines = append(lines, "Cache: "+e.cacheSentence(now))
	}
	if e.Last != nil {
		lines = append(lines, "Last answer: "+lastSentence(*e.Last, now))
		verb := "asked "
		if e.Last.State == fetch.Hit && e.Last.Err == "" {
			verb = "when it was fetched: asked "
		}
		for _, try := range e.Last.Tries {
			lines = append(lines, "  "+verb+trySentence(try))
		}
	}
	if e.Choice != nil {
		lines = append(lines, "Choice: "+e.Choice.Sentence()+".")
	}
	for i, source := range e.Sources {
		lines = append(lines, fmt.Sprintf("Source %d: %s", i+1, source.sentence()))
	}
	return lines
}

func (e Explanation) keepSentence() string {
	switch {
	case e.Private != "":
		return "never, for it is private; each request goes to the origin as it came."
	case rules.Keep(e.Rule.Keep) == rules.Never:
		return "never; each request goes to the origin as it came."
	case rules.Keep(e.Rule.Keep) == rules.Forever:
		return "it cannot change, so it stays until the room is needed."
	}
	return fmt.Sprintf("for %s at most, then the origin is asked whether it is still right.", amount.Rough(e.Rule.Keep))
}

// authoritySentence says who may name the bytes, and who may therefore send them.
func (e Explanation) authoritySentence() string {
	switch {
	case e.Private != "":
		return fmt.Sprintf("%s is private by your pattern %s, so only the origin is asked.", e.Rule.Subject, e.Private)
	case e.Rule.From == string(rules.FromQuorum):
		return fmt.Sprintf("%s says which digest a tag means; while it does not answer, two mirrors of different operators that agree, "+
			"or one alone if your trust-one-mirror names %s. Whoever is fastest may send the bytes.", e.origin(), e.Rule.Rule)
	case e.Rule.From != string(rules.FromAny):
		return "only the origin may send it."
	case e.Rule.Notary != "":
		return fmt.Sprintf("%s names the bytes (notary %s), so whoever is fastest may send them.", notaryWords(e.Rule.Notary), e.Rule.Notary)
	}
	return fmt.Sprintf("nobody names the bytes; any source may send them, because %s.", e.Rule.Why)
}

// notaryWords says who stands behind a notary of the rule files.
func notaryWords(name string) string {
	switch name {
	case "path":
		return "the digest in the URL"
	case "gosum":
		return "the Go checksum database"
	case "npm":
		return "the registry's own list of versions"
	}
	return "an authority"
}

// origin is the host of the first origin that would be asked.
func (e Explanation) origin() string {
	for _, source := range e.Sources {
		if u, err := url.Parse(source.URL); err == nil && source.Origin {
			return u.Host
		}
	}
	return "the origin"
}

func (e Explanation) cacheSentence(now time.Time) string {
	c := e.Cached
	if c == nil {
		return "nothing is kept."
	}
	if !e.Present && c.Digest != "" {
		return "it was kept and has been evicted; the next request fetches it."
	}
	text := fmt.Sprintf("%s%s, confirmed %s ago", amount.Bytes(c.Size), sentBy(c.Source, c.Vouched), amount.Rough(now.Sub(c.Checked)))
	if e.Fresh {
		text += ", so it is served at once"
	} else {
		text += ", so the origin is asked first"
	}
	return text + savedSentence(*c)
}

func savedSentence(c cache.Entry) string {
	if c.Took == 0 {
		return "."
	}
	return fmt.Sprintf("; fetching it took %s.", amount.Rough(c.Took))
}

func sentBy(source, vouched string) string {
	text := ""
	if source != "" {
		text += " sent by " + source
	}
	switch vouched {
	case "":
		return text + " and vouched for by its TLS alone"
	case "client":
		return text + " and just what the client said it expects (its lock file)"
	}
	if notary.Hearsay(vouched) {
		return text + " and vouched for by no authority but, while the origin did not answer, by the " + strings.TrimPrefix(vouched, "the ")
	}
	return text + " and vouched for by " + vouched
}

func lastSentence(r fetch.Report, now time.Time) string {
	if r.Err != "" && r.State == fetch.Miss {
		return fmt.Sprintf("%s ago, failed: %s.", amount.Rough(now.Sub(r.When)), WithoutAdvice(r.Err))
	}
	text := fmt.Sprintf("%s ago, %s", amount.Rough(now.Sub(r.When)), r.State)
	if r.Bytes >= 0 {
		text += fmt.Sprintf(", %s", amount.Bytes(r.Bytes))
	}
	if r.Saved > 0 {
		text += fmt.Sprintf(", %s saved", amount.Rough(r.Saved))
	}
	if r.Err != "" {
		text += ": " + WithoutAdvice(r.Err)
	}
	return text + "."
}

func trySentence(t fetch.Try) string {
	text := fmt.Sprintf("%s: %s", t.Base, outcomeWord(t.Outcome))
	if t.Status != 0 {
		text += fmt.Sprintf(" (%d)", t.Status)
	}
	if t.Wait > 0 {
		text += fmt.Sprintf(", %s to the first byte", amount.Rough(t.Wait))
	}
	text += fmt.Sprintf(", %s in all, %s", amount.Rough(t.Took), amount.Bytes(t.Bytes))
	if t.Err != "" {
		text += ": " + WithoutAdvice(t.Err)
	}
	return text + "."
}

// WithoutAdvice takes an error into a sentence of ours. Who reads it here has followed the advice already; a failure gives
// it also when it is the cause of another.
func WithoutAdvice(text string) string {
	return strings.TrimSuffix(strings.ReplaceAll(text, fetch.Advice, ""), ".")
}

func outcomeWord(o measure.Outcome) string {
	switch o {
	case measure.OK:
		return "good"
	case measure.Missing:
		return "does not have it"
	case measure.Limited:
		return "wants to be left alone"
	case measure.Page:
		return "sent a web page"
	case measure.Broken:
		return "broke"
	case measure.Short:
		return "sent too much or too little"
	case measure.WrongBytes:
		return "sent wrong bytes"
	case measure.Canceled, measure.Outrun:
		return "was not waited for"
	}
	return o.String()
}

func (s Source) sentence() string {
	text := s.URL
	if s.Origin {
		text += " (the origin)"
	}
	if s.Why != "" {
		text += ": " + s.Why
	}
	if s.Pinned {
		text += "; pinned by you"
	}
	if s.Behind && !strings.Contains(s.Why, "newest entry") {
		text += "; behind the origin"
	}
	if s.Hole && !strings.Contains(s.Why, "lacks") {
		text += "; lacks this object"
	}
	return text + "."
}
