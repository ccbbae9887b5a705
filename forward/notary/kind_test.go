package notary

import "testing"

func TestWhatAManifestCallsItself(t *testing.T) {
	for _, row := range []struct{ says, document, want string }{
		{"its own word", `{"mediaType":"application/vnd.docker.distribution.manifest.v2+json","layers":[]}`, "application/vnd.docker.distribution.manifest.v2+json"},
		{"an index without one", `{"schemaVersion":2,"manifests":[]}`, ociIndex},
		{"a manifest without one", `{"schemaVersion":2,"config":{},"layers":[]}`, ociManifest},
		{"both at once", `{"manifests":[],"layers":[]}`, ""},
		{"neither", `{}`, ""},
		{"another document", `[1]`, ""},
		{"a word of another kind", `{"mediaType":1,"layers":[]}`, ""},
		{"something else", "\x1f\x8b", ""},
	} {
		if got := Kind([]byte(row.document)); got != row.want {
			t.Errorf("%s\ngot  %q\nwant %q", row.says, got, row.want)
		}
	}
}
