package kernel

import "golang.org/x/sys/unix"

// SpaceAt asks the kernel (statfs(2)). Btrfs and others do not count files and say 0 of 0.
func SpaceAt(path string) (Space, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return Space{}, err
	}
	block := uint64(s.Bsize)
	return Space{
		Free: s.Bavail * block, Total: s.Blocks * block, Files: s.Ffree, NoInodes: s.Files == 0,
		ReadOnly: s.Flags&unix.ST_RDONLY != 0,
	}, nil
}
