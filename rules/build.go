package rules

import (
	"slices"
	"strings"
	"time"
	"unicode"

	"hither/cache/digest"
)

// builder makes a rule of the tables of a file, and notes all that is wrong with them.
type builder struct {
	*faults
	rule *Rule
}

// build returns a rule that may only be used if f has no faults.
func build(tables []table, f *faults) *Rule {
	b := builder{f, &Rule{File: f.file}}
	if len(tables) == 0 {
		return b.rule
	}
	b.head(tables[0])
	each := func(kind string, do func(table)) {
		for _, t := range tables {
			if t.kind == kind {
				do(t)
			}
		}
	}
	each("host", b.host)
	each("mirror", b.mirror)
	each("probe", b.probe)
	each("path", b.path)    // after the hosts, which they name
	each("path", b.changes) // after all paths, which they name
	b.join()
	return b.rule
}

func (b builder) head(t table) {
	r := b.rule
	r.Name, r.Home, r.Gateway, r.Auth = t.text("name"), t.text("home"), t.text("gateway"), t.text("auth")
	r.line = t.lineOf("name")
	if !isName(r.Name) {
		b.add(r.line, "name = %q does not name the rule; write one of lower-case letters, digits and dashes, such as name = \"go\"", r.Name)
	}
	if r.Home != "" && !strings.HasPrefix(r.Home, "https://") && !strings.HasPrefix(r.Home, "http://") {
		b.add(t.lineOf("home"), "home = %q is not a web address; write https://…, or remove it", r.Home)
	}
	if r.Gateway != "" && !isPrefix(r.Gateway) {
		b.add(t.lineOf("gateway"), "gateway = %q is not a path to put before others; write one such as \"/go\", without a slash at the end", r.Gateway)
	}
	r.Walk = t.text("walk")
	if !slices.Contains([]string{"", "go", "npm", "oci"}, r.Walk) {
		b.add(t.lineOf("walk"), "walk = %q is not known; write \"go\", \"npm\" or \"oci\", or remove it", r.Walk)
	}
	if r.Twin = hostKey(t.text("twin")); r.Twin != "" && !isHost(r.Twin) {
		b.add(t.lineOf("twin"), "twin = %q is no host; write the name by which another rule knows the same registry, or remove it", t.text("twin"))
	}
	if r.Auth != "" && r.Auth != "bearer" {
		b.add(t.lineOf("auth"), "auth = %q is not known; write \"bearer\", or remove it", r.Auth)
	}
	for _, item := range t.keys["ns"].items {
		key := hostKey(item.text)
		if !isHost(key) {
			b.add(item.line, "ns holds %q, which is no host; write what containerd sends, such as \"docker.io\"", item.text)
		} else if slices.Contains(r.NS, key) {
			b.add(item.line, "ns holds %q twice; remove one", item.text)
		}
		r.NS = append(r.NS, key)
	}
}

func (b builder) mirror(t table) {
	base, err := parseBase(t.text("url"))
	if err != nil {
		b.add(t.lineOf("url"), "url = %q: %v", t.text("url"), err)
	} else if slices.ContainsFunc(b.rule.Mirrors, func(o Mirror) bool { return o.URL == base }) {
		b.add(t.lineOf("url"), "the mirror %s is there already; remove one", base)
	}
	off := strings.TrimSpace(t.text("off"))
	if _, there := t.keys["off"]; there && off == "" {
		b.add(t.lineOf("off"), "off is empty; write why the mirror is not used, or remove the line to use it")
	}
	operator := t.text("operator")
	if _, there := t.keys["operator"]; there && !isName(operator) {
		b.add(t.lineOf("operator"), "operator = %q does not name anybody; write one of lower-case letters, digits and dashes, the same for all mirrors of the same one", operator)
	}
	b.rule.Mirrors = append(b.rule.Mirrors, Mirror{URL: base, Operator: operator, Off: off, Offers: b.offers(t)})
}

func (b builder) offers(t table) []string {
	for _, item := range t.keys["offers"].items {
		if item.text != "h3" {
			b.add(item.line, "offers holds %q, which is not known; write \"h3\", or remove it", item.text)
		}
	}
	return t.texts("offers")
}

