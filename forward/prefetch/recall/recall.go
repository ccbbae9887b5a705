// Package recall remembers what the runs of clients asked for, so that all of it can be asked for at once when a run begins
// the same way.
//
//	m := &recall.Memory{Path: "successors.json"}
//	m.Load(log)
//	wants, sure := m.Lookup("go", mark, steps) // as the run goes on, until it is sure
//	if m.Remember("go", mark, steps) {         // at its end
//		m.Save(log)
//	}
package recall

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"sync"

	"hither/cache/digest"
	"hither/cache/wholefile"
	"hither/forward/project"
	"hither/rules"
)

// Memory is what runs of clients asked for. It is kept in a file of the user's own; what he marked private never gets here,
// because it never reaches fetch.Trace, nor does what a registry does not have, which may be a private name that went astray.
// Its methods may be called from many goroutines; Load comes first.
type Memory struct {
	Path string // of the file; empty: nothing outlives the process

	mu     sync.Mutex
	past   []run // the latest first
	news   bool  // that is not in the file
	saving sync.Mutex
}

// run is what one run asked for.
type run struct {
	Rule  string `json:"rule"`
	Mark  string `json:"mark,omitempty"` // of directory and arguments of the client, which it does not give away; empty: not known
	Steps []Step `json:"steps"`          // in order
}

// Step is one request of a client.
type Step struct {
	URL    string        `json:"url"`
	Accept string        `json:"accept,omitempty"` // which variant of a document; empty: there is but one
	Bulk   bool          `json:"bulk,omitempty"`
	Claim  digest.Digest `json:"claim,omitempty"` // which bytes the client expected; empty: it did not say
}

// MaxSteps is how many steps of one run are remembered.
const MaxSteps = 5000

const (
	whyLastTime = "asked last time"

	maxPast    = 50       // runs
	maxURL     = 2048     // bytes
	maxRun     = 1 << 20  // bytes of one run, about
	maxKept    = 4 << 20  // bytes of all of them, about: more would be felt while nothing runs
	maxRecall  = 32 << 20 // bytes of the file, in which JSON may take six for one
	fewSteps   = 4        // what is shorter is not worth remembering
	opening    = 3        // requests by which a run is known,
	openWithin = 16       // if the first ones of the other have them in any order: clients ask in parallel
)

// StepOf is the step of a client that asked for m, and said which bytes it expects if claim is not empty.
func StepOf(m rules.Match, claim digest.Digest) Step {
	return Step{URL: "https://" + m.Host.Name + m.Clean, Accept: m.Variant, Bulk: m.Path.Bulk, Claim: claim}
}

// Lookup is what a run asked for that began like so far, or with the same mark. An empty mark is nobody's. Sure says that more
// steps would change nothing.
func (c *Memory) Lookup(rule, mark string, far []Step) (wants []project.Want, sure bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.past {
		if p.Rule != rule || !p.begins(far, mark) {
			continue
		}
		for _, s := range p.Steps {
			w := project.Want{URL: s.URL, Bulk: s.Bulk, Digest: s.Claim, Why: whyLastTime}
			if s.Accept != "" {
				w.Accept = []string{s.Accept}
			}
			wants = append(wants, w)
		}
		return wants, true
	}
	return nil, len(far) >= openWithin
}

// begins says whether a run whose first steps are far is likely to go on like p.
func (p run) begins(far []Step, mark string) bool {
	need := opening
	if mark != "" && mark == p.Mark {
		need = 1
	}
	first := p.Steps[:min(len(p.Steps), openWithin)]
	known := 0
	for _, s := range far[:min(len(far), opening)] {
		if slices.Contains(first, s) {
			known++
		}
	}
	return known >= need
}

