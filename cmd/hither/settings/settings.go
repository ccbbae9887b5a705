// Package settings is everything a user may choose: one table of keys, and the sources that set them, each with its place for
// the case that something is wrong.
//
//	s, err := settings.Load(settings.Sources{Flags: flags, Env: env, Dir: dir, ReadFile: os.ReadFile})
package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"hither/cmd/hither/amount"
	"hither/cmd/hither/environ"
	"hither/cmd/hither/goenv"
	"hither/cmd/hither/paths"
	"hither/forward/peer"
	"hither/forward/project"
	"hither/rules"
)

// DefaultListen is Clash's usual port too, because people know it; up says so if the two meet.
const DefaultListen = "127.0.0.1:7890"

// Settings is everything a user may choose. Paths are absolute. What a key means and what its empty value means stands
// in [Keys], which `hither config` prints.
type Settings struct {
	Listen        []string // HOST:PORT with a loopback address; port 0 takes any
	State         string
	Rules         string // directory of the user's rule files; it need not exist
	UpstreamProxy string // http, https, socks5 or socks5h URL, perhaps with userinfo; empty: none
	Log           string // LEVEL, FILE or LEVEL,FILE
	Verbose       bool
	Cache         string       // "disk" or "off"
	CacheLimit    amount.Bytes // 0: no cap
	CacheFree     amount.Bytes
	CAFiles       []string
	Private       []string
	DNS           []string // ADDRESS:PORT where DNS is answered; empty: nowhere
	DNSUpstream   []string // see nameserver.Parse; empty: the servers the machine is set up with
	DNSStrict     bool     // never the network's own servers instead of DNSUpstream
	DNSRebinding  bool     // public names must not lead to private addresses
	DNSAllow      []string // but these
	DNSCanary     bool     // ask browsers to leave their own DNS
	Transparent   []string // doors, see listener.Listen; the first is where names are led

	TrustOneMirror []string // names of rules in which one mirror may say what a tag means while the origin is silent

	// ReadProjects lets the projects of all the user's programs be read; see projects.
	ReadProjects bool
	// Runner is the process of the `hither run` that this Hither is started for; 0: it is for everybody. No source sets it.
	Runner int
	// Lasting says that nothing is to be kept in memory only, should the cache not open. No source sets it.
	Lasting bool

	Config string            // the file that was read; it need not exist
	From   map[string]string // where each key's value comes from: "default", "FILE:LINE", "HITHER_LISTEN", "--listen"
}

// Sources is where settings come from, the later beating the earlier: defaults, file, environment, flags.
type Sources struct {
	Flags    map[string][]string // by key, only those that were given
	Config   string              // --config; empty: HITHER_CONFIG, else the user's own file
	Env      environ.List
	Dir      string // for relative paths in flags and environment
	ReadFile func(string) ([]byte, error)
}

// config is the file that the user named; empty: none.
func (in Sources) config() string {
	if in.Config != "" {
		return in.Config
	}
	return in.Env.Get("HITHER_CONFIG")
}

// Load reads all sources. Its errors name the place of the mistake.
func Load(in Sources) (Settings, error) {
	home, homeless := paths.Find(in.Env)
	if homeless != nil {
		if in.config() == "" {
			return Settings{}, homeless
		}
		home.Config = filepath.Dir(home.Expand(in.config(), in.Dir)) // else rule files would be looked for in the working directory
	}
	s := defaults(home, in)
	if err := s.readFile(home, in); err != nil {
		return Settings{}, err
	}
	if err := s.readEnvironment(home, in); err != nil {
		return Settings{}, err
	}
	if err := s.readFlags(home, in); err != nil {
		return Settings{}, err
	}
	if homeless != nil && s.From["state"] == "default" {
		return Settings{}, homeless
	}
	if err := s.checkPrivate(); err != nil {
		return Settings{}, err
	}
	s.addPrivate(in)
	if err := s.check(); err != nil {
		return Settings{}, err
	}
	return s, nil
}

// defaults takes over what other tools were told: without the user's proxy the outside may be out of reach.
func defaults(home paths.Places, in Sources) Settings {
	s := Settings{From: map[string]string{}}
	for _, k := range Keys() {
		s.From[k.Name] = "default"
		if err := k.set(&s, []string{k.Def}); err != nil {
			panic(fmt.Sprintf("the default of %s: %v", k.Name, err)) // a bug; the tests load the defaults
		}
	}
	s.State, s.Rules = home.State, filepath.Join(home.Config, "rules.d")
	for _, name := range ProxyVariables() {
		if value := in.Env.Get(name); value != "" {
			s.UpstreamProxy, s.From["upstream-proxy"] = withScheme(value), name
			break
		}
	}
	return s
}

