package badger

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"hither/cache"
)

// TestLongNamesAreForgottenToo has more of them in one group than Badger takes in one transaction.
func TestLongNamesAreForgottenToo(t *testing.T) {
	s := openIn(t, t.TempDir())
	var keys []string
	for i := 0; len(keys) < maxBatch; i++ {
		name := cache.Name(fmt.Sprint(i, strings.Repeat("x", maxName-20)))
		if key := nameKey(name); s.stripe(key) == 0 {
			keys = append(keys, key)
			value, _ := encodeEntry(cache.Entry{}, s.opt.Now())
			if err := s.edit(key, func(txn *badger.Txn, _ []byte) error { return txn.Set([]byte(key), value) }); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, group := range s.byStripe(keys) {
		if err := s.forget(group, 0); err != nil {
			t.Error(err)
		}
	}
}
