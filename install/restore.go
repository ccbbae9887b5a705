package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"hither/install/lines"
)

// Outcome is what became of one change.
type Outcome struct {
	Record Record
	What   string // "put back", "left alone: somebody has changed it since"
	Err    error  // it is not undone; calling Restore again tries again
}

// Restore undoes what the journal holds, the newest first, or only the changes that only says; nil: all. One that fails
// does not stop the rest. It may be called at any time and again: with a dead daemon, by several processes, after a
// crash of its own. Another process that is changing the machine is waited for, but not for long if only a part is to be
// undone: it may be a daemon that was stopped. The error tells of damage to the journal and joins the failures.
func Restore(ctx context.Context, m *Machine, only func(Record) bool) (report []Outcome, err error) {
	wait := hurriedTime
	if only == nil {
		wait = journalTime
	}
	t, err := m.takeBack(ctx, wait)
	if err != nil {
		return nil, err
	}
	defer t.end()
	errs := []error{t.complaint(t.path)}
	for _, r := range inTurn(t.active(), only) {
		o := t.undo(ctx, r.N)
		report = append(report, o)
		if o.Err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", r.Step, o.Err))
		}
	}
	return report, errors.Join(errs...)
}

// inTurn are the changes that are to be undone, the newest first. If only a part is undone, its files come before what
// commands do, and those without commands first of all: a session that hangs must not keep the DNS from coming back.
func inTurn(records []Record, only func(Record) bool) []Record {
	slices.Reverse(records)
	if only == nil {
		return records
	}
	records = slices.DeleteFunc(records, func(r Record) bool { return !only(r) })
	rank := func(r Record) int {
		switch {
		case r.File == nil:
			return 2
		case len(r.After)+len(r.AfterUndo) > 0:
			return 1
		}
		return 0
	}
	slices.SortStableFunc(records, func(a, b Record) int { return rank(a) - rank(b) })
	return records
}

// Volatile is for Restore: the changes that must not outlive the daemon.
func Volatile(r Record) bool { return r.Volatile }

// undoStep undoes all changes of one step.
func (m *Machine) undoStep(ctx context.Context, step string) error {
	return m.undoSteps(ctx, func(other string) bool { return other == step })
}

// UndoOthers undoes the standing changes whose step begins with prefix, but for step itself: former ones of its kind.
func (m *Machine) UndoOthers(ctx context.Context, prefix, step string) error {
	return m.undoSteps(ctx, func(other string) bool { return other != step && strings.HasPrefix(other, prefix) })
}

// undoSteps undoes all changes of the steps that are meant, the last first.
func (m *Machine) undoSteps(ctx context.Context, meant func(step string) bool) error {
	t, err := m.takeBack(ctx, journalTime)
	if err != nil {
		return err
	}
	defer t.end()
	var errs []error
	for _, r := range slices.Backward(t.active()) {
		if meant(r.Step) {
			errs = append(errs, t.undo(ctx, r.N).Err)
		}
	}
	return errors.Join(errs...)
}

// undo takes back change n.
func (t *turn) undo(ctx context.Context, n int) Outcome {
	i := slices.IndexFunc(t.records, func(r Record) bool { return r.N == n })
	r := t.records[i]
	o := Outcome{Record: r}
	if r.File != nil {
		o.What, o.Err = t.undoFile(r)
	} else {
		o.What, o.Err = t.undoCommand(ctx, r)
	}
	if o.Err != nil {
		return o
	}
	after := r.After
	if r.AfterUndo != nil {
		after = r.AfterUndo
	}
	for _, argv := range after {
		if len(argv) == 0 || t.m.Run == nil && !t.m.Look(argv[0]) {
			continue
		}
		if err := t.after(ctx, r, argv); err != nil {
			o.Err = errors.Join(o.Err, err)
		}
	}
	if o.Err == nil {
		t.undone(n)
	}
	return o
}

