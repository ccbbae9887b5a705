package tools

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"hither/install"
	"hither/install/installtest"
	"hither/install/lines"
	"hither/install/stage"
)

func tooling() Tooling {
	return Tooling{Proxy: "127.0.0.1:7890", Gateways: map[string]string{"go": "/go", "docker": "/v2"}, Bundle: "/state/bundle.pem"}
}

// toolSteps are the steps of one tool.
func toolSteps(t testing.TB, m *install.Machine, with Tooling, names ...string) []install.Step {
	t.Helper()
	steps, err := Steps(m, with, names...)
	stage.Check(t, err)
	return steps
}

// TestAToolGoesThroughUsAndBack has a row for each way in which a tool's file may be found. Doing it twice changes
// nothing more, and undoing leaves every byte as it was.
func TestAToolGoesThroughUsAndBack(t *testing.T) {
	for _, row := range []struct {
		tool, path, before, after string
	}{
		{"go", "/home/u/.config/go/env", "", "GOPROXY=http://127.0.0.1:7890/go|https://proxy.golang.org,direct\n"},
		{"go", "/home/u/.config/go/env", "GOPRIVATE=corp.example\nGOPROXY=https://goproxy.cn,direct\nGOFLAGS=-mod=mod",
			"GOPRIVATE=corp.example\nGOPROXY=http://127.0.0.1:7890/go|https://goproxy.cn,direct\nGOFLAGS=-mod=mod"},
		{"go", "/home/u/.config/go/env", "GOPRIVATE=corp.example", "GOPRIVATE=corp.example\nGOPROXY=http://127.0.0.1:7890/go|https://proxy.golang.org,direct\n"},
		{"go", "/home/u/.config/go/env", "GOPROXY=http://127.0.0.1:7891/go|https://proxy.golang.org\n", "GOPROXY=http://127.0.0.1:7890/go|https://proxy.golang.org\n"},
		{"npm", "/home/u/.npmrc", "", "https-proxy=http://127.0.0.1:7890\nproxy=http://127.0.0.1:7890\nnoproxy=localhost,127.0.0.1,::1\ncafile=/state/bundle.pem\n"},
		{"npm", "/home/u/.npmrc", "//registry.npmjs.org/:_authToken=s3cret\nnoproxy=.corp.example\ncafile=/etc/corp.pem",
			"//registry.npmjs.org/:_authToken=s3cret\nnoproxy=.corp.example,localhost,127.0.0.1,::1\ncafile=/etc/corp.pem\nhttps-proxy=http://127.0.0.1:7890\nproxy=http://127.0.0.1:7890\n"},
		{"npm", "/home/u/.npmrc", "https-proxy=http://127.0.0.1:8118/\r\n",
			"https-proxy=http://127.0.0.1:7890\r\nproxy=http://127.0.0.1:7890\r\nnoproxy=localhost,127.0.0.1,::1\r\ncafile=/state/bundle.pem\r\n"},
		{"yarn", "/home/u/.yarnrc.yml", "nodeLinker: node-modules\nnpmScopes:\n  corp:\n    npmAuthToken: x\n",
			"nodeLinker: node-modules\nnpmScopes:\n  corp:\n    npmAuthToken: x\nhttpProxy: \"http://127.0.0.1:7890\"\nhttpsProxy: \"http://127.0.0.1:7890\"\nhttpsCaFilePath: '/state/bundle.pem'\n"},
		{"docker", "/etc/docker/daemon.json", "", `{"registry-mirrors": ["http://127.0.0.1:7890"]}` + "\n"},
		{"docker", "/etc/docker/daemon.json", "{}", `{"registry-mirrors": ["http://127.0.0.1:7890"]}`},
		{"docker", "/etc/docker/daemon.json", "{\n\t\"debug\": true\n}\n", "{\n\t\"registry-mirrors\": [\"http://127.0.0.1:7890\"],\n\t\"debug\": true\n}\n"},
		{"docker", "/etc/docker/daemon.json", "{\r\n  \"debug\": true\r\n}", "{\r\n  \"registry-mirrors\": [\"http://127.0.0.1:7890\"],\r\n  \"debug\": true\r\n}"},
		{"docker", "/etc/docker/daemon.json", `{"x":{"registry-mirrors":1},"registry-mirrors":["https://m.example"]}`,
			`{"x":{"registry-mirrors":1},"registry-mirrors":["http://127.0.0.1:7890", "https://m.example"]}`},
		{"docker", "/etc/docker/daemon.json", "{\n  \"registry-mirrors\": [\n    \"https://m.example\"\n  ]\n}\n",
			"{\n  \"registry-mirrors\": [\n    \"http://127.0.0.1:7890\",\n    \"https://m.example\"\n  ]\n}\n"},
		{"containerd", "/etc/containerd/certs.d/docker.io/hosts.toml", "",
			"server = \"https://registry-1.docker.io\"\n\n[host.\"http://127.0.0.1:7890\"]\n  capabilities = [\"pull\", \"resolve\"]\n  dial_timeout = \"1s\"\n"},
		{"containerd", "/etc/containerd/certs.d/docker.io/hosts.toml", "server = \"https://docker.io\"\n# mine\n[host.\"https://m.example\"]\n  capabilities = [\"pull\"]\n",
			"server = \"https://docker.io\"\n# mine\n[host.\"http://127.0.0.1:7890\"]\n  capabilities = [\"pull\", \"resolve\"]\n  dial_timeout = \"1s\"\n\n[host.\"https://m.example\"]\n  capabilities = [\"pull\"]\n"},
		{"cargo", "/home/u/.cargo/config.toml", "", "http.proxy = \"http://127.0.0.1:7890\"\nhttp.cainfo = \"/state/bundle.pem\"\n"},
		{"cargo", "/home/u/.cargo/config.toml", "[build]\njobs = 2\n[http]\ncainfo = \"/corp.pem\"",
			"[build]\njobs = 2\n[http]\nproxy = \"http://127.0.0.1:7890\"\ncainfo = \"/corp.pem\""},
		{"cargo", "/home/u/.cargo/config", "[net]\noffline = false\n",
			"http.proxy = \"http://127.0.0.1:7890\"\nhttp.cainfo = \"/state/bundle.pem\"\n[net]\noffline = false\n"},
		{"cargo", "/home/u/.cargo/config.toml", "\ufeff[net]\noffline = false\n",
			"\ufeffhttp.proxy = \"http://127.0.0.1:7890\"\nhttp.cainfo = \"/state/bundle.pem\"\n[net]\noffline = false\n"},
		{"pip", "/home/u/.config/pip/pip.conf", "", "[global]\nproxy = http://127.0.0.1:7890\ncert = /state/bundle.pem\n"},
		{"pip", "/home/u/.config/pip/pip.conf", "[global]\nindex-url = https://a.example/simple\ntrusted_host = a\n  b\n[install]\nproxy = http://c\n",
			"[global]\nproxy = http://127.0.0.1:7890\ncert = /state/bundle.pem\nindex-url = https://a.example/simple\ntrusted_host = a\n  b\n[install]\nproxy = http://c\n"},
		{"pip", "/home/u/.config/pip/pip.conf", "[global]\n    index-url = https://a.example/simple\n    trusted_host = a\n      b\n",
			"[global]\n    proxy = http://127.0.0.1:7890\n    cert = /state/bundle.pem\n    index-url = https://a.example/simple\n    trusted_host = a\n      b\n"},
	} {
		t.Run(row.tool, func(t *testing.T) {
			files := map[string]string{"/home/u/": ""}
			if row.before != "" {
				files[row.path] = row.before
			}
			w, with := installtest.NewWorld(t, "linux", files), tooling()
			with.Upstream = "http://127.0.0.1:8118"
			tree := w.Tree()
			steps := toolSteps(t, w.Machine, with, row.tool)
			installtest.InForce(t, steps[0], false)
			stage.Check(t, install.Apply(t.Context(), steps...))
			stage.Same(t, "file", w.Text(row.path), row.after)
			installtest.InForce(t, steps[0], true)
			stage.Check(t, steps[0].Do(t.Context()))
			stage.Same(t, "file, done twice", w.Text(row.path), row.after)
			stage.Check(t, steps[0].Undo(t.Context()))
			stage.Same(t, "tree", w.Tree(), tree)
		})
	}
}

