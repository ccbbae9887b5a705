package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"hither/install/ownfile"
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
	// Replace puts a file in the place of a link, whose target belongs to somebody else: resolv.conf of openresolv.
	// Change is given what is read through the link, and Undo puts the link back. The change is in force as long as the
	// file is what Change makes of the target: its owner goes on writing there when the network changes.
	Replace bool
	// Clean returns the former text without what a Hither has left in it of which no journal tells any more, so that Undo
	// does not bring that back. nil: the former text is taken as it is.
	Clean func(former []byte) []byte
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
		if r.Step != e.Name {
			continue
		}
		if _, stale := e.On.behind(r, now); stale || r.State == Begun {
			return false, nil
		}
	}
	return true, nil
}

// behind returns what is now read through the link whose place our file has taken; false: it is what the file was made of,
// or the file is no longer ours.
func (m *Machine) behind(r Record, now FileState) (text []byte, stale bool) {
	if r.File == nil || r.File.Former.Link == "" || now.Link != "" || !bytes.Equal(now.Bytes, r.File.Ours) {
		return nil, false
	}
	target, err := m.Target(r.File)
	if err != nil {
		return nil, false
	}
	text, err = readBounded(target)
	return text, err == nil && !bytes.Equal(text, r.File.Former.Bytes)
}

// Target is the real path to which the former link leads.
func (m *Machine) Target(f *FileRecord) (string, error) {
	link := f.Former.Link
	if filepath.IsAbs(link) {
		return m.Resolve(m.Path(link))
	}
	return m.Resolve(filepath.Join(filepath.Dir(m.Path(f.Path)), link))
}

// Do makes the change.
func (e Edit) Do(ctx context.Context) error {
	t, err := e.On.begin(ctx)
	if err != nil {
		return err
	}
	defer t.end()
	p, err := e.place()
	if err != nil {
		return err
	}
	defer p.close()
	now, err := t.heal(p)
	if err != nil {
		return err
	}
	old := t.find(e.Name)
	ok, err := e.inForce(now)
	stale := false
	if old != nil {
		_, stale = e.On.behind(*old, now)
	}
	switch {
	case err != nil:
		return err
	case ok && old == nil: // somebody else has made it, so it is not ours to undo
		return nil
	case ok && old.State == Made && !stale:
		return nil
	case ok && !stale:
		return e.finish(ctx, t, *old)
	}
	r, err := e.plan(t, p, now, old)
	if err != nil {
		return err
	}
	if err := t.begin(r, old); err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	if err := p.make(); err != nil {
		return t.notMade(p, now, r, old, err)
	}
	want := now
	want.Absent, want.Link, want.Bytes, want.Mode = false, "", r.File.Ours, r.File.Mode
	if now.Absent || now.Link != "" {
		want.UID, want.GID = e.On.ownerBelow(r.File.Path)
	}
	err = p.put(now, want, func(text []byte) error {
		r.File.Writing = text
		return t.write(r)
	})
	if err != nil {
		return t.notMade(p, now, r, old, err)
	}
	return e.finish(ctx, t, r)
}

// notMade forgets a change that could not be made, if the file is as it was: to take it back would run its commands, which where
// we have no right, or the file system is read-only, fail again and again.
func (t *turn) notMade(p *place, before FileState, r Record, old *Record, err error) error {
	if old != nil {
		return err
	}
	if now, unseen := p.state(); unseen == nil && now.same(before) {
		p.close()
		t.m.removeDirs(r.File.Dirs)
		t.undone(r.N)
	}
	return err
}

// Undo takes back what is still ours.
func (e Edit) Undo(ctx context.Context) error { return e.On.undoStep(ctx, e.Name) }

// place is where the file really stands.
func (e Edit) place() (*place, error) { return e.On.locate(e.On.Path(e.Path), !e.Replace) }

func (e Edit) look() (FileState, error) {
	p, err := e.place()
	if err != nil {
		return FileState{}, err
	}
	defer p.close()
	return p.state()
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
func (e Edit) plan(t *turn, p *place, now FileState, old *Record) (Record, error) {
	if err := errors.Join(p.refused, e.On.mayWrite(e.Path, p)); err != nil {
		return Record{}, err
	}
	path := e.On.Below(p.real)
	if old == nil && e.Clean != nil && now.Bytes != nil {
		now.Bytes = e.Clean(now.Bytes)
	}
	r := Record{N: t.next(), Step: e.Name, State: Begun, Volatile: e.Volatile, After: e.After, AfterUndo: e.AfterUndo}
	file := &FileRecord{Path: path, Former: now}
	if old != nil && old.File != nil && old.File.Path == path {
		file.Dirs = old.File.Dirs
		former, what := old.File.former(now, old.State)
		if what != saidForeign { // else nothing of it is left, and others may have written on top
			if text, stale := e.On.behind(*old, now); stale {
				former.Bytes = text
			}
			file.Former, file.Before = former, [][]byte{now.Bytes}
			if !t.isCovered(*old) { // else this one comes on top of those that cover it
				r.N = old.N
			}
		}
	}
	former := file.Former
	var err error
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
	file.Dirs = append(file.Dirs, p.missing()...)
	r.File = file
	return r, nil
}

// isCovered says that a later change of the same file stands.
func (t *turn) isCovered(r Record) bool {
	return slices.ContainsFunc(t.active(), func(later Record) bool {
		return later.N > r.N && later.File != nil && later.File.Path == r.File.Path
	})
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

// mayWrite keeps what is changed for a user in what is his: links that lead out of his home are followed to his files only
// (locate), a further name of somebody else's file is no file of his, and a home that is not there is not made: it may
// not be mounted yet.
func (m *Machine) mayWrite(named string, p *place) error {
	if m.Home == "" || m.UID < 0 || !IsBelow(m.Path(named), m.Path(m.Home)) {
		return nil
	}
	home, err := os.Stat(m.Path(m.Home))
	if err != nil {
		return fmt.Errorf("the home %s: %w; mount it, and call this again", m.Home, err)
	}
	if uid, _, _ := ownfile.Owner(home); uid != m.UID && uid >= 0 {
		return fmt.Errorf("the home %s is not the user's (%d): if it is not mounted yet, mount it and call this again", m.Home, m.UID)
	}
	info, err := p.lstat(p.name)
	if err != nil {
		return nil //nolint:nilerr // a file that is not there is nobody's
	}
	if uid, _, names := ownfile.Owner(info); names > 1 && uid != m.UID && uid >= 0 {
		return fmt.Errorf("%s: %w", p.real, errForeign)
	}
	return nil
}
