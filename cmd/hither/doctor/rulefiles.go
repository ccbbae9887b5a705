package doctor

import (
	"context"
	"errors"
	"io/fs"

	"hither/cmd/hither/amount"
)

// ruleFiles reads the rule files as they are now.
type ruleFiles struct{}

// Name implements Check.
func (ruleFiles) Name() string { return "rules" }

// Run implements Check.
func (ruleFiles) Run(_ context.Context, p *Patient) []Finding {
	if p.Rules == nil {
		return nil
	}
	set, err := p.Rules()
	switch {
	case errors.Is(err, fs.ErrPermission) && p.Service != nil && !p.Service.User: // it may read what this user may not
		return []Finding{note("the rule files of the machine's Hither are not for all to read: "+err.Error(), "To see all: `sudo hither doctor`.")}
	case err != nil && p.Daemon.Running:
		return []Finding{fail("the rule files do not load, and the running Hither has its last good ones: "+err.Error(), "Correct the line that is named; Hither reads the file again by itself.")}
	case err != nil:
		return []Finding{fail("the rule files do not load, so Hither will not start: "+err.Error(), "Correct the line that is named, or move the file away.")}
	case p.Daemon.Rules != "":
		return []Finding{warn("the running Hither has not taken the rule files over: "+p.Daemon.Rules, "Correct what is named; Hither reads the files again by itself, and might not start with them as they are.")}
	}
	return []Finding{well(amount.Count(int64(len(set.Rules())), "rule") + " with " + amount.Count(int64(len(set.Hosts())), "host") + " in force")}
}