// TestAToolOfTheUsersChoiceIsLeftAlone has a row for each value that is not ours to replace.
func TestAToolOfTheUsersChoiceIsLeftAlone(t *testing.T) {
	for _, row := range []struct {
		tool, path, text, says string
	}{
		{"go", "/home/u/.config/go/env", "GOPROXY=off\n", "no proxy shall be asked"},
		{"go", "/home/u/.config/go/env", "GOPROXY=direct\n", "go env -u GOPROXY"},
		{"go", "/home/u/.config/go/env", "GOPROXY=https://me:pw@athens.corp.example,direct\n", "which may know names"},
		{"npm", "/home/u/.npmrc", "https-proxy=http://me:pw@proxy.corp.example:8080\n", "upstream-proxy"},
		{"npm", "/home/u/.npmrc", "proxy=false\n", "forbids a proxy"},
		{"npm", "/home/u/.npmrc", "\xff\xfe\x00", "UTF-8"},
		{"yarn", "/home/u/.yarnrc.yml", "httpsProxy: http://proxy.corp.example\n", "upstream-proxy"},
		{"yarn", "/home/u/.yarnrc.yml", "# mine\n{npmAuthToken: pw}\n", "has no \"key: value\" in line 2: write it so, or leave yarn out"},
		{"docker", "/etc/docker/daemon.json", "{\"debug\": true,}", "put it right"},
		{"docker", "/etc/docker/daemon.json", "{\"debug\": ", "ends too early"},
		{"docker", "/etc/docker/daemon.json", "[]", "brace"},
		{"docker", "/etc/docker/daemon.json", "{} {}", "after its last brace"},
		{"docker", "/etc/docker/daemon.json", `{"a":1,"a":2}`, "twice"},
		{"docker", "/etc/docker/daemon.json", `{"registry-mirrors":"x"}`, "no list of strings"},
		{"docker", "/etc/systemd/system/docker.service.d/m.conf", "[Service]\nExecStart=dockerd --registry-mirror=https://m.example\n", "--registry-mirror"},
		{"containerd", "/etc/containerd/config.toml", "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/opt/hosts\"\n", "/opt/hosts"},
		{"containerd", "/etc/containerd/certs.d/docker.io/hosts.toml", "[host", "put it right"},
		{"containerd", "/etc/containerd/certs.d/_default/hosts.toml", "[host.\"https://mirror.corp.example\"]\n", "sudo cp -r /etc/containerd/certs.d/_default /etc/containerd/certs.d/docker.io"},
		{"cargo", "/home/u/.cargo/config.toml", "[http]\nproxy = \"socks5://p\"\n", "upstream-proxy"},
		{"cargo", "/home/u/.cargo/config.toml", "http = {timeout = 3}\n", "by hand"},
		{"pip", "/home/u/.config/pip/pip.conf", "index-url = https://me:pw@pypi.corp.example\n", "in line 1, above its first [section]"},
		{"pip", "/home/u/.config/pip/pip.conf", "\ufeff[global]\ntimeout = 9\n", "byte order mark"},
		{"pip", "/etc/pip.conf", "[global]\nproxy: http://proxy.corp.example\n", "/etc/pip.conf"},
		{"pip", "/home/u/.config/pip/pip.conf", "[global]\n  timeout = 9\n\n  proxy = http://proxy.corp.example\n", "upstream-proxy"},
		{"pip", "/home/u/.config/pip/pip.conf", "[global] # mine\nproxy = http://proxy.corp.example\n", "upstream-proxy"},
		{"pip", "/home/u/.config/pip/pip.conf", "[global]\n--proxy = http://proxy.corp.example\n", "upstream-proxy"},
		{"pip", "/home/u/.config/pip/pip.conf", "[DEFAULT]\nproxy = http://proxy.corp.example\n[global]\ntimeout = 9\n", "upstream-proxy"},
	} {
		t.Run(row.tool+" "+row.says, func(t *testing.T) {
			w := installtest.NewWorld(t, "linux", map[string]string{"/home/u/": "", row.path: row.text})
			tree := w.Tree()
			err := install.Apply(t.Context(), toolSteps(t, w.Machine, tooling(), row.tool)...)
			if err == nil || !strings.Contains(err.Error(), row.says) {
				t.Errorf("got  %v\nwant %q in it", err, row.says)
			} else if strings.Contains(err.Error(), "pw") {
				t.Errorf("a password is shown: %v", err)
			}
			stage.Same(t, "tree", w.Tree(), tree)
		})
	}
}

