package project

import (
	"debug/elf"
	"io"
	"path/filepath"
	"runtime"
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
		p.Libc = libcBelow("/")
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

// libcBelow is the C library of the programs below root: that of the shell, for the loaders of both may be there, of musl beside
// Debian's glibc, and of what stands for glibc on Alpine. If the shell does not say, it is musl where only its loader is.
func libcBelow(root string) string {
	if loader := loaderOf(filepath.Join(root, "bin", "sh")); loader != "" {
		return map[bool]string{true: "musl", false: "glibc"}[strings.HasPrefix(loader, "ld-musl-")]
	}
	musl, _ := filepath.Glob(filepath.Join(root, "lib", "ld-musl-*.so.1"))
	glibc, _ := filepath.Glob(filepath.Join(root, "lib*", "ld-linux*.so.*"))
	if len(musl) > 0 && len(glibc) == 0 {
		return "musl"
	}
	return "glibc"
}

// loaderOf is the name of the loader that a program asks for; empty: it asks for none, or is none.
func loaderOf(file string) string {
	const longest = 4096 // bytes of a path
	f, err := elf.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			path, _ := io.ReadAll(io.LimitReader(p.Open(), longest))
			return filepath.Base(strings.TrimRight(string(path), "\x00"))
		}
	}
	return ""
}

// Systems is where a package may be installed: package.json's os, cpu and libc. An empty list is everywhere; "!win32" is
// everywhere but there.
type Systems struct{ OS, CPU, Libc []string }

// Include says whether p is one of them, as npm does (npm-install-checks): where there is no choice of a libc, as on macOS, what
// names one is not installed.
func (s Systems) Include(p Platform) bool {
	libc := len(s.Libc) == 0 || p.Libc != "" && allows(s.Libc, p.Libc)
	return allows(s.OS, p.OS) && allows(s.CPU, p.CPU) && libc
}

// allows tells whether a list of words, or of words with a ! that are not meant, allows a word.
func allows(list []string, word string) bool {
	denied := 0
	for _, entry := range list {
		if not, ok := strings.CutPrefix(entry, "!"); ok {
			if denied++; not == word {
				return false
			}
		} else if entry == word || entry == "any" && len(list) == 1 {
			return true
		}
	}
	return denied == len(list)
}
