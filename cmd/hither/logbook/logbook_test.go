package logbook

import (
	"errors"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hither/cmd/hither/hithertest"
	"hither/cmd/hither/settings"
)

func TestTheLogHasNoSecrets(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	log, closer, err := Open(settings.Settings{Log: "debug," + file, From: map[string]string{}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	secret, _ := url.Parse("https://u:hush@h/?t=hush")
	log.With("with", "https://hush@h").WithGroup("g").Info("to https://hush@h", "text", "?t=hush", "url", secret, "error", errors.New("?t=hush"),
		slog.Group("inner", "deep", "?t=hush"), "n", 3)
	if err := closer.Close(); err != nil {
		t.Fatal(err)
	}
	data, _ := os.ReadFile(file)
	if strings.Contains(string(data), "hush") {
		t.Errorf("a secret is in the log:\n%s", data)
	}
	hithertest.Contains(t, string(data), "g.n=3", "g.inner.deep")
}

func TestTheLogSaysWhatIsWanted(t *testing.T) {
	for _, row := range []struct {
		says, log string
		verbose   bool
		want      string
	}{
		{"warnings by default", "warn", false, "WARN ERROR"},
		{"requests with -v", "warn", true, "INFO WARN ERROR"},
		{"a finer level stays with -v", "debug", true, "DEBUG INFO WARN ERROR"},
		{"errors alone", "error", false, "ERROR"},
	} {
		var out strings.Builder
		log, _, err := Open(settings.Settings{Log: row.log, Verbose: row.verbose}, &out)
		if err != nil {
			t.Fatal(err)
		}
		log.Debug("x")
		log.Info("x")
		log.Warn("x")
		log.Error("x")
		var levels []string
		for _, word := range strings.Fields(out.String()) {
			if level, ok := strings.CutPrefix(word, "level="); ok {
				levels = append(levels, level)
			}
		}
		hithertest.Same(t, row.says, strings.Join(levels, " "), row.want)
	}
}

func TestTheLogFileStaysSmall(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	f := &File{path: path, limit: 100}
	for range 50 {
		if _, err := f.Write([]byte(strings.Repeat("x", 29) + "\n")); err != nil {
			t.Fatal(err)
		}
	}
	f.Close()
	for _, name := range []string{path, path + ".1"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > 100 || info.Size()%30 != 0 {
			t.Errorf("%s has %d bytes, want whole records and at most 100", name, info.Size())
		}
	}
}

// As root, the null device would be moved away, and a file take its place.
func TestOnlyAFileIsPutAside(t *testing.T) {
	hithertest.SkipElsewhere(t)
	dir := t.TempDir()
	for _, row := range []struct{ link, to string }{{"null", os.DevNull}, {"linked", filepath.Join(dir, "real")}} {
		path := filepath.Join(dir, row.link)
		if err := os.Symlink(row.to, path); err != nil {
			t.Fatal(err)
		}
		f := &File{path: path, limit: 10}
		for range 3 {
			if _, err := f.Write([]byte("seven.\n")); err != nil {
				t.Fatal(err)
			}
		}
		f.Close()
		to, err := os.Readlink(path)
		hithertest.Same(t, row.link+": error", err, nil)
		hithertest.Same(t, row.link, to, row.to)
	}
	_, err := os.Stat(filepath.Join(dir, "real.1"))
	hithertest.Same(t, "put aside", err, nil)
}

// Where its directory cannot be written it is to stay small all the same, and whole.
func TestALogFileThatCannotBePutAsideBeginsAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	hithertest.Write(t, filepath.Join(path+".1", "x"), nil)
	f := &File{path: path, limit: 100}
	for range 50 {
		if _, err := f.Write([]byte(strings.Repeat("x", 29) + "\n")); err != nil {
			t.Fatal(err)
		}
	}
	f.Close()
	info, err := os.Stat(path)
	hithertest.Same(t, "error", err, nil)
	hithertest.Same(t, "bytes", info.Size(), 60)
}