// after runs one of the commands that follow. What must be undone at once does not wait for long.
func (t *turn) after(ctx context.Context, r Record, argv []string) error {
	if r.Volatile {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, quick)
		defer cancel()
	}
	_, err := t.m.run(ctx, argv, nil)
	return err
}

// What Restore says of a change.
const (
	saidBack    = "put back"
	saidOut     = "our lines taken out; somebody has changed the rest since"
	saidNothing = "nothing left to undo"
	saidForeign = "left alone: somebody has changed it since"
)

func (t *turn) undoFile(r Record) (string, error) {
	p, err := t.m.locate(t.m.Path(r.File.Path), false)
	if err != nil {
		return "", err
	}
	defer p.close()
	if dirs := p.missing(); len(dirs) > 0 && !slices.Contains(r.File.Dirs, dirs[0]) {
		return "", fmt.Errorf("%s is not there: %w; if it is gone for good, delete %s", dirs[0], errAway, t.path)
	}
	now, err := t.heal(p)
	if err != nil {
		return "", err
	}
	if now.Absent && r.File.Former.UID > 0 && p.isBare(r.File.Former.UID) {
		return "", fmt.Errorf("%s is empty: %w; if it is gone for good, delete %s", filepath.Dir(p.real), errAway, t.path)
	}
	if now.Link != "" && now.Link != r.File.Former.Link {
		return t.undoBehindLink(r, p)
	}
	back, what := r.File.former(now, r.State)
	// A journal that cannot be written, on a full disk, must not keep anybody from his network.
	_ = errors.Join(t.rebase(r), t.bequeath(r))
	if !now.same(back) {
		err = p.put(now, back, func(text []byte) error { return t.inPlace(r, text) })
	} else if p.refused == nil {
		err = readOnly(p.real, p.remove(p.temp()))
	}
	if err != nil {
		return "", err
	}
	p.close() // which some file systems need before a directory can go
	t.m.removeDirs(r.File.Dirs)
	return what, nil
}

// errAway is met when what held a file is gone: a home that is not mounted yet. The change stays in the journal.
var errAway = errors.New("perhaps it is not mounted; mount it and call this again")

// heal ends a writing that was cut off in the middle, and returns the file as it is then.
func (t *turn) heal(p *place) (FileState, error) {
	now, err := p.state()
	if err != nil || now.Absent || now.Link != "" {
		return now, err
	}
	for _, r := range slices.Backward(t.active()) {
		if r.File == nil || r.File.Writing == nil || !p.isAt(t.m.Path(r.File.Path)) {
			continue
		}
		if whole := r.File.Writing; len(now.Bytes) < len(whole) && bytes.HasPrefix(whole, now.Bytes) && p.refused == nil {
			if err := p.writeInPlace(now, whole, func([]byte) error { return nil }, nil); err != nil {
				return now, err
			}
			now.Bytes = whole
		}
		t.written(r)
	}
	return now, nil
}

// written notes that nothing of a file is missing any more.
func (t *turn) written(r Record) {
	file := *r.File
	file.Writing = nil
	r.File = &file
	if t.file != nil {
		_ = t.write(r) // at worst the file is healed again
	}
}

// inPlace notes that a file is about to be written over. If that cannot be noted it is done all the same: a crash just
// then is less likely than that somebody waits for his network.
func (t *turn) inPlace(r Record, text []byte) error {
	r.State = Undoing
	file := *r.File
	file.Writing = text
	r.File = &file
	if t.file != nil {
		_ = t.write(r)
	}
	return nil
}

// undoBehindLink is for a file that somebody has replaced by a link: our lines may have moved along.
func (t *turn) undoBehindLink(r Record, link *place) (string, error) {
	if r.File.Former.Link != "" {
		return saidForeign, nil // whoever owns the link has taken it back
	}
	p, err := t.m.locate(link.asked, true)
	if err != nil {
		return saidForeign, nil //nolint:nilerr // a link to itself holds nothing of ours
	}
	defer p.close()
	now, err := p.state()
	if err != nil || now.Absent {
		return saidForeign, nil //nolint:nilerr // nor does what cannot be edited
	}
	text := r.File.without(now.Bytes)
	if bytes.Equal(text, now.Bytes) {
		return saidForeign, nil
	}
	back := now
	back.Bytes = text
	return saidOut, p.put(now, back, func(text []byte) error { return t.inPlace(r, text) })
}

