//go:build linux

package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// ProxyAddr is where Hither listens. It is free, for nobody else is in the client's namespace.
const ProxyAddr = "127.0.0.1:7890"

// StartPatience is for a program to come up.
const StartPatience = 20 * time.Second

// Hither is a `hither up` that runs at the near end.
type Hither struct {
	PID  int           // of hither itself
	Took time.Duration // from its start until it was up

	command *exec.Cmd // nil: it was stopped
	done    chan struct{}
}

// Up starts the program, in the client's namespace and with nothing but env in its environment, and returns when it is up.
// The caller stops it.
func Up(ctx context.Context, binary string, env []string, flags ...string) (*Hither, error) {
	args := append([]string{"netns", "exec", Client, binary, "up", "--json", "--listen", ProxyAddr, "--log", "error"}, flags...)
	h := &Hither{command: exec.Command("ip", args...), done: make(chan struct{})}
	said := new(bytes.Buffer)
	h.command.Env, h.command.SysProcAttr, h.command.Stderr = env, DieWithUs(), said
	ready, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer ready.Close()
	h.command.Stdout = write
	began := time.Now()
	err = h.command.Start()
	write.Close()
	if err != nil {
		return nil, fmt.Errorf("start Hither: %w", err)
	}
	h.PID = h.command.Process.Pid // ip becomes what it executes
	go func() {
		defer close(h.done)
		_ = h.command.Wait() // what it has to say is in said
	}()
	ready.SetReadDeadline(time.Now().Add(StartPatience)) //nolint:errcheck // a pipe can do it
	var where struct{ Proxy []string }
	if err := json.NewDecoder(ready).Decode(&where); err != nil {
		h.Stop(time.Second)
		return nil, fmt.Errorf("Hither did not come up: %w: %s", err, said)
	}
	h.Took = time.Since(began)
	return h, ctx.Err()
}

// Stop ends it, with force after patience. It may be called again.
func (h *Hither) Stop(patience time.Duration) {
	if h.command == nil {
		return
	}
	_ = h.command.Process.Signal(syscall.SIGTERM) // it may have ended
	late := time.AfterFunc(patience, func() { _ = h.command.Process.Kill() })
	<-h.done
	late.Stop()
	h.command = nil
}

// Ask runs a command of Hither's, in the client's namespace, and reads the JSON that it prints.
func Ask(ctx context.Context, binary string, env []string, into any, args ...string) error {
	c := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", Client, binary}, args...)...)
	c.Env, c.SysProcAttr = env, DieWithUs()
	var complaint strings.Builder
	c.Stderr = &complaint
	out, err := c.Output()
	if err != nil {
		return fmt.Errorf("hither %s: %w: %s", strings.Join(args, " "), err, complaint.String())
	}
	if err := json.NewDecoder(bytes.NewReader(out)).Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("hither %s: %w", strings.Join(args, " "), err)
	}
	return nil
}
