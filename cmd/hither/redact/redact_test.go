package redact

import (
	"testing"

	"hither/cmd/hither/hithertest"
)

func TestSecretsAreLeftOut(t *testing.T) {
	for _, row := range []struct{ says, text, want string }{
		{"a password", "http://me:pw@proxy.corp:3128/x", "http://…@proxy.corp:3128/x"},
		{"a name that is a token", "https://ghp_abc@github.com/x", "https://…@github.com/x"},
		{"a signed URL", "https://s3/x?X-Amz-Signature=abc&X-Amz-Date=2024", "https://s3/x?X-Amz-Signature=…&X-Amz-Date=…"},
		{"what a registry asks", "/v2/x?ns=docker.io&token=abc", "/v2/x?ns=docker.io&token=…"},
		{"within a sentence", `Get "https://h/p?sig=a%2Fb": refused`, `Get "https://h/p?sig=…": refused`},
		{"a header", "Authorization: Bearer abcdefgh.ijkl", "Authorization: Bearer …"},
		{"a challenge is none", `Bearer realm="https://auth.docker.io/token",service="x"`, `Bearer realm="https://auth.docker.io/token",service="x"`},
		{"an npm scope is no password", "https://registry.npmjs.org/@corp/pkg", "https://registry.npmjs.org/@corp/pkg"},
		{"a module version is none", "go get example.com/m@v1.2.3", "go get example.com/m@v1.2.3"},
		{"npm logout", "DELETE /npm/-/user/token/npm_abc failed", "DELETE /npm/-/user/token/… failed"},
		{"npm token revoke", "https://registry.npmjs.org/-/npm/v1/tokens/token/npm_abc", "https://registry.npmjs.org/-/npm/v1/tokens/token/…"},
		{"two URLs", "http://a:b@c http://d:e@f", "http://…@c http://…@f"},
	} {
		hithertest.Same(t, row.says, Text(row.text), row.want)
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("http://me:", "@h/?a=b")
	f.Add("x?token=", "&y=z")
	f.Fuzz(func(t *testing.T, before, after string) {
		once := Text(before + after)
		hithertest.Same(t, "twice", Text(once), once)
	})
}