// Remember keeps what a run asked for, in place of what the one like it did. False: there was nothing to remember.
func (c *Memory) Remember(rule, mark string, steps []Step) bool {
	if steps = worthy(steps); len(steps) < fewSteps {
		return false
	}
	now := run{Rule: rule, Mark: mark, Steps: steps}
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.IndexFunc(c.past, func(p run) bool { return p.Rule == rule && p.Mark == mark && p.begins(steps, mark) }); i >= 0 {
		if now.tells(c.past[i]) {
			now.Steps = c.past[i].Steps
		}
		c.past = slices.Delete(c.past, i, i+1)
	}
	c.past = slices.Insert(c.past, 0, now)
	c.past = fitting(c.past)
	c.news = true
	return true
}

// worthy is what is kept of a run, so that none takes the place of all others.
func worthy(steps []Step) (out []Step) {
	total := 0
	for _, s := range steps[:min(len(steps), MaxSteps)] {
		if total += s.weight(); total > maxRun {
			break
		}
		if len(s.URL) <= maxURL {
			out = append(out, s)
		}
	}
	return out
}

// fitting drops the oldest of what is too much.
func fitting(past []run) []run {
	total := 0
	for i, p := range past {
		for _, s := range p.Steps {
			total += s.weight()
		}
		if i == maxPast || total > maxKept {
			return slices.Clone(past[:i]) // a copy, so that the rest is let go
		}
	}
	return past
}

// weight is about what a step takes, in memory and in the file, in bytes.
func (s Step) weight() int { return len(s.URL) + len(s.Accept) + len(s.Claim) + 64 }

// tells says that p is a small part of old and nothing else, as when the client had most of it already.
func (p run) tells(old run) bool {
	if 2*len(p.Steps) > len(old.Steps) {
		return false
	}
	known := make(map[string]bool, len(old.Steps))
	for _, s := range old.Steps {
		known[s.URL] = true
	}
	return !slices.ContainsFunc(p.Steps, func(s Step) bool { return !known[s.URL] })
}

// Load reads the file. What cannot be read is forgotten: it is only memory.
func (c *Memory) Load(log *slog.Logger) {
	if c.Path == "" {
		return
	}
	data, err := wholefile.Read(c.Path, maxRecall)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var past []run
	if err == nil {
		past, err = parsePast(data)
	}
	if err != nil {
		log.Warn("what clients asked for last time is forgotten, because its file cannot be read; it will be written anew", "file", c.Path, "err", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.past = fitting(append(c.past, past...)) // a run may have ended meanwhile
}

// parsePast reads what a state file holds, which others may have written to.
func parsePast(data []byte) ([]run, error) {
	var past []run
	if err := json.Unmarshal(data, &past); err != nil {
		return nil, err
	}
	if len(past) > maxPast {
		return nil, fmt.Errorf("it holds %d runs, more than were ever written", len(past))
	}
	for _, p := range past {
		if len(p.Steps) < fewSteps || len(p.Steps) > MaxSteps {
			return nil, fmt.Errorf("it holds a run of %d requests, as was never written", len(p.Steps))
		}
		if slices.ContainsFunc(p.Steps, func(s Step) bool { return len(s.URL) > maxURL || len(s.Claim) > maxURL }) {
			return nil, errors.New("it holds a URL or a digest longer than was ever written")
		}
	}
	return past, nil
}

// Save writes the file, or leaves it as it was.
func (c *Memory) Save(log *slog.Logger) {
	if c.Path == "" {
		return
	}
	c.saving.Lock()
	defer c.saving.Unlock()
	if err := c.write(); err != nil {
		c.mu.Lock()
		c.news = true
		c.mu.Unlock()
		log.Warn("what clients asked for is not remembered beyond this process, because it cannot be written; look at the directory's rights", "file", c.Path, "err", err)
	}
}

func (c *Memory) write() error {
	c.mu.Lock()
	past, news := slices.Clone(c.past), c.news
	c.news = false
	c.mu.Unlock()
	if !news {
		return nil
	}
	data, err := json.Marshal(past)
	if err != nil {
		return err
	}
	return wholefile.Write(c.Path, data, 0o600)
}
