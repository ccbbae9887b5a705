package npmrc_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hither/forward/npmrc"
)

// question is one for npm: what it makes of a key where it works in Dir. Of "flat KEY" it is what npm goes by in the end.
type question struct {
	Dir  string
	Env  []string
	Args []string
	Key  string
}

// truth asks npm's own code, which `npm config get` does, too, and npm's agent for "past HOST". A cafile it has cut behind each
// certificate, where none is here.
const truth = `
const [npmPath] = process.argv.slice(1)
const Config = require(npmPath + '/node_modules/@npmcli/config')
const definitions = npmPath + '/node_modules/@npmcli/config/lib/definitions'
const rows = JSON.parse(require('fs').readFileSync(0, 'utf8'))
const agent = npmPath + '/node_modules/@npmcli/agent/lib/proxy.js'
;(async () => {
  const out = []
  for (const { Dir, Env, Args, Key } of rows) {
    process.chdir(Dir)
    const env = Object.fromEntries((Env ?? []).map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]))
    delete process.env.NODE_ENV
    if (env.NODE_ENV) process.env.NODE_ENV = env.NODE_ENV
    for (const file of Object.keys(require.cache)) if (file.startsWith(definitions)) delete require.cache[file]
    const known = require(definitions)
    const argv = ['node', 'npm', ...(Args ?? [])]
    const c = new Config({ npmPath, definitions: known.definitions, shorthands: known.shorthands, flatten: known.flatten, argv, env, cwd: Dir, warn: false })
    await c.load()
    if (Key === 'omitted') {
      c.validate()
      out.push(['dev', 'optional', 'peer'].filter(kind => c.flat.omit.includes(kind)).join(' '))
      continue
    }
    if (Key === 'words') {
      out.push(c.parsedArgv.remain.join(' '))
      continue
    }
    if (Key === 'source project') {
      out.push(String(/global mode/.test([...c.sources.keys()].join())))
      continue
    }
    c.validate()
    const [kind, name] = Key.includes(' ') ? Key.split(' ') : ['', Key]
    if (kind === 'past') {
      for (const n of Object.keys(process.env)) if (/^(https?_proxy|no_proxy|proxy)$/i.test(n)) delete process.env[n]
      for (const n of Object.keys(env)) if (/^no_proxy$/i.test(n)) process.env[n] = env[n]
      delete require.cache[require.resolve(agent)]
      out.push(String(require(agent).getProxy('https://' + name + '/', { proxy: 'http://p', noProxy: c.flat.noProxy }) === null))
      continue
    }
    const got = kind === 'flat' ? c.flat[name] : c.get(name)
    out.push([].concat(got ?? '').map(s => String(s).replace('-----END CERTIFICATE-----', '')).join('\n'))
  }
  console.log(JSON.stringify(out))
})()`

// askNpm skips the test where there is no npm.
func askNpm(t *testing.T, rows []question) (answers []string) {
	t.Helper()
	skipElsewhere(t)
	_, npm := npmrc.Installed()
	if _, err := os.Stat(filepath.Join(npm, "node_modules", "@npmcli", "config", "lib", "definitions")); err != nil {
		t.Skip("npm's own code is not where it is looked for:", err)
	}
	input, err := json.Marshal(rows)
	same(t, "error", err, nil)
	c := exec.CommandContext(t.Context(), "node", "-e", truth, npm)
	c.Stdin, c.Stderr = strings.NewReader(string(input)), os.Stderr
	data, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	same(t, "error", json.Unmarshal(data, &answers), nil)
	same(t, "answers", len(answers), len(rows))
	return answers
}

// saying is a project with files, and what npm makes of one key there, by npm 11.19. In the texts, HOME stands for the home.
type saying struct {
	says   string
	files  map[string]string // npmrc files: "p" is the project's, "u" the user's, "g" the machine's
	env    []string
	args   string
	key    string
	answer string
}

