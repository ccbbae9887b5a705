//go:build !linux && !darwin && !windows

package exchange

import "context"

// SystemLinks reads resolv.conf.
func SystemLinks(context.Context) ([]Link, error) { return resolvConfLinks() }
