package install

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"hither/cache/filelock"
	"hither/cache/wholefile"
	"hither/install/ownfile"
)

// turn is one process's right to change the machine.
type turn struct {
	*book
	m      *Machine
	path   string
	file   *os.File // nil: there is no journal yet, or it cannot be opened
	locked bool
	size   int64
}

// begin waits for the turn to make a change. The journal must be writable.
func (m *Machine) begin(ctx context.Context) (*turn, error) {
	if m.Journal == nil {
		return nil, errors.New("nothing is changed without a journal: this is a fault in Hither, please report it")
	}
	t, err := m.open(ctx, journalTime, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, fmt.Errorf("the journal of changes cannot be written, so nothing was changed: %w; make %s writable or free space there", err, filepath.Dir(m.Journal.path))
	}
	if len(t.newer) > 0 {
		t.end()
		return nil, fmt.Errorf("nothing was changed: %w", ErrNewer)
	}
	return t, nil
}

// takeBack waits for the turn to undo. A missing journal is an empty one; one that cannot be written is read.
func (m *Machine) takeBack(ctx context.Context, wait time.Duration) (*turn, error) {
	if m.Journal == nil {
		return &turn{book: &book{}, m: m}, nil
	}
	t, err := m.open(ctx, wait, os.O_RDWR)
	if err == nil {
		return t, nil
	}
	if errors.Is(err, ownfile.ErrNotOurs) {
		return nil, err
	}
	text, err2 := readJournal(m.Journal.path)
	if err2 != nil {
		return nil, err2
	}
	if text != nil && ctx.Err() != nil {
		return nil, fmt.Errorf("another Hither is changing this machine: %w; try again when it is ready", err)
	}
	return &turn{book: parseBook(text), m: m, path: m.Journal.path}, nil
}

// open locks the journal and reads it.
func (m *Machine) open(ctx context.Context, wait time.Duration, flags int) (*turn, error) {
	path := m.Journal.path
	if flags&os.O_CREATE != 0 {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	f, locked, err := lockJournal(ctx, path, flags)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(f)
	if err != nil {
		f.Close()
		return nil, err
	}
	t := &turn{book: parseBook(text), m: m, path: path, file: f, locked: locked, size: int64(len(text))}
	if locked && t.size > int64(t.whole) {
		if err := f.Truncate(int64(t.whole)); err == nil {
			t.size = int64(t.whole)
		}
	}
	if locked && t.size > compactSize {
		return t, t.compact()
	}
	return t, nil
}

// lockJournal opens the file and waits for its lock. The file may have been removed while we waited: then there is a new one.
func lockJournal(ctx context.Context, path string, flags int) (f *os.File, locked bool, err error) {
	for {
		f, err = ownfile.Open(path, flags)
		if err != nil {
			return nil, false, err
		}
		locked, err = filelock.Try(f)
		if err == nil && locked && sameFile(f, path) {
			return f, true, nil
		}
		if err != nil || ctx.Err() != nil {
			if flags&os.O_CREATE == 0 {
				return f, false, nil // undoing goes on without
			}
			f.Close()
			return nil, false, errors.Join(err, errBusy(ctx))
		}
		f.Close()
		select {
		case <-ctx.Done():
		case <-time.After(turnPoll):
		}
	}
}

func errBusy(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return fmt.Errorf("another Hither is changing this machine: %w", ctx.Err())
}

func sameFile(f *os.File, path string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Stat(path)
	return err == nil && os.SameFile(a, b)
}

// write appends a line and waits until it is on the disk. What cannot be written whole is taken out again.
func (t *turn) write(r Record) error {
	if t.file == nil {
		return fmt.Errorf("the journal %s cannot be written; make it writable", t.path)
	}
	r.At = t.m.now().UTC()
	text, err := encode(r)
	if err != nil {
		return err
	}
	if t.size > int64(t.whole) { // torn, and not ours to truncate
		text = append([]byte("\n"), text...)
	}
	t.m.at("journal "+string(r.State), t.path)
	if _, err = t.file.Seek(0, io.SeekEnd); err == nil {
		_, err = t.file.Write(text)
	}
	if err == nil {
		err = t.file.Sync()
	}
	if err == nil && t.size == 0 {
		err = wholefile.SyncDir(filepath.Dir(t.path))
	}
	if err != nil {
		if t.locked {
			_ = t.file.Truncate(t.size) // a torn last line is passed over anyway
		}
		return fmt.Errorf("the journal of changes cannot be written: %w; free disk space", err)
	}
	t.size += int64(len(text))
	t.whole = int(t.size)
	t.add(0, bytes.TrimSpace(text))
	t.m.at("journalled "+string(r.State), t.path)
	return nil
}

func encode(r Record) ([]byte, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	text, err = json.Marshal(line{V: version, Sum: checksum(text), R: text})
	return append(text, '\n'), err
}

// undone notes that a change is taken back. That this cannot be written is no failure: undoing again does no harm.
func (t *turn) undone(n int) {
	if t.file != nil {
		_ = t.write(Record{N: n, State: Undone})
	}
	for i := range t.records {
		if t.records[i].N == n {
			t.records[i].State = Undone
		}
	}
}

// compact rewrites the journal without what is undone.
func (t *turn) compact() error {
	var text []byte
	for _, r := range t.active() {
		l, err := encode(r)
		if err != nil {
			return err
		}
		text = append(text, l...)
	}
	for _, l := range t.newer {
		text = append(append(text, l...), '\n')
	}
	if len(t.damaged) > 0 || int64(len(text)) > t.size/2 {
		return nil // damaged lines are kept for whoever can read them
	}
	return t.rewrite(text)
}

// rewrite puts a new journal in the place of the old one, and holds its lock.
func (t *turn) rewrite(text []byte) error {
	name := t.path + ".new"
	_ = os.Remove(name)
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil //nolint:nilerr // the old one is only long
	}
	ok, err := filelock.Try(f)
	if err == nil {
		_, err = f.Write(text)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil && ok {
		err = os.Rename(name, t.path)
	}
	if err != nil || !ok {
		f.Close()
		_ = os.Remove(name)
		return nil //nolint:nilerr // the old one is only long
	}
	t.file.Close()
	t.file, t.size, t.whole = f, int64(len(text)), len(text)
	return wholefile.SyncDir(filepath.Dir(t.path))
}

// end gives the turn back. A journal with nothing in it is removed.
func (t *turn) end() {
	if t.file == nil {
		return
	}
	if len(t.active()) == 0 && len(t.newer) == 0 && len(t.damaged) == 0 && t.locked {
		removeLocked(t.file, t.path)
	}
	t.file.Close()
}
