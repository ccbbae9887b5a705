//go:build !windows

package environ

// FoldsCase tells whether http_proxy and HTTP_PROXY are one variable.
const FoldsCase = false

func same(a, b string) bool { return a == b }
