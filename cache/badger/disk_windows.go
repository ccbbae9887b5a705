package badger

import (
	"io/fs"

	"golang.org/x/sys/windows"
)

// largeLog is as small as in small caches: Badger extends a new log to twice its size, and NTFS gives the room at once.
const largeLog = smallLog

func freeBytes(dir string) (int64, error) {
	free, _, err := diskSpace(dir)
	return free, err
}

func totalBytes(dir string) (int64, error) {
	_, total, err := diskSpace(dir)
	return total, err
}

func diskSpace(dir string) (free, total int64, err error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, 0, err
	}
	var available, all, unused uint64
	err = windows.GetDiskFreeSpaceEx(name, &available, &all, &unused)
	return int64(available), int64(all), err
}

func allocated(info fs.FileInfo) int64 { return info.Size() }
