package settings

import (
	"io/fs"
	"os"
	"strings"
	"testing"

	"hither/cmd/hither/environ"
	"hither/cmd/hither/hithertest"
	"hither/rules"
	rulesd "hither/rules.d"
)

// load reads settings in a home whose config.toml is file.
func loadWith(t *testing.T, file string, env environ.List, flags map[string][]string) (Settings, error) {
	t.Helper()
	read := func(path string) ([]byte, error) {
		if path == "/home/u/.config/hither/config.toml" && file != "" {
			return []byte(file), nil
		}
		return nil, fs.ErrNotExist
	}
	return Load(Sources{Flags: flags, Env: append(environ.List{"HOME=/home/u"}, env...), Dir: "/work", ReadFile: read})
}

func TestLaterSourcesBeatEarlierOnes(t *testing.T) {
	hithertest.SkipElsewhere(t)
	for _, row := range []struct {
		says  string
		file  string
		env   environ.List
		flags map[string][]string
		key   string
		want  string
		from  string
	}{
		{"nobody spoke", "", nil, nil, "listen", "127.0.0.1:7890", "default"},
		{"the file speaks", "\nlisten = \"127.0.0.1:1\"", nil, nil, "listen", "127.0.0.1:1", "/home/u/.config/hither/config.toml:2"},
		{"the environment beats the file", `listen = "127.0.0.1:1"`, environ.List{"HITHER_LISTEN=127.0.0.1:2"}, nil, "listen", "127.0.0.1:2", "HITHER_LISTEN"},
		{"a flag beats both", `listen = "127.0.0.1:1"`, environ.List{"HITHER_LISTEN=127.0.0.1:2"}, map[string][]string{"listen": {"127.0.0.1:3"}}, "listen", "127.0.0.1:3", "--listen"},
		{"an empty variable says nothing", `cache = "off"`, environ.List{"HITHER_CACHE="}, nil, "cache", "off", "/home/u/.config/hither/config.toml:1"},
		{"a list replaces a list", `private = ["a", "b"]`, nil, map[string][]string{"private": {"c,d", "e"}}, "private", "c,d,e", "--private"},
		{"an amount is read", "", environ.List{"HITHER_CACHE_LIMIT=1.5 GiB"}, nil, "cache-limit", "1.5 GiB", "HITHER_CACHE_LIMIT"},
		{"a number is bytes", "cache-free = 4096", nil, nil, "cache-free", "4 KiB", "/home/u/.config/hither/config.toml:1"},
		{"a switch is read", "verbose = true", nil, nil, "verbose", "true", "/home/u/.config/hither/config.toml:1"},
		{"XDG names the state", "", environ.List{"XDG_STATE_HOME=/s"}, nil, "state", "/s/hither", "default"},
		{"a relative path in a flag begins at the working directory", "", nil, map[string][]string{"rules": {"r"}}, "rules", "/work/r", "--rules"},
		{"a relative path in the file begins beside it", `ca-files = ["corp.pem", "~/own.pem"]`, nil, nil, "ca-files", "/home/u/.config/hither/corp.pem,/home/u/own.pem", "/home/u/.config/hither/config.toml:1"},
		{"a log level is no path", `log = "debug,h.log"`, nil, nil, "log", "debug,/home/u/.config/hither/h.log", "/home/u/.config/hither/config.toml:1"},
		{"the user's proxy is kept behind us", "", environ.List{"https_proxy=http://proxy.corp:3128"}, nil, "upstream-proxy", "http://proxy.corp:3128", "https_proxy"},
		{"a proxy without a scheme is HTTP's", "", environ.List{"HTTPS_PROXY=proxy.corp:3128"}, nil, "upstream-proxy", "http://proxy.corp:3128", "HTTPS_PROXY"},
		{"so is a flag's", "", nil, map[string][]string{"upstream-proxy": {"proxy.corp:3128"}}, "upstream-proxy", "http://proxy.corp:3128", "--upstream-proxy"},
		{"an HTTPS_PROXY that is Hither is no upstream", "", environ.List{"HTTPS_PROXY=http://localhost:7890"}, nil, "upstream-proxy", "", "default"},
		{"a password is not shown", "", environ.List{"HTTPS_PROXY=http://me:pw@proxy.corp:3128"}, nil, "upstream-proxy", "http://…@proxy.corp:3128", "HTTPS_PROXY"},
		{"what is private at npm's registry is so at Yarn's", `private = "registry.npmjs.org/@corp/*,x"`, nil, nil, "private", "registry.npmjs.org/@corp/*,x,registry.yarnpkg.com/@corp/*", "/home/u/.config/hither/config.toml:1"},
		{"what Go holds private is private", `private = "@corp/*"`, environ.List{"GOPRIVATE=corp.example/*", "GONOPROXY=x.example"}, nil, "private", "@corp/*,corp.example/*,x.example", "/home/u/.config/hither/config.toml:1 and GOPRIVATE and GONOPROXY"},
		{"what Go does not check with the public database is private", "", environ.List{"GONOSUMDB=corp.example"}, nil, "private", "corp.example", "GONOSUMDB"},
		{"but who checks nothing there names nothing", "", environ.List{"GONOSUMDB=*"}, nil, "private", "", "default"},
		{"editors on Windows begin files with a mark", "\ufeffcache = \"off\"", nil, nil, "cache", "off", "/home/u/.config/hither/config.toml:1"},
		{"localhost is 127.0.0.1", "", nil, map[string][]string{"listen": {"localhost:9"}}, "listen", "127.0.0.1:9", "--listen"},
		{"Kubernetes' variables of a service called hither are not ours", "", environ.List{"HITHER_PORT=tcp://10.0.0.1:80", "HITHER_SERVICE_HOST=10.0.0.1"}, nil, "cache", "disk", "default"},
	} {
		t.Run(row.says, func(t *testing.T) {
			s, err := loadWith(t, row.file, row.env, row.flags)
			if err != nil {
				t.Fatal(err)
			}
			k, _ := findKey(row.key)
			hithertest.Same(t, row.key, k.Value(s), row.want)
			hithertest.Same(t, "from", s.From[row.key], row.from)
		})
	}
}

