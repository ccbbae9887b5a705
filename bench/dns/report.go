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
	Tested  string    `json:"tested"`
	Machine string    `json:"machine"`
	Began   time.Time `json:"began"`
	Lines   []result  `json:"lines"`
	Rows    []seen    `json:"rows"`
	Errors  []string  `json:"errors,omitempty"` // why rows ended early

	text io.Writer
}

// seen is what a row measured, by server, a load a round.
type seen struct {
	Row   string            `json:"row"`
	Loads map[string][]load `json:"loads,omitempty"`
}

// result is one figure and its bound.
type result struct {
	Row  string  `json:"row"`
	What string  `json:"what"`
	Got  float64 `json:"got"`
	Want string  `json:"want"` // as in "≥ 1"; empty: a figure without a bound
	Held bool    `json:"held"`
}

func newReport(b *bench, text io.Writer) *report {
	r := &report{Tested: "package resolver", Machine: lab.Machine(), Began: time.Now(), text: text}
	if b.binary != "" {
		r.Tested = b.binary
	}
	fmt.Fprintf(text, "%s; %s\n", r.Tested, r.Machine)
	return r
}

func (r *report) begin(row, about string) {
	r.Rows = append(r.Rows, seen{Row: row, Loads: map[string][]load{}})
	fmt.Fprintf(r.text, "\n%s: %s\n", row, about)
}

// saw keeps one round of one server.
func (r *report) saw(name string, l load) {
	loads := r.Rows[len(r.Rows)-1].Loads
	loads[name] = append(loads[name], l)
}

// costs prints each server's medians.
func (r *report) costs() {
	loads := r.Rows[len(r.Rows)-1].Loads
	for _, name := range []string{"hither", "dnsmasq", "unbound"} {
		lost, wrong := 0, 0
		for _, l := range loads[name] {
			lost, wrong = lost+l.Lost, wrong+l.Wrong
		}
		r.note("%-8s %8.0f questions/s, %5.1f µs of processor and %5.0f µs of waiting each; %d lost, %d not NOERROR",
			name, r.median(name, qps), r.median(name, cpu), r.median(name, latency), lost, wrong)
		if name == "hither" && lost+wrong > 0 {
			r.Errors = append(r.Errors, fmt.Sprintf("%d questions lost, %d answered wrongly", lost, wrong))
		}
	}
}

func qps(l load) float64     { return l.QPS }
func cpu(l load) float64     { return l.CPU }
func latency(l load) float64 { return l.Latency }

// median is over the rounds of the row; 0 if there were none.
func (r *report) median(name string, of func(load) float64) float64 {
	var all []float64
	for _, l := range r.Rows[len(r.Rows)-1].Loads[name] {
		all = append(all, of(l))
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return (all[len(all)/2] + all[(len(all)-1)/2]) / 2
}

// ratio is of medians of questions a second.
func (r *report) ratio(one, other string) float64 { return r.median(one, qps) / r.median(other, qps) }

// fail is for what kept a row from its end. The row counts as missed.
func (r *report) fail(row string, err error) {
	r.Errors = append(r.Errors, row+": "+err.Error())
	fmt.Fprintf(r.text, "MISS %s ended early: %v\n", row, err)
}

func (r *report) note(format string, args ...any) { fmt.Fprintf(r.text, "     "+format+"\n", args...) }

func (r *report) atMost(what string, got, most float64) {
	r.add(result{What: what, Got: got, Want: fmt.Sprintf("≤ %.3g", most), Held: got <= most})
}

func (r *report) atLeast(what string, got, least float64) {
	r.add(result{What: what, Got: got, Want: fmt.Sprintf("≥ %.3g", least), Held: got >= least})
}

func (r *report) figure(what string, got float64) { r.add(result{What: what, Got: got}) }

func (r *report) add(l result) {
	l.Row = r.Rows[len(r.Rows)-1].Row
	r.Lines = append(r.Lines, l)
	word := "    "
	switch {
	case l.Want == "":
	case l.Held:
		word = "PASS"
	default:
		word = "MISS"
	}
	fmt.Fprintf(r.text, "%s %-50s %7.3g %s\n", word, l.What, l.Got, l.Want)
}

func (r *report) end() {
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
	for _, wrong := range r.Errors {
		fmt.Fprintln(r.text, "wrong:", wrong)
	}
}

// Held says whether all bounds were kept and all rows came to their end.
func (r *report) Held() bool {
	return len(r.Errors) == 0 && !slices.ContainsFunc(r.Lines, func(l result) bool { return l.Want != "" && !l.Held })
}
