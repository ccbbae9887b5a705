package tools

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/pelletier/go-toml/v2"

	"hither/install/installtest"
	"hither/install/lines"
)

func FuzzJSON(f *testing.F) {
	for _, seed := range []string{"", "{}", "\ufeff{\n \"a\": [1, {\"registry-mirrors\": 2}] }\n", `{"registry-mirrors": null}`, `{"registry-mirrors":[ ]}`, `{"registry-mirrors":["x"`,
		"{\r\n\"registry-mirrors\":[\r\n\"x\"\r\n]}", `{"registry-mirrors":["x"],"a":1e999}`, `{"a":1,"registry-mirrors":["x"]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, old []byte) {
		now, ok := installtest.Promise(t, old, func(b []byte) ([]byte, error) { return lines.PutFirst(b, "registry-mirrors", "http://127.0.0.1:7890") })
		if !ok {
			return
		}
		var tree map[string]any
		if err := json.Unmarshal(bytes.TrimPrefix(now, []byte("\ufeff")), &tree); err != nil {
			t.Fatalf("%q became %q, which is no JSON: %v", old, now, err)
		}
		list, _ := tree["registry-mirrors"].([]any)
		for _, item := range list {
			if item == "http://127.0.0.1:7890" {
				return
			}
		}
		t.Errorf("%q became %q, without our mirror", old, now)
	})
}

func FuzzTOML(f *testing.F) {
	for _, seed := range []string{"", "[http]", "[http]\nproxy='x'", "http.timeout=3\n", "[ http ]\n[source]\n", "a=\"\"\"\n[http]\n\"\"\"\n", "[host.\"x\"]\r\n", "[[host]]\n", "host=3", "# [host\n"} {
		f.Add([]byte(seed))
	}
	edits := []func(*lines.TOML) ([]byte, error){
		func(f *lines.TOML) ([]byte, error) { return putCargoProxy(f, tooling()) },
		func(f *lines.TOML) ([]byte, error) {
			with := tooling()
			with.Gateways["cargo"] = "/crates"
			return putCargoSource(f, with)
		},
		func(f *lines.TOML) ([]byte, error) { return putHost(f.Text, "http://127.0.0.1:7890") },
	}
	f.Fuzz(func(t *testing.T, old []byte) {
		for _, edit := range edits {
			now, ok := installtest.Promise(t, old, func(b []byte) ([]byte, error) {
				f, err := lines.ParseTOML(b)
				if err != nil {
					return nil, err
				}
				return edit(f)
			})
			if tree := map[string]any{}; ok && toml.Unmarshal(now, &tree) != nil {
				t.Errorf("%q became %q, which is no TOML", old, now)
			}
		}
	})
}

func FuzzINI(f *testing.F) {
	for _, seed := range []string{"", "proxy=x", "[global]\nproxy = http://127.0.0.1:7890\n", "[global]", "a=b\r\n[global]\r\n", "; c\n[Proxy Settings]\nProxyType=1\n", "[global]\ncert\n x\n", "=", "[]", "proxy=false",
		"GOPROXY=https://proxy.golang.org", "GOPROXY=|", "httpProxy: x", "key: |\n  text\n"} {
		f.Add([]byte(seed))
	}
	w := installtest.NewWorld(f, "linux", nil)
	f.Fuzz(func(t *testing.T, old []byte) {
		for _, edit := range []func([]byte) ([]byte, error){
			func(b []byte) ([]byte, error) { return putNpmProxy(b, tooling(), w.Machine) },
			func(b []byte) ([]byte, error) { return putPipProxy(b, tooling()) },
			func(b []byte) ([]byte, error) { return putYarnProxy(b, tooling()) },
			func(b []byte) ([]byte, error) { return putGoProxy(b, "http://127.0.0.1:7890/go", goDefault) },
		} {
			installtest.Promise(t, old, edit)
		}
	})
}