func (b builder) probe(t table) {
	p := Probe{Path: b.probePath(t, "path"), Why: strings.TrimSpace(t.text("why")), Field: t.text("field")}
	_, pinned := t.keys["digest"]
	if pinned {
		p.Digest = b.probeDigest(t)
	} else if p.Why == "" {
		b.add(t.line, "[probe] has no digest, so it finds no mirror that sends other bytes; add one, or a why that says in words why there is none")
	}
	_, fresh := t.keys["newest"]
	_, named := t.keys["field"]
	switch {
	case fresh:
		p.Newest = b.probePath(t, "newest")
		if !isField(p.Field) {
			b.add(t.lineOf("field"), "field = %q is no place in the JSON of newest; write the key of its newest entry, such as \"version\", or \"dist-tags.latest\" for a key in a key", p.Field)
		}
	case named:
		b.add(t.lineOf("field"), "field is a place in the document newest, which is not here; add newest, or remove field")
	}
	b.rule.Probe = p
}

// probePath reads what every mirror has below its URL, as it is to be sent.
func (b builder) probePath(t table, key string) string {
	text := t.text(key)
	path, ok := clean(text)
	if !ok {
		b.add(t.lineOf(key), "%s = %q is no escaped path without a query; write what every mirror has below its url, such as \"/x/@v/v1.0.0.mod\"", key, text)
	}
	if strings.Contains(text, "%") {
		return text // npm mirrors want the slash of a scope escaped
	}
	return escape(path)
}

func (b builder) probeDigest(t table) digest.Digest {
	d, err := digest.Parse(t.text("digest"))
	if err != nil {
		b.add(t.lineOf("digest"), "digest cannot be read (%v); write sha256:HEX or sha512:HEX of what path names", err)
	} else if !d.Pins() {
		b.add(t.lineOf("digest"), "digest = %q does not fix every byte; write sha256:HEX or sha512:HEX", d)
	}
	return d
}

func (b builder) path(t table) {
	p := Path{
		Pattern: t.text("match"), Host: t.text("host"), From: From(t.text("from")), Notary: t.text("notary"), Why: strings.TrimSpace(t.text("why")),
		Subject: t.text("subject"), Send: t.text("send"), Accept: t.texts("accept"), Variants: t.texts("variants"), Answer: t.texts("answer"),
		Type: strings.ToLower(t.text("type")), Line: t.line,
	}
	if p.Early = strings.TrimSpace(t.text("early")); p.Early != "" && p.Notary == "" {
		b.add(t.lineOf("early"), "early is about not waiting for a notary, and there is none; remove it")
	} else if _, there := t.keys["early"]; there && p.Early == "" {
		b.add(t.lineOf("early"), "early is empty; write why the client need not wait for the notary, or remove the line")
	}
	var err error
	if p.pattern, err = parsePattern(p.Pattern); err != nil {
		b.add(t.lineOf("match"), "match = %q: %v", p.Pattern, err)
	}
	p.Keep, p.Stale = b.keep(t), b.stale(t)
	if traffic := t.text("traffic"); traffic == "bulk" {
		p.Bulk = true
	} else if _, there := t.keys["traffic"]; there {
		b.add(t.lineOf("traffic"), "traffic = %q is not known; write \"bulk\" for what has many bytes, or remove it", traffic)
	}
	b.trust(t, &p)
	b.templates(t, &p)
	b.types(t, &p)
	b.place(t, &p)
	b.rule.Paths = append(b.rule.Paths, p)
}

func (b builder) keep(t table) Keep {
	switch text := t.text("keep"); text {
	case "", "never":
		return Never
	case "forever":
		return Forever
	default:
		d, err := time.ParseDuration(text)
		if err != nil {
			b.add(t.lineOf("keep"), "keep = %q is no duration; write \"forever\", \"never\" or one such as \"5m\"", text)
		} else if d <= 0 {
			b.add(t.lineOf("keep"), "keep = %q is no time at all; write \"never\", or a duration above zero", text)
		}
		return Keep(d)
	}
}

