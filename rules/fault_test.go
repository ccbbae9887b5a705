package rules_test

import (
	"strings"
	"testing"

	"hither/rules"
)

// mistake is a whole file or, if it begins with "+", lines behind the shortest good file, which has five; and the line
// and a part of what must be said about it.
type mistake struct{ name, file, line, says string }

func tell(t *testing.T, mistakes []mistake) {
	for _, row := range mistakes {
		t.Run(row.name, func(t *testing.T) {
			text := row.file
			if rest, ok := strings.CutPrefix(text, "+"); ok {
				text = small + rest
			}
			set, err := rules.Load(dir("go.toml", text))
			if err == nil || set != nil {
				t.Fatalf("got:  a set %v and the error %v\nwant: no set and an error that says %q", set, err, row.says)
			}
			if !strings.HasPrefix(findLine(err, row.says), "go.toml:"+row.line+": ") {
				t.Errorf("got:  %v\nwant: go.toml:%s: … %s …", err, row.line, row.says)
			}
		})
	}
}

// findLine is the line of an error that says something.
func findLine(err error, says string) string {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if strings.Contains(line, says) {
			return line
		}
	}
	return ""
}

func TestMistakesInTheSyntaxAreToldWithTheirLine(t *testing.T) {
	tell(t, []mistake{
		{"no TOML", "name = \n", "1", "this is not TOML"},
		{"an open string in line 8", "+\n\nkeep = \"5m\n", "8", "this is not TOML"},
		{"no TOML behind a list of several lines", "+accept = [\n\"a/b\",\n]\n=\n", "9", "this is not TOML"},
		{"an unknown key", "+keeep = \"5m\"\n", "6", `unknown key "keeep"; here are known: match host keep`},
		{"an upper-case key", "+Keep = \"5m\"\n", "6", `unknown key "Keep"`},
		{"a dotted key", "probe.path = \"/x\"\n" + small, "1", `unknown key "probe.path"`},
		{"an unknown table", "+[[mirrors]]\nurl = \"https://m.test\"\n", "6", `there is no table "mirrors"`},
		{"a table that should be many", "+[mirror]\nurl = \"https://m.test\"\n", "6", "write [[host]], [[mirror]]"},
		{"a second probe", "+[probe]\n[probe]\n", "7", "one is enough"},
		{"a key twice", "+keep = \"5m\"\nkeep = \"6m\"\n", "7", "a second time"},
		{"a number for a string", "+keep = 5\n", "6", "keep is a string"},
		{"a table for a string", "+why = {a = \"b\"}\n", "6", "why is a string"},
		{"a string for a list", "+accept = \"a/b\"\n", "6", "accept is a list of strings"},
		{"a number in a list", "+accept = [\"a/b\", 5]\n", "6", "accept is a list of strings"},
	})
}

func TestMistakesInTheHeadAreToldWithTheirLine(t *testing.T) {
	tell(t, []mistake{
		{"no name", strings.Replace(small, `name = "small"`, "", 1), "1", "does not name the rule"},
		{"a name with a slash", strings.Replace(small, `"small"`, `"a/b"`, 1), "1", "does not name the rule"},
		{"no host", "name = \"x\"\n[[path]]\nmatch = \"/\"\n", "1", "there is no [[host]]"},
		{"no path", "name = \"x\"\n[[host]]\nname = \"a.test\"\n", "1", "there is no [[path]]"},
		{"a gateway with a slash behind", "gateway = \"/go/\"\n" + small, "1", "not a path to put before others"},
		{"a gateway that is everything", "gateway = \"/\"\n" + small, "1", "not a path to put before others"},
		{"unknown auth", "auth = \"basic\"\n" + small, "1", `write "bearer"`},
		{"a twin that is no host", "twin = \"https://b.test/\"\n" + small, "1", "is no host"},
		{"a home that is no address", "home = \"me\"\n" + small, "1", "not a web address"},
		{"ns that is no host", "ns = [\n\"docker.io\",\n\"a b\"]\n" + small, "3", "no host"},
		{"ns twice", "ns = [\"a.test\", \"A.test\"]\n" + small, "1", "twice"},
	})
}

