package forward

import (
	"net/http"
	"net/url"
	"strings"
)

// foreign says whether a page of another site had a browser send r. Browsers tell by Fetch Metadata, the older ones and
// all scripts by Origin; other clients send neither.
func foreign(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "cross-site", "same-site": // another port is the same site, and a stranger
		return true
	case "same-origin", "none":
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin)
	return err != nil || !strings.EqualFold(u.Host, r.Host)
}

// visits says whether the user followed a link: he sees the answer, the page that he came from does not.
func visits(r *http.Request) bool {
	return reads(r) && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}

// enclose keeps what a registry serves from becoming a page of ours, should a browser show it: anybody may have published
// it. Nor may it leave cookies with this machine.
func enclose(h http.Header) {
	h.Del("Set-Cookie")
	h.Set("Content-Security-Policy", "sandbox")
	h.Set("X-Content-Type-Options", "nosniff")
}
