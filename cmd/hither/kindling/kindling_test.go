package kindling

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hither/cmd/hither/hithertest"
	"hither/forward/measure"
	"hither/rules"
)

func TestKindlingConnectsOnceAMinute(t *testing.T) {
	rule := &rules.Rule{
		Name:    "reg",
		Hosts:   []rules.Host{{Name: "a", Origin: []string{"https://a", "https://a2"}, Tokens: []string{"https://tokens"}, Stores: []string{"https://store"}}, {Name: "b", Origin: []string{"https://b"}}, {Name: "none"}},
		Mirrors: []rules.Mirror{{URL: "https://off", Off: "a reason"}, {URL: "https://unmeasured"}, {URL: "https://near"}},
	}
	synctest.Test(t, func(t *testing.T) {
		board := &measure.Board{}
		for range 5 {
			board.Add(measure.Sample{Base: "https://near", Wait: time.Millisecond, Took: time.Millisecond, Bytes: 1000})
		}
		var mu sync.Mutex
		var bases []string
		k := &Lighter{Board: board, Connect: func(ctx context.Context, base string, lanes int) error {
			mu.Lock()
			if lanes > 0 {
				base += "+lanes"
			}
			if lanes < 0 {
				base += "+small"
			}
			bases = append(bases, base)
			mu.Unlock()
			if lanes < 0 {
				return nil // made at once; what large bodies need comes behind
			}
			<-ctx.Done() // it ends by itself
			return errors.New("nobody is there")
		}}
		said := func() string { return strings.Join(slices.Sorted(slices.Values(bases)), " ") }
		k.Greet(rule)
		synctest.Wait()
		hithertest.Same(t, "connections at a greeting", said(), "https://a https://b https://near https://tokens")
		for range 9 {
			k.Greet(rule)
			k.Light(rule)
		}
		synctest.Wait()
		hithertest.Same(t, "connections", said(), "https://a https://b https://near https://store+lanes https://tokens")
		rule.Walk, rule.Hosts[1].Key = "go", "a checksum database's"
		k.Light(rule)
		synctest.Wait()
		hithertest.Same(t, "connections of who asks for many small things, and then for zips", said(), "https://a https://a+lanes https://a+small https://b https://b+small https://near https://store+lanes https://tokens")
		bases, rule.Walk = nil, "oci"
		time.Sleep(kindleEvery) //nolint:forbidigo // the bubble's clock
		k.Light(rule)
		synctest.Wait()
		hithertest.Same(t, "connections a minute later", len(bases), 5)
		(*Lighter)(nil).Light(rule)
		(*Lighter)(nil).Greet(rule)
		time.Sleep(kindleWait) //nolint:forbidigo // the bubble's clock
	})
}
