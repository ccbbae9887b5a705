package badger

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/ristretto/v2/z"
)

// checkTables opens the tables that Badger will open. Of one that was cut short it makes a panic, in a goroutine where nobody can
// catch it, and the process would die at each start. What is wrong otherwise, Badger says itself.
func checkTables(opt badger.Options) error {
	manifest, err := os.Open(filepath.Join(opt.Dir, badger.ManifestFilename))
	if err != nil {
		return nil //nolint:nilerr // a new directory, or Badger says it
	}
	defer manifest.Close()
	known, _, err := badger.ReplayManifestFile(manifest, opt.ExternalMagicVersion, opt)
	if err != nil {
		return nil //nolint:nilerr // Badger says it
	}
	for id := range known.Tables {
		if err := checkTable(opt.Dir, id); err != nil {
			return err
		}
	}
	return nil
}

func checkTable(dir string, id uint64) error {
	name := table.NewFilename(id, dir)
	file, err := z.OpenMmapFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil //nolint:nilerr // Badger says it
	}
	defer file.Close(-1)
	if !opens(file.Data, id) {
		return fmt.Errorf("its table %s was cut short, or cannot be read", filepath.Base(name))
	}
	return nil
}

// opens is false where Badger would panic. What the disk cannot read is a fault at an address, which ends the process as well.
func opens(data []byte, id uint64) (ok bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() { ok = recover() == nil }()
	_, _ = table.OpenInMemoryTable(data, id, &table.Options{})
	return true
}
