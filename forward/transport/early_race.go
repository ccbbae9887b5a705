//go:build race

package transport

// speaksEarly is told in early.go.
const speaksEarly = false
