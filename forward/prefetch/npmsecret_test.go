package prefetch

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
