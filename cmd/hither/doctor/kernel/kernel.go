// Package kernel asks this machine's system itself what it knows of disks, files and network interfaces: what a file system has
// left, whose a file is, which interfaces there are.
//
//	left, err := kernel.SpaceAt(dir)
//	uid, mode, err := kernel.OwnerOf(file)
package kernel

// Space is what is left of a file system.
type Space struct {
	Free     uint64 // bytes that we may take
	Total    uint64
	Files    uint64 // how many more files there may be; meaningless if NoInodes
	NoInodes bool   // the file system does not count files
	ReadOnly bool
}
