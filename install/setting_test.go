package install

import (
	"context"
	"errors"
	"testing"

	"hither/install/stage"
)

// value is what a program keeps: `keep`, `show` and `drop` are its commands.
type value struct {
	text string
	set  bool
	fail string // the command that fails
}

func (v *value) play(argv []string, _ []byte) ([]byte, error) {
	if argv[0] == v.fail {
		return nil, errors.New("exit status 1")
	}
	switch argv[0] {
	case "keep":
		v.text, v.set = argv[1], true
	case "drop":
		v.text, v.set = "", false
	case "show":
		if !v.set {
			return nil, errors.New("exit status 1: there is none")
		}
		return []byte(v.text + "\n"), nil
	}
	return nil, nil
}

func newSetting(w *world, v *value, want string) Setting {
	return Setting{
		On: w.Machine, Name: "keep it", Volatile: true, Check: []string{"show"},
		Get:  func(context.Context) (string, bool, error) { return v.text, v.set, nil },
		Want: func(string, bool) string { return want },
		Set: func(ctx context.Context, text string) error {
			_, err := w.Command(ctx, "keep", text)
			return err
		},
		UndoSet:   func(old string) []string { return []string{"keep", old} },
		UndoUnset: func(string) []string { return []string{"drop"} },
	}
}

func TestASettingComesBack(t *testing.T) {
	for _, before := range []value{{}, {text: "theirs", set: true}, {text: "", set: true}} {
		v := before
		w := newWorld(t, "linux", nil)
		w.Play = v.play
		step := newSetting(w, &v, "ours")
		stage.Check(t, Apply(t.Context(), step))
		stage.Same(t, "value", v.text, "ours")
		stage.Check(t, step.Do(t.Context()))
		stage.Check(t, newSetting(w, &v, "ours too").Do(t.Context())) // another port, say
		stage.Same(t, "value", v.text, "ours too")
		_, err := Restore(t.Context(), w.Machine, Volatile)
		stage.Check(t, err)
		stage.Same(t, "value", v, before)
		stage.Check(t, step.Undo(t.Context()))
	}
}

func TestASettingThatSomebodyChangedStays(t *testing.T) {
	v := value{text: "theirs", set: true}
	w := newWorld(t, "linux", nil)
	w.Play = v.play
	step := newSetting(w, &v, "ours")
	stage.Check(t, Apply(t.Context(), step))
	v.text = "somebody's"
	report, err := Restore(t.Context(), w.Machine, nil)
	stage.Check(t, err)
	stage.Same(t, "value", v.text, "somebody's")
	stage.Same(t, "report", report[0].What, saidForeign)
	// Done again, it is somebody's value that comes back.
	stage.Check(t, Apply(t.Context(), step))
	v.text = "somebody else's"
	stage.Check(t, Apply(t.Context(), step))
	stage.Check(t, step.Undo(t.Context()))
	stage.Same(t, "value", v.text, "somebody else's")
}

// TestASettingIsUndoneAfterACrashAnywhere breaks Do and Undo off between any two commands or writes.
func TestASettingIsUndoneAfterACrashAnywhere(t *testing.T) {
	for at := range 20 {
		for again := range 12 {
			v := value{text: "theirs", set: true}
			w := newWorld(t, "linux", nil)
			w.Play = v.play
			step := newSetting(w, &v, "ours")
			_, err := stage.CrashAt(&w.Fault, at, func() error { return step.Do(t.Context()) })
			stage.Check(t, err)
			_, err = stage.CrashAt(&w.Fault, again, func() error { return step.Undo(t.Context()) })
			stage.Check(t, err)
			_, err = Restore(t.Context(), w.Machine, nil)
			stage.Check(t, err)
			if v.text != "theirs" {
				t.Fatalf("crash at %d, again at %d: the value is %q", at, again, v.text)
			}
		}
	}
}

func TestApplyTakesBackWhatItDidIfAStepFails(t *testing.T) {
	v := value{text: "theirs", set: true, fail: "keep"}
	w := newWorld(t, "linux", map[string]string{"/etc/a": "x\n"})
	w.Play = v.play
	before := w.Tree()
	err := Apply(t.Context(), addLine(w, "/etc/new/b", false), addLine(w, "/etc/a", false), newSetting(w, &v, "ours"))
	var failed *Failed
	if !errors.As(err, &failed) || failed.Step.String() != "keep it" || failed.Why.Error() != "exit status 1" || err.Error() != "keep it: exit status 1" {
		t.Errorf("got %v", err)
	}
	stage.Same(t, "tree", w.Tree(), before)
	records, err := w.Journal.Records()
	stage.Check(t, err)
	stage.Same(t, "records", len(records), 0)
}

func TestACommandThatFailsIsTriedAgain(t *testing.T) {
	v := value{text: "theirs", set: true}
	w := newWorld(t, "linux", map[string]string{"/etc/a": "x\n"})
	w.Play = v.play
	stage.Check(t, Apply(t.Context(), newSetting(w, &v, "ours"), addLine(w, "/etc/a", false)))
	v.fail = "keep"
	report, err := Restore(t.Context(), w.Machine, nil)
	if err == nil || report[1].Err == nil {
		t.Errorf("got %v, want the failure", err)
	}
	stage.Same(t, "/etc/a", w.Text("/etc/a"), "x\n") // one failure does not stop the rest
	v.fail = ""
	_, err = Restore(t.Context(), w.Machine, nil)
	stage.Check(t, err)
	stage.Same(t, "value", v.text, "theirs")
}