func TestMistakesAreToldWithTheirPlace(t *testing.T) {
	hithertest.SkipElsewhere(t)
	const file = "/home/u/.config/hither/config.toml"
	for _, row := range []struct {
		says  string
		file  string
		env   environ.List
		flags map[string][]string
		want  []string
	}{
		{"an unknown key", "# x\ncache = \"off\"\nlisen = \"127.0.0.1:1\"\n", nil, nil, []string{file + ":3: lisen: there is no such setting", "listen"}},
		{"no TOML", "listen = [\n  \"a\"\n  \"b\"]", nil, nil, []string{file + ":3:"}},
		{"UTF-16, as PowerShell 5 redirects", "\xff\xfec\x00a\x00", nil, nil, []string{file + ":1: ", "save it as UTF-8"}},
		{"a key set twice", "cache = \"off\"\ncache = \"disk\"", nil, nil, []string{file, "cache"}},
		{"a table", "\n[cache]\nlimit = 3", nil, nil, []string{file + ":2: [cache]: there are no tables", "cache-limit"}},
		{"a dotted key", "cache.limit = 3", nil, nil, []string{file + ":1: cache.limit: there is no such setting"}},
		{"a list for a word", "cache = [\"off\"]", nil, nil, []string{file + ":1: cache: want one value"}},
		{"a date for a word", "cache = 2024-01-01", nil, nil, []string{file + ":1: cache: want text"}},
		{"a bad amount", "\n\ncache-limit = \"many\"", nil, nil, []string{file + ":3: cache-limit: \"many\" is no amount"}},
		{"a bad switch", "", environ.List{"HITHER_VERBOSE=perhaps"}, nil, []string{"HITHER_VERBOSE: \"perhaps\" is neither"}},
		{"a broken number for a word", "cache-limit = 1.5", nil, nil, []string{"want text, a whole number"}},
		{"a pattern that cannot be read", "private = [\"@corp/*\", \"[\"]", nil, nil, []string{file + ":1: private: \"[\" is no pattern"}},
		{"no state directory", "", nil, map[string][]string{"state": {""}}, []string{"--state: it is empty"}},
		{"two log files", "", nil, map[string][]string{"log": {"./a,info,b.log"}}, []string{"--log: /work/a and /work/b.log: there can be one file only"}},
		{"a log level that there is not", "", environ.List{"HITHER_LOG=trace"}, nil, []string{"HITHER_LOG: \"trace\" is none of the levels debug, info, warn, error; for a file of that name write ./trace"}},
		{"a cache of neither kind", "cache = \"tape\"", nil, nil, []string{file + ":1: cache: \"tape\" is neither disk nor off"}},
		{"an address for everybody", "", nil, map[string][]string{"listen": {"0.0.0.0:7890"}}, []string{"--listen: 0.0.0.0:7890 is open to other machines", "allow-list"}},
		{"an address without a host", "", nil, map[string][]string{"listen": {":7890"}}, []string{"open to other machines"}},
		{"a name for an address", "", nil, map[string][]string{"listen": {"example.com:1"}}, []string{"is no IP address"}},
		{"no port", "", nil, map[string][]string{"listen": {"127.0.0.1"}}, []string{"is not HOST:PORT"}},
		{"a port that there is not", "listen = \"127.0.0.1:99999\"", nil, nil, []string{file + ":1: listen: \"99999\" is no port: write a number"}},
		{"a port by name", "", nil, map[string][]string{"listen": {"127.0.0.1:http"}}, []string{"--listen: \"http\" is no port"}},
		{"a pattern for names that are spared", "dns-rebinding-allow = \"*.nip.io\"", nil, nil, []string{file + ":1: dns-rebinding-allow: \"*.nip.io\" is no name: write it as nip.io"}},
		{"an upstream of another kind", "", nil, map[string][]string{"upstream-proxy": {"ftp://x:1"}}, []string{"no kind of proxy", "socks5"}},
		{"an upstream that is ourselves", "", nil, map[string][]string{"upstream-proxy": {"http://127.0.0.1:7890"}}, []string{"would ask itself for ever"}},
	} {
		t.Run(row.says, func(t *testing.T) {
			_, err := loadWith(t, row.file, row.env, row.flags)
			if err == nil {
				t.Fatal("no error")
			}
			hithertest.Contains(t, err.Error(), row.want...)
		})
	}
}

