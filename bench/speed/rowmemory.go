//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"hither/bench/lab"
)

// Bounds of Done-when 8, in MiB and milliseconds.
const (
	mostIdle  = 40
	mostPeak  = 150
	mostStart = 100
)

const (
	fillBlob = 100 << 20
	// quiet is how long Hither has nothing to do before its memory is looked at.
	quiet = 15 * time.Second
	// pullSize is what is fetched while its memory is watched.
	pullSize = 1 << 30
)

// memoryRow is Done-when 8.
func memoryRow(ctx context.Context, w *world, r *report) error {
	size := w.fillSize(r)
	if err := w.shape(ctx, line{}); err != nil {
		return err
	}
	p, err := w.start(ctx)
	if err != nil {
		return err
	}
	defer func() { p.forget() }()
	small, err := w.fill(ctx, size)
	if err != nil {
		return err
	}
	p.stop()
	began := time.Now()
	if p, err = w.startAt(ctx, p.state); err != nil {
		return err
	}
	if err := w.fetch(ctx, small); err != nil {
		return err
	}
	held := fmt.Sprintf("with %.1f GB kept", float64(size)/1e9)
	r.atMost(result{Cell: "start", What: "from start to first answer, ms, " + held, Got: 1000 * time.Since(began).Seconds(), How: fmt.Sprintf("up after %d ms", p.Took.Milliseconds())}, mostStart)
	if err := lab.Pause(ctx, quiet); err != nil {
		return err
	}
	if err := r.memory(p.PID, "idle", "idle, anonymous MiB, "+held, mostIdle); err != nil {
		return err
	}
	if err := r.idle(ctx, p.PID); err != nil {
		return err
	}
	return w.watchPull(ctx, r, p)
}

// fillSize is how much is kept: 10 GB, or what the disk has room for.
func (w *world) fillSize(r *report) int64 {
	size := int64(10e9)
	if w.short {
		size = 5e8
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(w.Dir, &disk); err == nil {
		const spare = 6 << 30 // for Hither's own floor, and the pull
		if room := int64(disk.Bavail)*disk.Bsize - spare; room < size {
			size = max(fillBlob, room)
			r.note("the disk has room for %.1f GB only", float64(size)/1e9)
		}
	}
	return size
}

// fill has Hither fetch and keep some size, and a small blob before. It returns the path of that one.
func (w *world) fill(ctx context.Context, size int64) (small string, err error) {
	if small, err = w.keep(ctx, "small", 4<<10); err != nil {
		return "", err
	}
	for i := range size / fillBlob {
		if _, err := w.keep(ctx, fmt.Sprint(i), fillBlob); err != nil {
			return "", err
		}
	}
	return small, nil
}

// keep has Hither fetch a new blob.
func (w *world) keep(ctx context.Context, name string, size int64) (path string, err error) {
	digest, err := w.shelf.addBlob("fill "+name, size)
	if err != nil {
		return "", err
	}
	path = "/v2/library/fill/blobs/" + digest
	return path, w.fetch(ctx, path)
}

// fetch asks Hither's gateway, and reads all. It is quicker at the start than curl is.
func (w *world) fetch(ctx context.Context, path string) error {
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (conn net.Conn, err error) {
		err = lab.Within(lab.Client, func() (err error) {
			conn, err = new(net.Dialer).DialContext(ctx, network, addr)
			return err
		})
		return conn, err
	}}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+lab.ProxyAddr+path, nil)
	if err != nil {
		return err
	}
	resp, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("Hither answered %s: %s", path, resp.Status)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// watchPull looks at the memory while a large blob comes, and when it is all over.
func (w *world) watchPull(ctx context.Context, r *report, p *product) error {
	digest, err := w.shelf.addBlob("pull", pullSize)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- w.fetch(ctx, "/v2/library/pull/blobs/"+digest) }()
	var peak memory
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for going := true; going; {
		select {
		case err := <-done:
			if err != nil {
				return err
			}
			going = false
		case <-tick.C:
			m, err := readMemory(p.PID)
			if err != nil {
				return err
			}
			peak.anonymous, peak.mapped = max(peak.anonymous, m.anonymous), max(peak.mapped, m.mapped)
		}
	}
	r.atMost(result{Cell: "pull", What: "peak of a 1 GiB pull, anonymous MiB", Got: peak.anonymous, How: fmt.Sprintf("mapped files at most %.0f MiB", peak.mapped)}, mostPeak)
	if err := lab.Pause(ctx, quiet); err != nil {
		return err
	}
	return r.memory(p.PID, "after", "idle again, anonymous MiB", mostIdle)
}

// memory adds two lines: what is Hither's own, and the pages of its files that it has mapped.
func (r *report) memory(pid int, cell, what string, most float64) error {
	m, err := readMemory(pid)
	if err != nil {
		return err
	}
	r.atMost(result{Cell: cell, What: what, Got: m.anonymous, How: "RssAnon"}, most)
	r.atMost(result{Cell: cell + "-mapped", What: "the same, pages of mapped files but its program's", Got: m.mapped, How: "smaps"}, most)
	return nil
}

// memory is of one process, in MiB.
type memory struct {
	anonymous float64
	mapped    float64 // pages of files, but for the program itself
}

// readMemory adds up proc_pid_smaps(5).
func readMemory(pid int) (m memory, err error) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		return m, err
	}
	defer file.Close()
	program, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return m, err
	}
	var resident, anonymous float64
	own, lines := false, 0
	settle := func() {
		if m.anonymous += anonymous; !own {
			m.mapped += resident - anonymous
		}
		resident, anonymous = 0, 0
	}
	for scanner := bufio.NewScanner(file); scanner.Scan(); lines++ {
		name, rest, _ := strings.Cut(scanner.Text(), " ")
		switch fields := strings.Fields(rest); {
		case name == "Rss:" && len(fields) > 0:
			resident, _ = strconv.ParseFloat(fields[0], 64) // the kernel writes a number
			resident /= 1024
		case name == "Anonymous:" && len(fields) > 0:
			anonymous, _ = strconv.ParseFloat(fields[0], 64) // the same
			anonymous /= 1024
		case !strings.HasSuffix(name, ":"): // "55d0-55d1 r-xp 0 fe:00 123 /path" begins the next mapping
			settle()
			own = strings.HasSuffix(rest, program)
		}
	}
	settle()
	if lines == 0 {
		return m, errors.New("the process has ended")
	}
	return m, nil
}
