package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Edit is a Step on one file.
//
// Undo gives a file that nobody wrote to since its former bytes, mode and owner, or its former link or absence. Out of
// one that was written to, it takes the lines that Change added, as a block or singly, and puts those back that Change
// had replaced. A file without anything of ours is left alone. Directories that Do had to make go, if they are empty.
type Edit struct {
	On   *Machine
	Name string // the Step's String
	Path string // without Root; a link is followed and stays, unless Replace
	// Volatile says that the change is of no use without a running daemon, and is undone as soon as there is none.
	Volatile bool
	Mode     fs.FileMode // of a new file; zero: 0644. One that exists keeps its own.
	// Change returns the text that is wanted, given the present one. The same text says that the change is in force.
	// It must find its own lines again when it is given its own text with others' changes in it.
	Change func(old []byte, exists bool) (wanted []byte, err error)
	// Replace puts a file in the place of a link, whose target belongs to somebody else: resolv.conf of systemd-resolved.
	// Change is given what is read through the link, and Undo puts the link back.
	Replace bool
	// After are run after Do and after Undo, so that other programs see the change. One whose program is missing when
	// it is undone is passed over.
	After [][]string
	// AfterUndo are run after Undo in the place of After. nil: After.
	AfterUndo [][]string
}

// String is Name.
func (e Edit) String() string { return e.Name }

// Done tells whether Change has nothing to change. A change that was cut off before the commands of After is not in force.
func (e Edit) Done(context.Context) (bool, error) {
	now, err := e.look()
	if err != nil {
		return false, err
	}
	if ok, err := e.inForce(now); !ok || err != nil || e.On.Journal == nil {
		return false, err
	}
	records, _ := e.On.Journal.Records() // damage is told by those who act
	for _, r := range records {
		if r.Step == e.Name && r.State == Begun {
			return false, nil
		}
	}
	return true, nil
}

// Do makes the change.
func (e Edit) Do(ctx context.Context) error {
	t, err := e.On.begin(ctx)
	if err != nil {
		return err
	}
	defer t.end()
	real, err := e.place()
	if err != nil {
		return err
	}
	now, err := t.heal(real)
	if err != nil {
		return err
	}
	old := t.find(e.Name)
	ok, err := e.inForce(now)
	switch {
	case err != nil:
		return err
	case ok && old == nil: // somebody else has made it, so it is not ours to undo
		return nil
	case ok && old.State == Made:
		return nil
	case ok:
		return e.finish(ctx, t, *old)
	}
	r, err := e.plan(t, now, old)
	if err != nil {
		return err
	}
	if err := t.begin(r, old); err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	if err := e.On.makeDirs(r.File.Dirs); err != nil {
		return err
	}
	want := now
	want.Absent, want.Link, want.Bytes, want.Mode = false, "", r.File.Ours, r.File.Mode
	if now.Absent || now.Link != "" {
		want.UID, want.GID = e.On.ownerBelow(r.File.Path)
	}
	err = e.On.put(e.On.Path(r.File.Path), now, want, func(text []byte) error {
		r.File.Writing = text
		return t.write(r)
	})
	if err != nil {
		return err
	}
	return e.finish(ctx, t, r)
}

// Undo takes back what is still ours.
func (e Edit) Undo(ctx context.Context) error { return e.On.undoStep(ctx, e.Name) }

// place is where the file really stands.
func (e Edit) place() (string, error) {
	real := e.On.Path(e.Path)
	if e.Replace {
		dir, err := e.On.resolve(filepath.Dir(real))
		return filepath.Join(dir, filepath.Base(real)), err
	}
	return e.On.resolve(real)
}

func (e Edit) look() (FileState, error) {
	real, err := e.place()
	if err != nil {
		return FileState{}, err
	}
	return e.On.state(real)
}

// inForce says whether now is as it should be.
func (e Edit) inForce(now FileState) (bool, error) {
	want, err := e.Change(bytes.Clone(now.Bytes), now.exists())
	if err != nil {
		return false, err
	}
	return !now.Absent && now.Link == "" && bytes.Equal(want, now.Bytes), nil
}

// exists says whether there is a text; a link without a target has none.
func (f FileState) exists() bool { return !f.Absent && (f.Link == "" || f.Bytes != nil) }

// plan is what the journal must know before anything is done. A change of the same step that is still there is not
// stacked upon: what was before that one is what Undo must bring back.
func (e Edit) plan(t *turn, now FileState, old *Record) (Record, error) {
	real, err := e.place()
	if err != nil {
		return Record{}, err
	}
	path := e.On.below(real)
	r := Record{N: t.next(), Step: e.Name, State: Begun, Volatile: e.Volatile, After: e.After, AfterUndo: e.AfterUndo}
	file := &FileRecord{Path: path, Former: now}
	if old != nil && old.File != nil && old.File.Path == path {
		file.Dirs = old.File.Dirs
		former, what := old.File.former(now, old.State)
		if what != saidForeign { // else nothing of it is left, and others may have written on top
			r.N, file.Former, file.Before = old.N, former, now.Bytes
		}
	}
	former := file.Former
	file.Ours, err = e.Change(bytes.Clone(former.Bytes), former.exists())
	if err != nil {
		return Record{}, err
	}
	if len(file.Ours) > maxFile {
		return Record{}, fmt.Errorf("%s would have %d bytes, more than the %d that are allowed; make it smaller", path, len(file.Ours), maxFile)
	}
	if file.Ours == nil {
		file.Ours = []byte{}
	}
	file.Mode = e.Mode
	if file.Mode == 0 {
		file.Mode = 0o644
	}
	if !now.Absent && now.Link == "" {
		file.Mode = now.Mode
	}
	file.Dirs = append(file.Dirs, e.On.missingDirs(filepath.Dir(real))...)
	r.File = file
	return r, e.On.mayWrite(e.Path, real)
}

// begin notes that r is about to be made. old is the former change of the same step, of which nothing may be left.
func (t *turn) begin(r Record, old *Record) error {
	if old == nil || old.N == r.N {
		return t.write(r)
	}
	if err := errors.Join(t.rebase(*old), t.bequeath(*old)); err != nil {
		return err
	}
	err := t.write(r)
	if err == nil {
		t.undone(old.N)
	}
	return err
}

// finish runs the commands and notes that the change is in force.
func (e Edit) finish(ctx context.Context, t *turn, r Record) error {
	for _, argv := range e.After {
		if _, err := e.On.run(ctx, argv, nil); err != nil {
			return err
		}
	}
	r.State, r.After, r.AfterUndo, r.File.Writing = Made, e.After, e.AfterUndo, nil
	return t.write(r)
}

// errForeign is a file that a change for a user must not touch.
var errForeign = errors.New("a link leads there from the home directory, and it belongs to somebody else; change it by hand")

// mayWrite keeps a user from having the files of others changed by a link in his home directory: what lies elsewhere must
// be his, or if it is not there yet, its directory.
func (m *Machine) mayWrite(named, real string) error {
	if m.Home == "" || m.UID < 0 || !isBelow(m.Path(named), m.Path(m.Home)) {
		return nil
	}
	home, err := m.resolve(m.Path(m.Home))
	if err != nil || isBelow(real, home) {
		return err
	}
	for place := real; ; place = filepath.Dir(place) {
		info, err := os.Lstat(place)
		if err != nil && place != filepath.Dir(place) {
			continue
		}
		if err != nil {
			return err
		}
		if uid, _, _ := owner(info); uid != m.UID && uid >= 0 {
			return fmt.Errorf("%s: %w", m.below(real), errForeign)
		}
		return nil
	}
}
