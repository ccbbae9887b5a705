// Package install changes the machine so that every tool finds Hither, and takes each change back.
//
// A change is a Step. Most are an Edit of a file or a Setting that commands show and set; both write what was there
// before into the Journal, and wait until it is on the disk, before they act. So everything can be undone after a
// crash at any moment, by Restore, which needs nothing but the journal: no daemon, no settings, no program of ours that
// knows what the step was for.
//
//	journal := install.OpenJournal(path)
//	m := &install.Machine{Home: home, Journal: journal}
//	err := install.Apply(ctx, truststore.Steps(m, root)...)
//	report, err := install.Restore(ctx, m, nil)
//
// What is changed is in packages above this one: sysdns leads names to Hither, sysproxy names the proxy to programs, truststore has
// the root trusted, tools sends each tool through Hither, and service has Hither started. guard gives all back when the daemon
// dies. Below it are lines and proxyname, the texts that are added to and what they say of a proxy, and ownfile, the files by
// which our processes tell each other what to do.
//
// Undoing takes back what is still ours and nothing else. A file that nobody touched since gets its former bytes; out of
// one that somebody else wrote to, only our own lines are taken.
package install

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Step is one change to the machine that can be undone. The methods of different steps may run at once; they take turns.
type Step interface {
	// String says what is changed and where: "trust the root certificate in /usr/local/share/ca-certificates". It is
	// the key by which the journal finds the step again, so it stays the same as long as the change does.
	String() string
	// Done tells whether the change is in force now, whoever made it.
	Done(ctx context.Context) (bool, error)
	// Do makes the change. The journal has the former value, on the disk, before anything is touched. Doing it twice is
	// harmless. After an error the change may be there in part; Undo takes it back.
	Do(ctx context.Context) error
	// Undo takes back what is still ours. Without a change of ours in the journal it does nothing and returns nil.
	Undo(ctx context.Context) error
}

// undoTime is how long TakeBack may spend on taking back what it did. A longer wait would look like a hang.
const undoTime = 2 * time.Minute

// Failed is a step that could not be done.
type Failed struct {
	Step Step
	Why  error // and what could not be undone
}

// Error names the step first.
func (f *Failed) Error() string { return f.Step.String() + ": " + f.Why.Error() }

func (f *Failed) Unwrap() error { return f.Why }

// Apply does the steps that are not in force yet. It stops at the first that fails, with a *Failed, and undoes those of this call,
// newest first, also if ctx has ended.
func Apply(ctx context.Context, steps ...Step) error {
	var tried []Step
	for _, step := range steps {
		if err := apply(ctx, step, &tried); err != nil {
			return &Failed{Step: step, Why: errors.Join(err, TakeBack(ctx, tried...))}
		}
	}
	return nil
}

func apply(ctx context.Context, step Step, tried *[]Step) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	done, err := step.Done(ctx)
	if err != nil || done {
		return err
	}
	*tried = append(*tried, step)
	return step.Do(ctx)
}

// TakeBack undoes steps, the last one first, also if ctx has ended. The error tells what could not be undone.
func TakeBack(ctx context.Context, steps ...Step) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
	defer cancel()
	var errs []error
	for _, step := range slices.Backward(steps) {
		if err := step.Undo(ctx); err != nil {
			errs = append(errs, fmt.Errorf("take back %q: %w", step, err))
		}
	}
	return errors.Join(errs...)
}

// Optional is a Step without which the others are still good: a key store of Java that has another password.
type Optional struct{ Step }

// IsVolatile tells whether a step is of no use without a running daemon. Such are done by the daemon itself when it begins.
func IsVolatile(step Step) bool {
	switch s := step.(type) {
	case Edit:
		return s.Volatile
	case *Edit:
		return s.Volatile
	case Setting:
		return s.Volatile
	case *Setting:
		return s.Volatile
	case Optional:
		return IsVolatile(s.Step)
	case Noted:
		return IsVolatile(s.Step)
	}
	return false
}
