// Package redact keeps secrets out of what people read: errors, answers of commands, and the log.
package redact

import (
	"context"
	"log/slog"
	"regexp"
	"strings"
)

// masked stands where a secret stood.
const masked = "…"

// What may be a secret in text meant for people: userinfo and query values in URLs, Authorization values, and the token that
// npm logout and npm token revoke name in a path.
var (
	userinfo    = regexp.MustCompile(`(://)[^/?#\s"'@]+@`)
	queryValue  = regexp.MustCompile(`([?&;])([^=&;#\s"'?]+)=([^&;#\s"']*)`)
	credentials = regexp.MustCompile(`(?i)\b(bearer|basic|token)(\s+)[A-Za-z0-9._~+/-]{8,}=*`)
	revoked     = regexp.MustCompile(`(/-/(?:user|npm/v1/tokens)/token/)[^/?#\s"']+`)
)

// Text leaves out what must not be in a log, an error or an answer of `hither status`. It does not know which query
// values are secret (signed URLs spell them in a dozen ways), so it shows only those that it knows to be harmless.
func Text(text string) string {
	text = userinfo.ReplaceAllString(text, "${1}"+masked+"@")
	text = credentials.ReplaceAllString(text, "${1}${2}"+masked)
	text = revoked.ReplaceAllString(text, "${1}"+masked)
	if !strings.ContainsAny(text, "?&") {
		return text
	}
	return queryValue.ReplaceAllStringFunc(text, func(part string) string {
		m := queryValue.FindStringSubmatch(part)
		if isHarmless(m[2]) {
			return part
		}
		return m[1] + m[2] + "=" + masked
	})
}

// isHarmless names query parameters of registries that say which thing is meant, and never who asks.
func isHarmless(name string) bool {
	switch name {
	case "ns", "n", "last", "scope", "service", "go-get", "write", "text", "size", "from":
		return true
	}
	return false
}

// Handler is a slog handler that keeps secrets out of another one.
type Handler struct{ slog.Handler }

// Handle redacts the message and every value, also within groups.
func (r Handler) Handle(ctx context.Context, record slog.Record) error {
	clean := slog.NewRecord(record.Time, record.Level, Text(record.Message), record.PC)
	record.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(redactAttr(a))
		return true
	})
	return r.Handler.Handle(ctx, clean)
}

// WithAttrs redacts before the handler below formats.
func (r Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = redactAttr(a)
	}
	return Handler{r.Handler.WithAttrs(clean)}
}

// WithGroup keeps the handler wrapped.
func (r Handler) WithGroup(name string) slog.Handler {
	return Handler{r.Handler.WithGroup(name)}
}

func redactAttr(a slog.Attr) slog.Attr {
	value := a.Value.Resolve()
	switch value.Kind() {
	case slog.KindGroup:
		attrs := make([]slog.Attr, 0, len(value.Group()))
		for _, inner := range value.Group() {
			attrs = append(attrs, redactAttr(inner))
		}
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(attrs...)}
	case slog.KindString, slog.KindAny:
		return slog.String(a.Key, Text(value.String()))
	}
	return slog.Attr{Key: a.Key, Value: value}
}
