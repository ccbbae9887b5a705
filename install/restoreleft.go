package install

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"

	"hither/install/lines"
)

// Leftover is something of ours that is still on the machine.
type Leftover struct {
	Step string
	What string // where it is
}

// Leftovers looks whether anything of the changes is still there, whatever the journal says. The records are those of the
// journal before it was undone.
func Leftovers(ctx context.Context, m *Machine, records []Record) ([]Leftover, error) {
	var left []Leftover
	var errs []error
	for _, r := range records {
		what, err := m.leftOf(ctx, r)
		errs = append(errs, err)
		if what != "" {
			left = append(left, Leftover{Step: r.Step, What: what})
		}
	}
	return left, errors.Join(errs...)
}

// Sweep writes a file anew as clean wants it, where no journal tells what step has left in it. A file that clean leaves as it
// is, a link and one that is not there are no outcome.
func Sweep(m *Machine, step, path string, clean func(text []byte) []byte) (report []Outcome, err error) {
	p, err := m.locate(m.Path(path), false)
	if err != nil {
		return nil, err
	}
	defer p.close()
	now, err := p.state()
	if err != nil || now.Absent || now.Link != "" {
		return nil, err
	}
	back := now
	back.Bytes = clean(now.Bytes)
	if bytes.Equal(back.Bytes, now.Bytes) {
		return nil, nil
	}
	o := Outcome{Record: Record{Step: step, State: Undone}, What: "our lines taken out; no journal tells what was there before"}
	o.Err = p.put(now, back, func([]byte) error { return nil })
	return []Outcome{o}, o.Err
}

func (m *Machine) leftOf(ctx context.Context, r Record) (string, error) {
	if c := r.Command; c != nil {
		if r.State == Begun || c.Shown == c.Before || m.gone(c) {
			return "", nil
		}
		shown, err := m.shown(ctx, c.Check)
		if err == nil && shown == c.Shown {
			return "the value is still ours", nil
		}
		return "", err
	}
	p, err := m.locate(m.Path(r.File.Path), false)
	if err != nil {
		return "", err
	}
	defer p.close()
	if _, err := p.lstat(p.temp()); err == nil {
		return "a file of ours, " + m.Below(filepath.Join(filepath.Dir(p.real), p.temp())), nil
	}
	now, err := p.state()
	if err != nil || now.same(r.File.Former) || now.Absent {
		return m.leftDir(r.File), err
	}
	if left := lines.Telling(r.File.Former.Bytes, r.File.Ours, now.Bytes); left != "" {
		return "the line " + left + " in " + r.File.Path, nil
	}
	return "", nil
}

// leftDir returns a directory that we had made and in which nothing is.
func (m *Machine) leftDir(f *FileRecord) string {
	for _, dir := range f.Dirs {
		if isEmptyDir(m.Path(dir)) {
			return "the empty directory " + dir
		}
	}
	return ""
}
