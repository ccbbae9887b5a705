//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"hither/bench/lab"
)

const (
	idleFor    = 30 * time.Second
	mostSwitch = 40
)

// idle adds a line: how often a process that nobody asks for anything is given a processor. Each time, one is kept from sleeping.
func (r *report) idle(ctx context.Context, pid int) error {
	before, err := switches(pid)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := lab.Pause(ctx, idleFor); err != nil {
		return err
	}
	after, err := switches(pid)
	if err != nil {
		return err
	}
	rate := float64(after-before) / time.Since(began).Seconds()
	r.atMost(result{Cell: "idle-switches", What: "the same, context switches a second", Got: rate, How: "status of its threads"}, mostSwitch)
	return nil
}

// switches adds up proc_pid_status(5) of all threads.
func switches(pid int) (sum int64, err error) {
	all, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(all) == 0 {
		return 0, fmt.Errorf("process %d has ended", pid)
	}
	for _, name := range all {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // the thread has ended
		}
		for line := range strings.Lines(string(text)) {
			if field, n, _ := strings.Cut(line, ":"); strings.HasSuffix(field, "voluntary_ctxt_switches") {
				count, _ := strconv.ParseInt(strings.TrimSpace(n), 10, 64) // the kernel writes a number
				sum += count
			}
		}
	}
	return sum, nil
}
