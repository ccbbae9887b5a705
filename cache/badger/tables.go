package badger

import (
	"fmt"
	"os"
	"path/filepath"

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

func checkTable(dir string, id uint64) (err error) {
	name := table.NewFilename(id, dir)
	file, err := z.OpenMmapFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil //nolint:nilerr // Badger says it
	}
	defer file.Close(-1)
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("its table %s was cut short", filepath.Base(name))
		}
	}()
	_, _ = table.OpenInMemoryTable(file.Data, id, &table.Options{})
	return nil
}
