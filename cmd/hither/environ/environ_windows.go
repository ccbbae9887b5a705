package environ

import "strings"

// FoldsCase tells whether http_proxy and HTTP_PROXY are one variable.
const FoldsCase = true

// Home is the variable in which Go programs find the user's directory.
const Home = "USERPROFILE"

func same(a, b string) bool { return strings.EqualFold(a, b) }
