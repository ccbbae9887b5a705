//go:build linux

// Wan emulates far links for a laboratory on one machine, on kernels without netem too. A link is a pair of TUN devices,
// one in the client's network namespace and one in a server's. Each IP packet read from one is lost, queued behind a rate
// limit, delayed, and written to the other, so that real TCP and real QUIC meet a real distance.
//
//	wan -control /run/x.sock -seed 1 \
//	    -link 'name=near,client=hither-client,server=hither-near,cip=10.79.1.1,sip=10.79.1.2,delay=15,jitter=1,loss=0.1,rate=12'
//
// Keys of -link, the last six with .up (client to server) or .down for one direction only:
//
//	client, server   the two namespaces, which must exist, as must the right to enter them (root)
//	cip, sip         the addresses of the two ends; each is all that the other end can reach
//	access           Mbit/s of one line that all links of this client with the key share, behind their own; 0: none
//	delay, jitter    milliseconds one way; jitter is ± and uniform, and never changes the order
//	loss             percent; 100 is a dead link
//	burst            mean length of a loss in packets; 1 and less: each packet has its own luck
//	rate             Mbit/s; 0: no limit
//	queue            KiB that may wait for the rate, the rest is dropped; 0: 100 ms of the rate, at least 64 KiB
//
// "wan ready" is printed when all devices are up. The control socket takes one line and answers with one line of JSON;
// "wan control SOCKET WORD…" sends one:
//
//	set NAME key=value …   changes a link at once
//	stats                  what each direction did
//	quit                   ends the program; devices vanish with it, however it ends
//
// All packets pass through one thread, and the random numbers are seeded: the same packets meet the same fate.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func main() {
	hurry()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM) //nolint:forbidigo // a program begins here
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "wan:", err)
		os.Exit(1) //nolint:forbidigo // nothing is deferred any more
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) > 2 && args[0] == "control" {
		return ask(ctx, args[1], strings.Join(args[2:], " "), out)
	}
	var specs list
	flags := flag.NewFlagSet("wan", flag.ContinueOnError)
	socket := flags.String("control", "", "path of the control `socket`; empty: none")
	seed := flags.Uint64("seed", 1, "of the random numbers")
	flags.Var(&specs, "link", "a link, `key=value,…`; once for each")
	if err := flags.Parse(args); err != nil {
		return err
	}
	links, err := parseLinks(specs, *seed)
	if err != nil {
		return err
	}
	return emulate(ctx, links, *socket, out)
}

// emulate opens the devices and carries packets until ctx ends. The thread is kept, because it enters namespaces.
func emulate(ctx context.Context, links []*link, socket string, out io.Writer) error {
	runtime.LockOSThread()
	debug.SetGCPercent(400)
	for _, l := range links {
		if err := l.open(); err != nil {
			return err
		}
		defer l.close() //nolint:gocritic // one a link, and all at the end
	}
	w, err := newWires(links)
	if err != nil {
		return err
	}
	defer w.close()
	ctx, quit := context.WithCancel(ctx)
	defer quit()
	context.AfterFunc(ctx, w.wake)
	if socket != "" {
		c := &control{wires: w, quit: quit}
		if err := c.listen(ctx, socket); err != nil {
			return err
		}
		defer c.close()
	}
	fmt.Fprintln(out, "wan ready")
	return w.carry(ctx)
}

// hurry begins the program anew with real-time priority: it runs little, and every wait would be a longer link. One thread
// alone is not enough, because Go's runtime makes threads wait for each other; those of a new program inherit it. Without
// the right to it the lab is less exact, and says so in "late".
func hurry() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	now, err := unix.SchedGetAttr(0, 0)
	if err != nil || now.Policy == unix.SCHED_FIFO {
		return
	}
	self, err := os.Executable()
	wanted := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 10}
	if err == nil && unix.SchedSetAttr(0, &wanted, 0) == nil {
		_ = unix.Exec(self, os.Args, os.Environ()) // it returns only if it failed
	}
}

// list is a flag that may come several times.
type list []string

// String implements flag.Value.
func (l *list) String() string { return strings.Join(*l, " ") }

// Set implements flag.Value.
func (l *list) Set(s string) error {
	*l = append(*l, s)
	return nil
}
