package forward

import (
	"fmt"
	"log"
	"log/slog"
	"strings"
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
		l.s.log().Warn("a client does not trust Hither's certificates: start it by `hither run`, or see `hither env`", "error", text)
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
