//go:build !windows

package service

import "context"

// Run is for Windows; elsewhere a service is a program like others.
func Run(context.Context, func(context.Context) error) (ran bool, err error) { return false, nil }
