package install

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"hither/install/ownfile"
)

// version is that of the journal's lines. Lines of a higher one are kept and not touched.
const version = 1

// Waiting for another process that changes the machine.
const (
	journalTime = 70 * time.Second       // for Do and Undo: longer than any command of the other's may take
	hurriedTime = 500 * time.Millisecond // for a part to be restored: then it goes on, for the other may be stopped (SIGSTOP)
	turnPoll    = 20 * time.Millisecond
)

// compactSize is from what size on a journal is rewritten without what is undone.
const compactSize = 4 << 20

// State is how far a change has come.
type State string

// The states, in order.
const (
	Begun   State = "begin"   // about to be made, perhaps in part
	Made    State = "done"    // in force when this was written
	Undoing State = "undoing" // about to be taken back in place, perhaps in part
	Undone  State = "undone"  // taken back
)

// Record is one change as the journal knows it. The last line with its number counts.
type Record struct {
	N        int            `json:"n"` // of the change; later ones have higher numbers
	At       time.Time      `json:"at"`
	Step     string         `json:"step"`
	State    State          `json:"state"`
	Volatile bool           `json:"volatile,omitempty"` // to be undone as soon as no daemon runs
	File     *FileRecord    `json:"file,omitempty"`
	Command  *CommandRecord `json:"command,omitempty"`
	After    [][]string     `json:"after,omitempty"` // commands that make other programs see the change
	// AfterUndo are those for when it is undone. nil: After.
	AfterUndo [][]string `json:"afterUndo,omitempty"`
}

// FileRecord is what happened to a file.
type FileRecord struct {
	Path    string      `json:"path"` // without Root, and with links followed unless the link itself was replaced
	Former  FileState   `json:"former"`
	Ours    []byte      `json:"ours"`
	Mode    fs.FileMode `json:"mode"`              // that we gave it
	Before  [][]byte    `json:"before,omitempty"`  // what else of ours may stand there: of an earlier change of the step, or while one below it is undone
	Dirs    []string    `json:"dirs,omitempty"`    // that did not exist, outermost first
	Writing []byte      `json:"writing,omitempty"` // what is being written over it, where it cannot be replaced at once; a crash may leave a part
}

// FileState is a file as it was.
type FileState struct {
	Absent bool        `json:"absent,omitempty"`
	Link   string      `json:"link,omitempty"`  // target; empty: no link
	Bytes  []byte      `json:"bytes,omitempty"` // of a link: what was read through it
	Mode   fs.FileMode `json:"mode,omitempty"`
	UID    int         `json:"uid"`
	GID    int         `json:"gid"`
}

// CommandRecord is what happened to a setting.
type CommandRecord struct {
	Check  []string `json:"check"`           // prints the present value
	Undo   []string `json:"undo"`            // brings the former one back
	Before string   `json:"before"`          // what Check printed before
	Shown  string   `json:"shown,omitempty"` // what Check printed after it was made; unknown while State is Begun
}

// Journal holds what was changed and how it was before. Several processes may use one file; they take turns.
// Each line is an object {v, sum, r}: version, CRC-32C of r, and a Record. A journal of which all is undone is removed.
type Journal struct {
	path string
}

// OpenJournal names the journal's file. Nothing is read or made before it is needed; its directory is made then.
func OpenJournal(path string) *Journal { return &Journal{path: path} }

// Path is where the journal stands.
func (j *Journal) Path() string { return j.path }

// Records returns the changes that are not undone, oldest first. The error tells of lines that could not be read; what is
// returned beside it is right.
func (j *Journal) Records() ([]Record, error) {
	text, err := readJournal(j.path)
	if err != nil {
		return nil, err
	}
	b := parseBook(text)
	return b.active(), b.complaint(j.path)
}

func readJournal(path string) ([]byte, error) {
	f, err := ownfile.Open(path, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var text []byte
	if err == nil {
		text, err = io.ReadAll(f)
		err = errors.Join(err, f.Close())
	}
	if errors.Is(err, ownfile.ErrNotOurs) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("read the journal of changes: %w; call this as the user who installed Hither", err)
	}
	return text, nil
}

type line struct {
	V   int             `json:"v"`
	Sum string          `json:"sum"`
	R   json.RawMessage `json:"r"`
}

// ErrNewer is met when a later Hither wrote in the journal.
var ErrNewer = errors.New("the journal of changes was written by a newer Hither: update this one, or undo with that one")

// book is a journal that was read.
type book struct {
	records []Record // the last of each number, in order of number
	damaged []int    // numbers of lines, from 1
	newer   [][]byte // lines of a higher version
	whole   int      // bytes up to the end of the last complete line
}

func parseBook(text []byte) *book {
	b := &book{}
	for n := 1; ; n++ {
		end := bytes.IndexByte(text[b.whole:], '\n')
		if end < 0 {
			return b // a torn last line was never acted upon
		}
		b.add(n, text[b.whole:b.whole+end])
		b.whole += end + 1
	}
}

func (b *book) add(n int, text []byte) {
	if len(bytes.TrimSpace(text)) == 0 {
		return
	}
	var l line
	err := json.Unmarshal(text, &l)
	if err == nil && l.V > version {
		b.newer = append(b.newer, text)
		return
	}
	var r Record
	if err != nil || l.V != version || l.Sum != checksum(l.R) || json.Unmarshal(l.R, &r) != nil || r.N < 1 {
		b.damaged = append(b.damaged, n)
		return
	}
	i, found := slices.BinarySearchFunc(b.records, r.N, func(r Record, n int) int { return r.N - n })
	switch {
	case !found:
		b.records = slices.Insert(b.records, i, r)
	case r.File == nil && r.Command == nil: // only the state
		b.records[i].State = r.State
	default:
		b.records[i] = r
	}
}

func checksum(text []byte) string {
	return fmt.Sprintf("%08x", crc32.Checksum(text, crc32.MakeTable(crc32.Castagnoli)))
}

func (b *book) active() []Record {
	return slices.DeleteFunc(slices.Clone(b.records), func(r Record) bool { return !r.standing() })
}

// standing says that there may be something to undo. A line that says no more than Undone may have lost its beginning.
func (r Record) standing() bool { return r.State != Undone && (r.File != nil || r.Command != nil) }

func (b *book) find(step string) *Record {
	for i := len(b.records) - 1; i >= 0; i-- {
		if r := &b.records[i]; r.Step == step && r.standing() {
			return r
		}
	}
	return nil
}

func (b *book) next() int {
	if len(b.records) == 0 {
		return 1
	}
	return b.records[len(b.records)-1].N + 1
}

func (b *book) complaint(path string) error {
	var errs []error
	if len(b.damaged) > 0 {
		errs = append(errs, fmt.Errorf("lines %v of %s are damaged and were passed over: what they told is not undone; see with `hither doctor` what is left, then delete the file", b.damaged, path))
	}
	if len(b.newer) > 0 {
		errs = append(errs, fmt.Errorf("%d lines of %s were kept and passed over: %w", len(b.newer), path, ErrNewer))
	}
	return errors.Join(errs...)
}