func TestMistakesInHostsAreToldWithTheirLine(t *testing.T) {
	tell(t, []mistake{
		{"a host that is none", "+[[host]]\nname = \"a b\"\n", "7", "is no host"},
		{"a host without a name", "+[[host]]\norigin = [\"https://a.test\"]\n", "6", "is no host"},
		{"a host in Unicode", "+[[host]]\nname = \"bücher.test\"\n", "7", "punycode"},
		{"a host with a bad port", "+[[host]]\nname = \"a.test:70000\"\n", "7", "is no host"},
		{"a host with a URL's parts", "+[[host]]\nname = \"https://a.test\"\n", "7", "is no host"},
		{"a host that is too long", "+[[host]]\nname = \"" + strings.Repeat("a.", 130) + "test\"\n", "7", "is no host"},
		{"the same host twice", "+[[host]]\nname = \"SMALL.test:443\"\n", "7", "on line 3 already"},
		{"a link-local host with its zone", "+[[host]]\nname = \"[fe80::1%eth0]:5000\"\n", "7", "has a zone"},
		{"a prefix on the first host", strings.Replace(small, "[[path]]", "prefix = \"/x\"\n[[path]]", 1), "4", "the first host"},
		{"a prefix with dots", "+[[host]]\nname = \"a.test\"\nprefix = \"/x/../y\"\n", "8", "prefix ="},
		{"a prefix nobody serves", "+[[host]]\nname = \"a.test\"\nprefix = \"/x\"\n", "7", "no [[path]] is for the host"},
		{"a prefix of another host", "+[[host]]\nname = \"a.test\"\nprefix = \"/x\"\n[[host]]\nname = \"b.test\"\nprefix = \"/x\"\n" +
			"[[path]]\nmatch = \"/a\"\nhost = \"a.test\"\n[[path]]\nmatch = \"/b\"\nhost = \"b.test\"\n", "11", "leads to the host a.test already"},
		{"a second origin of another name", "+[[host]]\nname = \"a.test\"\norigin = [\"https://a.test\", \"https://b.test\"]\n", "7", "another name of small.test"},
		{"an origin of another name", "+[[host]]\nname = \"a.test\"\norigin = [\"https://b.test\"]\n", "7", "another name of small.test"},
		{"a key that is none", "+[[host]]\nname = \"a.test\"\nkey = \"sum.golang.org\"\n", "8", "no verifier key"},
		{"a realm that is no URL", "auth = \"bearer\"\nname = \"x\"\n[[host]]\nname = \"a.test\"\nrealm = \"b.test\"\n[[path]]\nmatch = \"/x\"\n", "5", "realm = "},
		{"a realm where nobody asks for tokens", "+[[host]]\nname = \"a.test\"\nrealm = \"https://b.test/token\"\n", "8", "add auth"},
		{"a service without a realm", "+[[host]]\nname = \"a.test\"\nservice = \"b\"\n", "8", "no realm says"},
		{"a service that is no name", "+[[host]]\nname = \"a.test\"\nrealm = \"https://b.test/\"\nservice = \"\\u0007\"\n", "9", "printable ASCII"},
		{"a store that is no URL", "+[[host]]\nname = \"a.test\"\nstores = [\"https://b.test\", \"b.test\"]\n", "8", "stores holds"},
		{"a relative origin", "+[[host]]\nname = \"a.test\"\norigin = [\n\"https://b.test\",\n\"b.test/x\",\n]\n", "10", "absolute"},
	})
}

// probed is a probe without faults, of lines 6 to 8.
const probed = "+[probe]\npath = \"/x\"\nwhy = \"because\"\n"

