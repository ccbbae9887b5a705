package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"hither/cmd/hither/environ"
	"hither/cmd/hither/redact"
	"hither/cmd/hither/settings"
)

// logSize is where a log file is put aside as FILE.1, replacing the one before: two files are the most there ever is.
const logSize = 10 << 20

// openLog makes the logger that the settings ask for: to stderr, or to a file. Close it in the end.
func openLog(s settings.Settings, stderr io.Writer) (*slog.Logger, io.Closer, error) {
	level, file := slog.LevelWarn, ""
	for _, word := range environ.SplitList([]string{s.Log}) {
		if l, ok := settings.ParseLevel(word); ok {
			level = l
		} else {
			file = word
		}
	}
	if s.Verbose {
		level = min(level, slog.LevelInfo)
	}
	out, closer, journal := stderr, io.Closer(io.NopCloser(nil)), isJournal(stderr)
	if file != "" {
		f := &logFile{path: file, limit: logSize}
		if err := f.open(); err != nil {
			return nil, nil, s.Wrong("log", fmt.Errorf("%w; name a file that can be written, or one of the levels debug, info, warn, error", err))
		}
		out, closer, journal = f, f, false
	}
	return newLog(out, level, journal), closer, nil
}

// newLog makes lines. In those for systemd's journal, which has a time of its own for each, the priority comes first (sd-daemon(3)).
func newLog(out io.Writer, level slog.Level, journal bool) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if journal {
		out = prioritised{out}
		options.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime {
				return slog.Attr{}
			}
			return a
		}
	}
	return slog.New(redact.Handler{Handler: slog.NewTextHandler(out, options)})
}

// prioritised is given whole lines that begin with their level.
type prioritised struct{ io.Writer }

// Write puts the priority of syslog(3) before the line.
func (p prioritised) Write(line []byte) (int, error) {
	priority := "<6>"
	for level, is := range map[slog.Level]string{slog.LevelError: "<3>", slog.LevelWarn: "<4>", slog.LevelDebug: "<7>"} {
		if bytes.HasPrefix(line, []byte(slog.LevelKey+"="+level.String()+" ")) {
			priority = is
		}
	}
	if _, err := p.Writer.Write(append([]byte(priority), line...)); err != nil {
		return 0, err
	}
	return len(line), nil
}

// asError is text as an error's, each line of it, where it goes to systemd's journal.
func asError(w io.Writer, text string) string {
	if !isJournal(w) {
		return text
	}
	return "<3>" + strings.ReplaceAll(text, "\n", "\n<3>")
}

// isJournal says that what is written there goes to systemd's journal (systemd.exec(5), JOURNAL_STREAM).
func isJournal(w io.Writer) bool {
	f, ok := w.(*os.File)
	_, inode, named := strings.Cut(os.Getenv("JOURNAL_STREAM"), ":")
	if !ok || !named {
		return false
	}
	socket, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	return err == nil && socket == "socket:["+inode+"]"
}

// logFile is a file that does not grow for ever.
type logFile struct {
	path  string
	limit int64

	mu      sync.Mutex
	file    *os.File // nil if it could not be opened anew: the next Write tries again
	size    int64
	endless bool // it is no file that grows: /dev/null must stay what it is
}

func (f *logFile) open() error {
	file, err := os.OpenFile(f.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return err
	}
	f.file, f.size, f.endless = file, info.Size(), !info.Mode().IsRegular()
	return nil
}

// Write never splits a record between two files.
func (f *logFile) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file != nil && !f.endless && f.size > 0 && f.size+int64(len(p)) > f.limit {
		f.file.Close()
		f.file = nil
		if err := f.putAside(); err != nil {
			return 0, err
		}
	}
	if f.file == nil {
		if err := f.open(); err != nil {
			return 0, err
		}
	}
	n, err := f.file.Write(p)
	f.size += int64(n)
	return n, err
}

// putAside keeps a link to the file. In a directory that cannot be written the file begins anew, as it must not grow for ever.
func (f *logFile) putAside() error {
	path, err := filepath.EvalSymlinks(f.path)
	if err == nil {
		err = os.Rename(path, path+".1")
	}
	if err != nil {
		err = os.Truncate(f.path, 0)
	}
	if errors.Is(err, fs.ErrNotExist) { // somebody has taken it away
		return nil
	}
	return err
}

// Close closes the file.
func (f *logFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return nil
	}
	return f.file.Close()
}
