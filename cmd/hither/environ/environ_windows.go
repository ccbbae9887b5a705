package environ

import "strings"

// FoldsCase tells whether http_proxy and HTTP_PROXY are one variable.
const FoldsCase = true

func same(a, b string) bool { return strings.EqualFold(a, b) }
