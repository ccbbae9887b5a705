// Package logbook writes what Hither says of itself while it runs: in lines without secrets, to a file that stays small, to systemd's
// journal with the priority of each, or to a terminal that may be stopped.
//
//	log, file, err := logbook.Open(settings, os.Stderr)
//	defer file.Close()
package logbook

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"hither/cmd/hither/environ"
	"hither/cmd/hither/redact"
	"hither/cmd/hither/settings"
)

// Open makes the logger that the settings ask for: to stderr, or to a file. Close that in the end; where there
// is none, it is nil, which can be closed and opened anew all the same.
func Open(s settings.Settings, stderr io.Writer) (*slog.Logger, *File, error) {
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
	if file == "" {
		return New(stderr, level, IsJournal(stderr)), nil, nil
	}
	f := &File{path: file, limit: limit}
	if err := f.open(); err != nil {
		return nil, nil, s.Wrong("log", fmt.Errorf("%w; name a file that can be written, or one of the levels debug, info, warn, error", err))
	}
	return New(f, level, false), f, nil
}

// New makes lines. In those for systemd's journal, which has a time of its own for each, the priority comes first (sd-daemon(3)).
func New(out io.Writer, level slog.Level, journal bool) *slog.Logger {
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

// AsError is text as an error's, each line of it, where it goes to systemd's journal.
func AsError(w io.Writer, text string) string {
	if !IsJournal(w) {
		return text
	}
	return "<3>" + strings.ReplaceAll(text, "\n", "\n<3>")
}

// IsJournal says that what is written there goes to systemd's journal (systemd.exec(5), JOURNAL_STREAM).
func IsJournal(w io.Writer) bool {
	f, ok := w.(*os.File)
	_, inode, named := strings.Cut(os.Getenv("JOURNAL_STREAM"), ":")
	if !ok || !named {
		return false
	}
	socket, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	return err == nil && socket == "socket:["+inode+"]"
}
