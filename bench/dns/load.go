//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"hither/bench/lab"
)

// zone is what all questions are about. It is no special-use name, which servers treat each in its own way.
const zone = "bench.hither-lab.net."

// load is what dnsperf saw, and what it cost the server.
type load struct {
	QPS     float64 `json:"qps"`
	Done    int     `json:"done"`    // questions with an answer
	Lost    int     `json:"lost"`    // without, after 5 s
	Wrong   int     `json:"wrong"`   // with another answer than NOERROR
	Latency float64 `json:"latency"` // mean, in µs
	CPU     float64 `json:"cpu"`     // of the server, in µs a question
}

// ask has dnsperf ask a server what is in a file: for so long, or (0) each question once.
func ask(ctx context.Context, s *server, file string, long time.Duration) (l load, err error) {
	argv := []string{"-s", s.Addr.Addr().String(), "-p", fmt.Sprint(s.Addr.Port()), "-d", file, "-q", "100", "-c", "20", "-T", "1"}
	if long > 0 {
		argv = append(argv, "-l", fmt.Sprint(int(long.Seconds())))
	} else {
		argv = append(argv, "-n", "1")
	}
	before, err := processorTime(s.pid())
	if err != nil {
		return l, err
	}
	c := exec.CommandContext(ctx, "dnsperf", argv...)
	c.SysProcAttr = lab.DieWithUs()
	said, err := c.CombinedOutput()
	if err != nil {
		return l, fmt.Errorf("dnsperf: %w: %s", err, said)
	}
	after, err := processorTime(s.pid())
	if err != nil {
		return l, fmt.Errorf("%s ended: %s", s.Name, s.said)
	}
	if l, err = readLoad(string(said)); err != nil {
		return l, err
	}
	l.CPU = (after - before).Seconds() * 1e6 / float64(l.Done)
	return l, nil
}

// readLoad reads what dnsperf prints at its end.
func readLoad(text string) (l load, err error) {
	found := 0
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		fields := strings.Fields(value)
		if !ok || len(fields) == 0 {
			continue
		}
		number, _ := strconv.ParseFloat(fields[0], 64) // it prints numbers
		switch name {
		case "Queries completed":
			l.Done = int(number)
			found++
		case "Queries lost":
			l.Lost = int(number)
			found++
		case "Queries per second":
			l.QPS = number
			found++
		case "Average Latency (s)":
			l.Latency = number * 1e6
			found++
		case "Response codes": // "NOERROR 100 (100.00%), SERVFAIL 3 (0.1%)"
			l.Wrong = l.Done - successes(fields)
		}
	}
	if found < 4 || l.Done == 0 {
		return l, errors.New("dnsperf printed no figures, or had no answers: " + text)
	}
	return l, nil
}

func successes(fields []string) int {
	for i, field := range fields[:len(fields)-1] {
		if field == "NOERROR" {
			n, _ := strconv.Atoi(fields[i+1]) // it prints numbers
			return n
		}
	}
	return 0
}

// processorTime is what a process has used, all its threads that live. Ticks would be too coarse.
func processorTime(pid int) (sum time.Duration, err error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(files) == 0 {
		return 0, errors.New("the process has ended")
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // a thread that ended
		}
		var ns int64
		if _, err := fmt.Sscan(string(text), &ns); err != nil {
			return 0, fmt.Errorf("%s: %w", file, err)
		}
		sum += time.Duration(ns)
	}
	return sum, nil
}

// anonymous is a process's own memory in MiB (proc_pid_status(5), RssAnon).
func anonymous(pid int) (float64, error) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 1 && fields[0] == "RssAnon:" {
			kilobytes, err := strconv.ParseFloat(fields[1], 64)
			return kilobytes / 1024, err
		}
	}
	return 0, errors.New("the process has ended")
}

// writeNames makes a file of count questions for addresses. The same seed makes the same names, another one others.
func writeNames(file string, count int, seed uint64) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	random := rand.New(rand.NewPCG(seed, 5))
	for range count {
		fmt.Fprintf(w, "%016x.%s A\n", random.Uint64(), zone)
	}
	return w.Flush()
}
