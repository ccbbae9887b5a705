package sysproxy

import (
	"testing"

	"hither/install/installtest"
)

func FuzzKDE(f *testing.F) {
	for _, seed := range []string{"", "; c\n[Proxy Settings]\nProxyType=1\n", "[Proxy Settings]", "[global]\r\na=b\r\n", "=", "[]", "httpProxy: x"} {
		f.Add([]byte(seed))
	}
	w := installtest.NewWorld(f, "linux", nil)
	f.Fuzz(func(t *testing.T, old []byte) {
		installtest.Promise(t, old, func(b []byte) ([]byte, error) { return putKDEProxy(b, w.Machine, proxying()) })
	})
}

func FuzzDesktopAnswers(f *testing.F) {
	for _, seed := range []string{"['localhost', 'it\\'s']", "@as []", `[1,"127.0.0.1:7890","<local>",null]`, "Enabled: Yes\nServer: a\nPort: 1\n", `[null]`, "null", `{"a":1}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		gvariantStrings(text)
		parseWebProxy(text)
		bypassDomains(text)
		if w, err := parseWininet(text); err == nil {
			if again, err := parseWininet(w.String()); err != nil || again.String() != w.String() {
				t.Errorf("%q was read as %s, which is not read as itself: %v", text, w, err)
			}
			w.script()
		}
	})
}
