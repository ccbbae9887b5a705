package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hither/cmd/hither/logbook"
	"hither/cmd/hither/settings"
)

// The directory of the log may be gone, or closed to us, when SIGHUP has the file opened anew.
func TestALogFileThatCannotBeOpenedAnewIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	log, file, err := logbook.Open(settings.Settings{Log: filepath.Join(dir, "log")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := os.Rename(dir, dir+"-moved"); err != nil {
		t.Skip("no file that is open can be moved here:", err)
	}
	(&app{}).hangup(log, file)
	log.Warn("still heard")
	text, err := os.ReadFile(filepath.Join(dir+"-moved", "log"))
	same(t, "error", err, nil)
	for _, line := range []string{"could not be opened anew", "SIGHUP: ", "still heard"} {
		if !strings.Contains(string(text), line) {
			t.Errorf("the old file\ngot  %s\nwant %s", text, line)
		}
	}
}
