package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"hither/install/ownfile"
)

// Limits of what is read and waited for.
const (
	maxFile     = 16 << 20         // bytes of a file that is edited; the largest known, a bundle of roots, has 0.3 MB
	maxOutput   = 1 << 20          // bytes of a command's answer
	commandTime = 60 * time.Second // keytool and update-ca-certificates take seconds; longer is a hang
)

// Machine is the computer that steps look at and change. Tests give a Root and a Run of their own. Its fields are set
// before the first use; then many may use it at once.
type Machine struct {
	OS       string                  // as runtime.GOOS; empty: this one's
	Root     string                  // stands before every path; empty: the machine itself
	Home     string                  // of the user for whom tools are set, without Root
	UID, GID int                     // owner of new files below Home; -1: whoever runs this
	Env      func(key string) string // nil: os.Getenv
	// Run executes a command and returns what it printed. nil: really, for at most a minute; refused if there is a Root.
	Run     func(ctx context.Context, argv []string, stdin []byte) (stdout []byte, err error)
	Journal *Journal         // nil: nothing is changed, and what the environment says is the user's
	Now     func() time.Time // nil: time.Now; for the journal only

	// Fault is called before each system call that changes something, with what it does and where. nil: nothing is. Tests
	// end the process there.
	Fault func(op, path string)
}

// System is the name of the operating system.
func (m *Machine) System() string {
	if m.OS == "" {
		return runtime.GOOS
	}
	return m.OS
}

