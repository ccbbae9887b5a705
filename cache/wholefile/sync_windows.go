package wholefile

import (
	"errors"
	"time"

	"golang.org/x/sys/windows"
)

// SyncDir does nothing: NTFS writes the names in a directory to its journal.
func SyncDir(string) error { return nil }

// busy is how long somebody may hold a file: ours are read in a millisecond, but a virus scanner looks at what is new.
const busy = time.Second

// patiently does it again while somebody holds the file: Windows neither replaces one that is open, nor opens one that is
// being replaced.
func patiently(do func() error) error {
	for deadline := time.Now().Add(busy); ; time.Sleep(5 * time.Millisecond) { //nolint:forbidigo // Windows does not tell when it is closed; busy bounds it
		err := do()
		held := errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, windows.ERROR_ACCESS_DENIED)
		if !held || time.Now().After(deadline) {
			return err
		}
	}
}