func sayings() []saying {
	file := func(text string) map[string]string { return map[string]string{"p": text} }
	return []saying{
		{says: "nothing", key: "registry", answer: "https://registry.npmjs.org/"},
		{says: "the project before the user", files: map[string]string{"p": "registry=https://p/", "u": "registry=https://u/"}, key: "registry", answer: "https://p/"},
		{says: "the user before the machine", files: map[string]string{"g": "registry=https://g/", "u": "registry=https://u/"}, key: "registry", answer: "https://u/"},
		{says: "the environment before files", files: file("registry=https://p/"), env: []string{"NPM_Config_Registry=https://e/"}, key: "registry", answer: "https://e/"},
		{says: "the command line before all", env: []string{"npm_config_registry=https://e/"}, args: "--registry https://c/", key: "registry", answer: "https://c/"},
		{says: "in short", args: "ci --reg=https://c/", key: "registry", answer: "https://c/"},
		{says: "empty variables are none", env: []string{"npm_config_registry="}, key: "registry", answer: "https://registry.npmjs.org/"},
		{says: "the last line", files: file("registry=https://a/\nregistry=https://b/ ; ours"), key: "registry", answer: "https://b/"},
		{says: "keys in quotes", files: file("\"registry\" = 'https://q/'"), key: "registry", answer: "https://q/"},
		{says: "a comment behind", files: file("registry=https://a/#b"), key: "registry", answer: "https://a/"},
		{says: "an escaped one", files: file(`registry=https://a/\#b`), key: "registry", answer: "https://a/#b"},
		{says: "a mark in front", files: file("\ufeffregistry=https://a/"), key: "registry", answer: "https://a/"},
		{says: "a mark in any line", files: file("fund=false\r\n\ufeffregistry=https://a/"), key: "registry", answer: "https://a/"},
		{says: "large letters are another key", files: file("REGISTRY=https://a/"), key: "registry", answer: "https://registry.npmjs.org/"},
		{says: "a section is another thing", files: file("[x]\nregistry=https://a/"), key: "registry", answer: "https://registry.npmjs.org/"},
		{says: "old Macs' lines", files: file("fund=false\rregistry=https://a/\r"), key: "registry", answer: "https://a/"},
		{says: "a scope", files: file("@corp:registry=https://a/"), key: "@corp:registry", answer: "https://a/"},
		{says: "a scope in other letters", files: file("@Corp:registry=https://a/"), key: "@corp:registry"},
		{says: "a scope by a variable in its name", files: file("@${S}:registry=https://a/"), env: []string{"S=corp"}, key: "@corp:registry", answer: "https://a/"},
		{says: "of a registry by a variable", files: file("@corp:registry=https://${H?}${NO?}/"), env: []string{"H=a"}, key: "@corp:registry", answer: "https://a/"},
		{says: "a scope in the environment", env: []string{"NPM_CONFIG_@CORP:REGISTRY=https://a/"}, key: "@corp:registry", answer: "https://a/"},
		{says: "a scope in the command", args: "ci --@corp:registry=https://a/", key: "@corp:registry", answer: "https://a/"},
		{says: "a cache at home", files: file("cache=~/c"), key: "cache", answer: "HOME/c"},
		{says: "a cache by a variable", files: file("cache = \"${HOME}/c\""), key: "cache", answer: "HOME/c"},
		{says: "a cache in the command", args: "ci --cache=/c", files: file("cache=/d"), key: "cache", answer: "/c"},
		{says: "a cache that is no straight way", files: file("cache=${HOME}/c/../d"), key: "cache", answer: "HOME/d"},
		{says: "the usual cache", key: "cache", answer: "HOME/.npm"},
		{says: "offline, alone", files: file("offline"), key: "offline", answer: "true"},
		{says: "offline, empty", files: file("offline="), key: "offline", answer: "true"},
		{says: "offline, in words", files: file("offline=yes"), key: "offline", answer: "true"},
		{says: "offline, as a number", files: file("offline=0"), key: "offline", answer: "false"},
		{says: "not offline", files: map[string]string{"p": "offline=false", "u": "offline=true"}, key: "offline", answer: "false"},
		{says: "offline, by the command", args: "ci --offline", key: "offline", answer: "true"},
		{says: "not, by the command", args: "ci --no-offline", files: file("offline=true"), key: "offline", answer: "false"},
		{says: "the project names the user's file", files: map[string]string{"p": "userconfig=${HOME}/v", "u": "registry=https://u/", "v": "registry=https://v/"}, key: "registry", answer: "https://v/"},
		{says: "the command names another project", args: "ci --prefix HOME/q", files: map[string]string{"p": "registry=https://p/", "q/.npmrc": "registry=https://q/"}, key: "registry", answer: "https://q/"},
		{says: "globally the project is not asked", args: "ci -g", files: file("registry=https://p/"), key: "registry", answer: "https://registry.npmjs.org/"},
	}
}

// make writes the files and returns the reader of them.
func (s saying) make(t *testing.T) npmrc.Reader {
	t.Helper()
	home := t.TempDir()
	for name, text := range map[string]string{"p/package.json": "{}", "q/package.json": "{}"} {
		write(t, filepath.Join(home, name), []byte(text))
	}
	for name, text := range s.files {
		if at, short := map[string]string{"p": "p/.npmrc", "u": ".npmrc", "g": "g"}[name]; short {
			name = at
		}
		write(t, filepath.Join(home, name), []byte(text))
	}
	_, npm := npmrc.Installed()
	return npmrc.Reader{
		Env: append([]string{"HOME=" + home, "npm_config_globalconfig=" + filepath.Join(home, "g")}, s.env...), Home: home,
		Args: strings.Fields(strings.ReplaceAll(s.args, "HOME", home)), Dir: filepath.Join(home, "p"), NPM: npm, Project: true,
	}
}

