package npmrc_test

import (
	"strings"
	"testing"

	"hither/forward/npmrc"
)

// commands are npm's, with the words in them, by npm 11.19.
func commands() map[string]string {
	return map[string]string{
		"ci": "ci", "i -g x": "i x", "i --save-dev p q@1": "i p q@1", "i --otp 123456 p": "i p", "i --_auth c2VjcmV0 -D p --save-exact": "i p",
		"i -C there p": "i p", "i --omit dev p": "i p", "i -w a p": "i p", "i --reg https://x p": "i p", "i --regi https://x p": "i p", "i -registry https://x p": "i p",
		"run x -- -g": "run x -g", "i --whatever p": "i p", "i --whatever=p q": "i q", "i --whatever true q": "i q", "i --tag -f q": "i q", "i --tag next q": "i q",
		"i --loglevel silent -s q": "i q", "i --no-save p": "i p", "i --no-no-save p": "i p", "i --save false p": "i p", "i --production null p": "i p", "i -gf p": "i p",
		"i --color always p": "i p", "i --color p": "i p", "i --browser x p": "i p", "i -Cg there p": "i there p", "i -mx p": "i p", "i -m=x p": "i p", "i - p": "i - p",
		"i --cache": "i", "i --cache -- p": "i p", "i ---- p": "i p", "i --prefer-o p": "i p", "i --proxy false p": "i p", "i -?": "i", "i --d p": "i p", "i -dd p": "i p",
	}
}

func words(command string) string {
	var out []string
	for _, arg := range npmrc.ParseArgs(strings.Fields(command)) {
		if arg.Option == "" {
			out = append(out, arg.Word)
		}
	}
	return strings.Join(out, " ")
}

func TestWhatNpmMakesOfItsArguments(t *testing.T) {
	var rows []question
	var said []string
	dir := t.TempDir()
	for command, want := range commands() {
		same(t, command, words(command), want)
		rows = append(rows, question{Dir: dir, Args: strings.Fields(command), Key: "words"})
		said = append(said, command)
	}
	for i, got := range askNpm(t, rows) {
		same(t, said[i]+", as npm says", got, commands()[said[i]])
	}
}

// npm reads no project's file for what it does to the whole machine.
func TestGlobalCallsOfNpmAreKnown(t *testing.T) {
	rows := []struct {
		command string
		env     []string
		want    string
	}{
		{"ci", nil, "false"}, {"i -g x", nil, "true"}, {"--g ls", nil, "true"}, {"--global=false ci", nil, "false"}, {"i --location global x", nil, "true"},
		{"ci", []string{"npm_config_global=true"}, "true"}, {"ci", []string{"NPM_CONFIG_LOCATION=global"}, "true"}, {"ci", []string{"npm_config_global=false"}, "false"},
		{"ci --global=false", []string{"npm_config_global=true"}, "false"}, {"ci --no-global", []string{"npm_config_global=true"}, "false"},
		{"ci --location=user", []string{"npm_config_location=global"}, "false"}, {"ci --location=user -g", nil, "true"}, {"ci --glob", nil, "false"}, {"ci --global null", nil, "true"},
		{"ci --local", []string{"npm_config_global=true"}, "false"}, {"i -glp x", nil, "true"}, {"run x -- -g", nil, "false"}, {"i -mg x", nil, "true"},
	}
	var asked []question
	dir := t.TempDir()
	for _, row := range rows {
		r := npmrc.Reader{Args: strings.Fields(row.command), Env: row.env, Dir: dir, Project: true}
		same(t, row.command+" "+strings.Join(row.env, " "), map[bool]string{true: "true", false: "false"}[r.Read().Global()], row.want)
		asked = append(asked, question{dir, row.env, r.Args, "source project"})
	}
	for i, got := range askNpm(t, asked) {
		same(t, rows[i].command+" "+strings.Join(rows[i].env, " ")+", as npm says", got, rows[i].want)
	}
}
