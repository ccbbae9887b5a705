package project

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestTheProjectOfADirectory(t *testing.T) {
	dir := files(t, map[string]string{
		"one/package.json": "{}", "one/src/deep/x": "", "two/node_modules/y/x": "", "two/src/x": "", "none/x": "",
		"ws/package.json": `{"workspaces":["packages/*"]}`, "ws/packages/a/package.json": "{}", "ws/packages/a/src/x": "", "ws/other/package.json": "{}",
		"odd/package.json/x": "", "odd/src/node_modules": "a file",
	})
	for at, want := range map[string]string{
		"one": "one", "one/src/deep": "one", "two/src": "two", "none": "none", "ws/packages/a/src": "ws", "ws/packages/a": "ws", "ws/other": "ws/other", "odd/src": "odd/src",
	} {
		got, err := filepath.Rel(dir, Root(filepath.Join(dir, filepath.FromSlash(at))))
		if err != nil || strings.HasPrefix(got, "..") {
			t.Fatalf("%s\n got %s %v", at, got, err)
		}
		same(t, at, filepath.ToSlash(got), want)
	}
}
