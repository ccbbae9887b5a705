package project

import (
	"io/fs"
	"os"
)

// ownerOf is whoever asks: here the system's own rules say who may read a file.
func ownerOf(fs.FileInfo) int { return os.Geteuid() }
