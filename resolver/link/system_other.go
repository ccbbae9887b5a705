//go:build !linux && !darwin && !windows

package link

import "context"

// System reads resolv.conf.
func System(context.Context) ([]Link, error) { return resolvConfLinks() }
