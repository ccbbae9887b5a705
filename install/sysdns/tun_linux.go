package sysdns

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	// routeMark is the "protocol" of our routes, by which they are known for ours whoever made them. Numbers above 191
	// are free in iproute2's rt_protos.
	routeMark netlink.RouteProtocol = 221
	// routeMetric puts the refusing route behind every other one.
	routeMetric = 4_000_000_000
	// tunMTU is only for the packets that we throw away.
	tunMTU = 1500
)

// tun is a network link without a network. The kernel removes it when its file is closed, and that is why it is here.
type tun struct {
	file  *os.File
	name  string
	index int
	addr  netip.Addr
	done  chan struct{} // closed when drain has ended
}

// openTun makes the link, gives it an address of its own and switches it on. Close removes it.
//
// It takes the address before if nobody has it, so that listeners there go on working after the link was deleted.
func openTun(name string, before netip.Addr) (*tun, error) {
	file, err := makeTun(name)
	if err != nil {
		return nil, err
	}
	t := &tun{file: file, name: name, done: make(chan struct{})}
	if err := t.configure(before); err != nil {
		_ = file.Close() // the error before tells more
		return nil, fmt.Errorf("the link %s: %w: Hither needs the capability CAP_NET_ADMIN", name, err)
	}
	go t.drain()
	return t, nil
}

// makeTun opens the device and names the link. The file is not inherited: a guard that held it would keep the link alive.
func makeTun(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return nil, fmt.Errorf("%w: there is no /dev/net/tun: `modprobe tun`, or in a container start it with --device /dev/net/tun", ErrNoTun)
	case err != nil:
		return nil, fmt.Errorf("%w: open /dev/net/tun: %w: start Hither as root or by its systemd unit", ErrNoTun, err)
	}
	request, err := unix.NewIfreq(name)
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("%w: the name %q: %w: choose one of at most 15 bytes", ErrNoTun, name, err)
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		_ = unix.Close(fd)
		return nil, tunRefused(name, err)
	}
	return os.NewFile(uintptr(fd), "/dev/net/tun"), nil
}

func tunRefused(name string, err error) error {
	switch {
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("%w: another process holds the link %s: stop the other Hither (`hither status`)", ErrNoTun, name)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w: the kernel refuses %s: give Hither the capability CAP_NET_ADMIN (its systemd unit does; or `setcap cap_net_admin,cap_net_bind_service+ep` on the program)", ErrNoTun, name)
	}
	return fmt.Errorf("%w: the kernel refuses %s: %w: see what `ip link show %s` says", ErrNoTun, name, err, name)
}

// configure gives the link its address. Without one systemd-resolved does not use a link.
func (t *tun) configure(before netip.Addr) error {
	addr, err := freeAddr(before)
	if err != nil {
		return err
	}
	// Nothing of IPv6 is wanted here, and the kernel would solicit routers. A kernel without IPv6 has no such file.
	_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+t.name+"/disable_ipv6", []byte("1"), 0)
	link, err := netlink.LinkByName(t.name)
	if err != nil {
		return err
	}
	t.addr, t.index = addr, link.Attrs().Index
	if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: hostNet(addr)}); err != nil {
		return fmt.Errorf("set the address %s: %w", addr, err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("switch it on: %w", err)
	}
	// Who has our address from DNS when we are gone is refused at once, instead of asking the Internet for it.
	if err := netlink.RouteReplace(refusingRoute(addr)); err != nil {
		return fmt.Errorf("add the route for the time after us: %w", err)
	}
	return nil
}

// drain throws away what the kernel sends over the link, until the link is gone: by Close, or because somebody deleted it.
func (t *tun) drain() {
	defer close(t.done)
	packet := make([]byte, tunMTU+64)
	for {
		if _, err := t.file.Read(packet); err != nil {
			return
		}
	}
}

// Close removes the link. The refusing route stays for those who still know the address, until release.
func (t *tun) Close() error {
	err := t.file.Close()
	<-t.done
	return err
}

// release removes the link and its route.
func (t *tun) release() error {
	err := t.Close()
	if errors.Is(err, os.ErrClosed) {
		err = nil // by drain's end
	}
	return errors.Join(err, dropRoute(refusingRoute(t.addr)))
}

func hostNet(addr netip.Addr) *net.IPNet {
	return &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(addr.BitLen(), addr.BitLen())}
}

func refusingRoute(addr netip.Addr) *netlink.Route {
	return &netlink.Route{
		Dst: hostNet(addr), Type: unix.RTN_UNREACHABLE, Protocol: routeMark, Priority: routeMetric, Family: unix.AF_INET,
	}
}
