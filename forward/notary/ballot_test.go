package notary

import (
	"net/http"
	"strings"
	"testing"

	"hither/cache/digest"
	"hither/rules"
)

func FuzzVote(f *testing.F) {
	f.Add(200, sum("a"), "", indexKind)
	f.Add(200, sum("a"), sum("b"), manifestKind+";q=1")
	f.Add(404, "sha1:"+sha1A, "sha256:", "text/html,"+indexKind)
	f.Add(200, "sha512:"+strings.Repeat("0", 128), " ", "")
	p := &poll{t: f, from: rules.FromQuorum}
	m := p.match()
	f.Fuzz(func(t *testing.T, status int, one, two, kind string) {
		h := http.Header{"Docker-Content-Digest": {one}, "Content-Type": {kind}}
		if two != "" {
			h.Add("Docker-Content-Digest", two)
		}
		v := readVote(m, "https://a.test", h, status)
		if (v.digest == "") == (v.err == nil) {
			t.Fatalf("\ngot  %q and %v\nwant one of them", v.digest, v.err)
		}
		b := &ballot{rule: m.Rule, votes: []vote{v, v}}
		if len(b.String()) > 2*(maxBrief+200) || len(b.elected()) > 0 {
			t.Fatalf("\ngot  %q, elected %v\nwant a short text, and nobody elected by himself", b, b.elected())
		}
		if v.err != nil {
			return
		}
		if d, err := digest.Parse(one); status != 200 || err != nil || d != v.digest || two != "" && two != one || (v.kind != indexKind && v.kind != manifestKind) {
			t.Fatalf("\ngot  %+v of %d %q %q %q\nwant no vote", v, status, one, two, kind)
		}
	})
}
