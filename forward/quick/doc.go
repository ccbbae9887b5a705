// Package quick reads and writes a TCP connection with less of Go's runtime in between.
package quick
