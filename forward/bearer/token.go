package bearer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"hither/forward/mark"
	"hither/forward/redirect"
)

const (
	// tokenPatience is for one question to a token server.
	tokenPatience = 15 * time.Second
	// early is how long before its end a token is not shown any more: it must still live when the registry reads it.
	early = 10 * time.Second
	// defaultLife is what the specification says of an answer that does not tell.
	defaultLife = 60 * time.Second
	// maxLife bounds a claim that makes no sense.
	maxLife = time.Hour
	// maxTokenAnswer and maxToken are in bytes. Registries give 1 to 5 KiB.
	maxTokenAnswer, maxToken = 64 << 10, 16 << 10
)

// deniedError says that the token server gives nothing to somebody without a name. That is an answer, not silence.
type deniedError struct{ status int }

func (e *deniedError) Error() string {
	return fmt.Sprintf("the token server refuses anonymous clients with %d", e.status)
}

// answer is the registry's own refusal; but who asked too often should hear that, and not that a name is wanting.
func (e *deniedError) answer(resp *http.Response) *http.Response {
	if e.status == http.StatusTooManyRequests {
		resp.StatusCode, resp.Status = e.status, strconv.Itoa(e.status)+" "+http.StatusText(e.status)
	}
	return resp
}

type granted struct {
	text string
	life time.Duration
}

// askToken puts one question to the realm of g, without credentials.
func askToken(ctx context.Context, next http.RoundTripper, g grant) (granted, error) {
	ctx, cancel := context.WithTimeout(ctx, tokenPatience)
	defer cancel()
	if g.public {
		ctx = mark.Public(ctx)
	}
	u, err := url.Parse(g.realm)
	if err != nil {
		return granted{}, err
	}
	u.RawQuery = g.query(u.Query())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return granted{}, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := next.RoundTrip(req)
	if err != nil {
		return granted{}, fmt.Errorf("ask %s: %w", u.Host, err)
	}
	defer redirect.Discard(resp)
	t, err := readToken(resp)
	if err != nil {
		return granted{}, fmt.Errorf("ask %s: %w", u.Host, err)
	}
	return t, nil
}

// query adds what is asked for to what the realm's URL has already.
func (g grant) query(q url.Values) string {
	if g.service != "" {
		q.Set("service", g.service)
	}
	for _, scope := range strings.Fields(g.scopes) {
		q.Add("scope", scope)
	}
	return q.Encode()
}

// readToken reads the answer. Its errors hold nothing of the body.
func readToken(resp *http.Response) (granted, error) {
	switch code := resp.StatusCode; {
	case code == http.StatusOK:
	case code >= 400 && code < 500:
		return granted{}, &deniedError{code}
	default:
		return granted{}, fmt.Errorf("the token server answered %d", code)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxTokenAnswer+1))
	if err != nil {
		return granted{}, err
	}
	if len(body) > maxTokenAnswer {
		return granted{}, errors.New("the token server's answer is too long")
	}
	return parseToken(body)
}

func parseToken(body []byte) (granted, error) {
	var answer struct {
		Token     string      `json:"token"`
		Access    string      `json:"access_token"`
		ExpiresIn json.Number `json:"expires_in"` // seconds
	}
	if json.Unmarshal(body, &answer) != nil {
		return granted{}, errors.New("the token server's answer is not JSON")
	}
	text := answer.Token
	if text == "" {
		text = answer.Access
	}
	odd := func(c rune) bool { return c <= ' ' || c > '~' }
	if text == "" || len(text) > maxToken || strings.ContainsFunc(text, odd) {
		return granted{}, errors.New("the token server's answer has no usable token")
	}
	life := defaultLife
	if n, err := answer.ExpiresIn.Float64(); err == nil && n > 0 {
		life = time.Duration(min(n, maxLife.Seconds()) * float64(time.Second))
	}
	return granted{text: text, life: life}, nil
}
