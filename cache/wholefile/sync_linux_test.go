package wholefile

import "testing"

// TestADirectoryThatCannotBeSyncedIsNoFailure takes one of a file system that knows of no syncing, as some that are mounted from
// another machine: there, what was written was told as not written.
func TestADirectoryThatCannotBeSyncedIsNoFailure(t *testing.T) {
	same(t, "error", SyncDir("/proc"), nil)
	if SyncDir("/proc/none") == nil {
		t.Error("a directory that is not there: no error")
	}
}
