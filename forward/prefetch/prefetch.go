// Package prefetch asks for what a client will ask for next.
package prefetch