// stale reads for how long after keep an answer may still be given while a new one is on its way.
func (b builder) stale(t table) time.Duration {
	text := t.text("stale")
	if _, there := t.keys["stale"]; !there {
		return 0
	}
	d, err := time.ParseDuration(text)
	switch keep := t.text("keep"); {
	case keep == "" || keep == "never" || keep == "forever":
		b.add(t.lineOf("stale"), "stale is for what grows old; write a duration for keep, such as \"5m\", or remove stale")
	case err != nil || d <= 0:
		b.add(t.lineOf("stale"), "stale = %q is no duration above zero; write one such as \"1h\", or remove it", text)
	}
	return max(d, 0)
}

// trust checks what an auditor greps for: who may send the bytes, and who says that they are the right ones.
func (b builder) trust(t table, p *Path) {
	switch p.From {
	case "":
		p.From = FromOrigin
	case FromOrigin:
	case FromAny:
		if p.Notary == "" && p.Why == "" {
			b.add(t.lineOf("from"), "from = \"any\" needs a notary, or a why that says in words why nobody needs to vouch; add one, or write from = \"origin\"")
		}
	case FromQuorum:
		if !canPoll(p.Notary) {
			b.add(t.lineOf("from"), "from = \"quorum\" needs a notary that can ask mirrors in the origin's place, and only tag can; write notary = \"tag\", or another from")
		}
	default:
		b.add(t.lineOf("from"), "from = %q is not known; write \"origin\", \"any\" or \"quorum\"", p.From)
	}
	if (p.From == FromAny || p.From == FromQuorum) && p.Keep == Never {
		b.add(t.lineOf("from"), "from = %q has no meaning with keep = \"never\", which goes to the origin; write a duration, or remove from", p.From)
	}
	if p.Notary == "" {
		return
	}
	needs, known := notaryNeeds(p.Notary)
	if !known {
		b.add(t.lineOf("notary"), "notary = %q is not known; the notaries are gosum, path, npm and tag", p.Notary)
	}
	if keyed := func(h Host) bool { return h.Key != "" }; p.Notary == "gosum" && !slices.ContainsFunc(b.rule.Hosts, keyed) {
		b.add(t.lineOf("notary"), "the notary gosum asks a checksum database, and no [[host]] of this file has a key; add the database as one with its key, as go.toml does")
	}
	for _, name := range needs {
		if p.pattern != nil && !slices.Contains(p.pattern.names(), name) {
			b.add(t.lineOf("notary"), "the notary %s asks for {%s}, which the pattern has not; name it there", p.Notary, name)
		}
	}
}

// notaryNeeds tells by which variables a notary knows what it is asked for.
func notaryNeeds(name string) (vars []string, known bool) {
	switch name {
	case "gosum":
		return []string{"module", "version"}, true
	case "path":
		return []string{"digest"}, true
	case "npm":
		return []string{"name", "file"}, true
	case "tag":
		return []string{"repo"}, true
	}
	return nil, false
}

// canPoll tells of which notary mirrors can be asked what it asks the origin: a header names the digest, and two of them
// can be compared.
func canPoll(notary string) bool { return notary == "tag" }

func (b builder) templates(t table, p *Path) {
	names := p.pattern.names()
	var err error
	if p.subject, err = parseTemplate(p.Subject, names); err != nil {
		b.add(t.lineOf("subject"), "subject = %q: %v", p.Subject, err)
	}
	if p.send, err = parseTemplate(p.Send, names); err != nil {
		b.add(t.lineOf("send"), "send = %q: %v", p.Send, err)
		return
	}
	sample := p.send.expand(nil, func(string) string { return "x" })
	if _, ok := clean(sample); p.Send != "" && !ok {
		b.add(t.lineOf("send"), "send = %q is no escaped path without a query; write one such as \"/@{scope}%%2f{name}\"", p.Send)
	}
}

