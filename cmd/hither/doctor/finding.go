package doctor

import (
	"maps"
	"slices"
	"time"
)

// Schema is in every Report. A new number says that a field means something else; new fields alone do not raise it.
const Schema = 1

// Level is how much a finding matters.
type Level string

// The levels, from the best to the worst.
const (
	OK   Level = "ok"   // looked at, and well
	Note Level = "note" // good to know; nothing has to be done
	Warn Level = "warn" // something goes past Hither or is about to break
	Fail Level = "fail" // something is broken
)

// Finding is one thing that a check found.
type Finding struct {
	Check   string            `json:"check"`             // filled in by Examine
	Level   Level             `json:"level"`             //
	Cause   string            `json:"cause"`             // a sentence without a full stop: what is so
	Remedy  string            `json:"remedy,omitempty"`  // what to do, with the exact command; empty: nothing
	Details map[string]string `json:"details,omitempty"` // for programs, and for people who ask how it was seen
}

// Report is what `hither doctor --json` prints.
type Report struct {
	Schema   int           `json:"schema"`
	When     time.Time     `json:"when"`
	Took     time.Duration `json:"took"` // nanoseconds
	Findings []Finding     `json:"findings"`
}

// Worst is the worst level of all findings; OK if there are none.
func (r Report) Worst() Level {
	worst := OK
	for _, f := range r.Findings {
		if f.Level.rank() > worst.rank() {
			worst = f.Level
		}
	}
	return worst
}

// Count is how many findings have that level.
func (r Report) Count(level Level) (n int) {
	for _, f := range r.Findings {
		if f.Level == level {
			n++
		}
	}
	return n
}

func (l Level) rank() int { return slices.Index([]Level{OK, Note, Warn, Fail}, l) }

func well(cause string) Finding         { return Finding{Level: OK, Cause: cause} }
func note(cause, remedy string) Finding { return Finding{Level: Note, Cause: cause, Remedy: remedy} }
func warn(cause, remedy string) Finding { return Finding{Level: Warn, Cause: cause, Remedy: remedy} }
func fail(cause, remedy string) Finding { return Finding{Level: Fail, Cause: cause, Remedy: remedy} }

// with adds a detail.
func (f Finding) with(name, value string) Finding {
	if value == "" {
		return f
	}
	f.Details = maps.Clone(f.Details)
	if f.Details == nil {
		f.Details = map[string]string{}
	}
	f.Details[name] = value
	return f
}

// of names the check that found it.
func (f Finding) of(check Check) Finding {
	f.Check = check.Name()
	return f
}
