//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// mtu is that of an ordinary line. packetRoom is above it, because a device may hand over no more than that.
const (
	mtu        = 1500
	packetRoom = 2048
)

// link joins two namespaces.
type link struct {
	name      string
	device    string  // its name at both ends
	near, far end     // the client's and the server's
	up, down  line    // from near to far, and back
	access    float64 // bit/s of the line that all links of the client with one share on the way back; 0: none
}

// end is one device.
type end struct {
	space string // the namespace
	addr  string
	fd    int // -1: not open
}

// open makes the two devices and gives them their addresses. The calling goroutine is locked to its thread.
func (l *link) open() error {
	for _, ends := range [][2]*end{{&l.near, &l.far}, {&l.far, &l.near}} {
		here, there := ends[0], ends[1]
		fd, err := openTUN(here.space, l.device)
		if err != nil {
			return fmt.Errorf("link %s: %w", l.name, err)
		}
		here.fd = fd
		if err := ip(here.space, "addr", "add", here.addr+"/32", "peer", there.addr, "dev", l.device); err != nil {
			return err
		}
		if err := ip(here.space, "link", "set", l.device, "mtu", strconv.Itoa(mtu), "txqueuelen", "10000", "up"); err != nil {
			return err
		}
	}
	return nil
}

func (l *link) close() {
	for _, e := range []*end{&l.near, &l.far} {
		if e.fd >= 0 {
			unix.Close(e.fd)
			e.fd = -1
		}
	}
}

// openTUN makes a device in a namespace. A device belongs to the namespace in which its file was opened, so the thread
// goes there and comes back.
func openTUN(space, name string) (int, error) {
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return -1, err
	}
	defer home.Close()
	away, err := os.Open("/var/run/netns/" + space)
	if err != nil {
		return -1, fmt.Errorf("open the namespace: %w; make it with ip netns add %s", err, space)
	}
	defer away.Close()
	if err := unix.Setns(int(away.Fd()), unix.CLONE_NEWNET); err != nil {
		return -1, fmt.Errorf("enter the namespace %s: %w; run this as root", space, err)
	}
	fd, err := attach(name)
	if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
		return fd, fmt.Errorf("leave the namespace %s: %w", space, back)
	}
	return fd, err
}

func attach(name string) (int, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("make the device %s: %w", name, err)
	}
	return fd, nil
}

func ip(space string, args ...string) error {
	out, err := exec.Command("ip", append([]string{"-n", space}, args...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip -n %s %s: %w: %s", space, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
