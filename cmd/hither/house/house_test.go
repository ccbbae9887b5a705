package house

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"hither/cache"
	"hither/cache/mem"
	"hither/cmd/hither/hithertest"
)

// slow is a store that takes a second to forget a name.
type slow struct{ cache.Store }

func (s slow) Clear(ctx context.Context) error {
	return errors.Join(s.Names(ctx, func(name cache.Name, _ cache.Entry) bool {
		<-time.After(time.Second)
		return s.Forget(ctx, name) == nil
	}), ctx.Err())
}

func TestWhatCannotBeForgottenInTimeIsForgottenByAnotherTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &House{Store: slow{new(mem.Store)}}
		for _, name := range []cache.Name{"a", "b", "c"} {
			hithertest.Same(t, "bound", h.Store.Bind(t.Context(), name, cache.Entry{Value: []byte("x")}), nil)
		}
		for _, want := range []string{"2 of 3 names were forgotten in the time that an answer may take; do it again for the rest", "<nil>"} {
			ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
			_, err := h.Remove(ctx, "", true)
			cancel()
			hithertest.Same(t, "what is said", fmt.Sprint(err), want)
		}
	})
}
