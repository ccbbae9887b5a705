//go:build unix

package badger

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/dgraph-io/ristretto/v2/z"
)

// TestATableThatCannotBeReadDoesNotEndTheProcess takes the pages away from under it, as a bad sector does.
func TestATableThatCannotBeReadDoesNotEndTheProcess(t *testing.T) {
	name := filepath.Join(t.TempDir(), "000001.sst")
	if err := os.WriteFile(name, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := z.OpenMmapFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close(-1)
	if err := os.Truncate(name, 0); err != nil {
		t.Fatal(err)
	}
	if opens(file.Data, 1) {
		t.Error("it was read")
	}
}
