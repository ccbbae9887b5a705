package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/miekg/dns"

	"hither/cmd/hither/doctor/kernel"
	"hither/cmd/hither/doctor/told"
	"hither/cmd/hither/port"
	"hither/cmd/hither/shell"
	"hither/install"
	"hither/install/service"
	"hither/resolver/exchange/nameserver"
	"hither/rules"
)

// Patient is the machine that is looked at. The zero value of each function is the machine itself. It is set before the
// examination and not changed by it, so all checks read it at the same time.
type Patient struct {
	OS     string // as runtime.GOOS; empty: this one's
	Root   string // stands before every path that is read; empty: the machine itself
	Home   string // of the user, without Root
	Dir    string // the working directory, where npm finds the project's npmrc; without Root
	GoRoot string // whose go.env distributions change; empty: not known
	Quick  bool   // measure nothing, and ask no registry

	Env   func(name string) (string, bool)                                           // nil: os.LookupEnv
	Run   func(ctx context.Context, argv ...string) ([]byte, error)                  // standard output of a command that changes nothing; nil: really
	Has   func(command string) bool                                                  // is it installed; nil: looked for on the PATH
	Dial  func(ctx context.Context, network, address string) (net.Conn, error)       // nil: net.Dialer
	Look  func(ctx context.Context, host string) ([]netip.Addr, error)               // the addresses that the system's programs get; nil: asks the system
	Ask   func(ctx context.Context, at netip.AddrPort, q *dns.Msg) (*dns.Msg, error) // one question to one server; nil: over UDP
	Links func() ([]kernel.Link, error)                                              // network interfaces; nil: the machine's
	Space func(path string) (kernel.Space, error)                                    // of the file system that path is on; nil: the machine's
	Owner func(ctx context.Context, at netip.AddrPort) port.Process                  // who listens; nil, or the zero one: not known
	Held  func(path string) (uid int, mode fs.FileMode, err error)                   // whose a file is; nil: the machine's; uid -1: not known

	Out    func(ctx context.Context, network, address string) (net.Conn, error) // as Hither itself dials: past itself, by its upstream proxy; nil: as Dial
	Roots  *x509.CertPool                                                       // what origins are checked against; nil: the system's
	Rules  func() (*rules.Set, error)                                           // reads the rule files as they are now; nil: there are none
	Redact func(string) string                                                  // takes secrets out of text; nil: there are none
	Now    func() time.Time                                                     // nil: time.Now

	// Install is the command that changes this machine in ways that can be undone, "hither install"; empty: there is none,
	// and remedies say how by hand.
	Install string
	// AllRights says that the shell has all rights, so that no command needs sudo, which small systems do not have.
	AllRights bool
	// Shell is the language of the shell that is open; empty: a POSIX one's.
	Shell shell.Language
	// Call is what to type for a command of Hither's with this state directory; nil: "hither " and the command.
	Call func(command string) string

	Service *service.Installed // what starts the Hither that is meant; nil: its user does, by hand
	Wrong   error              // of its settings, with which it will not start; nil: they are well, or not to be read
	Config  string             // file of the settings that the user's own Hither reads
	Daemon  Daemon
	CA      []byte   // PEM of the root in force; empty: not known
	State   string   // the state directory
	Listen  []string // HOST:PORT that Hither is set to listen on
	MinFree int64    // bytes of the disk that Hither leaves free
	// LeastFree is the least that it can be told to leave.
	LeastFree int64
}

// Daemon is what the running Hither says of itself.
type Daemon struct {
	Running     bool
	Stranger    bool     // it was found by its port alone: another user's, or one with another state directory
	Err         error    // why nothing is known although it may run; nil: it was asked, or there is none
	PID         int      //
	Version     string   //
	Mine        string   // version of the program that asks; empty: not known
	Proxy       []string // HOST:PORT as bound
	CA          string   // file of the root in force
	DNS         []string // HOST:PORT on which it answers DNS; empty: it does not
	Transparent []string // HOST:PORT of the transparent doors, whose addresses our DNS answers with
	Mode        string   // how the machine was told to ask our DNS: "scoped", "full"; "off" or empty: by nobody but the user
	Rules       string   // what is wrong with the rule files; empty: nothing
	Upstreams   []Upstream
}

// Upstream is how an origin or mirror stands with the running Hither.
type Upstream struct {
	Rule, Base         string
	Requests, Failures int64
	Note               string
}

// readLimit is more than any file that is looked at has, in bytes: a machine's whole set of roots has 0.3 MB, a browser's
// database of certificates a few MB.
const readLimit = 16 << 20

func (p *Patient) system() string {
	if p.OS != "" {
		return p.OS
	}
	return runtime.GOOS
}

func (p *Patient) now() time.Time {
	if p.Now != nil {
		return p.Now()
	}
	return time.Now()
}

