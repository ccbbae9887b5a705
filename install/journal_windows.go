package install

import "os"

// removeLocked empties the file first: an open one cannot be removed, and somebody may write in it before it is.
func removeLocked(f *os.File, path string) {
	if f.Truncate(0) != nil {
		return
	}
	f.Close()
	if info, err := os.Stat(path); err == nil && info.Size() == 0 {
		_ = os.Remove(path)
	}
}
