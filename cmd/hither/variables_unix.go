//go:build !windows

package main

// foldsVariables tells whether http_proxy and HTTP_PROXY are one variable.
const foldsVariables = false

func sameVariable(a, b string) bool { return a == b }
