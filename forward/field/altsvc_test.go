package field

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func said(found []Alternative, clear bool, err error) string {
	if err != nil {
		return "malformed"
	}
	if clear {
		return "clear"
	}
	var text []string
	for _, a := range found {
		text = append(text, fmt.Sprintf("%s %s:%d %s %t", a.Proto, a.Host, a.Port, a.Age, a.Persist))
	}
	return strings.Join(text, ", ")
}

func TestAltSvcIsReadAsTheRFCSays(t *testing.T) {
	for _, c := range []struct{ field, want string }{
		{`h3=":443"`, "h3 :443 24h0m0s false"},
		{`h3=":443"; ma=86400, h3-29=":443"; ma=60`, "h3 :443 24h0m0s false, h3-29 :443 1m0s false"},
		{`h3="alt.example:8443";persist=1;ma="120"`, "h3 alt.example:8443 2m0s true"},
		{`h3=":443"; persist=2; v="46,43"`, "h3 :443 24h0m0s false"},
		{`w%3Dx%3Ay#z="[2001:db8::1]:8000"`, "w=x:y#z 2001:db8::1:8000 24h0m0s false"},
		{`h3=":443"; ma=99999999999999999999`, "h3 :443 720h0m0s false"},
		{" clear\t", "clear"},
		{`clear, h3=":443"`, "malformed"},
		{"Clear", "malformed"},
		{"", "malformed"},
		{`h3=:443`, "malformed"},
		{`h3=":443`, "malformed"},
		{`h3=":0"`, "malformed"},
		{`h3=":70000"`, "malformed"},
		{`h3=":+443"`, "malformed"},
		{`h3=":443" h2=":443"`, "malformed"},
		{`h3=":443",`, "malformed"},
		{`h3=":443"; ma`, "malformed"},
		{`h3=":443"; ma=-1`, "malformed"},
		{`%zz=":443"`, "malformed"},
		{strings.Repeat(`h3=":443",`, 40) + `h3=":443"`, "malformed"},
	} {
		if got := said(parseAltSvc(c.field)); got != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", c.field, got, c.want)
		}
	}
	h := http.Header{"Alt-Svc": {`h3=":443"; ma=60`, `h3=":444"; ma=30`}, "Age": {"20"}}
	want(t, said(Alternatives(h)), "h3 :443 "+(40*time.Second).String()+" false, h3 :444 10s false")
}

func FuzzAltSvc(f *testing.F) {
	for _, seed := range []string{`h3=":443"; ma=86400; persist=1, h2="a.example:80"`, "clear", `h3="\":1"`, `%41=":1"`, `a=":1";b="`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, field string) {
		found, clear, err := parseAltSvc(field)
		if err != nil && (found != nil || clear) {
			t.Fatal("a malformed field said something")
		}
		for _, a := range found {
			if a.Port == 0 || a.Age < 0 || a.Age > MaxAge || a.Proto == "" {
				t.Fatalf("%q\ngot  %+v", field, a)
			}
		}
	})
}
