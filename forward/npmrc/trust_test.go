package npmrc_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hither/forward/npmrc"
	"hither/forward/project"
)

// npmTree is a home with files, and what npm in one directory of it makes of them. In the texts, HOME stands for the home.
type npmTree struct {
	says  string
	in    string // working directory below the home; empty: the project "p"
	files map[string]string
	env   []string
	here  string // whom npm believes; empty: whom Node believes
	away  string // the same without the project
	all   string // what other tools get, too
}

// npmTrees use words for certificates: nobody looks into them here.
func npmTrees() []npmTree {
	return []npmTree{
		{says: "nothing is said"},
		{says: "the project's cafile", files: map[string]string{"p/.npmrc": "cafile=ca.pem", "p/ca.pem": "evil"}, here: "evil"},
		{says: "the project's ca", files: map[string]string{"p/.npmrc": `ca="evil\nroot"`}, here: "evil\nroot"},
		{says: "a list", files: map[string]string{"p/.npmrc": "ca[]=one\nca[]=two"}, here: "one\ntwo"},
		{says: "a list that a line does not replace", files: map[string]string{"p/.npmrc": "ca[]=one\nca=two"}, here: "one\ntwo"},
		{says: "a line that a later one replaces", files: map[string]string{"p/.npmrc": "ca=one\nca=two"}, here: "two"},
		{says: "the user's cafile", files: map[string]string{".npmrc": "cafile=~/corp.pem", "corp.pem": "corp"}, here: "corp", away: "corp", all: "HOME/corp.pem"},
		{says: "the user's ca", files: map[string]string{".npmrc": "ca=corp"}, here: "corp", away: "corp", all: "corp"},
		{says: "the project goes before the user", files: map[string]string{"p/.npmrc": "ca=evil", ".npmrc": "ca=corp"}, here: "evil", away: "corp", all: "corp"},
		{says: "whichever of ca and cafile", files: map[string]string{"p/.npmrc": "ca=evil", ".npmrc": "cafile=~/corp.pem", "corp.pem": "corp"},
			here: "evil", away: "corp", all: "HOME/corp.pem"},
		{says: "the user before the machine", files: map[string]string{".npmrc": "ca=corp", "global": "ca=machine"}, here: "corp", away: "corp", all: "corp machine"},
		{says: "the machine's", files: map[string]string{"global": "cafile=~/m.pem", "m.pem": "machine"}, here: "machine", away: "machine", all: "HOME/m.pem"},
		{says: "the environment goes before all", files: map[string]string{"p/.npmrc": "ca=evil", ".npmrc": "ca=corp"}, env: []string{"NPM_config_Ca=env"},
			here: "env", away: "env", all: "env corp"},
		{says: "a project takes back what the user said", files: map[string]string{"p/.npmrc": "ca=null", ".npmrc": "ca=corp"}, away: "corp", all: "corp"},
		{says: "but no cafile does", files: map[string]string{"p/.npmrc": "cafile=null", ".npmrc": "ca=corp"}, here: "corp", away: "corp", all: "corp"},
		{says: "nor one that is not there", files: map[string]string{"p/.npmrc": "cafile=none.pem", ".npmrc": "ca=corp"}, here: "corp", away: "corp", all: "corp"},
		{says: "nor one that is empty", files: map[string]string{"p/.npmrc": "cafile=ca.pem", "p/ca.pem": "", ".npmrc": "ca=corp"}, here: "corp", away: "corp", all: "corp"},
		{says: "of two in one file the later", files: map[string]string{"p/.npmrc": "cafile=ca.pem\nca=evil", "p/ca.pem": "worse"}, here: "evil"},
		{says: "as it first came", files: map[string]string{"p/.npmrc": "ca=evil\ncafile=ca.pem\nca=null", "p/ca.pem": "worse"}, here: "worse"},
		{says: "a file that names nobody", files: map[string]string{"p/.npmrc": "cafile=ca.pem", "p/ca.pem": "# soon"}, here: "# soon"},
		{says: "variables", files: map[string]string{"p/.npmrc": "ca=${A} ${NONE} ${NONE?} \\${A} $A"}, env: []string{"A=evil"}, here: "evil ${NONE}  ${A} $A"},
		{says: "comments, blanks and quotes", files: map[string]string{"p/.npmrc": "\ufeff; ca=x\r\n  # ca=y\r\n \"ca\" = 'evil' ; z\r\n"}, here: "'evil'"},
		{says: "single quotes", files: map[string]string{"p/.npmrc": `ca='evil # \n'`}, here: `evil # \n`},
		{says: "without quotes", files: map[string]string{"p/.npmrc": `ca=evil\n\;\#\\ # x`}, here: `evil\n;#\`},
		{says: "a section is another thing", files: map[string]string{"p/.npmrc": "[x]\nca=evil"}},
		{says: "a file above the project is none of npm's", files: map[string]string{"a/.npmrc": "ca=above", "a/b/package.json": "{}"}, in: "a/b"},
		{says: "from below, the project's counts", files: map[string]string{"p/.npmrc": "ca=evil", "p/package.json": "{}", "p/src/.npmrc": "ca=worse"}, in: "p/src", here: "evil"},
		{says: "node_modules make a project", files: map[string]string{"p/.npmrc": "ca=evil", "p/node_modules/x/y": ""}, in: "p/src", here: "evil"},
		{says: "a package of a workspace has the workspace's", files: map[string]string{"p/.npmrc": "ca=evil", "p/package.json": `{"workspaces":["packages/*"]}`,
			"p/packages/a/package.json": `{"name":"a","version":"1.0.0"}`, "p/packages/a/.npmrc": "ca=worse"}, in: "p/packages/a", here: "evil"},
		{says: "a directory that is no package of it has its own", files: map[string]string{"p/.npmrc": "ca=evil", "p/package.json": `{"workspaces":["packages/*"]}`,
			"p/other/package.json": `{"name":"a","version":"1.0.0"}`, "p/other/.npmrc": "ca=worse"}, in: "p/other", here: "worse"},
		{says: "at home there is no project", files: map[string]string{".npmrc": "cafile=corp.pem", "corp.pem": "corp"}, in: ".", here: "corp", away: "corp", all: "HOME/corp.pem"},
		{says: "the project names another file of the user", files: map[string]string{"p/.npmrc": "userconfig=user", "p/user": "ca=evil", ".npmrc": "ca=corp"},
			here: "evil", away: "corp", all: "corp"},
		{says: "the project names another file of the machine", files: map[string]string{"p/.npmrc": "globalconfig=glob", "p/glob": "ca=evil"},
			env: []string{"npm_config_globalconfig="}, here: "evil"},
		{says: "the environment names the project's file as the user's", files: map[string]string{"p/.npmrc": "ca=evil"}, env: []string{"npm_config_userconfig=.npmrc"}, here: "evil"},
		{says: "the user's cafile is what the project has there", files: map[string]string{".npmrc": "cafile=${HOME}/p/ca.pem", "p/ca.pem": "evil"}, here: "evil"},
		{says: "even by a way of its own", files: map[string]string{".npmrc": "cafile=ca.pem", "p/ca.pem": "evil", "global": "ca=machine"}, here: "evil", away: "machine", all: "machine"},
		{says: "and by the environment", files: map[string]string{"p/ca.pem": "evil"}, env: []string{"npm_config_cafile=ca.pem"}, here: "evil"},
		{says: "the user's prefix moves the machine's file", files: map[string]string{".npmrc": "prefix=~/own", "own/etc/npmrc": "ca=machine"},
			env: []string{"npm_config_globalconfig="}, here: "machine", away: "machine", all: "machine"},
	}
}

// make writes the files and returns the reader of them.
func (tree npmTree) make(t *testing.T) npmrc.Reader {
	t.Helper()
	home := t.TempDir()
	in := tree.in
	if in == "" {
		in = "p"
	}
	dir := filepath.Join(home, in)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range tree.files {
		write(t, filepath.Join(home, name), []byte(text))
	}
	env := append([]string{"HOME=" + home, "npm_config_globalconfig=" + filepath.Join(home, "global"), "PREFIX=" + home}, tree.env...)
	_, npm := npmrc.Installed()
	return npmrc.Reader{Env: env, Home: home, Dir: dir, Root: project.Root(dir), NPM: npm}
}

func TestNpmBelievesWhatItWouldWithoutUs(t *testing.T) {
	skipElsewhere(t)
	for _, tree := range npmTrees() {
		t.Run(tree.says, func(t *testing.T) {
			r := tree.make(t)
			away := r.Trust()
			r.Project = true
			here := r.Trust()
			same(t, "in the project", string(here.Roots), tree.here)
			same(t, "they replace others", here.Replaced, tree.here != "")
			same(t, "away from it", string(away.Roots), tree.away)
			same(t, "they replace others", away.Replaced, tree.away != "")
			same(t, "somebody is left out", away.LeftOut != "", tree.here != "" && tree.here != tree.away)
			for _, c := range []npmrc.Trust{here, away} {
				got := strings.Join(append(c.CAFiles, c.CA...), " ")
				same(t, "other tools", got, strings.ReplaceAll(tree.all, "HOME", r.Home))
			}
		})
	}
}

// TestNpmBelievesSoItself holds what is expected above against the npm of this machine.
func TestNpmBelievesSoItself(t *testing.T) {
	var rows []question
	for _, tree := range npmTrees() {
		r := tree.make(t)
		rows = append(rows, question{Dir: r.Dir, Env: r.Env, Key: "flat ca"})
	}
	for i, got := range askNpm(t, rows) {
		same(t, npmTrees()[i].says, got, npmTrees()[i].here)
	}
}

// Where ./node_modules/.bin is in PATH by its full name, npm itself may be the project's, and so what it has built in.
func TestAProjectsOwnNpmSpeaksForTheProject(t *testing.T) {
	skipElsewhere(t)
	r := npmTree{files: map[string]string{"p/node_modules/npm/npmrc": "ca=evil", "p/node_modules/npm/bin/npm": "#!/bin/sh"}}.make(t)
	if err := os.Chmod(filepath.Join(r.Dir, "node_modules/npm/bin/npm"), 0o700); err != nil {
		t.Fatal(err)
	}
	dirs := []string{r.Dir, r.Dir + "-link"}
	if err := os.Symlink(dirs[0], dirs[1]); err != nil {
		t.Fatal(err)
	}
	for _, found := range dirs {
		t.Setenv("PATH", filepath.Join(found, "node_modules", "npm", "bin"))
		for _, dir := range dirs {
			r.Dir, r.Root, r.Project = dir, project.Root(dir), false
			_, r.NPM = npmrc.Installed()
			away := r.Trust()
			same(t, "away", string(away.Roots)+strings.Join(away.CA, " "), "")
			r.Project = true
			here := r.Trust()
			same(t, "here", string(here.Roots)+strings.Join(here.CA, " "), "evil")
		}
	}
}

func TestAProxyInNpmrcIsSeen(t *testing.T) {
	skipElsewhere(t)
	for text, want := range map[string]bool{"https-proxy=http://p": true, "proxy=http://p": true, "proxy=null": false, "proxy=false": false, "proxy=": false} {
		r := npmTree{files: map[string]string{"p/.npmrc": text}}.make(t)
		same(t, text, r.Trust().Proxy, want)
	}
}