// Path is where p really stands. With a Root, C:\Users is ROOT/C/Users.
func (m *Machine) Path(p string) string {
	if m.Root == "" {
		return filepath.FromSlash(p)
	}
	p = strings.ReplaceAll(p, `\`, "/")
	if len(p) >= 2 && p[1] == ':' {
		p = p[:1] + p[2:]
	}
	return filepath.Join(m.Root, filepath.FromSlash(p))
}

// Read returns the content of a file. It follows links; those with an absolute target stay below Root.
func (m *Machine) Read(p string) ([]byte, error) {
	real, err := m.Resolve(m.Path(p))
	if err != nil {
		return nil, err
	}
	return readBounded(real)
}

func readBounded(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|ownfile.NeverWait, 0)
	if err != nil {
		return nil, err
	}
	text, err := readAll(f, path)
	return text, errors.Join(err, f.Close())
}

// readAll reads a file of a bounded size. path is for words.
func readAll(f *os.File, path string) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a plain file: %w", path, errors.ErrUnsupported)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s has more than the %d bytes that are looked at; change it by hand", path, maxFile)
	}
	return text, err
}

// Exists tells whether a file or directory is there. A link counts if its target is there.
func (m *Machine) Exists(p string) bool {
	real, err := m.Resolve(m.Path(p))
	if err != nil {
		return false
	}
	_, err = os.Stat(real)
	return err == nil
}

// Glob returns the paths, without Root, that match a pattern of filepath.Match.
func (m *Machine) Glob(pattern string) []string {
	found, _ := filepath.Glob(m.Path(pattern)) // the only error is a bad pattern, and ours are constants
	for i, p := range found {
		found[i] = m.Below(p)
	}
	return found
}

// Below is the inverse of Path: the name, without Root, of a real path.
func (m *Machine) Below(p string) string {
	if m.Root == "" {
		return p
	}
	rel, err := filepath.Rel(m.Root, p)
	if err != nil {
		return p
	}
	rel = filepath.ToSlash(rel)
	if m.System() == "windows" && len(rel) > 1 && rel[1] == '/' {
		return strings.ReplaceAll(rel[:1]+":"+rel[1:], "/", `\`)
	}
	return "/" + rel
}

// Look tells whether a command is there. With a Root only the usual directories below it count, otherwise PATH and the
// directories for administrators, which are not in every user's PATH.
func (m *Machine) Look(cmd string) bool { return m.Find(cmd) != "" }

// Find returns the path of a command, without Root; empty: there is none.
func (m *Machine) Find(cmd string) string {
	if m.Root == "" {
		if path, err := exec.LookPath(cmd); err == nil {
			return path
		}
	}
	if strings.ContainsAny(cmd, `/\`) {
		if m.Exists(cmd) {
			return cmd
		}
		return ""
	}
	dirs := []string{"/usr/local/sbin/", "/usr/local/bin/", "/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/", "/opt/homebrew/bin/"}
	if m.System() == "windows" {
		dirs, cmd = []string{`C:\Windows\System32\`, `C:\Windows\System32\WindowsPowerShell\v1.0\`}, strings.TrimSuffix(cmd, ".exe")+".exe"
	}
	for _, dir := range dirs {
		if m.Exists(dir + cmd) {
			return dir + cmd
		}
	}
	return ""
}

// Getenv asks the environment of the user for whom tools are set.
func (m *Machine) Getenv(key string) string {
	if m.Env == nil {
		return os.Getenv(key)
	}
	return m.Env(key)
}

// Command runs a command without input.
func (m *Machine) Command(ctx context.Context, argv ...string) ([]byte, error) {
	return m.run(ctx, argv, nil)
}

// Feed runs a command with this input.
func (m *Machine) Feed(ctx context.Context, stdin []byte, argv ...string) ([]byte, error) {
	return m.run(ctx, argv, stdin)
}

func (m *Machine) run(ctx context.Context, argv []string, stdin []byte) ([]byte, error) {
	if len(argv) == 0 {
		return nil, errors.New("a command without a name: this is a fault in Hither, please report it")
	}
	m.at("run", argv[0])
	if m.Run != nil {
		return m.Run(ctx, argv, stdin)
	}
	if m.Root != "" {
		return nil, fmt.Errorf("%s would change this machine and not the tree below %s: give the Machine a Run", argv[0], m.Root)
	}
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	name := m.Find(argv[0])
	if name == "" {
		return nil, fmt.Errorf("%s: %w; install it, or leave out the step that needs it", argv[0], exec.ErrNotFound)
	}
	cmd := exec.CommandContext(ctx, name, argv[1:]...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "LANGUAGE=")
	cmd.Stdin = bytes.NewReader(stdin)
	cmd.WaitDelay = time.Second // a grandchild may hold the pipes
	out, said := limited{max: maxOutput}, limited{max: 4 << 10}
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, lastLine(said.String(), out.String()))
	}
	return out.Bytes(), nil
}

// limited keeps the first max bytes.
type limited struct {
	bytes.Buffer
	max int
}

// Write never fails: what is too much is dropped.
func (l *limited) Write(p []byte) (int, error) {
	l.Buffer.Write(p[:min(len(p), max(0, l.max-l.Len()))])
	return len(p), nil
}

// lastLine is the last words of the first text that has any.
func lastLine(texts ...string) string {
	for _, text := range texts {
		if text = strings.TrimSpace(text); text != "" {
			return text[strings.LastIndexByte(text, '\n')+1:]
		}
	}
	return "it said nothing"
}

// at is where a test may end the process.
func (m *Machine) at(op, path string) {
	if m.Fault != nil {
		m.Fault(op, path)
	}
}

func (m *Machine) now() time.Time {
	if m.Now == nil {
		return time.Now()
	}
	return m.Now()
}

// Resolve follows links at the end and in the middle of a real path. What is missing at its end stays as it is. An
// absolute target is looked for below Root.
func (m *Machine) Resolve(path string) (string, error) {
	top := m.top(path)
	rest, ok := strings.CutPrefix(filepath.Clean(path), top)
	if !ok {
		return "", fmt.Errorf("%s does not lie below %s: %w; name it with its whole path", path, top, fs.ErrInvalid)
	}
	todo := splitPath(rest)
	done, links := top, 0
	for len(todo) > 0 {
		next := todo[0]
		todo = todo[1:]
		if next == ".." {
			if done != top {
				done = filepath.Dir(done)
			}
			continue
		}
		target, err := os.Readlink(filepath.Join(done, next))
		if err != nil { // no link, or not there: both are taken as they stand
			done = filepath.Join(done, next)
			continue
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("%s is a link that leads to itself; remove it", path)
		}
		if filepath.IsAbs(target) {
			done, target = top, strings.TrimPrefix(target, filepath.VolumeName(target))
		}
		todo = append(splitPath(target), todo...)
	}
	return done, nil
}

func splitPath(p string) []string {
	return strings.FieldsFunc(p, func(r rune) bool { return os.IsPathSeparator(uint8(r&0x7f)) && r < 0x80 })
}

// Privileged tells whether this process may change what belongs to the machine.
func (m *Machine) Privileged() bool { return amRoot(m) || elevated(m) }
