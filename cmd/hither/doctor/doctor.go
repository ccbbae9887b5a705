// Package doctor looks at a machine and says why requests do not go through Hither, or are not believed when they do, and
// what to do about it.
//
// A [Check] looks at one thing and brings [Finding]s, each with its cause and, unless all is well, a remedy: a sentence
// with the exact command. A [Patient] is what is looked at: files, environment, network, and what the running Hither says
// of itself. All of it is handed in, so that every broken setup can be built in a test. [Examine] runs all checks at the
// same time, none longer than its deadline.
//
//	report := doctor.Examine(ctx, doctor.Checks(), patient)
//	if report.Worst() == doctor.Fail { … }
//
// Nothing is changed on the machine, and no secret is in a finding.
package doctor

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	// patience is how long a check may take unless it says another time itself.
	patience = 6 * time.Second
	// whole bounds the examination, whatever checks say: a doctor who never comes back is no help.
	whole = 11 * time.Second
	// grace is how long after its deadline a check may still bring what it found.
	grace = 500 * time.Millisecond
)

// Check looks at one thing. Checks do not know of each other and run at the same time.
type Check interface {
	// Name is one word, by which the user chooses and the report is sorted.
	Name() string
	// Run brings what it found: nothing if the thing is not there. It changes nothing, obeys ctx, and may be abandoned
	// when ctx has ended.
	Run(ctx context.Context, p *Patient) []Finding
}

// unhurried is a Check that needs more than the usual patience.
type unhurried interface{ Patience() time.Duration }

// Tools are the names of the checks that follow one tool's requests.
func Tools() []string { return []string{"go", "npm", "pip", "cargo", "docker"} }

// Checks are all checks, in the order of the report: what others depend on comes first.
func Checks() []Check {
	return []Check{
		running{}, clash{}, dnsPath{}, trust{}, proxies{}, bypasses{}, pac{}, vpn{}, mtu{},
		tool{goClient{}}, tool{npmClient{}}, tool{pipClient{}}, tool{cargoClient{}}, tool{dockerClient{}}, containers{},
		clock{}, disk{}, permissions{}, ruleFiles{}, upstreams{}, speed{},
	}
}

// Examine runs the checks and returns when all have ended, and in any case within 12 seconds.
func Examine(ctx context.Context, checks []Check, p *Patient) Report {
	ctx, cancel := context.WithTimeout(ctx, whole)
	defer cancel()
	began := p.now()
	found := make([][]Finding, len(checks))
	var all sync.WaitGroup
	for i, check := range checks {
		all.Go(func() { found[i] = examine(ctx, check, p) })
	}
	all.Wait()
	r := Report{Schema: Schema, When: began, Took: p.now().Sub(began), Findings: []Finding{}}
	for _, findings := range found {
		for _, f := range findings {
			r.Findings = append(r.Findings, p.clean(f))
		}
	}
	return r
}

// examine runs one check with its deadline. A check that does not obey is left behind, with a word about it.
func examine(ctx context.Context, check Check, p *Patient) []Finding {
	limit := patience
	if slow, ok := check.(unhurried); ok {
		limit = slow.Patience()
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan []Finding, 1)
	go func() {
		defer func() {
			if broken := recover(); broken != nil {
				done <- []Finding{warn(fmt.Sprintf("this check broke: %v", broken), "Report it with the output of `hither version`; the other checks are not touched by it.").of(check)}
			}
		}()
		done <- slices.Clone(check.Run(ctx, p))
	}()
	late := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, func() { close(late) }) })
	defer stop()
	select {
	case findings := <-done:
		for i := range findings {
			findings[i] = findings[i].of(check)
		}
		return findings
	case <-late:
		return []Finding{warn(fmt.Sprintf("this check found no end within %v, so nothing is known", limit+grace), "Run `"+p.call("doctor")+"` again when the machine is less busy.").of(check)}
	}
}
