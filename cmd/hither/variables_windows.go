package main

import "strings"

// foldsVariables tells whether http_proxy and HTTP_PROXY are one variable.
const foldsVariables = true

func sameVariable(a, b string) bool { return strings.EqualFold(a, b) }
