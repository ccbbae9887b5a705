package settings

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"hither/cmd/hither/amount"
	"hither/cmd/hither/environ"
	"hither/cmd/hither/redact"
)

// Key is one thing a user may set: NAME in config.toml, HITHER_NAME in the environment, --NAME on the command line.
type Key struct {
	Name string
	Def  string // as text; lists are separated by commas
	Doc  string // one sentence without a full stop
	Wide bool   // a flag of every command, not only of those that may start Hither

	field func(*Settings) any                           // *string, *bool, *Bytes or *[]string
	paths func(*Settings, func(relative string) string) // makes the paths absolute; nil: there are none
}

// Keys is the one table of settings.
func Keys() []Key {
	return []Key{
		{Name: "listen", Def: DefaultListen, Doc: "addresses of the proxy, on loopback; port 0 takes any free one",
			field: func(s *Settings) any { return &s.Listen }},
		{Name: "state", Doc: "directory of the cache, the certificate authority and the control socket", Wide: true,
			field: func(s *Settings) any { return &s.State }, paths: onePath(func(s *Settings) *string { return &s.State })},
		{Name: "rules", Doc: "directory of your own rule files; a file replaces the built-in one of the same name",
			field: func(s *Settings) any { return &s.Rules }, paths: onePath(func(s *Settings) *string { return &s.Rules })},
		{Name: "upstream-proxy", Doc: "proxy on the way out: http, https, socks5 or socks5h URL; empty: none; unless you say, that of HTTPS_PROXY, HTTP_PROXY or ALL_PROXY",
			field: func(s *Settings) any { return &s.UpstreamProxy }},
		{Name: "log", Def: "warn", Doc: "what to log and where: debug, info, warn or error, a file, or both with a comma", Wide: true,
			field: func(s *Settings) any { return &s.Log }, paths: logPath},
		{Name: "verbose", Def: "false", Doc: "log one line a request", Wide: true,
			field: func(s *Settings) any { return &s.Verbose }},
		{Name: "cache", Def: "disk", Doc: "where to keep what came: disk, or off to keep it in memory until Hither ends",
			field: func(s *Settings) any { return &s.Cache }},
		{Name: "cache-limit", Def: "20GiB", Doc: "how much to keep; 0: no cap",
			field: func(s *Settings) any { return &s.CacheLimit }},
		{Name: "cache-free", Def: "2GiB", Doc: "how much of the disk stays free; below it nothing new is kept",
			field: func(s *Settings) any { return &s.CacheFree }},
		{Name: "ca-files", Doc: "PEM files of further roots to trust, such as your company's",
			field: func(s *Settings) any { return &s.CAFiles }, paths: manyPaths},
		{Name: "private", Doc: "patterns of names that never reach a mirror, beside GOPRIVATE, GONOPROXY and GONOSUMDB: corp.example/*, @corp/*",
			field: func(s *Settings) any { return &s.Private }},
		{Name: "dns", Doc: "addresses where Hither answers DNS, such as 127.0.0.1:53; off: nowhere; unless you say, where `hither install --dns` wants it, else nowhere",
			field: func(s *Settings) any { return &s.DNS }},
		{Name: "dns-upstream", Doc: "who is asked for all names but the registries': 1.2.3.4, tcp://1.2.3.4, tls://NAME, https://NAME/dns-query, quic://NAME; empty: the servers of the machine",
			field: func(s *Settings) any { return &s.DNSUpstream }},
		{Name: "dns-strict", Def: "false", Doc: "never ask the network's own servers when no dns-upstream answers, but for names that tell of sign-in pages",
			field: func(s *Settings) any { return &s.DNSStrict }},
		{Name: "dns-rebinding", Def: "false", Doc: "withhold answers by which a name that a stranger may own leads to this machine or its network",
			field: func(s *Settings) any { return &s.DNSRebinding }},
		{Name: "dns-rebinding-allow", Doc: "names, with all below them, that dns-rebinding spares, such as nip.io",
			field: func(s *Settings) any { return &s.DNSAllow }},
		{Name: "dns-canary", Def: "false", Doc: "tell browsers to leave their own DNS over HTTPS (use-application-dns.net)",
			field: func(s *Settings) any { return &s.DNSCanary }},
		{Name: "transparent", Doc: "addresses of doors for programs that know nothing of Hither: 127.0.7.90 has ports 443 and 80, ADDRESS:PORT that one; off: none; dns leads the registries' names to the first",
			field: func(s *Settings) any { return &s.Transparent }},
		{Name: "trust-one-mirror", Doc: "rules in which a single mirror may say what a tag means while the origin does not answer, such as docker; empty: two must agree",
			field: func(s *Settings) any { return &s.TrustOneMirror }},
		{Name: "read-projects", Def: "false", Doc: "to fetch ahead, look which of your programs connects, where it works and its arguments, " +
			"and read go.mod, go.sum, go.work, package.json and lock files there, and go.mod and go.sum where these name a directory of yours; under `hither run` it is always so",
			field: func(s *Settings) any { return &s.ReadProjects }},
	}
}

// findKey returns the key of that name.
func findKey(name string) (Key, bool) {
	for _, k := range Keys() {
		if k.Name == name {
			return k, true
		}
	}
	return Key{}, false
}

// Variable is the key's name in the environment.
func (k Key) Variable() string {
	return "HITHER_" + strings.ToUpper(strings.ReplaceAll(k.Name, "-", "_"))
}

// IsList tells whether the key takes several values.
func (k Key) IsList() bool {
	_, ok := k.field(&Settings{}).(*[]string)
	return ok
}

// IsBool tells whether the key is a switch.
func (k Key) IsBool() bool {
	_, ok := k.field(&Settings{}).(*bool)
	return ok
}

// set takes the values of one source, which replace those of the sources before.
func (k Key) set(s *Settings, values []string) error {
	if !k.IsList() && len(values) != 1 {
		return fmt.Errorf("want one value, got %d", len(values))
	}
	switch field := k.field(s).(type) {
	case *[]string:
		*field = environ.SplitList(values)
	case *string:
		*field = values[0]
	case *amount.Bytes:
		n, err := amount.ParseBytes(values[0])
		if err != nil {
			return err
		}
		*field = n
	case *bool:
		on, err := strconv.ParseBool(values[0])
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", values[0])
		}
		*field = on
	}
	return nil
}

// Value is what a person may see: passwords in URLs are left out.
func (k Key) Value(s Settings) string {
	switch field := k.field(&s).(type) {
	case *[]string:
		return redact.Text(strings.Join(*field, ","))
	case *string:
		return redact.Text(*field)
	case *amount.Bytes:
		return field.String()
	case *bool:
		return strconv.FormatBool(*field)
	}
	return ""
}

func onePath(field func(*Settings) *string) func(*Settings, func(string) string) {
	return func(s *Settings, abs func(string) string) { *field(s) = abs(*field(s)) }
}

func manyPaths(s *Settings, abs func(string) string) {
	for i, path := range s.CAFiles {
		s.CAFiles[i] = abs(path)
	}
}

// logPath takes for a file what has a directory or an ending: a bare word is a level that was mistyped; see checkLog.
func logPath(s *Settings, abs func(string) string) {
	words := environ.SplitList([]string{s.Log})
	for i, word := range words {
		if filepath.Base(word) != word || strings.Contains(word, ".") {
			words[i] = abs(word)
		}
	}
	s.Log = strings.Join(words, ",")
}

// DefaultDoc is what a help adds about the default; empty: there is none.
func (k Key) DefaultDoc() string {
	if k.Def == "" {
		return ""
	}
	return " (default " + k.Def + ")"
}
