//go:build linux

package lab

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

// Emulator is bench/wan, running.
type Emulator struct {
	command *exec.Cmd
	socket  string
}

// LineStat is what bench/wan tells of one direction, as far as it is used here.
type LineStat struct {
	Out     uint64  `json:"out"`
	OutB    uint64  `json:"out_b"`
	Late    uint64  `json:"late"`
	LateMax float64 `json:"late_max"`
}

// LinkStat is what it tells of a link.
type LinkStat struct{ Up, Down LineStat }

// Start returns when the links are up.
func Start(ctx context.Context, binary, socket string, seed uint64, links []Link) (*Emulator, error) {
	args := []string{"-control", socket, "-seed", strconv.FormatUint(seed, 10)}
	for i, l := range links {
		args = append(args, "-link", l.spec(i))
	}
	e := &Emulator{command: exec.Command(binary, args...), socket: socket}
	e.command.SysProcAttr = DieWithUs()
	e.command.Stderr = os.Stderr
	out, err := e.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := e.command.Start(); err != nil {
		return nil, fmt.Errorf("start the emulator: %w", err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || strings.TrimSpace(line) != "wan ready" {
		e.Close()
		return nil, errors.New("the emulator did not start; what it said stands above")
	}
	if err := ctx.Err(); err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

// Close ends it, and the links with it.
func (e *Emulator) Close() {
	_ = e.command.Process.Kill() // its devices vanish with it
	_ = e.command.Wait()         // it was killed
}

// Set changes a link: "loss=100", "jitter=4".
func (e *Emulator) Set(ctx context.Context, name string, pairs ...string) error {
	return e.ask(ctx, "set "+name+" "+strings.Join(pairs, " "), nil)
}

// Stats are by the names of the links.
func (e *Emulator) Stats(ctx context.Context) (links map[string]LinkStat, err error) {
	return links, e.ask(ctx, "stats", &links)
}

// Brought is how many bytes came from the servers, with all their headers.
func (e *Emulator) Brought(ctx context.Context) (n uint64, err error) {
	links, err := e.Stats(ctx)
	for _, l := range links {
		n += l.Down.OutB
	}
	return n, err
}

func (e *Emulator) ask(ctx context.Context, text string, links *map[string]LinkStat) error {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", e.socket)
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
		Links map[string]LinkStat
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
