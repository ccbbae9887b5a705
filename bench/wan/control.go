//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// controlPatience is for a client of the control socket: it has one line to say.
const controlPatience = 5 * time.Second

// control is the socket by which links are changed while they are in use.
type control struct {
	wires    *wires
	quit     func()
	listener net.Listener
	work     sync.WaitGroup
}

// reply is a line of JSON. Error is empty if all went well.
type reply struct {
	Error string              `json:"error,omitempty"`
	Links map[string]linkStat `json:"links,omitempty"`
}

type linkStat struct {
	Up   counters `json:"up"`
	Down counters `json:"down"`
}

// listen takes the path, also from a program that was killed. Close ends it.
func (c *control) listen(ctx context.Context, path string) error {
	_ = os.Remove(path)
	var err error
	if c.listener, err = (&net.ListenConfig{}).Listen(ctx, "unix", path); err != nil {
		return fmt.Errorf("open the control socket: %w", err)
	}
	c.work.Go(func() {
		for {
			conn, err := c.listener.Accept()
			if err != nil {
				return
			}
			c.work.Go(func() { c.serve(ctx, conn) })
		}
	})
	return nil
}

func (c *control) close() {
	c.listener.Close()
	c.quit()
	c.work.Wait()
}

func (c *control) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(controlPatience))
	text, err := bufio.NewReader(io.LimitReader(conn, 4<<10)).ReadString('\n')
	if err != nil {
		return
	}
	if r, ok := c.wires.do(ctx, func() reply { return c.obey(strings.Fields(text)) }); ok {
		_ = json.NewEncoder(conn).Encode(r) // whoever asked has left, or reads it
	}
}

// obey runs between two packets.
func (c *control) obey(words []string) reply {
	var err error
	switch {
	case len(words) == 1 && words[0] == "stats":
		return reply{Links: c.wires.stats()}
	case len(words) == 1 && words[0] == "quit":
		c.quit()
	case len(words) > 2 && words[0] == "set":
		err = c.wires.set(words[1], words[2:])
	default:
		err = errors.New("say set NAME key=value …, stats or quit")
	}
	if err != nil {
		return reply{Error: err.Error()}
	}
	return reply{}
}

// set changes a link wholly or not at all.
func (w *wires) set(name string, pairs []string) error {
	for _, l := range w.links {
		if l.name != name {
			continue
		}
		up, down := l.up.settings, l.down.settings
		for _, pair := range pairs {
			key, value, _ := strings.Cut(pair, "=")
			if err := l.set(key, value); err != nil {
				l.up.settings, l.down.settings = up, down
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("there is no link %q", name)
}

func (w *wires) stats() map[string]linkStat {
	all := make(map[string]linkStat, len(w.links))
	for _, l := range w.links {
		all[l.name] = linkStat{l.up.count, l.down.count}
	}
	for space, door := range w.doors {
		all["access of "+space] = linkStat{Down: door.count}
	}
	return all
}

// ask is the other side: it says one line, and prints the answer.
func ask(ctx context.Context, path, text string, out io.Writer) error {
	conn, err := (&net.Dialer{Timeout: controlPatience}).DialContext(ctx, "unix", path)
	if err != nil {
		return fmt.Errorf("reach the control socket: %w; is the emulator up?", err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(controlPatience))
	if _, err := fmt.Fprintln(conn, text); err != nil {
		return err
	}
	_, err = io.Copy(out, conn)
	return err
}