func (s saying) want(r npmrc.Reader) string { return strings.ReplaceAll(s.answer, "HOME", r.Home) }

func TestWhatNpmMakesOfItsSettings(t *testing.T) {
	skipElsewhere(t)
	for _, s := range sayings() {
		r := s.make(t)
		c := r.Read()
		got := c.Text(s.key)
		switch {
		case s.key == "offline":
			got = map[bool]string{true: "true", false: "false"}[c.Is(s.key)]
		case s.key == "cache":
			got = c.Cache()
		case got == "" && s.key == "registry":
			got = "https://registry.npmjs.org/"
		}
		same(t, s.says, got, s.want(r))
	}
}

// TestNpmSaysSoItself holds what is expected above against the npm of this machine.
func TestNpmSaysSoItself(t *testing.T) {
	var rows []question
	var want []string
	for _, s := range sayings() {
		r := s.make(t)
		rows = append(rows, question{r.Dir, r.Env, r.Args, s.key})
		want = append(want, s.want(r))
	}
	for i, got := range askNpm(t, rows) {
		same(t, sayings()[i].says, got, want[i])
	}
}

// NO_PROXY and noproxy as npm's agent has them.
func bypasses() []saying {
	return []saying{
		{says: "nobody", key: "registry.npmjs.org", answer: "false"},
		{says: "the variable", env: []string{"NO_PROXY=localhost, npmjs.org"}, key: "registry.npmjs.org", answer: "true"},
		{says: "in small letters", env: []string{"no_proxy=.npmjs.org"}, key: "registry.npmjs.org", answer: "true"},
		{says: "of two the last", env: []string{"no_proxy=npmjs.org", "NO_PROXY=other"}, key: "registry.npmjs.org", answer: "false"},
		{says: "part of a name", env: []string{"NO_PROXY=js.org"}, key: "registry.npmjs.org", answer: "false"},
		{says: "a host below", env: []string{"NO_PROXY=x.registry.npmjs.org"}, key: "registry.npmjs.org", answer: "false"},
		{says: "a star", env: []string{"NO_PROXY=*"}, key: "registry.npmjs.org", answer: "false"},
		{says: "large letters", env: []string{"NO_PROXY=NPMJS.ORG"}, key: "registry.npmjs.org", answer: "false"},
		{says: "the setting", files: map[string]string{"p": "noproxy=registry.npmjs.org"}, key: "registry.npmjs.org", answer: "true"},
		{says: "a list", files: map[string]string{"p": "noproxy[]=a\nnoproxy[]=npmjs.org"}, key: "registry.npmjs.org", answer: "true"},
		{says: "the setting hides the variable", files: map[string]string{"p": "noproxy=a"}, env: []string{"NO_PROXY=npmjs.org"}, key: "registry.npmjs.org", answer: "false"},
		{says: "but not if it is empty", files: map[string]string{"p": "noproxy=", "u": "noproxy=a"}, env: []string{"NO_PROXY=npmjs.org"}, key: "registry.npmjs.org", answer: "true"},
		{says: "the command", args: "ci --noproxy npmjs.org", key: "registry.npmjs.org", answer: "true"},
	}
}

