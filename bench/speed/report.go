//go:build linux

package main

import (
	"fmt"
	"io"
	"slices"
	"time"

	"hither/bench/lab"
)

// report is what was seen. It is what -json prints.
type report struct {
	Version    string    `json:"version"` // of the Hither that was tested
	Machine    string    `json:"machine"`
	Congestion string    `json:"congestion"` // congestion control of the senders
	Began      time.Time `json:"began"`
	Took       float64   `json:"took"` // seconds
	Lines      []result  `json:"lines"`
	Errors     []string  `json:"errors,omitempty"` // why rows ended early

	text io.Writer
	row  row
}

// result is one line: something compared with something, and the bound.
type result struct {
	Row   string               `json:"row"`
	Cell  string               `json:"cell"`
	What  string               `json:"what"`
	Got   float64              `json:"got"`  // what is bounded, most often a ratio
	Want  string               `json:"want"` // the bound, as in "≤ 0.3"; empty: a figure without one
	Held  bool                 `json:"held"`
	How   string               `json:"how,omitempty"`   // what got was made of
	Late  float64              `json:"late"`            // late packets meanwhile, in percent; above 1 do not believe the line
	Runs  map[string][]outcome `json:"runs,omitempty"`  // by way
	Wrong string               `json:"error,omitempty"` // why the figure is of something else; the line counts as missed
}

func newReport(s *site, text io.Writer) *report {
	r := &report{Version: s.Version, Machine: lab.Machine(), Congestion: lab.Congestion, Began: time.Now(), text: text}
	fmt.Fprintf(text, "hither %s; %s; senders use %s; seed %d\n", r.Version, r.Machine, r.Congestion, s.seed)
	return r
}

func (r *report) begin(w row) {
	r.row = w
	fmt.Fprintf(r.text, "\nRow %s: %s\n", w.name, w.about)
}

// fail is for what kept a row from its end. The row counts as missed.
func (r *report) fail(err error) {
	r.Errors = append(r.Errors, "row "+r.row.name+": "+err.Error())
	fmt.Fprintf(r.text, "MISS row %s ended early: %v\n", r.row.name, err)
}

// wrong is for a name after -run that is of nothing.
func (r *report) wrong(err error) {
	r.Errors = append(r.Errors, err.Error())
	fmt.Fprintf(r.text, "\nMISS %v\n", err)
}

func (r *report) note(format string, args ...any) { fmt.Fprintf(r.text, "     "+format+"\n", args...) }

func (r *report) add(l result) {
	l.Row = r.row.name
	r.Lines = append(r.Lines, l)
	word := "    "
	switch {
	case l.missed():
		word = "MISS"
	case l.Want != "":
		word = "PASS"
	}
	fmt.Fprintf(r.text, "%s %-58s %7.3g %-8s %s; %.1f %% late\n", word, l.What, l.Got, l.Want, l.How, l.Late)
	if l.Wrong != "" {
		r.note("%s", l.Wrong)
	}
}

// missed says that a bound was not kept, or that there is nothing to bound, for the figure is wrong.
func (l result) missed() bool { return l.Wrong != "" || l.Want != "" && !l.Held }

// atMost adds a line that is held if got is no more than most.
func (r *report) atMost(l result, most float64) {
	l.Want, l.Held = fmt.Sprintf("≤ %.3g", most), l.Got <= most && l.Wrong == ""
	r.add(l)
}

// atLeast adds a line that is held if got is no less than least.
func (r *report) atLeast(l result, least float64) {
	l.Want, l.Held = fmt.Sprintf("≥ %.3g", least), l.Got >= least && l.Wrong == ""
	r.add(l)
}

func (r *report) end() {
	r.Took = time.Since(r.Began).Seconds()
	kept, all := 0, 0
	for _, l := range r.Lines {
		if l.Want != "" {
			all++
			if l.Held {
				kept++
			}
		}
	}
	fmt.Fprintf(r.text, "\n%d of %d bounds kept, in %s; load %.2f\n", kept, all, time.Since(r.Began).Round(time.Second), lab.Load())
}

// Held says whether all bounds were kept, all figures are right, and all rows came to their end.
func (r *report) Held() bool {
	return len(r.Errors) == 0 && !slices.ContainsFunc(r.Lines, result.missed)
}