// clean takes the secrets out of a finding, and sudo where it is not needed.
func (p *Patient) clean(f Finding) Finding {
	if p.AllRights {
		f.Remedy = strings.ReplaceAll(f.Remedy, "sudo ", "")
	}
	if p.Redact == nil {
		return f
	}
	f.Cause, f.Remedy = p.Redact(f.Cause), p.Redact(f.Remedy)
	clean := make(map[string]string, len(f.Details))
	for name, value := range f.Details {
		clean[name] = p.Redact(value)
	}
	if len(clean) > 0 {
		f.Details = clean
	}
	return f
}

// lookup is the value of a variable; empty if it is not set.
func (p *Patient) lookup(name string) string {
	env := p.Env
	if env == nil {
		env = os.LookupEnv
	}
	value, _ := env(name)
	return value
}

// first is the first variable that is set and not empty.
func (p *Patient) first(names ...string) told.Setting { return p.reader().First(names...) }

// path is where a file of the patient is on this machine.
func (p *Patient) path(name string) string {
	if p.Root == "" {
		return name
	}
	return filepath.Join(p.Root, name)
}

// machine knows where tools keep their settings on such a machine.
func (p *Patient) machine() *install.Machine {
	return &install.Machine{OS: p.system(), Root: p.Root, Home: p.Home, UID: -1, GID: -1, Env: p.lookup}
}

// reader looks where tools are told on it.
func (p *Patient) reader() told.Reader {
	return told.Reader{On: p.machine(), Dir: p.Dir, GoRoot: p.GoRoot, Read: p.read, Has: p.has, Print: p.run}
}

// home is a file below the user's home; empty if there is none.
func (p *Patient) home(parts ...string) string { return p.reader().AtHome(parts...) }

// read reads an ordinary file. A pipe, which would never end, and what is too large for any file of settings is refused.
func (p *Patient) read(name string) ([]byte, error) {
	if name == "" {
		return nil, fs.ErrNotExist
	}
	info, err := os.Stat(p.path(name))
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no ordinary file", name)
	}
	if info.Size() > readLimit {
		return nil, fmt.Errorf("%s is larger than any such file", name)
	}
	file, err := os.Open(p.path(name))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, readLimit)) // what procfs holds has no size
}

// text is a file as text; empty if it cannot be read.
func (p *Patient) text(name string) string {
	data, _ := p.read(name)
	return string(data)
}

// run is the output of a command; empty if there is no such command, or it failed.
func (p *Patient) run(ctx context.Context, argv ...string) string {
	if p.Run != nil {
		out, _ := p.Run(ctx, argv...)
		return string(out)
	}
	if p.Root != "" {
		return ""
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.WaitDelay = grace // its children may hold the pipe
	out, _ := cmd.Output()
	return string(out)
}

func (p *Patient) has(command string) bool {
	if p.Has != nil {
		return p.Has(command)
	}
	_, err := exec.LookPath(command)
	return err == nil
}

func (p *Patient) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if p.Dial != nil {
		return p.Dial(ctx, network, address)
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// look asks as a program on this machine would: the C library's tool where there is one, else Go's resolver, which is the
// system's on macOS and Windows.
func (p *Patient) look(ctx context.Context, host string) ([]netip.Addr, error) {
	if p.Look != nil {
		return p.Look(ctx, host)
	}
	if p.system() == "linux" {
		if addrs := parseAhosts(p.run(ctx, "getent", "ahosts", host)); len(addrs) > 0 {
			return addrs, nil
		}
	}
	var system net.Resolver
	return system.LookupNetIP(ctx, "ip", host)
}

// parseAhosts reads "ADDRESS STREAM NAME", one address several times.
func parseAhosts(text string) (addrs []netip.Addr) {
	seen := map[netip.Addr]bool{}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		if addr, err := netip.ParseAddr(fields[0]); err == nil && !seen[addr] {
			seen[addr] = true
			addrs = append(addrs, addr.Unmap())
		}
	}
	return addrs
}

func (p *Patient) ask(ctx context.Context, at netip.AddrPort, q *dns.Msg) (*dns.Msg, error) {
	if p.Ask != nil {
		return p.Ask(ctx, at, q)
	}
	return nameserver.Plain{Server: at, Timeout: 2 * time.Second}.Exchange(ctx, q)
}

func (p *Patient) rules() (*rules.Set, error) {
	if p.Rules == nil {
		return nil, errors.New("there are no rule files")
	}
	return p.Rules()
}

// registries are the first hosts of the rules; none if the rules do not load.
func (p *Patient) registries() (hosts []string) {
	set, err := p.rules()
	if err != nil {
		return nil
	}
	for _, rule := range set.Rules() {
		if len(rule.Hosts) > 0 && len(hosts) < maxRegistries {
			hosts = append(hosts, rule.Hosts[0].Name)
		}
	}
	return hosts
}

// maxRegistries bounds how many registries are asked for at once.
const maxRegistries = 12

// ruled says whether a rule speaks of host.
func (p *Patient) ruled(host string) bool {
	set, err := p.rules()
	if err != nil {
		return false
	}
	_, ok := set.Host(host)
	return ok
}
