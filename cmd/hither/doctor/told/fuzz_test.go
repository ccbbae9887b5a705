package told

import "testing"

// What stands in a user's files may be anything. Nothing may crash, and no value may be longer than the file.

func FuzzEngine(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"registry-mirrors": ["http://127.0.0.1:7890"], "dns": ["::1"]}`, `{"proxies": {"https-proxy": 1}}`, `[`, `{"dns": null}`, "\xef\xbb\xbf{}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(_ *testing.T, data []byte) {
		e, err := parseEngine(data)
		if err == nil {
			for _, m := range e.Mirrors {
				FromDesktop(m)
			}
		}
		_, _ = parseGuests(data)
		_, _ = Mirrors(data)
	})
}

func FuzzPip(f *testing.F) {
	for _, seed := range []string{"", "[global]\nindex-url = https://x/simple\n", "[install]\ntrusted-host =\n  a\n  b\n", "[GLOBAL]\nIndex_Url: x", " x", "[", "[]", "[a]\n:\n", "\r"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if value, _ := findPip(text, "global", "index-url"); len(value) > len(text) {
			t.Errorf("the value is longer than the file: %q", value)
		}
	})
}

func FuzzOtherFiles(f *testing.F) {
	for _, seed := range []string{"", "[http]\nproxy = \"x\"\n[source.crates-io]\nreplace-with = \"crates-io\"", "Environment=\"A=b c\" 'D=e"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _ = parseCargo(data)
		unitVariable(string(data), "HTTPS_PROXY")
	})
}
