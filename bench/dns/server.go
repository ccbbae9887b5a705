//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"hither/bench/lab"
)

const (
	startPatience = 20 * time.Second
	stopPatience  = 5 * time.Second
)

// server is a name server that runs.
type server struct {
	Name string
	Addr netip.AddrPort

	command *exec.Cmd
	said    *bytes.Buffer
	done    chan struct{}
}

// kind is how a name server is started.
type kind struct {
	name string
	// argv is its command line; dir is empty and its own.
	argv func(dir string, addr, upstream netip.AddrPort) ([]string, error)
}

// kinds are all that are compared, Hither first.
func (b *bench) kinds() []kind {
	return []kind{{"hither", b.hitherLine}, {"dnsmasq", dnsmasqLine}, {"unbound", unboundLine}}
}

func (b *bench) hitherLine(dir string, addr, upstream netip.AddrPort) ([]string, error) {
	if b.binary == "" {
		return []string{b.self, "resolver", addr.String(), upstream.String()}, nil
	}
	if _, err := exec.LookPath(b.binary); err != nil {
		return nil, fmt.Errorf("-hither names no program: %w", err)
	}
	return []string{b.binary, "up", "--state", dir, "--listen", "127.0.0.1:0", "--dns", addr.String(), "--dns-upstream", upstream.String(), "--log", "error"}, nil
}

// dnsmasqLine: its default of 150 questions under way would make it refuse most of the uncached ones.
func dnsmasqLine(_ string, addr, upstream netip.AddrPort) ([]string, error) {
	return []string{
		"dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--pid-file=", "--listen-address=" + addr.Addr().String(), "--bind-interfaces",
		fmt.Sprint("--port=", addr.Port()), "--no-resolv", "--no-hosts", fmt.Sprintf("--server=%s#%d", upstream.Addr(), upstream.Port()),
		"--cache-size=10000", "--dns-forward-max=1000",
	}, nil
}

// unboundLine: one thread, which is its default, without validation, which nobody else here does.
func unboundLine(dir string, addr, upstream netip.AddrPort) ([]string, error) {
	text := strings.NewReplacer("DIR", dir, "ADDR", addr.Addr().String(), "PORT", fmt.Sprint(addr.Port()),
		"UPSTREAM", fmt.Sprintf("%s@%d", upstream.Addr(), upstream.Port())).Replace(unboundConf)
	file := filepath.Join(dir, "unbound.conf")
	return []string{"unbound", "-d", "-c", file}, os.WriteFile(file, []byte(text), 0o600)
}

const unboundConf = `
server:
  directory: "DIR"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  verbosity: 0
  do-daemonize: no
  interface: ADDR
  port: PORT
  do-ip6: no
  do-not-query-localhost: no
  module-config: "iterator"
  so-rcvbuf: 4m
  outgoing-range: 8192
  num-queries-per-thread: 4096
remote-control:
  control-enable: no
forward-zone:
  name: "."
  forward-addr: UPSTREAM
`

// start runs a command line, and returns when it answers at addr. The caller stops it.
func start(ctx context.Context, name string, argv []string, addr netip.AddrPort, env ...string) (*server, error) {
	s := &server{Name: name, Addr: addr, command: exec.Command(argv[0], argv[1:]...), said: new(bytes.Buffer), done: make(chan struct{})}
	s.command.Env = append(os.Environ(), env...)
	s.command.SysProcAttr = lab.DieWithUs()
	s.command.Stdout, s.command.Stderr = s.said, s.said
	if err := s.command.Start(); err != nil {
		return nil, fmt.Errorf("start %s; install it with bench/peers: %w", name, err)
	}
	go func() {
		defer close(s.done)
		_ = s.command.Wait() // what it has to say is in said
	}()
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for {
		if s.answers(ctx) {
			return s, nil
		}
		select {
		case <-s.done:
			return nil, fmt.Errorf("%s ended: %s", name, s.said)
		case <-ctx.Done():
			s.stop()
			return nil, fmt.Errorf("%s does not answer on %s: %s", name, addr, s.said)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// answers says whether it does already.
func (s *server) answers(ctx context.Context) bool {
	client := &dns.Client{Timeout: time.Second}
	reply, _, err := client.ExchangeContext(ctx, new(dns.Msg).SetQuestion("ready."+zone, dns.TypeA), s.Addr.String())
	return err == nil && reply.Rcode == dns.RcodeSuccess && len(reply.Answer) == 1
}

func (s *server) pid() int { return s.command.Process.Pid }

func (s *server) stop() {
	_ = s.command.Process.Signal(syscall.SIGTERM) // it may have ended
	late := time.AfterFunc(stopPatience, func() { _ = s.command.Process.Kill() })
	<-s.done
	late.Stop()
}

// freePort finds one that is free for UDP and TCP.
func freePort(ctx context.Context) (netip.AddrPort, error) {
	for range 50 {
		streams, err := new(net.ListenConfig).Listen(ctx, "tcp4", "127.0.0.1:0")
		if err != nil {
			return netip.AddrPort{}, err
		}
		addr := streams.Addr().(*net.TCPAddr).AddrPort()
		packets, err := new(net.ListenConfig).ListenPacket(ctx, "udp4", addr.String())
		streams.Close()
		if err == nil {
			packets.Close()
			return addr, nil
		}
	}
	return netip.AddrPort{}, errors.New("no port of 127.0.0.1 is free for both UDP and TCP; end what holds them")
}