func TestVariablesThatGoBeforeAFileAreSeen(t *testing.T) {
	w := installtest.NewWorld(t, "linux", nil)
	for _, row := range []struct{ tool, variable, value, says string }{
		{"go", "GOPROXY", "https://goproxy.cn", "unset it"},
		{"go", "GOENV", "off", "GOENV=off"},
		{"pip", "PIP_CONFIG_FILE", "/dev/null", "unset it"},
	} {
		w.Env = func(name string) string { return map[string]string{row.variable: row.value}[name] }
		var refused *install.Refused
		if _, err := toolSteps(t, w.Machine, tooling(), row.tool)[0].Done(t.Context()); !errors.As(err, &refused) || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s=%s\ngot  %v\nwant it refused, and %q", row.variable, row.value, err, row.says)
		}
	}
	if _, err := Steps(w.Machine, tooling(), "gradle"); err == nil || !strings.Contains(err.Error(), strings.Join(Names(), ", ")) {
		t.Errorf("got  %v\nwant the names of all tools", err)
	}
}

func TestCargoIsGivenTheGatewayWhereThereIsOne(t *testing.T) {
	w, with := installtest.NewWorld(t, "linux", map[string]string{"/home/u/.cargo/config.toml": "[source.mine]\nregistry = \"sparse+https://m.example/\"\n"}), tooling()
	with.Gateways["cargo"] = "/crates"
	stage.Check(t, install.Apply(t.Context(), toolSteps(t, w.Machine, with, "cargo")...))
	stage.Same(t, "file", w.Text("/home/u/.cargo/config.toml"), "source.crates-io.replace-with = \"hither\"\nsource.hither.registry = \"sparse+http://127.0.0.1:7890/crates/\"\n"+
		"[source.mine]\nregistry = \"sparse+https://m.example/\"\n")
	w = installtest.NewWorld(t, "linux", map[string]string{"/home/u/.cargo/config.toml": "[source.crates-io]\nreplace-with = 'ustc'\n"})
	if err := install.Apply(t.Context(), toolSteps(t, w.Machine, with, "cargo")...); err == nil || !strings.Contains(err.Error(), `"ustc"`) {
		t.Errorf("got  %v\nwant the replacement that the user made", err)
	}
}

