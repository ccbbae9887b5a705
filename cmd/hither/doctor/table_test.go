package doctor

import (
	"bytes"
	"encoding/json"
	"flag"
	"strings"
	"testing"
	"time"

	"hither/cmd/hither/hithertest"
	"hither/cmd/hither/terminal"
)

// update writes the golden files anew: go test ./cmd/hither/doctor -update
var update = flag.Bool("update", false, "write the golden files anew")

// reportOfAll has every level, a long remedy, and words of strangers.
func reportOfAll() Report {
	return Report{
		Schema: Schema, When: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Took: 412 * time.Millisecond,
		Findings: []Finding{
			{Check: "daemon", Level: OK, Cause: "Hither runs (pid 4711) and answers on 127.0.0.1:7890"},
			{Check: "npm", Level: Fail, Cause: "npm does not trust Hither: cafile in /home/u/.npmrc (/home/u/corp.pem) lacks Hither's root certificate",
				Remedy:  "Add Hither's root to it: `cat /home/u/.local/state/hither/ca.pem >> /home/u/corp.pem`; or for this shell: `eval \"$(hither env)\"`.",
				Details: map[string]string{"door": "proxy"}},
			{Check: "clash", Level: Note, Cause: "127.0.0.1:7890 is Clash (v1\x1b[31m\u202e 登录), held by verge (pid 99); Hither runs beside it"},
			{Check: "proxy", Level: Warn, Cause: "HTTPS_PROXY is http://…@proxy.corp:3128, which is not Hither, so tools go past it",
				Remedy: "Send this shell to Hither: `eval \"$(hither env)\"`."},
		},
	}
}

func TestTheDoctorsReport(t *testing.T) {
	var out bytes.Buffer
	if err := (Table{}).Print(&out, reportOfAll()); err != nil {
		t.Fatal(err)
	}
	hithertest.Golden(t, "doctor.txt", out.String(), *update)
	for line := range strings.Lines(out.String()) {
		if n := terminal.Columns(strings.TrimRight(line, "\n")); n > terminal.Width {
			t.Errorf("a line of %d columns\n got %s", n, line)
		}
	}
	data, err := json.MarshalIndent(reportOfAll(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	hithertest.Golden(t, "doctor.json", string(data)+"\n", *update)
}