// former is how the file should be without the change, given how it is now.
func (f *FileRecord) former(now FileState, state State) (FileState, string) {
	switch {
	case now.same(f.Former):
		return f.Former, saidNothing
	case now.Absent || now.Link != "":
		return now, saidForeign
	case f.isOurs(now.Bytes):
		back := f.Former
		if back.Link == "" && !back.Absent && now.Mode != f.Mode {
			back.Mode = now.Mode // somebody's chmod
		}
		return back, saidBack
	}
	text := now.Bytes
	if state == Begun {
		for _, before := range f.Before {
			text = lines.TakeOut(f.Former.Bytes, before, text)
		}
	}
	text = f.without(text)
	if bytes.Equal(text, now.Bytes) {
		return now, saidForeign
	}
	if bytes.Equal(text, f.Former.Bytes) {
		return f.Former, saidBack
	}
	back := now
	back.Bytes = text
	return back, saidOut
}

// without is text without what this change added, and with what it replaced.
func (f *FileRecord) without(text []byte) []byte {
	return lines.Without(f.Path, f.Former.Bytes, f.Ours, text)
}

// isOurs says that nobody else wrote what the file holds now.
func (f *FileRecord) isOurs(now []byte) bool {
	return bytes.Equal(now, f.Ours) || slices.ContainsFunc(f.Before, func(b []byte) bool { return bytes.Equal(now, b) })
}

// bequeath leaves the directories that this change has made to another one that still has a file in them.
func (t *turn) bequeath(r Record) error {
	for _, other := range t.active() {
		if other.N == r.N || other.File == nil || t.file == nil {
			continue
		}
		file := *other.File
		for _, dir := range r.File.Dirs {
			if IsBelow(t.m.Path(file.Path), t.m.Path(dir)) && !slices.Contains(file.Dirs, dir) {
				file.Dirs = append(slices.Clone(file.Dirs), dir)
			}
		}
		if len(file.Dirs) == len(other.File.Dirs) {
			continue
		}
		slices.Sort(file.Dirs) // the outer one is the shorter
		other.File = &file
		if err := t.write(other); err != nil {
			return err
		}
	}
	return nil
}

// rebase tells later changes of the same file that this one is no longer below them, so that they do not bring it back.
// It comes before the file is written: then a crash leaves a text that the later change knows.
func (t *turn) rebase(r Record) error {
	for _, later := range t.active() {
		if later.N <= r.N || later.File == nil || later.File.Path != r.File.Path || t.file == nil {
			continue
		}
		file, ours := *later.File, r.File.without(later.File.Ours)
		if bytes.Equal(file.Former.Bytes, r.File.Ours) && file.Former.Link == "" && !file.Former.Absent {
			file.Former = r.File.Former
		} else {
			file.Former.Bytes = r.File.without(file.Former.Bytes)
		}
		if file.Former.same(later.File.Former) && bytes.Equal(ours, file.Ours) {
			continue
		}
		if later.State == Begun && !file.Former.same(later.File.Former) {
			file.Before = [][]byte{later.File.Former.Bytes}
		}
		if !bytes.Equal(ours, file.Ours) {
			file.Before = append(slices.Clone(file.Before), file.Ours)
			file.Ours = ours
		}
		file.Before = file.Before[max(0, len(file.Before)-maxBefore):]
		later.File = &file
		if err := t.write(later); err != nil {
			return err
		}
	}
	return nil
}

// maxBefore is how many texts a change remembers beside its own.
const maxBefore = 4

// quick bounds a command that is run while undoing, so that the rest has its turn.
const quick = 20 * time.Second
