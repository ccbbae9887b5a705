//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"hither/bench/lab"
)

// load is one way of asking a server for the same thing again and again.
type load struct {
	name  string
	size  int64
	least float64 // of Hither's work per processor second to nginx's
	flags []string
}

// serveRow is Done-when 6: the same blob from nginx and from a warm Hither, both over TLS 1.3 with one cipher.
func serveRow(ctx context.Context, w *world, r *report) error {
	small, large := "120000", "12"
	if w.short {
		small, large = "30000", "4"
	}
	loads := []load{
		{"1K-h1", 1 << 10, 0.9, []string{"--h1", "-n", small, "-c", "32"}},
		{"1K-h2", 1 << 10, 0.6, []string{"-n", small, "-c", "8", "-m", "16"}},
		{"100M-h1", 100 << 20, 1.1, []string{"--h1", "-n", large, "-c", "1"}},
		{"100M-h2", 100 << 20, 0.85, []string{"-n", large, "-c", "1", "-m", "1"}},
	}
	root, err := os.MkdirTemp(w.memory, "www-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(root)
	paths, err := w.publish(root, loads)
	if err != nil {
		return err
	}
	p, err := w.start(ctx)
	if err != nil {
		return err
	}
	defer p.forget()
	for _, path := range paths { // now Hither is warm
		if _, err := lab.Output(ctx, "ip", "netns", "exec", lab.Client, "curl", "-sS", "--fail", "-o", "/dev/null", "http://"+lab.ProxyAddr+path); err != nil {
			return err
		}
	}
	server, err := w.nginx(ctx, root)
	if err != nil {
		return err
	}
	defer server.stop()
	for _, l := range loads {
		if !w.wants(r.row.name, l.name) {
			continue
		}
		if err := w.serveTurns(ctx, r, l, paths[l.size], p, server); err != nil {
			return err
		}
	}
	return nil
}

// publish puts one blob of each size where Hither and nginx find it. The paths are by size.
func (w *world) publish(root string, loads []load) (map[int64]string, error) {
	paths := map[int64]string{}
	for _, l := range loads {
		if paths[l.size] != "" {
			continue
		}
		name := fmt.Sprint("serve ", l.size)
		digest, err := w.shelf.addBlob(name, l.size)
		if err != nil {
			return nil, err
		}
		paths[l.size] = "/v2/library/serve/blobs/" + digest
		file := filepath.Join(root, paths[l.size])
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return nil, err
		}
		data, err := io.ReadAll(lab.NewContent(name, l.size))
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(file, data, 0o644); err != nil {
			return nil, err
		}
	}
	return paths, nil
}

// serveTurns asks nginx and Hither in turn, and compares what each did in a second of its own processor time.
func (w *world) serveTurns(ctx context.Context, r *report, l load, path string, p *product, server *peer) error {
	var theirs, ours []float64
	for i := range usualRounds + 1 {
		a, err := drive(ctx, l, path, nginxTLSAddr, server.command.Process.Pid)
		if err != nil {
			return err
		}
		b, err := drive(ctx, l, path, lab.ProxyAddr, p.PID)
		if err != nil {
			return err
		}
		if i > 0 { // the first fills caches, and is not counted
			theirs, ours = append(theirs, a), append(ours, b)
		}
	}
	a, b := middle(theirs), middle(ours)
	unit := "requests"
	if l.size > 1<<20 {
		unit, a, b = "MB", a*float64(l.size)/1e6, b*float64(l.size)/1e6
	}
	r.atLeast(result{Cell: l.name, What: l.name + ", Hither / nginx, per server processor second", Got: b / a, How: fmt.Sprintf("%.0f and %.0f %s", b, a, unit)}, l.least)
	return nil
}

// drive runs h2load against a server, and returns requests per second of the server's processor time.
func drive(ctx context.Context, l load, path, addr string, pid int) (float64, error) {
	before, err := cpuTime(pid)
	if err != nil {
		return 0, err
	}
	argv := slices.Concat([]string{"netns", "exec", lab.Client, "h2load", "--connect-to=" + addr}, l.flags, []string{"https://" + ociHost + path})
	out, err := exec.CommandContext(ctx, "ip", argv...).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("h2load: %w: %s", err, lastLines(string(out), 5))
	}
	after, err := cpuTime(pid)
	if err != nil {
		return 0, err
	}
	n, err := good(string(out), l.size)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", addr, err)
	}
	if after <= before {
		return 0, fmt.Errorf("%s used no processor time for %.0f requests: ask for more", addr, n)
	}
	return n / (after - before).Seconds(), nil
}

// good is how many answers h2load had, which are all that it asked for, each with 200, to its end, and of that size. It counts an
// answer that was broken off among the 2xx.
func good(said string, size int64) (float64, error) {
	m := regexp.MustCompile(`(?s)(\d+) total, .* (\d+) succeeded, 0 failed, 0 errored, 0 timeout.* (\d+) 2xx, 0 3xx, 0 4xx, 0 5xx.*\((\d+)\) data`).FindStringSubmatch(said)
	if len(m) != 5 || m[1] != m[2] || m[1] != m[3] {
		return 0, fmt.Errorf("not all answers were good: %s", lastLines(said, 12))
	}
	n, _ := strconv.ParseFloat(m[1], 64)     // they are digits
	bytes, _ := strconv.ParseFloat(m[4], 64) // the same
	if bytes != n*float64(size) {
		return 0, fmt.Errorf("%.0f answers of %d bytes came to %.0f bytes", n, size, bytes)
	}
	return n, nil
}

// ticks is how often a second the kernel counts processor time (USER_HZ).
const ticks = 100

// cpuTime is what a process and its children used so far (proc_pid_stat(5), fields 14 and 15).
func cpuTime(pid int) (total time.Duration, err error) {
	for _, pid := range append([]int{pid}, children(pid)...) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return 0, err
		}
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(fields) < 13 {
			return 0, fmt.Errorf("/proc/%d/stat is not as it was", pid)
		}
		for _, field := range fields[11:13] {
			n, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				return 0, err
			}
			total += time.Duration(n) * time.Second / ticks
		}
	}
	return total, nil
}

// children are the processes that a process started.
func children(pid int) (pids []int) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil // it has ended, or the kernel does not tell
	}
	for field := range strings.FieldsSeq(string(text)) {
		if n, err := strconv.Atoi(field); err == nil {
			pids = append(pids, n)
		}
	}
	return pids
}
