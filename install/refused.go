package install

import (
	"context"
	"errors"
	"fmt"
)

// Refused is why a step leaves alone what the user chose. The others can be done without it.
type Refused struct {
	Why string // a sentence that ends with what to do
}

// Error is the sentence.
func (r *Refused) Error() string { return r.Why }

// Refuse makes a *Refused, as fmt.Sprintf does.
func Refuse(format string, args ...any) error { return &Refused{Why: fmt.Sprintf(format, args...)} }

// Noted is a step with something that the user should know or do after it: that a daemon reads its file only when told.
type Noted struct {
	Step
	Note string // a sentence
}

// Refusal is a step that cannot be done, and says why when it is asked.
func Refusal(name string, why error) Step { return refusal{name: name, why: why} }

type refusal struct {
	name string
	why  error
}

// String says what would have been done.
func (r refusal) String() string { return r.name }

// Done is false with the reason.
func (r refusal) Done(context.Context) (bool, error) { return false, r.why }

// Do fails with the reason.
func (r refusal) Do(context.Context) error { return r.why }

// Undo has nothing to undo.
func (r refusal) Undo(context.Context) error { return nil }

// VolatileRefusal is a Refusal among the changes that a running Hither makes.
func VolatileRefusal(m *Machine, name string, why error) Step {
	return Setting{On: m, Name: name, Volatile: true, Get: func(context.Context) (string, bool, error) { return "", false, why }}
}

// InFile names the file in an error, which may be nil, and leaves a *Refused one.
func InFile(path string, err error) error {
	if err == nil {
		return nil
	}
	var r *Refused
	if errors.As(err, &r) {
		return &Refused{Why: path + " " + r.Why}
	}
	return fmt.Errorf("%s %w", path, err)
}