// ProxyVariables are where other tools look for a proxy; what is fetched is https mostly.
func ProxyVariables() []string {
	return []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"}
}

// withScheme completes PROXY:PORT, which curl and Go accept in HTTPS_PROXY.
func withScheme(proxy string) string {
	if strings.Contains(proxy, "://") {
		return proxy
	}
	return "http://" + proxy
}

// readFile reads the configuration. The user's own file may be missing, a file that was named may not.
func (s *Settings) readFile(home paths.Places, in Sources) error {
	s.Config = in.config()
	named := s.Config != ""
	if !named {
		s.Config = filepath.Join(home.Config, "config.toml")
	}
	s.Config = home.Expand(s.Config, in.Dir)
	data, err := in.ReadFile(s.Config)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the configuration: %w; correct its path or permissions, or name another with --config", err)
	}
	lines, err := parseConfig(s.Config, data)
	if err != nil {
		return err
	}
	for _, line := range lines {
		if err := s.take(line.key, line.values, line.at, home, filepath.Dir(s.Config)); err != nil {
			return err
		}
	}
	return nil
}

// readEnvironment looks only for the names it knows: in a Kubernetes pod beside a service called hither, others with our
// prefix appear by themselves.
func (s *Settings) readEnvironment(home paths.Places, in Sources) error {
	for _, k := range Keys() {
		value, ok := in.Env.Lookup(k.Variable())
		if !ok || value == "" {
			continue
		}
		if err := s.take(k, []string{value}, k.Variable(), home, in.Dir); err != nil {
			return err
		}
	}
	return nil
}

func (s *Settings) readFlags(home paths.Places, in Sources) error {
	for _, k := range Keys() {
		values, ok := in.Flags[k.Name]
		if !ok {
			continue
		}
		if err := s.take(k, values, "--"+k.Name, home, in.Dir); err != nil {
			return err
		}
	}
	return nil
}

// take sets one key and notes where it came from; dir is where its relative paths begin.
func (s *Settings) take(k Key, values []string, from string, home paths.Places, dir string) error {
	if err := k.set(s, values); err != nil {
		return wrongValue(from, k.Name, err)
	}
	if k.paths != nil {
		k.paths(s, func(path string) string { return home.Expand(path, dir) })
	}
	s.From[k.Name] = from
	return nil
}

// Wrong is told of a value that cannot be, with its place.
func (s *Settings) Wrong(name string, err error) error { return wrongValue(s.From[name], name, err) }

// wrongValue tells of a mistake with its place. A wrong flag is a wrong command line.
func wrongValue(from, name string, err error) error {
	err = fmt.Errorf("%s: %w", placeOf(from, name), err)
	if from == "--"+name {
		return &FlagError{err}
	}
	return err
}

// Place is where a setting was said, for what only the machine could tell: the value itself may be right.
func (s *Settings) Place(name string) string { return placeOf(s.From[name], name) }

// placeOf names a setting once: a flag and a variable have its name.
func placeOf(from, name string) string {
	switch from {
	case "": // nobody has said where
		return name
	case "--" + name, Key{Name: name}.Variable():
		return from
	}
	return from + ": " + name
}

// FlagError is a wrong value on the command line.
type FlagError struct{ Err error }

// Error says which flag, and what is wrong.
func (e *FlagError) Error() string { return e.Err.Error() }

// Unwrap is for errors.Is.
func (e *FlagError) Unwrap() error { return e.Err }

// checkPrivate refuses what no name can be held against: everything would be private, and nothing kept.
func (s *Settings) checkPrivate() error {
	for _, pattern := range s.Private {
		if _, err := path.Match(pattern, ""); err != nil {
			return s.Wrong("private", fmt.Errorf("%q is no pattern: write it as corp.example/* or @corp/*", pattern))
		}
	}
	return nil
}

