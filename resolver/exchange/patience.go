package exchange

import (
	"context"
	"time"
)

// Patience is for one whole exchange with a server. Stubs give up or repeat themselves after 5 s.
const Patience = 2500 * time.Millisecond

// Within is [context.WithTimeout], for nothing if ctx ends before that anyway. Whoever calls it calls cancel.
func Within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if at, limited := ctx.Deadline(); limited && time.Until(at) <= d {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, d)
}