// Who has no home may name both places: then nothing else is looked for, neither there nor in the working directory.
func TestWithoutAHomePlacesMayBeNamed(t *testing.T) {
	hithertest.SkipElsewhere(t)
	t.Setenv("HOME", "")
	read := func(string) ([]byte, error) { return nil, nil }
	state := map[string][]string{"state": {"/s"}}
	s, err := Load(Sources{Config: "/etc/h/c.toml", Flags: state, Dir: "/work", ReadFile: read})
	hithertest.Same(t, "error", err, nil)
	hithertest.Same(t, "state and rules", s.State+" "+s.Rules, "/s /etc/h/rules.d")
	for says, in := range map[string]Sources{
		"no file": {Flags: state, Dir: "/work", ReadFile: read}, "no state": {Config: "/c.toml", Dir: "/work", ReadFile: read},
	} {
		if _, err := Load(in); err == nil || !strings.Contains(err.Error(), "name places with --state and --config") {
			t.Errorf("%s\n got %v\nwant what to name", says, err)
		}
	}
}

func TestNamesInTrustOneMirrorThatMeanNothingAreTold(t *testing.T) {
	hithertest.SkipElsewhere(t)
	set, err := rules.Load(rulesd.Files)
	if err != nil {
		t.Fatal(err)
	}
	s, err := loadWith(t, `trust-one-mirror = ["docker", "npm", "dokcer"]`, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	hithertest.Same(t, "unknown", strings.Join(s.unknownRules(set), " "), "npm dokcer")
}

func TestAFileThatWasNamedMustExist(t *testing.T) {
	_, err := Load(Sources{Config: "/none.toml", Env: environ.List{"HOME=/home/u"}, ReadFile: os.ReadFile})
	if err == nil || !strings.Contains(err.Error(), "none.toml") {
		t.Errorf("\n got %v\nwant an error that names the file", err)
	}
}

func TestEveryKeyIsDocumented(t *testing.T) {
	for _, k := range Keys() {
		if k.Doc == "" || strings.HasSuffix(k.Doc, ".") {
			t.Errorf("%s: the doc %q should be a sentence without a full stop", k.Name, k.Doc)
		}
		if k.field(&Settings{}) == nil {
			t.Errorf("%s has no field", k.Name)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	for _, seed := range []string{"", "listen = [\"127.0.0.1:1\", 'x']", "cache-limit = 1_000", "[a]", "a.b = {}", "private = [[1]]", "log = \"\"\"\nx\"\"\""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		lines, err := parseConfig("f", data)
		for _, line := range lines {
			if err == nil && (line.key.Name == "" || !strings.HasPrefix(line.at, "f:")) {
				t.Errorf("a line without a key or a place: %v", line)
			}
		}
	})
}
