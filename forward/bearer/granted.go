package bearer

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"hither/forward/mark"
)

// tellGranted calls open of [mark.Granted] if a token that was got without credentials opens the repository that is read.
func tellGranted(req *http.Request, token string) {
	open := mark.GrantedOf(req.Context())
	if open == nil {
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
