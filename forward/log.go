package forward

import (
	"fmt"
	"log"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
)

// logs says whether anybody reads of requests.
func (s *Server) logs() bool { return s.Log != nil && s.Log.Enabled(s.ctx, slog.LevelInfo) }

// logRequest writes the one line of a request.
func (s *Server) logRequest(method, host, path string, status int, rule, state, source string, sent int64, took time.Duration, problem string) {
	s.log().Info("request", "method", method, "host", host, "path", path, "status", status,
		"rule", rule, "state", state, "source", source, "bytes", sent, "took", took.Round(time.Millisecond), "error", problem)
}

// serverLog is what net/http complains to. Most of it is noise; a client that does not trust us is not.
func (s *Server) serverLog() *log.Logger { return log.New(serverLog{s}, "", 0) }

type serverLog struct{ s *Server }

func (l serverLog) Write(p []byte) (int, error) {
	text := strings.TrimSpace(string(p))
	switch {
	case strings.Contains(text, "panic serving"):
		l.s.log().Error("a bug ended a request; please report it", "error", text)
	case strings.Contains(text, "unknown certificate authority"), strings.Contains(text, "bad certificate"):
		l.s.warn("a client does not trust Hither's certificates: start it by `hither run`, or see `hither env`", "error", text)
	default:
		l.s.log().Debug(text)
	}
	return len(p), nil
}

// proxyLog is what goproxy complains to: tunnels that were cut, for the most part.
type proxyLog struct{ s *Server }

// Printf is goproxy.Logger.
func (l proxyLog) Printf(format string, v ...any) {
	l.s.log().Debug(strings.TrimSpace(fmt.Sprintf(format, v...)))
}

const (
	// warnWindow and warnMost bound how many warnings of a kind are logged: a client that tries again and again, or means it
	// badly, must not fill the disk.
	warnWindow = time.Minute
	warnMost   = 20
)

// seldom counts warnings by their kind, which is their text without what it is about. The zero value has none.
type seldom struct {
	mu    sync.Mutex
	kinds map[string]*spell
}

// spell is one window in which warnings of a kind are counted.
type spell struct {
	began  time.Time
	said   int
	unsaid int
}

// take says whether one more may be logged, and how many of its kind were not since the last that was.
func (w *seldom) take(kind string, now time.Time) (unsaid int, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.kinds == nil {
		w.kinds = map[string]*spell{}
	}
	s := w.kinds[kind]
	if s == nil {
		s = &spell{began: now}
		w.kinds[kind] = s
	}
	if now.Sub(s.began) >= warnWindow {
		s.began, s.said = now, 0
	}
	if s.said >= warnMost {
		s.unsaid++
		return 0, false
	}
	s.said++
	unsaid, s.unsaid = s.unsaid, 0
	return unsaid, true
}

// warn is for what a client can cause, so that only some are logged; kind must be one of few texts.
func (s *Server) warn(kind string, about ...any) {
	unsaid, ok := s.warnings.take(kind, time.Now())
	if !ok {
		return
	}
	if unsaid > 0 {
		about = append(about, "more", strconv.Itoa(unsaid)+" like it were not logged")
	}
	s.log().Warn(kind, about...)
}
