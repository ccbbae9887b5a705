//go:build linux

package main

import (
	"fmt"
	"io"
	"slices"
)

// report is what one scenario saw. It is what -json prints a list of.
type report struct {
	Scenario   string    `json:"scenario"`
	Version    string    `json:"version"` // of the Hither that was tested
	Machine    string    `json:"machine"`
	Congestion string    `json:"congestion"` // congestion control of the senders
	Took       float64   `json:"took"`       // seconds
	Figures    []figure  `json:"figures"`
	Verdicts   []verdict `json:"verdicts"`
	Error      string    `json:"error,omitempty"` // why it ended early; empty: it did not

	text io.Writer
}

// reports are those of all scenarios that ran.
type reports []*report

// Held says whether all promises of all of them held.
func (all reports) Held() bool {
	return !slices.ContainsFunc(all, func(r *report) bool { return !r.held() })
}

// figure is something that was seen.
type figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
}

// verdict is a promise, and whether it held.
type verdict struct {
	Promise string  `json:"promise"`
	Got     float64 `json:"got"`
	Want    string  `json:"want"` // a bound, as in "≤ 20"
	Held    bool    `json:"held"`
}

// held says whether all promises of the scenario held. One that was not even asked for is not held.
func (r *report) held() bool {
	return r.Error == "" && len(r.Verdicts) > 0 && !slices.ContainsFunc(r.Verdicts, func(v verdict) bool { return !v.Held })
}

func (r *report) figure(name string, value float64, unit string) {
	r.Figures = append(r.Figures, figure{name, value, unit})
	fmt.Fprintf(r.text, "  %-52s %10.4g %s\n", name, value, unit)
}

// note is for what is no number.
func (r *report) note(format string, args ...any) { fmt.Fprintf(r.text, "  "+format+"\n", args...) }

func (r *report) verdict(promise string, got float64, want string, held bool) {
	r.Verdicts = append(r.Verdicts, verdict{promise, got, want, held})
	word := "FAIL"
	if held {
		word = "PASS"
	}
	fmt.Fprintf(r.text, "%s %s: %s: %.4g (want %s)\n", word, r.Scenario, promise, got, want)
}
