package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
)

// Setting is a Step on something that commands show and set: a registry value, gsettings, a keychain.
//
// Undo and Restore need no function of it. Before anything is set, the journal has what Check prints and the command that
// brings the former value back; afterwards also what Check prints then. The setting is ours as long as Check prints the same.
type Setting struct {
	On       *Machine
	Name     string // the Step's String
	Volatile bool   // as Edit's
	// Get returns the present value. set is false if there is none.
	Get func(ctx context.Context) (value string, set bool, err error)
	// Want returns the value that is wanted, given the present one. The same value says that it is in force.
	Want func(old string, set bool) string
	Set  func(ctx context.Context, value string) error
	// UndoSet is the command that sets the former value; UndoUnset is the one for when there was none.
	UndoSet   func(old string) []string
	UndoUnset func(old string) []string
	// Check prints the present value, in whatever form. Its failure is an answer too: many such commands fail if there is none.
	Check []string
	After [][]string // as Edit's
}

// String is Name.
func (s Setting) String() string { return s.Name }

// Done tells whether Want wants nothing else.
func (s Setting) Done(ctx context.Context) (bool, error) {
	value, set, err := s.Get(ctx)
	if err != nil {
		return false, err
	}
	return set && s.Want(value, set) == value, nil
}

// Do sets it.
func (s Setting) Do(ctx context.Context) error {
	t, err := s.On.begin(ctx)
	if err != nil {
		return err
	}
	defer t.end()
	value, set, err := s.Get(ctx)
	if err != nil {
		return err
	}
	old, want := t.find(s.Name), s.Want(value, set)
	if set && want == value && (old == nil || old.State == Made) {
		return nil
	}
	r, err := s.plan(ctx, t, value, set, old)
	if err != nil {
		return err
	}
	if err := t.write(r); err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	if err := s.Set(ctx, want); err != nil {
		return err
	}
	shown, err := s.On.shown(ctx, s.Check)
	if err != nil {
		return err
	}
	for _, argv := range s.After {
		if _, err := s.On.run(ctx, argv, nil); err != nil {
			return err
		}
	}
	r.State, r.Command.Shown = Made, shown
	return t.write(r)
}

// Undo brings the former value back if the present one is ours.
func (s Setting) Undo(ctx context.Context) error { return s.On.undoStep(ctx, s.Name) }

// plan is what the journal must know. If our own value is the present one, what was before it stays the former one.
func (s Setting) plan(ctx context.Context, t *turn, value string, set bool, old *Record) (Record, error) {
	shown, err := s.On.shown(ctx, s.Check)
	if err != nil {
		return Record{}, err
	}
	if old != nil && old.Command != nil && (old.State == Begun || old.Command.Shown == shown) {
		r := *old
		command := *old.Command
		command.Shown = ""
		r.State, r.Command, r.After, r.Volatile = Begun, &command, s.After, s.Volatile
		return r, nil
	}
	undo := func() []string { return s.UndoUnset(value) }
	if set {
		undo = func() []string { return s.UndoSet(value) }
	}
	r := Record{N: t.next(), Step: s.Name, State: Begun, Volatile: s.Volatile, After: s.After}
	if old != nil {
		r.N = old.N // somebody has set another value since: that is the one to go back to
	}
	r.Command = &CommandRecord{Check: s.Check, Undo: undo(), Before: shown}
	return r, nil
}

func (t *turn) undoCommand(ctx context.Context, r Record) (string, error) {
	c := r.Command
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	if t.m.gone(c) {
		return saidNothing, nil
	}
	shown, err := t.m.shown(ctx, c.Check)
	if err != nil {
		return "", fmt.Errorf("see whether it is still ours: %w", err)
	}
	switch {
	case shown == c.Before:
		return saidNothing, nil
	case r.State == Made && shown != c.Shown:
		return saidForeign, nil
	}
	if _, err := t.m.run(ctx, c.Undo, nil); err != nil {
		return "", err
	}
	return saidBack, nil
}

// gone says that what kept the setting is no longer there: a Java that was removed took its key store along.
func (m *Machine) gone(c *CommandRecord) bool {
	return m.Run == nil && filepath.IsAbs(c.Check[0]) && !m.Exists(c.Check[0])
}

// shown is what a command prints. That it fails is a part of the answer, unless it cannot be run at all.
func (m *Machine) shown(ctx context.Context, argv []string) (string, error) {
	out, err := m.run(ctx, argv, nil)
	if err == nil {
		return string(out), nil
	}
	if ctx.Err() != nil || errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrPermission) {
		return "", err
	}
	return string(out) + "\nfailed", nil
}
