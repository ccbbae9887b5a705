package npm

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"hither/forward/project"
)

const oddPackument = `{"_id":"p","readme":"a \"quoted\\\\\" brace } and \\","dist-tags":{"latest":"1.0.0"},
"versions":{"1.0.0":{"name":"p","dependencies":{"a":"^1","b":7,"gone":"1","own":"1"},"optionalDependencies":{"o":"~2"},
 "peerDependencies":{"x":">=1","y":"*","a":"2"},"peerDependenciesMeta":{"y":{"optional":true},"x":{"optional":"no"}},
 "bundledDependencies":["gone"],"bundleDependencies":["own"],"os":"linux","deprecated":"",
 "dist":{"tarball":"https://registry.npmjs.org/p/-/p-1.0.0.tgz","shasum":"da39a3ee5e6b4b0d3255bfef95601890afd80709","signatures":[{"sig":"]}"}]}},
"1.1.0":{"dependencies":["none"],"deprecated":"use \"2\"","dist":{"tarball":5}},"junk":"no version","2.0.0":{"bundleDependencies":true,"dependencies":{"a":"1"}}},"time":{"1.0.0":1e400}}`

func TestPackument(t *testing.T) {
	doc, ok := readPackument("p", []byte(oddPackument))
	if !ok || len(doc.releases) != 4 {
		t.Fatalf("got %v, %v", doc, ok)
	}
	first := doc.release("1.0.0")
	got := doc.sheet(first).needs()
	want := []need{{name: "a", spec: "^1"}, {name: "b"}, {name: "o", spec: "~2", spare: true}, {name: "x", spec: ">=1", peer: true}, {name: "y", spec: "*", peer: true, optional: true}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("needs\n got %v\nwant %v", got, want)
	}
	if first.integrity != "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=" || first.deprecated || !doc.release("1.1.0").deprecated {
		t.Errorf("got %+v, %+v", first, doc.release("1.1.0"))
	}
	if more := doc.sheet(doc.release("2.0.0")).needs(); len(more) != 0 {
		t.Errorf("all is bundled, and it needs %v", more)
	}
}

func TestPackumentThatIsNone(t *testing.T) {
	for _, text := range []string{
		"", "{", "[]", "null", `"versions"`, `{"versions":{}}`, `{"versions":{"1.0.0":{}}`, `{"versions":{"1.0.0":{"dist":{"tarball":"x}`,
		`{"versions"{"1.0.0":{}}}`, `{"versions":{"1.0.0":}}`, `{versions:{}}`, strings.Repeat("[", 1<<16),
	} {
		if doc, ok := readPackument("p", []byte(text)); ok {
			t.Errorf("%.40q is read as %v", text, doc)
		}
	}
}

// What encoding/json can read, the scanner passes over as a whole; and it takes from it what encoding/json would.
func FuzzPackument(f *testing.F) {
	f.Add([]byte(oddPackument))
	f.Add([]byte(`{"versions":{"1.0.0":{"deprecated":true},"1.0.0":{"os":["!linux"]}}}`))
	f.Add([]byte(`{"versions":{"1.0.0":{"dependencies":{"\u0061":"1"}}},"a":[{"b":"\\"},-1.5e3,true]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, ok := readPackument("p", data)
		if ok {
			for i := range doc.releases {
				doc.sheet(&doc.releases[i]).needs()
			}
			doc.pick(anything(), machine{Platform: project.Here()})
		}
		if !json.Valid(data) {
			return
		}
		in := &scanner{data: data}
		in.value()
		if in.failed || in.next() != 0 {
			t.Errorf("the scanner stands at %d of %d, failed %v", in.at, len(data), in.failed)
		}
		var whole struct {
			Versions map[string]json.RawMessage `json:"versions"`
		}
		if json.Unmarshal(data, &whole) == nil && len(whole.Versions) > 0 && !ok && strings.Count(string(data), "ersions") == 1 {
			t.Errorf("a packument of %d versions is not read", len(whole.Versions))
		}
	})
}

func BenchmarkPackument(b *testing.B) {
	version := `{"name":"p","version":"1","dependencies":{"a":"^1.0.0","b":"^2.0.0"},"scripts":{"test":"` + strings.Repeat("x", 2000) + `"},"dist":{"tarball":"https://registry.npmjs.org/p/-/p-1.0.0.tgz","integrity":"sha512-AAAA"}}`
	var text strings.Builder
	text.WriteString(`{"dist-tags":{"latest":"1.0.1"},"versions":{"1.0.0":` + version)
	for i := range 1000 {
		text.WriteString(`,"1.0.` + strings.Repeat("1", i%5+1) + `":` + version)
	}
	text.WriteString("}}")
	data := []byte(text.String())
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := readPackument("p", data); !ok {
			b.Fatal("not read")
		}
	}
}
