//go:build !windows

package install

import "context"

// AsService is for Windows; elsewhere a service is a program like others.
func AsService(context.Context, func(context.Context) error) (ran bool, err error) { return false, nil }
