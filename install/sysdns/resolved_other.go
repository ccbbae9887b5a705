//go:build !linux

package sysdns

import (
	"context"
	"net/netip"
)

// Held is what HoldScoped keeps; there is none on this system.
type Held struct {
	Addr netip.Addr // never set
	Link string     // never set
}

// HoldScoped is for Linux alone: elsewhere the steps of DNS lead single names to Hither. It returns ErrNoResolved.
func HoldScoped(context.Context, Scope) (*Held, error) { return nil, ErrNoResolved }

// SetNames never comes to be called.
func (*Held) SetNames(context.Context, []string) error { return ErrNoResolved }

// Close never comes to be called.
func (*Held) Close() error { return nil }

// ReleaseScoped has nothing to remove on this system.
func ReleaseScoped(string) error { return nil }