func TestADistributionsOwnGoDefaultCounts(t *testing.T) {
	w := installtest.NewWorld(t, "linux", map[string]string{
		"/usr/bin/go": "-> ../lib/go-1.26/bin/go", "/usr/lib/go-1.26/bin/go": "", "/usr/lib/go-1.26/go.env": "GOPROXY=direct\n", "/home/u/": "",
	})
	err := install.Apply(t.Context(), toolSteps(t, w.Machine, tooling(), "go")...)
	if err == nil || !strings.Contains(err.Error(), "GOPROXY=direct") {
		t.Errorf("got  %v\nwant it refused: Fedora's go asks no proxy", err)
	}
}

func TestContainerdSaysWhoDoesNotReadTheFile(t *testing.T) {
	for config, says := range map[string]string{
		"": "For Kubernetes",
		"version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n": "nothing needs to be restarted",
		"version = 3\n": "nothing needs to be restarted",
		"version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '/etc/containerd/certs.d:/etc/docker/certs.d'\n": "nothing needs to be restarted",
	} {
		w := installtest.NewWorld(t, "linux", map[string]string{containerdConfig: config})
		noted := toolSteps(t, w.Machine, tooling(), "containerd")[0].(install.Noted)
		if !strings.Contains(noted.Note, says) {
			t.Errorf("%q\ngot  %s\nwant %q in it", config, noted.Note, says)
		}
	}
}

