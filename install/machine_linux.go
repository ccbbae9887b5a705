package install

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// copyAttributes gives f the extended attributes of from: without its SELinux label a service could no
// longer read it. What the system does not allow is left out, as cp --preserve does.
func copyAttributes(from, f *os.File) {
	old := int(from.Fd())
	names := make([]byte, 64<<10)
	n, err := unix.Flistxattr(old, names)
	if err != nil {
		return
	}
	for _, name := range strings.Split(strings.TrimRight(string(names[:n]), "\x00"), "\x00") {
		value := make([]byte, 64<<10)
		if n, err := unix.Fgetxattr(old, name, value); err == nil && name != "" {
			_ = unix.Fsetxattr(int(f.Fd()), name, value[:n], 0)
		}
	}
}