func (b builder) types(t table, p *Path) {
	for _, item := range t.keys["accept"].items {
		if _, ok := parseRange(item.text); !ok || strings.ContainsFunc(item.text, unicode.IsControl) {
			b.add(item.line, "accept holds %q, which is no media type; write type/subtype", item.text)
		} else if p.From != FromOrigin && !isPlainType(item.text) {
			b.add(item.line, "accept holds %q, but what mirrors send must be one of these types; write type/subtype in lower case, or from = \"origin\"", item.text)
		}
	}
	seen := map[string]bool{}
	for _, item := range t.keys["variants"].items {
		if !isPlainType(item.text) {
			b.add(item.line, "variants holds %q, which is no plain media type; write type/subtype in lower case", item.text)
		} else if seen[item.text] {
			b.add(item.line, "variants holds %q twice; remove one", item.text)
		}
		seen[item.text] = true
	}
	for _, item := range t.keys["answer"].items {
		if !slices.Contains([]string{"always", "gateway", "offline"}, item.text) {
			b.add(item.line, "answer holds %q, which is not known; write \"always\", \"gateway\" or \"offline\"", item.text)
		}
	}
	if p.Type != "" && (!strings.Contains(p.Type, "/") || strings.ContainsAny(p.Type, " *;,")) {
		b.add(t.lineOf("type"), "type = %q is no beginning of a media type; write one such as \"application/\"", p.Type)
	}
}

// place finds the host of a path, and a path that an equal one before it makes useless.
func (b builder) place(t table, p *Path) {
	if p.Host != "" {
		key := hostKey(p.Host)
		p.on = slices.IndexFunc(b.rule.Hosts, func(h Host) bool { return h.Name == key })
		if p.on < 0 {
			b.add(t.lineOf("host"), "host = %q is no [[host]] of this file; add it, or name one that is", p.Host)
			return
		}
	}
	for _, o := range b.rule.Paths {
		if o.on == p.on && o.Pattern == p.Pattern && p.Pattern != "" {
			b.add(t.lineOf("match"), "match = %q is on line %d already and decides there; remove one", p.Pattern, o.Line)
		}
	}
}

// changes reads what a client's change of a path makes old beside it. What is not kept cannot be.
func (b builder) changes(t table) {
	p := &b.rule.Paths[slices.IndexFunc(b.rule.Paths, func(p Path) bool { return p.Line == t.line })]
	for _, item := range t.keys["changes"].items {
		changed, err := parseTemplate(item.text, p.pattern.names())
		sample := changed.expand(nil, func(string) string { return "x" })
		isKept := func(o Path) bool {
			return o.on == p.on && o.Keep != Never && o.pattern != nil && o.pattern.fits(sample)
		}
		if err != nil {
			b.add(item.line, "changes holds %q: %v", item.text, err)
		} else if !slices.ContainsFunc(b.rule.Paths, isKept) {
			b.add(item.line, "changes holds %q, which no [[path]] of this host keeps; write the path of a kept answer as its pattern has it, such as \"/{name}\", or remove it", item.text)
		}
		p.changes = append(p.changes, changed)
	}
}

// join checks what no table can know alone.
func (b builder) join() {
	r := b.rule
	if len(r.Hosts) == 0 {
		b.add(1, "there is no [[host]]; add the registry's own with its name")
	}
	if len(r.Paths) == 0 {
		b.add(1, "there is no [[path]]; add one for each kind of thing that the registry serves")
	}
	for i := range r.Hosts {
		b.alias(i)
	}
	first := func(p Path) bool { return p.on == 0 } // the gateway leads to the first host
	outside := func(p Path) bool {
		_, inside := below(p.Pattern, r.Gateway)
		return first(p) && !inside
	}
	r.kept = r.Gateway != "" && slices.ContainsFunc(r.Paths, first) && !slices.ContainsFunc(r.Paths, outside)
}

// alias makes a later host without prefix and paths another name of the first.
func (b builder) alias(i int) {
	h := &b.rule.Hosts[i]
	h.same = i
	if i == 0 || slices.ContainsFunc(b.rule.Paths, func(p Path) bool { return p.on == i }) {
		return
	}
	first := b.rule.Hosts[0].Name
	switch {
	case h.Prefix != "":
		b.add(h.line, "no [[path]] is for the host %s; add some with host = %q, or remove its prefix to make it another name of %s", h.Name, h.Name, first)
	case h.Key != "" || !slices.Equal(h.Origin, []string{"https://" + urlHost(h.Name)}):
		b.add(h.line, "without paths of its own the host %s is another name of %s, which decides its origin and key; add paths, or remove them", h.Name, first)
	}
	h.same = 0
}
