package e2e_test

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// cut runs a program and kills it, and all that it has started, just before the nth of its system calls that change a
// disk or wait for one. It returns how many there were until then: fewer than n mean that the program came to its end. It
// waits for any child of this process, so there must be no others.
func cut(t *testing.T, n int, env []string, argv ...string) int {
	t.Helper()
	runtime.LockOSThread() // the kernel knows the thread that traces, not the process
	defer runtime.UnlockOSThread()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env, cmd.Dir = env, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Skipf("programs cannot be traced here: %v", err)
	}
	pid := cmd.Process.Pid
	var status unix.WaitStatus
	_, err := unix.Wait4(pid, &status, unix.WALL, nil)
	mustDo(t, err)
	mustDo(t, unix.PtraceSetOptions(pid, unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_EXITKILL))
	mustDo(t, unix.PtraceSyscall(pid, 0))
	seen := 0
	for {
		thread, err := unix.Wait4(-1, &status, unix.WALL, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		mustDo(t, err)
		switch {
		case thread == pid && (status.Exited() || status.Signaled()):
			reap()
			return seen
		case !status.Stopped():
			continue // a thread, or an orphan
		}
		sig := 0
		switch stop := status.StopSignal(); {
		case stop == unix.SIGTRAP|0x80:
			if !changesDisk(thread) {
				break
			}
			if seen++; seen == n {
				mustDo(t, syscall.Kill(-pid, syscall.SIGKILL))
				continue // until its end comes
			}
		case stop != unix.SIGTRAP && stop != unix.SIGSTOP: // those two are of tracing
			sig = int(stop)
		}
		_ = unix.PtraceSyscall(thread, sig) // it may be gone
	}
}

// reap takes leave of what the killed program had started: this process is the first of its machine.
func reap() {
	for {
		if _, err := unix.Wait4(-1, nil, unix.WALL, nil); err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// changesDisk says that a stopped thread is about to make such a call (ptrace(2), PTRACE_GET_SYSCALL_INFO).
func changesDisk(thread int) bool {
	var info struct {
		op   uint8
		_    [7]byte
		_, _ uint64
		call uint64
		_    [7]uint64
	}
	const getSyscallInfo, entry = 0x420e, 1
	_, _, err := unix.RawSyscall6(unix.SYS_PTRACE, getSyscallInfo, uintptr(thread), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	return err == 0 && info.op == entry && slices.Contains([]uint64{
		unix.SYS_FSYNC, unix.SYS_RENAMEAT, unix.SYS_MKDIRAT, unix.SYS_UNLINKAT, unix.SYS_FTRUNCATE, unix.SYS_FCHMOD, unix.SYS_FCHOWN, unix.SYS_SYMLINKAT,
	}, info.call)
}

// inFrontOf puts a script in the place of a command, as PATH finds it.
func (m *machine) inFrontOf(command, script string) (env []string) {
	m.t.Helper()
	dir := m.mkdir("front-" + m.next())
	real, err := exec.LookPath(command)
	m.must(err)
	m.must(os.WriteFile(dir+"/"+command, []byte("#!/bin/sh\nreal="+real+"\n"+script+"\n"), 0o755))
	return append(slices.Clone(m.env), "PATH="+dir+":"+os.Getenv("PATH"))
}
