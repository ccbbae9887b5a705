package child

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/windows"
)

// Command is what runs a program, whose name comes first, with its arguments. A batch file, as npm and yarn are, is run by cmd.exe, to which > & ^ and % in
// an argument mean something: os/exec writes the line for programs of C. It may be named without its extension.
func Command(args []string) (*exec.Cmd, error) {
	c := exec.Command(args[0], args[1:]...)
	if c.Err != nil {
		return c, nil
	}
	path, err := exec.LookPath(c.Path)
	// Windows leaves dots and blanks out at the end of a name.
	if kind := filepath.Ext(strings.TrimRight(path, ". ")); err != nil || !strings.EqualFold(kind, ".cmd") && !strings.EqualFold(kind, ".bat") {
		return c, nil //nolint:nilerr // Start says what is wrong with it
	}
	line, err := batchLine(path, args[1:])
	if err != nil {
		return nil, err
	}
	dir, err := windows.GetSystemDirectory()
	if err != nil {
		return nil, err
	}
	c.Path, c.SysProcAttr = filepath.Join(dir, "cmd.exe"), &syscall.SysProcAttr{CmdLine: line}
	return c, nil
}

// batchLine has cmd.exe run a file, with extensions and without delayed expansion or AutoRun, whatever the registry says.
func batchLine(file string, args []string) (string, error) {
	line := `cmd.exe /e:ON /v:OFF /d /c "` + batchWord(file)
	for _, arg := range args {
		if strings.ContainsAny(arg, "\r\n") {
			return "", errors.New("it is a batch file, which cannot be given an argument of several lines: write that in one line, or call the program that the file calls")
		}
		if arg == "" || strings.HasSuffix(arg, `\`) || strings.IndexFunc(arg, isSpecial) >= 0 {
			arg = batchWord(arg)
		}
		line += " " + arg
	}
	return line + `"`, nil
}

// isSpecial says that a letter may mean something to cmd.exe, or end a word.
func isSpecial(r rune) bool {
	plain := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
	return !plain && !strings.ContainsRune(`#$*+-./:?@\_`, r)
}

// batchWord quotes a word for cmd.exe, and for the program of C to which a batch file hands it on. A percent sign is one
// behind which nothing of the current directory stands.
func batchWord(word string) string {
	var s strings.Builder
	s.WriteByte('"')
	slashes := 0 // at the end of what is written; before a quote they count twice
	for _, r := range word {
		switch r {
		case '"':
			s.WriteString(strings.Repeat(`\`, slashes) + `""`)
		case '%':
			s.WriteString(`%%cd:~,%`)
		default:
			s.WriteRune(r)
		}
		if slashes++; r != '\\' {
			slashes = 0
		}
	}
	return s.String() + strings.Repeat(`\`, slashes) + `"`
}

// Status is the command's own.
func Status(state *os.ProcessState) int { return state.ExitCode() }
