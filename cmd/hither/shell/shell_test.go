package shell

import (
	"os/exec"
	"strings"
	"testing"

	"hither/cmd/hither/environ"
	"hither/cmd/hither/hithertest"
)

// nasty values are what shells stumble over.
func nasty() map[string]string {
	return map[string]string{
		"PLAIN": "http://127.0.0.1:7890", "EMPTY": "", "BLANKS": "  two  words ", "QUOTES": `it's "quoted" 'twice'`, "DOLLAR": "$HOME ${x} $(id) `id`",
		"SLASHES": `C:\new\dir\`, "SLASHQUOTE": `a\'b\\'c`, "NEWLINES": "one\ntwo\n", "SIGNS": "!#%&*()[]{}<>?|;^~=+,", "UNICODE": "é’‘“漢…",
	}
}

// TestShellsReadBackWhatWasQuoted asks the real shells.
func TestShellsReadBackWhatWasQuoted(t *testing.T) {
	for _, name := range []string{"bash", "sh", "dash", "zsh", "fish"} {
		t.Run(name, func(t *testing.T) {
			program, err := exec.LookPath(name)
			if err != nil {
				t.Skip("there is no " + name + " here")
			}
			sh, _ := parse(name)
			for variable, value := range nasty() {
				line, err := sh.Set(variable, value)
				if err != nil {
					t.Fatal(err)
				}
				out, err := exec.Command(program, "-c", line+"\nprintenv "+variable+"\n"+sh.Copy("B", variable)+"\nprintenv B\n"+sh.Unset(variable, "B")+"\nprintenv "+variable+" || echo gone").Output()
				if err != nil {
					t.Fatal(err)
				}
				hithertest.Same(t, line, string(out), value+"\n"+value+"\ngone\n")
			}
		})
	}
}

func TestOtherShellsAreQuotedByTheirManual(t *testing.T) {
	for _, row := range []struct {
		sh          Language
		value, want string
	}{
		{powerShell, `it's $HOME "x"`, `$env:A = 'it''s $HOME "x"'`},
		{powerShell, "it’s", "$env:A = 'it’’s'"}, // about_Quoting_Rules: typographical quotes are quotes
		{powerShell, "one\ntwo", "$env:A = 'one\ntwo'"},
		{cmdExe, `C:\a b&c^d`, `set "A=C:\a b&c^d"`},
		{fish, `a\b'c`, `set -gx A 'a\\b\'c'`},
		{bash, `it's`, `export A='it'\''s'`},
	} {
		got, err := row.sh.Set("A", row.value)
		if err != nil {
			t.Error(err)
		}
		hithertest.Same(t, string(row.sh), got, row.want)
	}
	for _, value := range []string{`say "x"`, "one\ntwo"} {
		if line, err := cmdExe.Set("A", value); err == nil || !strings.Contains(err.Error(), "--shell powershell") {
			t.Errorf("cmd\n got %s, %v\nwant an error that names PowerShell", line, err)
		}
	}
	if _, err := bash.Set("A", "a\x00b"); err == nil {
		t.Error("a zero byte was taken")
	}
	hithertest.Same(t, "unset in PowerShell", powerShell.Unset("A"), "Remove-Item Env:A -ErrorAction SilentlyContinue")
	hithertest.Same(t, "unset in cmd", cmdExe.Unset("A", "B"), `set "A=" & set "B="`)
}

func TestTheShellIsFound(t *testing.T) {
	for _, row := range []struct {
		says, named, parent, env string
		want                     Language
	}{
		{"the user names one", "fish", "bash", "/bin/zsh", fish},
		{"the parent is one", "", "zsh\n", "/bin/bash", zsh},
		{"a login shell has a dash", "", "-bash", "", bash},
		{"the parent is make", "", "make", "/usr/bin/fish", fish},
		{"PowerShell on Windows", "", `pwsh.exe`, "", powerShell},
		{"a path of Windows", `C:\Windows\System32\cmd.exe`, "", "", cmdExe},
		{"nothing is known", "", "make", "/bin/tcsh", System},
	} {
		got, err := Find(row.named, row.parent, environ.List{"SHELL=" + row.env})
		if err != nil {
			t.Error(err)
		}
		hithertest.Same(t, row.says, got, row.want)
	}
	if _, err := Find("tcsh", "", nil); err == nil || !strings.Contains(err.Error(), "bash, zsh") {
		t.Errorf("tcsh\n got %v\nwant an error that lists the shells", err)
	}
}