// addPrivate adds what the go command was told, whatever else is private: a forgotten name must not leak to a mirror. What is
// private at npm's registry is so at Yarn's name for it.
func (s *Settings) addPrivate(in Sources) {
	for _, pattern := range s.Private {
		if at, ok := strings.CutPrefix("https://"+pattern, project.NPMRegistry+"/"); ok {
			s.Private = append(s.Private, strings.TrimPrefix(project.YarnRegistry, "https://")+"/"+at)
		}
	}
	reader := goenv.Settings{Env: in.Env, ReadFile: in.ReadFile}
	for _, name := range peer.GoPrivate() {
		more := peer.GoPatterns(name, reader.Get(name))
		if len(more) == 0 {
			continue
		}
		s.Private = append(s.Private, more...)
		if s.From["private"] == "default" {
			s.From["private"] = name
		} else {
			s.From["private"] += " and " + name
		}
	}
}

// check finds what no part of Hither could work with.
func (s *Settings) check() error {
	for i, address := range s.Listen {
		fixed, err := checkListen(address)
		if err != nil {
			return s.Wrong("listen", err)
		}
		s.Listen[i] = fixed
	}
	if len(s.Listen) == 0 {
		return s.Wrong("listen", errors.New("there is no address: name one, such as "+DefaultListen))
	}
	if s.State == "" {
		return s.Wrong("state", errors.New("it is empty: name a directory, or leave it out"))
	}
	if err := s.checkDNS(); err != nil {
		return err
	}
	if err := s.checkLog(); err != nil {
		return err
	}
	if s.Cache != "disk" && s.Cache != "off" {
		return s.Wrong("cache", fmt.Errorf("%q is neither disk nor off", s.Cache))
	}
	if s.UpstreamProxy != "" {
		s.UpstreamProxy = withScheme(s.UpstreamProxy)
	}
	s.dropOwnUpstream()
	if err := s.checkUpstream(); err != nil {
		return s.Wrong("upstream-proxy", err)
	}
	return nil
}

// TellUnknownRules warns of names in trust-one-mirror that mean nothing. It is no error: rule files come and go.
func (s *Settings) TellUnknownRules(set *rules.Set, log *slog.Logger) {
	if names := s.unknownRules(set); len(names) > 0 {
		log.Warn("trust-one-mirror names rules that ask no mirrors what a tag means; correct the names", "names", names, "from", s.From["trust-one-mirror"])
	}
}

// unknownRules are the names that no rule has, or one that asks no mirrors.
func (s *Settings) unknownRules(set *rules.Set) []string {
	return slices.DeleteFunc(slices.Clone(s.TrustOneMirror), func(name string) bool {
		return slices.ContainsFunc(set.Rules(), func(r *rules.Rule) bool {
			return r.Name == name && slices.ContainsFunc(r.Paths, func(p rules.Path) bool { return p.From == rules.FromQuorum })
		})
	})
}

// checkListen refuses what would make an open proxy.
func checkListen(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("%q is not HOST:PORT: write it as %s", address, DefaultListen)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("%q is no port: write a number from 0 to 65535, as in %s", port, DefaultListen)
	}
	if strings.EqualFold(host, "localhost") {
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	if err != nil && host != "" {
		return "", fmt.Errorf("%q is no IP address: write it as %s", host, DefaultListen)
	}
	if host == "" || !ip.IsLoopback() {
		return "", fmt.Errorf("%s is open to other machines, and whoever can reach it could use your network: "+
			"Hither has no allow-list yet, so it listens on loopback addresses only, such as %s", address, DefaultListen)
	}
	return net.JoinHostPort(host, port), nil
}

// dropOwnUpstream forgets an HTTPS_PROXY that names Hither: people put it into their profile.
func (s *Settings) dropOwnUpstream() {
	u, err := url.Parse(s.UpstreamProxy)
	if err != nil || !slices.Contains(ProxyVariables(), s.From["upstream-proxy"]) {
		return
	}
	host, err := checkListen(u.Host)
	if err == nil && slices.Contains(s.Listen, host) {
		s.UpstreamProxy, s.From["upstream-proxy"] = "", "default"
	}
}

// checkUpstream also finds the shortest loop: an upstream proxy that is Hither itself.
func (s *Settings) checkUpstream() error {
	if s.UpstreamProxy == "" {
		return nil
	}
	u, err := url.Parse(s.UpstreamProxy)
	if err != nil || u.Host == "" {
		return fmt.Errorf("this is no URL: write it as http://HOST:PORT or socks5://HOST:PORT")
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
	default:
		return fmt.Errorf("%q is no kind of proxy that is known here: use http, https, socks5 or socks5h", u.Scheme)
	}
	if host, err := checkListen(u.Host); err == nil && slices.Contains(s.Listen, host) {
		return fmt.Errorf("%s is the address Hither listens on, so it would ask itself for ever: choose another --listen", u.Host)
	}
	return nil
}
