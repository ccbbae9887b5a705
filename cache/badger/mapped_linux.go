package badger

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// letGoLogs lets go of all pages of the log files in a directory; see letGo. The caller sees to it that no log file is unmapped
// meanwhile: something else might be mapped in its place, and lose its bytes.
func letGoLogs(dir string) error {
	dir, err := filepath.Abs(dir)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return err
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return err
	}
	defer maps.Close()
	for _, m := range logMappings(maps, dir) {
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, m.start, m.length, unix.MADV_DONTNEED); errno != 0 {
			return os.NewSyscallError("madvise", errno)
		}
	}
	return nil
}

// mapping is a part of the address space.
type mapping struct{ start, length uintptr }

// logMappings reads proc_pid_maps(5) for shared mappings of log files in a directory:
// "7f00-7f10 rw-s 00000000 fe:00 123 /dir/000001.vlog".
func logMappings(maps io.Reader, dir string) (all []mapping) {
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		_, file, ok := strings.Cut(lines.Text(), " "+dir+"/")
		if !ok || len(fields) < 6 || len(fields[1]) != 4 || fields[1][3] != 's' || strings.Contains(file, "/") || filepath.Ext(file) != ".vlog" {
			continue // also one that is deleted: its name ends otherwise
		}
		from, to, _ := strings.Cut(fields[0], "-")
		start, err := strconv.ParseUint(from, 16, strconv.IntSize)
		end, err2 := strconv.ParseUint(to, 16, strconv.IntSize)
		if err == nil && err2 == nil && start < end {
			all = append(all, mapping{uintptr(start), uintptr(end - start)})
		}
	}
	return all
}
