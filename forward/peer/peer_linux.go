package peer

import (
	"errors"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxArgs bounds the command line that is read, in bytes.
	maxArgs = 64 << 10
	// maxEnviron bounds the environment that is read, in bytes. Of a larger one nobody knows what it keeps private; Linux
	// itself allows a quarter of the stack, 2 MiB mostly.
	maxEnviron = 8 << 20
	// layings is how often a process without arguments and environment is looked at, layingPause apart: its program may still
	// have to come from a slow disk.
	layings     = 200
	layingPause = time.Millisecond
)

func of(from, to netip.AddrPort, first []int) (Process, error) {
	s, err := askDiag(from, to)
	if err != nil { // the kernel has no such module, or a sandbox forbids to ask it
		if s, err = searchTables(from, to); err != nil {
			return Process{}, err
		}
	}
	if s.inode == 0 { // it is closed, and only the kernel has it still
		return Process{}, unknown("the connection from %v has ended", from)
	}
	if s.uid != uint32(os.Geteuid()) {
		return Process{}, ErrForeign
	}
	pid, err := holder(s.inode, first)
	if err != nil {
		return Process{}, err
	}
	return describe(pid)
}

// socket is what the kernel tells of one.
type socket struct{ inode, uid uint32 }

// own says whether the process is of our user. One that was set-uid, or hides its memory otherwise, belongs to root here.
func own(pid int) bool {
	var st unix.Stat_t
	return unix.Stat(procFile(pid, ""), &st) == nil && st.Uid == uint32(os.Geteuid())
}

func procFile(pid int, name string) string { return "/proc/" + strconv.Itoa(pid) + "/" + name }

func byPID(pid int) (Process, error) { return describe(pid) }

// describe reads what /proc has of a process, and sees that it is the same one before and after.
func describe(pid int) (Process, error) {
	before, err := readStat(pid)
	if err != nil {
		return Process{}, unknown("process %d has just ended", pid)
	}
	dir, err := os.Readlink(procFile(pid, "cwd"))
	if err != nil || !strings.HasPrefix(dir, "/") || strings.HasSuffix(dir, " (deleted)") {
		return Process{}, unknown("process %d works nowhere", pid)
	}
	if !sameDirectory(procFile(pid, "cwd"), dir) {
		return Process{}, unknown("process %d is in a container, where paths mean other files", pid)
	}
	args, environment, err := laidOut(pid)
	if err != nil {
		return Process{}, err
	}
	program, _ := os.Readlink(procFile(pid, "exe"))
	if after, err := readStat(pid); err != nil || after.started != before.started || !own(pid) {
		return Process{}, unknown("process %d has just ended", pid)
	}
	return Process{PID: pid, Parents: parents(before.parent), Dir: dir, Args: args, Program: program, Private: privately(environment), Caching: caching(environment), Started: before.started}, nil
}

// laidOut reads a process's arguments and environment. Its parent goes on as soon as execve(2) can fail no more, and the kernel lays
// both out only then, the environment last (fs/binfmt_elf.c, create_elf_tables); until then they read as empty, and what a process
// keeps private would look like nothing. So an empty environment is believed the second time that it is seen behind arguments.
func laidOut(pid int) (args, environment []string, err error) {
	begun := false
	for range layings {
		raw := readSome(pid, "environ", maxEnviron+1)
		if raw == nil || len(raw) > maxEnviron {
			return nil, nil, unknown("what process %d keeps private is not to be read", pid)
		}
		args = splitArgs(readSome(pid, "cmdline", maxArgs))
		if len(raw) > 0 || begun {
			return args, splitArgs(raw), nil
		}
		begun = args != nil
		time.Sleep(layingPause) //nolint:forbidigo // another process tells nobody that it has begun; layings bounds it
	}
	return nil, nil, unknown("process %d has neither arguments nor an environment", pid)
}

// sameDirectory says whether where a process works is what we find by that path: it may have other mounts, or another root.
func sameDirectory(theirs, ours string) bool {
	var a, b unix.Stat_t
	return unix.Stat(theirs, &a) == nil && unix.Stat(ours, &b) == nil && a.Dev == b.Dev && a.Ino == b.Ino
}

// readSome reads at most so many bytes of a file below /proc/PID; nil if it cannot be read.
func readSome(pid int, name string, most int64) []byte {
	file, err := os.Open(procFile(pid, name))
	if err != nil {
		return nil
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, most))
	if err != nil {
		return nil
	}
	return data
}

// splitArgs reads cmdline and environ: each string ends with a zero byte, unless the process has written over them.
func splitArgs(data []byte) []string {
	text := strings.TrimSuffix(string(data), "\x00")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\x00")
}

// parents goes up from pid, which is the first of them.
func parents(pid int) (out []int) {
	for pid > 0 && len(out) < maxParents {
		out = append(out, pid)
		s, err := readStat(pid)
		if err != nil {
			return out
		}
		pid = s.parent
	}
	return out
}

// stat is what is needed of /proc/PID/stat.
type stat struct {
	parent  int
	started uint64 // clock ticks after boot
}

func readStat(pid int) (stat, error) {
	data, err := os.ReadFile(procFile(pid, "stat"))
	if err != nil {
		return stat{}, err
	}
	return parseStat(string(data))
}

var errStat = errors.New("/proc/PID/stat is not as proc_pid_stat(5) has it")

// parseStat reads "PID (NAME) STATE PPID …", with the start as the 22nd field. A name may have blanks and brackets.
func parseStat(text string) (stat, error) {
	const parent, started = 1, 19 // counted behind the name
	end := strings.LastIndexByte(text, ')')
	if end < 0 {
		return stat{}, errStat
	}
	fields := strings.Fields(text[end+1:])
	if len(fields) <= started {
		return stat{}, errStat
	}
	ppid, err := strconv.Atoi(fields[parent])
	start, err2 := strconv.ParseUint(fields[started], 10, 64)
	if err != nil || err2 != nil {
		return stat{}, errStat
	}
	return stat{ppid, start}, nil
}