// omissions are what npm leaves out.
func omissions() []saying {
	file := func(text string) map[string]string { return map[string]string{"p": text} }
	node := []string{"NODE_ENV=production"}
	return []saying{
		{says: "nothing"},
		{says: "a list", args: "ci --omit=dev --omit peer --omit=optional", answer: "dev optional peer"},
		{says: "what is included all the same", args: "ci --include=dev --omit=dev --omit=peer", answer: "peer"},
		{says: "what npm does not know", args: "ci --omit=prod --omit=dev,peer --only=dev"},
		{says: "production", args: "ci --production", answer: "dev"},
		{says: "production, not", args: "ci --production=false --omit=dev"},
		{says: "production, null", args: "ci --production null --omit=dev", answer: "dev"},
		{says: "only", args: "ci --only=prod", answer: "dev"},
		{says: "only, in full, before production", args: "ci --only=production --production=false", answer: "dev"},
		{says: "also", args: "ci --also=dev --omit=dev"},
		{says: "also, in full", args: "ci --also=development --omit=dev"},
		{says: "also, in other words", args: "ci --also=devil --omit=dev", answer: "dev"},
		{says: "dev", args: "ci --dev --omit=dev"},
		{says: "no dev", args: "ci --no-dev"},
		{says: "no optional", args: "ci --no-optional", answer: "optional"},
		{says: "optional", args: "ci --optional --omit=optional"},
		{says: "NODE_ENV", env: node, answer: "dev"},
		{says: "NODE_ENV of another kind", env: []string{"NODE_ENV=Production"}},
		{says: "NODE_ENV, but included", env: node, args: "ci --include=dev"},
		{says: "NODE_ENV, but production=false", env: node, args: "ci --production=false"},
		{says: "NODE_ENV, but another list", env: node, args: "ci --omit=optional", answer: "optional"},
		{says: "NODE_ENV, but another list in a file", env: node, files: file("omit=peer"), answer: "peer"},
		{says: "NODE_ENV, and a file that includes", env: node, files: file("include[]=dev")},
		{says: "a file", files: file("omit[]=dev\nomit[]=peer"), answer: "dev peer"},
		{says: "a file's last line", files: file("omit=dev\nomit=peer"), answer: "peer"},
		{says: "a file with a variable", files: file("omit=${X}"), env: []string{"X=dev"}, answer: "dev"},
		{says: "a file, and the command", files: file("omit=dev"), args: "ci --omit=peer", answer: "peer"},
		{says: "production in a file, and the command", files: file("production=true"), args: "ci --omit=peer", answer: "dev peer"},
		{says: "production, empty", files: file("production="), answer: "dev"},
		{says: "production, as a number", files: file("production=0\nomit=dev")},
		{says: "the command takes production back", files: file("production=true"), args: "ci --production=false"},
		{says: "but not what a weaker file has not", files: map[string]string{"p": "production=false", "u": "production=true"}},
		{says: "what a weaker level includes stays", files: map[string]string{"u": "production=false"}, args: "ci --production"},
		{says: "and what one leaves out, too", files: map[string]string{"u": "only=prod"}, args: "ci --only=null --no-optional", answer: "dev optional"},
		{says: "what a weaker level includes goes by a list", files: map[string]string{"u": "production=false"}, args: "ci --omit=dev --include=peer --production=null", answer: "dev"},
		{says: "optional, undefined", files: file("optional=undefined"), answer: "optional"},
		{says: "production, undefined", files: file("production=undefined\nomit=dev")},
		{says: "only what npm does not know leaves a file's", files: file("only=prod"), args: "ci --only=dev --omit=peer", answer: "dev peer"},
		{says: "also what npm does not know leaves a file's", files: file("also=dev"), args: "ci --omit=dev --include=peer --also=prod"},
		{says: "a variable", env: []string{"npm_config_omit=dev"}, answer: "dev"},
		{says: "a list in a variable", env: []string{"npm_config_omit=dev\n\n optional"}, answer: "dev optional"},
		{says: "a variable for production", env: []string{"NPM_CONFIG_PRODUCTION=true"}, answer: "dev"},
		{says: "the machine's file", files: map[string]string{"g": "optional=false"}, answer: "optional"},
	}
}

func TestWhatNpmLeavesOut(t *testing.T) {
	skipElsewhere(t)
	var rows []question
	for _, s := range omissions() {
		r := s.make(t)
		omitted, known := r.Read().Omitted()
		same(t, s.says, strings.Join(omitted, " "), s.answer)
		same(t, s.says+", and that is known", known, true)
		rows = append(rows, question{r.Dir, r.Env, r.Args, "omitted"})
	}
	for i, got := range askNpm(t, rows) {
		same(t, omissions()[i].says+", as npm says", got, omissions()[i].answer)
	}
	r := saying{files: map[string]string{"p": "omit=${X}"}}.make(t)
	_, known := r.Read().Omitted()
	same(t, "of a variable that nobody has it is known", known, false)
}

func TestWhomNpmAsksWithoutAProxy(t *testing.T) {
	skipElsewhere(t)
	var rows []question
	for _, s := range bypasses() {
		r := s.make(t)
		rows = append(rows, question{r.Dir, r.Env, r.Args, "past " + s.key})
		same(t, s.says, map[bool]string{true: "true", false: "false"}[r.Read().Bypasses(s.key)], s.answer)
	}
	for i, got := range askNpm(t, rows) {
		same(t, bypasses()[i].says+", as npm says", got, bypasses()[i].answer)
	}
}

// Of a list only the kinds that there are count: one of a megabyte is compared with another in no time.
func TestLongListsAreReadOnce(t *testing.T) {
	text := strings.Repeat("omit[]=dev\n", 40_000) + strings.Repeat("include[]=peer\n", 40_000)
	r := npmrc.Reader{Dir: "/p", Project: true, ReadFile: func(string) ([]byte, error) { return []byte(text), nil }}
	settings := r.Read()
	took := time.Minute
	for range 5 { // the machine may be busy in some of them
		start := time.Now()
		omitted, _ := settings.Omitted()
		took = min(took, time.Since(start))
		same(t, "left out", strings.Join(omitted, " "), "dev")
	}
	if took > 500*time.Millisecond {
		t.Errorf("\n got %s\nwant less than half a second", took)
	}
}