// TestTheHostsFileOfTheClusterIsOurs keeps daemonset.yaml and the step for containerd from telling different things.
func TestTheHostsFileOfTheClusterIsOurs(t *testing.T) {
	text, err := putHost(nil, "http://127.0.0.1:7890")
	stage.Check(t, err)
	cluster, err := os.ReadFile("../files/daemonset.yaml")
	stage.Check(t, err)
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimRight(line, "\n"); line != "" && !strings.Contains(string(cluster), "\n    "+line+"\n") {
			t.Errorf("daemonset.yaml has no line %q", line)
		}
	}
}

// TestWhatOthersAddToJSONStaysJSON writes further members around ours, as people and programs do, and undoes.
func TestWhatOthersAddToJSONStaysJSON(t *testing.T) {
	for _, former := range []string{"", "{}", "{\n}\n", "{\n  \"debug\": true\n}\n", `{"registry-mirrors": ["https://m.example"]}`, "{\n  \"registry-mirrors\": [\n    \"https://m.example\"\n  ]\n}\n"} {
		for _, change := range []func([]byte) []byte{
			func(b []byte) []byte { return bytes.Replace(b, []byte("{"), []byte("{\n  \"first\": 1,"), 1) },
			func(b []byte) []byte {
				i := bytes.LastIndexByte(b, '}')
				return append(append(slices.Clone(bytes.TrimSpace(b[:i])), ",\n  \"last\": 1\n"...), b[i:]...)
			},
			func(b []byte) []byte {
				var out bytes.Buffer
				stage.Check(t, json.Indent(&out, b, "", "  "))
				return out.Bytes()
			},
			func(b []byte) []byte {
				var tree map[string]any
				stage.Check(t, json.Unmarshal(b, &tree))
				tree["live-restore"] = true
				out, err := json.MarshalIndent(tree, "", "  ")
				stage.Check(t, err)
				return out
			},
		} {
			w := installtest.NewWorld(t, "linux", map[string]string{"/etc/docker/": ""})
			if former != "" {
				w.Write("/etc/docker/daemon.json", former)
			}
			step := toolSteps(t, w.Machine, tooling(), "docker")[0]
			stage.Check(t, step.Do(t.Context()))
			now := change([]byte(w.Text("/etc/docker/daemon.json")))
			if !json.Valid(now) {
				t.Fatalf("the test is wrong: %s", now)
			}
			w.Write("/etc/docker/daemon.json", string(now))
			stage.Check(t, step.Undo(t.Context()))
			if after := w.Text("/etc/docker/daemon.json"); !json.Valid([]byte(after)) {
				t.Errorf("%q became\n%s\nand undone\n%s\nwant JSON", former, now, after)
			}
		}
	}
}

// TestLinesOfOthersKeepTheirHeader is about files in which a line means something only below its header.
func TestLinesOfOthersKeepTheirHeader(t *testing.T) {
	for _, row := range []struct{ file, former, ours, now, want string }{
		{"/pip.conf", "", "[global]\nproxy = p\n", "[global]\nproxy = p\ntimeout = 60\n", "[global]\ntimeout = 60\n"},
		{"/pip.conf", "", "[global]\nproxy = p\n", "[global]\nproxy = p\n", ""},
		{"/hosts.toml", "", "[host.a]\nx = 1\n", "[host.a]\nx = 1\ny = 2\n", "[host.a]\ny = 2\n"},
		{"/daemon.json", "{\n}\n", "{\n  \"a\": 1\n}\n", "{\n  \"b\": 1,\n  \"a\": 1\n}\n", "{\n  \"b\": 1,\n  \"a\": 1\n}\n"},
		{"/daemon.json", "{\n  \"c\": 1\n}\n", "{\n  \"a\": 1,\n  \"c\": 1\n}\n", "{\n  \"b\": 1,\n  \"a\": 1,\n  \"c\": 1\n}\n", "{\n  \"b\": 1,\n  \"c\": 1\n}\n"},
		{"/config.toml", "\ufeff[net]\nx = 1\n", "\ufeffhttp.proxy = 1\n[net]\nx = 1\n", "\ufeffhttp.proxy = 1\nhttp.timeout = 5\n[net]\nx = 1\n", "\ufeffhttp.proxy = 1\nhttp.timeout = 5\n[net]\nx = 1\n"},
		{"/other", "", "[x]\na\n", "[x]\na\nb\n", "b\n"},
	} {
		stage.Same(t, row.file+" "+row.now, string(lines.TakeOutOf(row.file, []byte(row.former), []byte(row.ours), []byte(row.now))), row.want)
	}
}

