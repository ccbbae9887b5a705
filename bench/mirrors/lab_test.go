//go:build linux

package main

import (
	"os"
	"testing"

	"hither/bench/lab"
)

// TestTheLab runs everything, small. The machine must be quiet, so that nobody runs it by accident.
func TestTheLab(t *testing.T) {
	if os.Getenv("HITHER_LAB") != "1" || os.Geteuid() != 0 {
		t.Skip("the lab needs HITHER_LAB=1 and root")
	}
	if status := program().Run(t.Context(), []string{"-short"}, t.Output(), t.Output()); status != 0 {
		t.Errorf("exit status\ngot  %d\nwant 0", status)
	}
	if left := lab.Leftovers(); len(left) > 0 {
		t.Errorf("left on the machine\ngot  %v\nwant nothing", left)
	}
}
