package project

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

// program is an executable file of which nothing is there but what says which loader it asks for; empty: none.
func program(loader string) string {
	const head, segment = 64, 56
	h := elf.Header64{
		Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT), Phoff: head, Ehsize: head, Phentsize: segment, Phnum: 1, Shentsize: 64,
	}
	p := elf.Prog64{Type: uint32(elf.PT_NULL)}
	if loader != "" {
		p = elf.Prog64{Type: uint32(elf.PT_INTERP), Off: head + segment, Filesz: uint64(len(loader) + 1), Memsz: uint64(len(loader) + 1)}
	}
	var out bytes.Buffer
	for _, part := range []any{h, p, []byte(loader + "\x00")} {
		if err := binary.Write(&out, binary.LittleEndian, part); err != nil {
			panic(err)
		}
	}
	return out.String()
}

func TestTheLibcIsThatOfTheSystemsPrograms(t *testing.T) {
	musl, glibc := "/lib/ld-musl-x86_64.so.1", "/lib64/ld-linux-x86-64.so.2"
	for _, row := range []struct{ says, shell, loaders, want string }{
		{"Alpine", program(musl), musl, "musl"},
		{"Alpine that can run programs for glibc", program(musl), musl + " " + glibc, "musl"},
		{"Debian", program(glibc), glibc, "glibc"},
		{"Debian of another machine, with musl", program("/lib/ld-linux-aarch64.so.1"), "/lib/ld-linux-aarch64.so.1 /lib/ld-musl-aarch64.so.1", "glibc"},
		{"NixOS", program("/nix/store/0-glibc/lib/ld-linux-x86-64.so.2"), "", "glibc"},
		{"a shell that is linked to nothing, with musl", program(""), musl, "musl"},
		{"a shell that is linked to nothing, with both", program(""), musl + " " + glibc, "glibc"},
		{"a shell that is no program", "#!x", musl, "musl"},
		{"nothing of all that", "", "", "glibc"},
	} {
		content := map[string]string{}
		if row.shell != "" {
			content["bin/sh"] = row.shell
		}
		for _, loader := range strings.Fields(row.loaders) {
			content[loader[1:]] = ""
		}
		same(t, row.says, libcBelow(files(t, content)), row.want)
	}
}

// npm installs what names a libc nowhere but where there are several.
func TestSystems(t *testing.T) {
	linux, mac := Platform{"linux", "x64", "musl"}, Platform{"darwin", "arm64", ""}
	for _, row := range []struct {
		says string
		is   Systems
		want string // on both
	}{
		{"everywhere", Systems{}, "true true"},
		{"one system", Systems{OS: words{"darwin"}}, "false true"},
		{"not one", Systems{OS: words{"!darwin"}, CPU: words{"x64", "ia32"}}, "true false"},
		{"any", Systems{OS: words{"any"}}, "true true"},
		{"any and more is a word", Systems{OS: words{"any", "linux"}}, "true false"},
		{"glibc", Systems{Libc: words{"glibc"}}, "false false"},
		{"musl", Systems{Libc: words{"musl"}}, "true false"},
	} {
		same(t, row.says, fmt.Sprint(row.is.Include(linux), row.is.Include(mac)), row.want)
	}
}
