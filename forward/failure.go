package forward

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"

	"hither/cache"
	"hither/forward/dial"
	"hither/forward/fetch"
	"hither/forward/notary"
)

// failWith answers an error of ours. It is never a 404: clients believe those.
func (s *Server) failWith(w *reply, r *http.Request, err error) {
	w.problem = err
	if r.Context().Err() != nil {
		panic(http.ErrAbortHandler) // nobody listens
	}
	if failure := (*fetch.Failure)(nil); errors.As(err, &failure) {
		maps.Copy(w.Header(), failure.Limits())
	}
	status, sentence := describe(r.Host, err)
	s.fail(w, r, status, sentence)
}

// refused is a request that we do not take, and why.
type refused struct {
	status   int
	sentence string
}

func refusalOf(status int, sentence string) error { return &refused{status, sentence} }

func (r *refused) Error() string { return r.sentence }

// describe finds the status and the sentence for an error that came up while host was wanted.
func describe(host string, err error) (status int, sentence string) {
	var failure *fetch.Failure
	var network net.Error
	var refused *refused
	switch {
	case errors.As(err, &refused):
		return refused.status, refused.sentence
	case errors.Is(err, notary.ErrSecurity):
		return http.StatusBadGateway, sentenceOf(err) + " Nothing is served on its word. Look with `hither status`, and do not work around it."
	case errors.Is(err, dial.ErrSelf):
		return http.StatusLoopDetected, sentenceOf(err)
	case errors.As(err, &failure):
		return failure.Status(), sentenceOf(err)
	case errors.Is(err, cache.ErrClosed):
		return http.StatusServiceUnavailable, "Hither is stopping. Try again when it is up."
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout():
		return http.StatusGatewayTimeout, fmt.Sprintf("%s did not answer in time: %v. Try again, or look at this machine's network.", host, err)
	}
	return http.StatusBadGateway, fmt.Sprintf("%s could not be asked: %v. Look at this machine's network, then try again.", host, err)
}

func sentenceOf(err error) string {
	text := err.Error()
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}

// fail answers with a status and a sentence, in the registry's own form where its clients read that.
func (s *Server) fail(w *reply, r *http.Request, status int, sentence string) {
	if status >= 500 {
		s.warn("a request failed", "method", r.Method, "host", r.Host, "path", r.URL.EscapedPath(), "status", status, "error", sentence)
	}
	kind, body := "text/plain; charset=utf-8", []byte(shown(w.problem, sentence)+"\n")
	if isOCI(r) {
		kind, body = "application/json", ociError(status, sentence)
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "5")
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // a client that has left needs no answer
	}
}

// maxShown is what go shows of an error, in bytes, and of that no line which does not fit (cmd/go/internal/web, formatErrorDetail).
const maxShown = 8 * 81

// shown is a sentence about a problem as plain text, of which the end may not be read.
func shown(problem error, sentence string) string {
	var failure *fetch.Failure
	if len(sentence) > maxShown && errors.As(problem, &failure) && !errors.Is(problem, notary.ErrSecurity) {
		return failure.Lines()
	}
	return sentence
}

// isOCI says whether the client speaks to a container registry.
func isOCI(r *http.Request) bool {
	return r.URL.Path == "/v2" || strings.HasPrefix(r.URL.Path, "/v2/")
}

// ociError is the form of errors in distribution-spec, "Error Codes".
func ociError(status int, sentence string) []byte {
	type entry struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	code := "UNAVAILABLE"
	switch status {
	case http.StatusUnauthorized:
		code = "UNAUTHORIZED"
	case http.StatusForbidden:
		code = "DENIED"
	case http.StatusTooManyRequests:
		code = "TOOMANYREQUESTS"
	}
	body, _ := json.Marshal(map[string][]entry{"errors": {{code, sentence}}}) // strings alone: it cannot fail
	return append(body, '\n')
}
