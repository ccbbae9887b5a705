package npmrc

import (
	"bytes"
	"slices"
)

// Trust is whom npm believes, and whether it has a proxy of its own: what would go before the environment that Hither sets.
type Trust struct {
	// CAFiles and CA (PEM text) are all that the user said at any level. Other tools may have them, too: nothing of the
	// project is among them, for who writes a project's files must not choose whom git and curl believe.
	CAFiles, CA []string

	Replaced bool   // ca or cafile is in force: npm then knows Roots and no others, not even NODE_EXTRA_CA_CERTS
	Roots    []byte // PEM text, perhaps without any certificate: then npm believes nobody

	LeftOut string // the project's directory, if it would have replaced npm's roots and was not asked; else empty
	Proxy   bool   // proxy or https-proxy: they go before HTTPS_PROXY
}

// Trust reads npm's settings and finds whom it believes. Only with Project may the project say whom npm, and npm alone,
// believes.
func (r Reader) Trust() Trust {
	outside, inside := r, r
	outside.Project, inside.Project = false, true
	own, all := outside.Read(), inside.Read()
	t := Trust{Proxy: slices.ContainsFunc(all.levels, func(l Level) bool { return l.value("proxy")+l.value("https-proxy") != "" })}
	for _, level := range own.levels {
		if path := own.r.absolute(level.value("cafile")); path != "" && !own.r.within(path) {
			t.CAFiles = append(t.CAFiles, path)
		}
		if text, _ := Expand(level.value("ca"), r.lookup); text != "" {
			t.CA = append(t.CA, text)
		}
	}
	t.Roots, t.Replaced = all.roots()
	if r.Project {
		return t
	}
	roots, replaced := own.roots()
	if t.Replaced && !(replaced && bytes.Equal(roots, t.Roots)) {
		t.LeftOut = own.r.Root
	}
	t.Roots, t.Replaced = roots, replaced
	return t
}

// roots is what ca or cafile in force say; false: npm believes whom Node believes. The levels are gone through as npm does
// when it flattens them: of ca and cafile, the one that came later at the strongest level that has any. A cafile that is
// empty or not there is none, but a ca that is null takes back what weaker levels say.
func (c Config) roots() ([]byte, bool) {
	for _, level := range c.levels {
		for _, s := range slices.Backward(level.settings) {
			switch {
			case s.Name == "ca" && s.None():
				return nil, false
			case s.Name == "ca":
				text, _ := Expand(s.Text(), c.r.lookup)
				return []byte(text), true
			case s.Name == "cafile":
				if data, err := c.r.open(c.r.absolute(level.value("cafile"))); err == nil && len(data) > 0 {
					return data, true
				}
			}
		}
	}
	return nil, false
}
