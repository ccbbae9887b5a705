package project

import (
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// Platform is a system in Node's words: process.platform, process.arch, and glibc or musl.
type Platform struct{ OS, CPU, Libc string }

// Here is this machine.
func Here() Platform {
	p := Platform{OS: runtime.GOOS, CPU: runtime.GOARCH}
	switch p.OS {
	case "windows":
		p.OS = "win32"
	case "linux":
		p.Libc = "glibc"
		if musl, _ := filepath.Glob("/lib/ld-musl-*.so.1"); len(musl) > 0 && !exists("/lib64", "ld-linux-x86-64.so.2") {
			p.Libc = "musl"
		}
	}
	switch p.CPU {
	case "amd64":
		p.CPU = "x64"
	case "386":
		p.CPU = "ia32"
	case "ppc64le":
		p.CPU = "ppc64"
	}
	return p
}

// Systems is where a package may be installed: package.json's os, cpu and libc. An empty list is everywhere; "!win32" is
// everywhere but there.
type Systems struct{ OS, CPU, Libc []string }

// Include says whether p is one of them.
func (s Systems) Include(p Platform) bool {
	return allows(s.OS, p.OS) && allows(s.CPU, p.CPU) && (p.Libc == "" || allows(s.Libc, p.Libc))
}

// allows is npm-install-checks' rule: nothing that is forbidden, and one that is named if any is.
func allows(list []string, have string) bool {
	named := false
	for _, item := range list {
		if not, ok := strings.CutPrefix(item, "!"); ok {
			if not == have {
				return false
			}
			continue
		}
		named = true
	}
	return !named || slices.Contains(list, have) || slices.Contains(list, "any")
}
