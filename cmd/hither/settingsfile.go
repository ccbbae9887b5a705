package main

import (
	"fmt"
	"os"
)

// settingsLimit is more than any tool's file of settings has, in bytes.
const settingsLimit = 16 << 20

// readSettingsFile reads a file that somebody else may have laid there: one that GOENV names. It must be an ordinary one, for
// a pipe would be waited for without end, and what it holds be lost to who it is for.
func readSettingsFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no ordinary file; it is left unread", path)
	case info.Size() > settingsLimit:
		return nil, fmt.Errorf("%s has %s, which no file of settings has; it is left unread", path, Bytes(info.Size()))
	}
	return os.ReadFile(path)
}
