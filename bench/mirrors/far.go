//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// far is the emulator, running.
type far struct {
	command *exec.Cmd
	socket  string
}

// lineStat is what bench/wan tells of one direction, as far as it is used here.
type lineStat struct {
	Out     uint64  `json:"out"`
	OutB    uint64  `json:"out_b"`
	Lost    uint64  `json:"lost"`
	Dropped uint64  `json:"dropped"`
	Late    uint64  `json:"late"`
	LateMax float64 `json:"late_max"`
}

type linkStat struct{ Up, Down lineStat }

// startFar returns when the links are up.
func startFar(ctx context.Context, binary, socket string, seed uint64, links []link) (*far, error) {
	args := []string{"-control", socket, "-seed", strconv.FormatUint(seed, 10)}
	for i, l := range links {
		args = append(args, "-link", fmt.Sprintf("name=%s,client=%s,server=%s,cip=%s,sip=%s,delay=%g,jitter=%g,loss=%g,rate=%g",
			l.name, clientSpace, space(l.name), clientAddr(i), serverAddr(i), l.rtt/2, l.jitter, l.loss, l.rate))
	}
	f := &far{command: exec.Command(binary, args...), socket: socket}
	f.command.SysProcAttr = dieWithUs()
	f.command.Stderr = os.Stderr
	out, err := f.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := f.command.Start(); err != nil {
		return nil, fmt.Errorf("start the emulator: %w", err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || strings.TrimSpace(line) != "wan ready" {
		f.close()
		return nil, errors.New("the emulator did not start; what it said stands above")
	}
	if err := ctx.Err(); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

func (f *far) close() {
	_ = f.command.Process.Kill() // its devices vanish with it
	_ = f.command.Wait()         // it was killed
}

// set changes a link: "loss=100", "jitter=4".
func (f *far) set(ctx context.Context, name string, pairs ...string) error {
	return f.ask(ctx, "set "+name+" "+strings.Join(pairs, " "), nil)
}

// stats are by the names of the links.
func (f *far) stats(ctx context.Context) (links map[string]linkStat, err error) {
	return links, f.ask(ctx, "stats", &links)
}

// brought is how many bytes came from the servers, with all their headers.
func (f *far) brought(ctx context.Context) (n uint64, err error) {
	links, err := f.stats(ctx)
	for _, l := range links {
		n += l.Down.OutB
	}
	return n, err
}

func (f *far) ask(ctx context.Context, text string, links *map[string]linkStat) error {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", f.socket)
	if err != nil {
		return fmt.Errorf("reach the emulator: %w", err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := fmt.Fprintln(conn, text); err != nil {
		return err
	}
	var answer struct {
		Error string
		Links map[string]linkStat
	}
	if err := json.NewDecoder(conn).Decode(&answer); err != nil {
		return fmt.Errorf("ask the emulator: %w", err)
	}
	if answer.Error != "" {
		return fmt.Errorf("the emulator says: %s", answer.Error)
	}
	if links != nil {
		*links = answer.Links
	}
	return nil
}