func TestMistakesInMirrorsAreToldWithTheirLine(t *testing.T) {
	tell(t, []mistake{
		{"a relative URL", "+[[mirror]]\nurl = \"m.test/x\"\n", "7", "absolute"},
		{"no URL", "+[[mirror]]\noff = \"dead\"\n", "6", "absolute"},
		{"what is no URL", "+[[mirror]]\nurl = \"https://[\"\n", "7", "cannot be read"},
		{"another scheme", "+[[mirror]]\nurl = \"ftp://m.test\"\n", "7", "https://"},
		{"a URL with a query", "+[[mirror]]\nurl = \"https://m.test?a=b\"\n", "7", "no query"},
		{"a URL with an empty fragment", "+[[mirror]]\nurl = \"https://m.test#\"\n", "7", "no fragment"},
		{"a URL with a user", "+[[mirror]]\nurl = \"https://u:p@m.test\"\n", "7", "no user or password"},
		{"a URL without a host", "+[[mirror]]\nurl = \"https:///x\"\n", "7", "names no host"},
		{"a URL with dots", "+[[mirror]]\nurl = \"https://m.test/a/../b\"\n", "7", "two ways"},
		{"a mirror twice", "+[[mirror]]\nurl = \"https://m.test\"\n[[mirror]]\nurl = \"https://M.test/\"\n", "9", "there already"},
		{"off without a reason", "+[[mirror]]\nurl = \"https://m.test\"\noff = \" \"\n", "8", "write why"},
		{"a probe with a bad digest", "+[probe]\npath = \"/x\"\ndigest = \"sha256:12\"\n", "8", "not 32 bytes of sha256); write sha256:HEX or sha512:HEX"},
		{"a probe with a weak digest", "+[probe]\npath = \"/x\"\ndigest = \"sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709\"\n", "8", "does not fix every byte"},
		{"a probe without a digest or a reason", "+[probe]\npath = \"/x\"\n", "6", "or a why"},
		{"a probe with an empty reason", "+[probe]\npath = \"/x\"\nwhy = \" \"\n", "6", "or a why"},
		{"a probe with an empty digest", "+[probe]\npath = \"/x\"\ndigest = \"\"\nwhy = \"because\"\n", "8", "digest"},
		{"a newest with a query", probed + "newest = \"/x?y\"\nfield = \"v\"\n", "9", "newest = \"/x?y\" is no escaped path"},
		{"an empty newest", probed + "newest = \"\"\nfield = \"v\"\n", "9", "newest = \"\" is no escaped path"},
		{"a newest without a field", probed + "newest = \"/x\"\n", "6", "field = \"\" is no place"},
		{"a newest with half a field", probed + "newest = \"/x\"\nfield = \"a..b\"\n", "10", "no place in the JSON"},
		{"a newest with a field too deep", probed + "newest = \"/x\"\nfield = \"a.a.a.a.a.a.a.a.a\"\n", "10", "no place in the JSON"},
		{"a newest with a field of blanks", probed + "newest = \"/x\"\nfield = \" \"\n", "10", "no place in the JSON"},
		{"a field without a newest", probed + "field = \"version\"\n", "9", "remove field"},
		{"an operator in words", "+[[mirror]]\nurl = \"https://m.test\"\noperator = \"The Man\"\n", "8", "does not name anybody"},
		{"an operator without a name", "+[[mirror]]\nurl = \"https://m.test\"\noperator = \"\"\n", "8", "does not name anybody"},
		{"a probe without a path", "+[probe]\ndigest = \"sha256:" + strings.Repeat("0", 64) + "\"\n", "6", "no escaped path"},
	})
}

func TestMistakesInPatternsAreToldWithTheirLine(t *testing.T) {
	tell(t, []mistake{
		{"no match", "+[[path]]\nkeep = \"5m\"\n", "6", "begins with a slash"},
		{"a pattern without a slash", "+[[path]]\nmatch = \"{x}\"\n", "7", "begins with a slash"},
		{"an open brace", "+[[path]]\nmatch = \"/{x\"\n", "7", "not closed"},
		{"a closing brace", "+[[path]]\nmatch = \"/x}\"\n", "7", "without a {"},
		{"variables that touch", "+[[path]]\nmatch = \"/{x}{y}\"\n", "7", "nobody could say"},
		{"a variable twice", "+[[path]]\nmatch = \"/{x}/{x}\"\n", "7", "there twice"},
		{"an unknown kind", "+[[path]]\nmatch = \"/{x:int}\"\n", "7", "unknown kind"},
		{"two kinds at once", "+[[path]]\nmatch = \"/{x...:semver}\"\n", "7", "choose one"},
		{"a variable without a name", "+[[path]]\nmatch = \"/{}\"\n", "7", "no name"},
		{"an escape in a pattern", "+[[path]]\nmatch = \"/a%2fb\"\n", "7", "decoded"},
		{"dots in a pattern", "+[[path]]\nmatch = \"/a/../b\"\n", "7", "no request can match"},
		{"slashes in a pattern", "+[[path]]\nmatch = \"/a//b\"\n", "7", "no request can match"},
		{"too many parts", "+[[path]]\nmatch = \"" + strings.Repeat("/{x}", 40) + "\"\n", "7", "shorten"},
		{"a path twice", "+[[path]]\nmatch = \"/{rest...}\"\n", "7", "on line 4 already"},
		{"a path of an unknown host", "+[[path]]\nmatch = \"/x\"\nhost = \"b.test\"\n", "8", "no [[host]] of this file"},
	})
}