// TestRealClientsSeeTheChange asks the go command, npm, pip and dockerd that are on this machine.
func TestRealClientsSeeTheChange(t *testing.T) {
	for _, row := range []struct {
		tool, path, before string
		argv               []string
		want               string
	}{
		{"go", "/home/u/.config/go/env", "GOPRIVATE=corp.example\n", []string{"go", "env", "GOPROXY", "GOPRIVATE"},
			"http://127.0.0.1:7890/go|https://proxy.golang.org,direct\ncorp.example"},
		{"npm", "/home/u/.npmrc", "noproxy=.corp.example\n", []string{"npm", "config", "get", "https-proxy", "noproxy"},
			"https-proxy=http://127.0.0.1:7890\nnoproxy=.corp.example,localhost,127.0.0.1,::1"},
		{"pip", "/home/u/.config/pip/pip.conf", "[install]\nno-cache-dir = true\n", []string{"pip", "config", "get", "global.proxy"}, "http://127.0.0.1:7890"},
		{"pip", "/home/u/.config/pip/pip.conf", "[global]\n\tindex-url = https://a.example/simple\n\ttimeout = 9\n", []string{"pip", "config", "get", "global.index-url"}, "https://a.example/simple"},
		{"pip", "/home/u/.config/pip/pip.conf", "[install]\npre = true\n[global] ; mine\ntimeout = 9\n", []string{"pip", "config", "get", "global.timeout"}, "9"},
		{"pip", "/home/u/.config/pip/pip.conf", "[global]\n  [install]\n  pre = true\n", []string{"pip", "config", "get", "install.pre"}, "true"},
		{"docker", "/etc/docker/daemon.json", "{\n  \"debug\": true\n}\n", []string{"dockerd", "--validate", "--config-file", "/etc/docker/daemon.json"}, "configuration OK"},
	} {
		t.Run(row.argv[0], func(t *testing.T) {
			t.Parallel()
			w := installtest.NewWorld(t, "linux", map[string]string{
				row.path:                            row.before,
				"/home/u/.config/go/telemetry/mode": "off", // else go may still count in there when the test has ended
			})
			with := tooling()
			with.Bundle = ""
			steps := toolSteps(t, w.Machine, with, row.tool)
			stage.Check(t, install.Apply(t.Context(), steps...))
			stage.Same(t, "what it says", installtest.Really(t, w, row.argv), row.want)
			stage.Check(t, steps[0].Undo(t.Context()))
			stage.Same(t, row.path, w.Text(row.path), row.before)
		})
	}
}

// pip would read a file that PIP_CONFIG_FILE names instead of the user's, as soon as it is there.
func TestPipsFileIsNotMadeForAVariable(t *testing.T) {
	w := installtest.NewWorld(t, "linux", map[string]string{"/home/u/.config/pip/pip.conf": "[global]\ntimeout = 9\n"})
	w.Env = func(name string) string { return map[string]string{"PIP_CONFIG_FILE": "/home/u/own.conf"}[name] }
	stage.Check(t, install.Apply(t.Context(), toolSteps(t, w.Machine, tooling(), "pip")...))
	stage.Same(t, "it is there", w.Exists("/home/u/own.conf"), false)
	stage.Same(t, "the user's", strings.HasPrefix(w.Text("/home/u/.config/pip/pip.conf"), "[global]\nproxy = http://127.0.0.1:7890\n"), true)
}

// TestToolsAreFoundWhereSudoDoesNotLook: its path is root's, and Node, Rust and their like are mostly in a home.
func TestToolsAreFoundWhereSudoDoesNotLook(t *testing.T) {
	w := installtest.NewWorld(t, "linux", map[string]string{
		"/usr/bin/dockerd": "", "/home/u/.nvm/versions/node/v24.1.0/bin/npm": "", "/home/u/.cargo/bin/cargo": "",
	})
	stage.Same(t, "found", strings.Join(Found(w.Machine), " "), "npm docker cargo")
}
