package bearer

import (
	"strings"
	"testing"
)

func FuzzToken(f *testing.F) {
	f.Add([]byte(`{"token":"abc","expires_in":300}`))
	f.Add([]byte(`{"access_token":"abc","expires_in":"60"}`))
	f.Add([]byte(`{"token":"a\nb"}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := parseToken(body)
		if err == nil && (got.text == "" || strings.ContainsAny(got.text, " \r\n") || got.life < 0 || got.life > maxLife) {
			t.Errorf("%+v", got)
		}
	})
}
