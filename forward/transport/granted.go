package transport

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

type grantedKey struct{}

// Granted marks a request to a registry, of which the caller wants to know as early as possible that anybody may read what it
// asks for. open is called before the request is sent with an anonymous token that says so of its repository: that is what
// the registry will go by, so its answer need not be waited for. It is called on no redirect's way, by several goroutines
// perhaps, and must not block. Only [Bearer] knows of it, and many tokens say nothing.
func Granted(ctx context.Context, open func()) context.Context {
	return context.WithValue(ctx, grantedKey{}, open)
}

// tellGranted calls open of [Granted] if a token that was got without credentials opens the repository that is read.
func tellGranted(req *http.Request, token string) {
	open, ok := req.Context().Value(grantedKey{}).(func())
	if !ok || open == nil {
		return
	}
	if where, reads := spaceOf(req); reads && Opens(token, where.scope()) {
		open()
	}
}

// Opens says that a token grants a scope, as the claims of distribution-spec's do (docs/spec/auth/jwt.md). A realm gives
// tokens to everybody, for repositories that are private or do not exist with an empty list of what they grant. Its
// signature is the registry's to check: the token came from the realm itself.
func Opens(token, scope string) bool {
	name, action, ok := cutScope(scope)
	parts := strings.Split(token, ".")
	if !ok || len(parts) != 3 {
		return false
	}
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return false
	}
	var claims struct {
		Access []struct {
			Type    string   `json:"type"`
			Name    string   `json:"name"`
			Actions []string `json:"actions"`
		} `json:"access"`
	}
	if json.Unmarshal(text, &claims) != nil {
		return false
	}
	for _, a := range claims.Access {
		if a.Type == "repository" && a.Name == name && slices.Contains(a.Actions, action) {
			return true
		}
	}
	return false
}
