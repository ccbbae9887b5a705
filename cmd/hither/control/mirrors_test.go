package control

import (
	"context"
	"errors"
	"io"
	"testing"

	"hither/cmd/hither/hithertest"
)

// A stream that ends early says whose end it was, and what to do.
func TestAStreamThatIsCutShort(t *testing.T) {
	hithertest.Contains(t, cutShort(t.Context(), "the measurement", io.ErrUnexpectedEOF).Error(), "Hither has ended", "`hither up`")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("Hither says nothing any more: see hither status"))
	hithertest.Same(t, "stalled", cutShort(ctx, "the measurement", io.ErrUnexpectedEOF).Error(), "the measurement was cut short: Hither says nothing any more: see hither status")
}
