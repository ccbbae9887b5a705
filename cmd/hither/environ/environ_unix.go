//go:build !windows

package environ

// FoldsCase tells whether http_proxy and HTTP_PROXY are one variable.
const FoldsCase = false

// Home is the variable in which Go programs find the user's directory.
const Home = "HOME"

func same(a, b string) bool { return a == b }
