package memory

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"hither/cache/mem"
)

// TestMemoryIsGivenBackWhenClientsAreQuiet notes when, in virtual time.
func TestMemoryIsGivenBackWhenClientsAreQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var rests []time.Duration
		q := NewQuiet(&mem.Store{}, slog.New(slog.DiscardHandler))
		q.rest = func(context.Context) error {
			rests = append(rests, time.Since(began))
			return context.DeadlineExceeded // it goes on
		}
		ctx, stop := context.WithCancel(t.Context())
		over := make(chan error)
		go func() { over <- q.Run(ctx) }()
		at := func(d time.Duration) { <-time.After(d - time.Since(began)) }
		at(100 * time.Second) // after the start, and not yet once more
		for range 300 {       // a minute of work
			q.Stir()
			<-time.After(200 * time.Millisecond)
		}
		at(time.Hour)
		q.Stir()
		at(24 * time.Hour)
		stop()
		if err := <-over; err != nil {
			t.Error(err)
		}
		want := []time.Duration{
			8 * time.Second, // what stirs at the beginning is seen once
			168 * time.Second, 288 * time.Second,
			time.Hour + 8*time.Second, time.Hour + 128*time.Second,
		}
		if !slices.EqualFunc(rests, want, func(got, want time.Duration) bool { return (got - want).Abs() <= 4*time.Second }) {
			t.Errorf("rests\ngot:  %v\nwant: %v, 4 s more or less", rests, want)
		}
	})
}
