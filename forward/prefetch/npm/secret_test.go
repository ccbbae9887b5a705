package npm

import (
	"strings"
	"testing"
)

// What is written behind an option in one argument is no word of the command, whatever blanks it has: it may be a password.
func TestASecretWithBlanksIsNoPackage(t *testing.T) {
	for _, row := range []struct {
		says string
		args []string
		want string
	}{
		{"a password", []string{"npm", "install", "--_password", "correct horse battery", "react"}, "react"},
		{"of a registry", []string{"node", "/usr/bin/npm", "i", "--//r.example/:_authToken", "Bearer abc", "react"}, "react"},
		{"behind =", []string{"npm", "install", "--otp=1 horse", "react"}, "react"},
		{"a message", []string{"npm", "install", "-m", "for my eyes", "react"}, "react"},
		{"npm's own title", []string{"npm install react", "", ""}, "react"},
		{"a program in a folder with blanks", []string{`C:\Program Files\nodejs\node.exe`, `C:\Program Files\nodejs\node_modules\npm\bin\npm-cli.js`, "install", "react"}, "react"},
		{"all in one word", []string{"npm install --otp 1 react"}, "react"},
	} {
		if got := strings.Join(readCommand(row.args).specs, " "); got != row.want {
			t.Errorf("%s\n got %s\nwant %s", row.says, got, row.want)
		}
	}
}

// What stands behind an option may be a password or a name of one's own. npm takes it out of what it shows of its arguments;
// those that it was started with have it.
func TestTheValueOfAnOptionIsNoPackage(t *testing.T) {
	for command, want := range map[string]string{
		"npm i --otp 123456 p": "/p", "npm i --_auth c2VjcmV0 -D p --save-exact": "/p", "npm i --save-dev p q@1": "/p /q",
		"npm i --//npm.corp.example/:_authToken npm_secret p": "", "npm i -C there p": "", "npm i --prefix there p": "",
		"npm i --userconfig there p": "", "npm i -registry https://npm.corp.example p": "", "npm i --omit dev p": "/p", "npm i -w a p": "/p",
		"npx --package p q": "/p", "npx -p p q": "/p", "npm i -g p": "/p", "npm i --global p": "/p", "npm i -- p": "/p",
		"npm i --tag next p": "/p", "npm i --whatever secret p": "/p", "npm i --whatever=secret p": "/p", "pnpm add --prod p": "/p", "pnpm add --filter a p": "/p", "npm i --omit=dev p": "/p",
	} {
		var got []string
		for _, w := range New(registry).Project("", strings.Fields(command)) {
			got = append(got, strings.TrimPrefix(w.URL, registry))
		}
		same(t, command, strings.Join(got, " "), want)
	}
}

// The registry is not told how a file is called that is installed from the disk.
func TestAnArchiveIsNoPackage(t *testing.T) {
	for spec, want := range map[string]string{
		"acme-1.0.0.tgz": "", "acme.TAR.gz": "", "acme.tar": "", "acme.tgz@1": "", "./acme.tgz": "", "p@acme.tgz": "", "file:acme.tgz": "",
		"@acme/p.tgz": "/@acme/p.tgz", "p.tgz2": "/p.tgz2",
	} {
		var got []string
		for _, w := range New(registry).Project("", []string{"npm", "install", spec}) {
			got = append(got, strings.TrimPrefix(w.URL, registry))
		}
		same(t, spec, strings.Join(got, " "), want)
		if spec != "p.tgz2" && spec[0] != '@' && len(named(readCommand([]string{"npm", "install", spec}), nil)) > 0 {
			t.Errorf("%s: it is wanted of a registry", spec)
		}
	}
}
