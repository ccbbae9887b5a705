package rules

import (
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

func (b builder) host(t table) {
	h := Host{Name: hostKey(t.text("name")), Prefix: t.text("prefix"), Key: t.text("key"), line: t.lineOf("name")}
	if !isHost(h.Name) {
		b.add(h.line, "name = %q is no host; write a name or address in ASCII (punycode), with :PORT if it has one of its own", t.text("name"))
	} else if i := slices.IndexFunc(b.rule.Hosts, func(o Host) bool { return o.Name == h.Name }); i >= 0 {
		b.add(h.line, "the host %s is on line %d already; remove one", h.Name, b.rule.Hosts[i].line)
	} else if strings.Contains(h.Name, "%") {
		b.add(h.line, "the host %s has a zone, which no certificate can name; write an address without one", h.Name)
	}
	if h.Prefix != "" && !isPrefix(h.Prefix) {
		b.add(t.lineOf("prefix"), "prefix = %q is not a path to put before others; write one such as \"/sumdb/sum.golang.org\", without a slash at the end", h.Prefix)
	}
	if h.Prefix != "" && len(b.rule.Hosts) == 0 {
		b.add(t.lineOf("prefix"), "the first host is the registry itself and has no prefix; move it behind the host that serves it, or remove the prefix")
	}
	if i := slices.IndexFunc(b.rule.Hosts, func(o Host) bool { return o.Prefix == h.Prefix }); h.Prefix != "" && i >= 0 {
		b.add(t.lineOf("prefix"), "prefix = %q leads to the host %s already; each host has its own, correct one", h.Prefix, b.rule.Hosts[i].Name)
	}
	h.Origin = b.bases(t, "origin")
	h.Tokens, h.Stores = b.bases(t, "tokens"), b.bases(t, "stores")
	b.realm(t, &h)
	h.Offers = b.offers(t)
	if len(h.Origin) == 0 {
		h.Origin = []string{"https://" + urlHost(h.Name)}
	}
	if h.Key != "" {
		if _, err := note.NewVerifier(h.Key); err != nil {
			b.add(t.lineOf("key"), "key is no verifier key (%v); copy it whole, NAME+HASH+KEY, as in GOSUMDB", err)
		}
	}
	b.rule.Hosts = append(b.rule.Hosts, h)
}

// realm reads where a host's tokens are had, and under which name it is known there.
func (b builder) realm(t table, h *Host) {
	h.Service = t.text("service")
	if _, there := t.keys["realm"]; !there {
		if h.Service != "" {
			b.add(t.lineOf("service"), "service is for who gives tokens, and no realm says who that is; add realm, or remove service")
		}
		return
	}
	base, err := parseBase(t.text("realm"))
	switch {
	case err != nil:
		b.add(t.lineOf("realm"), "realm = %q: %v", t.text("realm"), err)
	case b.rule.Auth != "bearer":
		b.add(t.lineOf("realm"), "realm is for rules whose upstreams hand out tokens; add auth = \"bearer\" at the top, or remove realm")
	}
	if strings.ContainsFunc(h.Service, func(c rune) bool { return c < ' ' || c > '~' }) {
		b.add(t.lineOf("service"), "service = %q is no name of printable ASCII; copy it from the registry's WWW-Authenticate", h.Service)
	}
	h.Realm = base
}

// bases are the base URLs that a key lists.
func (b builder) bases(t table, key string) (all []string) {
	for _, item := range t.keys[key].items {
		base, err := parseBase(item.text)
		if err != nil {
			b.add(item.line, "%s holds %q: %v", key, item.text, err)
		}
		all = append(all, base)
	}
	return all
}