func TestMistakesInPoliciesAreToldWithTheirLine(t *testing.T) {
	tell(t, []mistake{
		{"keep in words", "+keep = \"long\"\n", "6", "no duration"},
		{"keep below zero", "+keep = \"-5m\"\n", "6", "no time at all"},
		{"keep of zero", "+keep = \"0s\"\n", "6", "no time at all"},
		{"any without notary or why", "+keep = \"5m\"\nfrom = \"any\"\n", "7", "needs a notary, or a why"},
		{"any with an empty why", "+keep = \"5m\"\nfrom = \"any\"\nwhy = \" \"\n", "7", "needs a notary, or a why"},
		{"any that is never kept", "+from = \"any\"\nwhy = \"because\"\n", "6", "no meaning"},
		{"an unknown from", "+from = \"mirror\"\n", "6", `write "origin", "any" or "quorum"`},
		{"a quorum without a notary", "+keep = \"5m\"\nfrom = \"quorum\"\n", "7", "needs a notary that can ask mirrors"},
		{"a quorum with a reason instead of a notary", "+keep = \"5m\"\nfrom = \"quorum\"\nwhy = \"because\"\n", "7", "needs a notary that can ask mirrors"},
		{"a quorum with a notary that asks no mirror", "+[[path]]\nmatch = \"/{digest}\"\nkeep = \"5m\"\nfrom = \"quorum\"\nnotary = \"path\"\n", "9", "only tag can"},
		{"a quorum that is never kept", "+[[path]]\nmatch = \"/{repo}\"\nfrom = \"quorum\"\nnotary = \"tag\"\n", "8", "no meaning"},
		{"an unknown notary", "+notary = \"pypi\"\n", "6", "the notaries are gosum"},
		{"a notary without its variables", "+notary = \"path\"\n", "6", "asks for {digest}"},
		{"a checksum database without its key", "+[[path]]\nmatch = \"/{module}@{version}\"\nkeep = \"forever\"\nnotary = \"gosum\"\n", "9", "no [[host]] of this file has a key"},
		{"an unknown variable", "+subject = \"{module}\"\n", "6", "there is no {module} in the pattern, which has {rest}"},
		{"an open brace in a template", "+subject = \"{rest\"\n", "6", "not closed"},
		{"a closing brace in a template", "+subject = \"rest}\"\n", "6", "without a {"},
		{"an unknown variable to send", "+send = \"/{x}\"\n", "6", "there is no {x}"},
		{"send with a query", "+send = \"/{rest}?x=y\"\n", "6", "no escaped path"},
		{"send with a broken escape", "+send = \"/%zz{rest}\"\n", "6", "no escaped path"},
		{"accept that is no media type", "+accept = [\n\"a/b\",\n\"html\"]\n", "8", "no media type"},
		{"accept of several lines", "+accept = [\"a/b\\n\"]\n", "6", "no media type"},
		{"accept that no mirror's answer equals", "+keep = \"5m\"\nfrom = \"any\"\nwhy = \"because\"\naccept = [\"a/b\",\n\"a/*\"]\n", "10", "what mirrors send"},
		{"accept in capitals where mirrors answer", "+keep = \"5m\"\nfrom = \"any\"\nwhy = \"because\"\naccept = [\"A/B\"]\n", "9", "in lower case"},
		{"accept with parameters where mirrors answer", "+keep = \"5m\"\nfrom = \"any\"\nwhy = \"because\"\naccept = [\"a/b; q=0.5\"]\n", "9", "what mirrors send"},
		{"variants with parameters", "+variants = [\"a/b; q=1\"]\n", "6", "no plain media type"},
		{"variants twice", "+variants = [\"a/b\", \"a/b\"]\n", "6", "twice"},
		{"a change of an unknown variable", "+changes = [\n\"/{rest}\",\n\"/{x}\"]\n", "8", "there is no {x} in the pattern, which has {rest}"},
		{"a change of what is not kept", "+changes = [\"/{rest}\"]\n", "6", "which no [[path]] of this host keeps"},
		{"a change of another host's", "+changes = [\"/x\"]\n[[host]]\nname = \"b.test\"\n[[path]]\nmatch = \"/x\"\nhost = \"b.test\"\nkeep = \"5m\"\n", "6", "which no [[path]] of this host keeps"},
		{"a change of what has no slash", "+keep = \"5m\"\nchanges = [\"{rest}\"]\n", "7", "which no [[path]] of this host keeps"},
		{"an unknown answer", "+answer = [\"sometimes\"]\n", "6", "not known"},
		{"a type that is none", "+type = \"html\"\n", "6", "beginning of a media type"},
	})
}
