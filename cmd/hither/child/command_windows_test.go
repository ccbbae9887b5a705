package child

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hither/cmd/hither/hithertest"
)

// TestABatchFileIsGivenWhatWasTyped: npm is one, and lodash@>=4 a version.
func TestABatchFileIsGivenWhatWasTyped(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a file.cmd")
	if err := os.WriteFile(file, []byte("@echo off\r\necho %* >out.txt\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Command([]string{file, "install", "lodash@>=4", "x^1", "a&b", "", "two words", `c:\`, `a "quote"`})
	if err != nil {
		t.Fatal(err)
	}
	c.Dir = dir
	if text, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	text, err := os.ReadFile(filepath.Join(dir, "out.txt"))
	if err != nil {
		t.Fatal(err)
	}
	hithertest.Same(t, "arguments", strings.TrimSpace(string(text)), `install "lodash@>=4" "x^1" "a&b" "" "two words" "c:\\" "a ""quote"""`)
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("got  %v, %v\nwant the file and its output alone", entries, err)
	}
}

// TestABatchFileIsKnownWithoutItsExtension is for node_modules\.bin\eslint, which is typed so: os/exec finds the extension, as
// late as when it starts it.
func TestABatchFileIsKnownWithoutItsExtension(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("tool.1.cmd", []byte("@echo off\r\necho %* >out.txt\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{`.\tool.1`, "./tool.1", filepath.Join(dir, "tool.1"), filepath.Join(dir, "TOOL.1.CMD"), `.\tool.1.cmd. .`} {
		c, err := Command([]string{name, "x>=4", "50%OS%"})
		if err != nil {
			t.Fatal(err)
		}
		if text, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		text, err := os.ReadFile("out.txt")
		hithertest.Same(t, "error", err, nil)
		hithertest.Same(t, name+" is given", strings.HasPrefix(string(text), `"x>=4" "50%`), true)
		hithertest.Same(t, name+" is given the name of the system", strings.Contains(string(text), "Windows_NT"), false)
		if entries, err := os.ReadDir("."); err != nil || len(entries) != 2 {
			t.Errorf("got  %v, %v\nwant the file and its output alone", entries, err)
		}
	}
}

func TestALineForABatchFile(t *testing.T) {
	got, err := batchLine(`C:\100%\npm.cmd`, []string{"50%OS%", `a\"b`})
	hithertest.Same(t, "error", err, nil)
	hithertest.Same(t, "line", got, `cmd.exe /e:ON /v:OFF /d /c ""C:\100%%cd:~,%\npm.cmd" "50%%cd:~,%OS%%cd:~,%" "a\\""b""`)
	_, err = batchLine(`C:\npm.cmd`, []string{"two\nlines"})
	hithertest.Same(t, "several lines are refused", err != nil, true)
}
