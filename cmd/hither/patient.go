package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"hither/cache/badger"
	"hither/cmd/hither/control"
	"hither/cmd/hither/doctor"
	"hither/cmd/hither/environ"
	"hither/cmd/hither/goenv"
	"hither/cmd/hither/network"
	"hither/cmd/hither/paths"
	"hither/cmd/hither/port"
	"hither/cmd/hither/redact"
	"hither/cmd/hither/roots"
	"hither/cmd/hither/rulebook"
	"hither/cmd/hither/settings"
	"hither/cmd/hither/shell"
	"hither/forward/transport"
	"hither/install"
	"hither/install/service"
	"hither/rules"
)

// patient is this machine, with the environment of the shell as it is, and not as it was before Hither changed it.
func (a *app) patient(ctx context.Context) *doctor.Patient {
	home, _ := paths.Find(a.env)                   // empty: there is none
	sh, _ := shell.Find("", shell.Parent(), a.env) // fails only for a name
	daemon := a.askDaemon(ctx)
	p := &doctor.Patient{
		Home: home.Home, Dir: a.dir, GoRoot: goenv.FindRoot(a.env), Env: a.env.Lookup, Redact: redact.Text,
		Install: "hither install", Shell: sh, Call: a.client().Call, State: a.settings.State, Listen: a.settings.Listen, MinFree: leftFree(a.settings), LeastFree: badger.LeastFloor,
		AllRights: a.allRights(),
		Owner:     port.Owner,
		Rules:     func() (*rules.Set, error) { return (&rulebook.Book{Dir: a.settings.Rules}).Load() },
		Daemon:    daemon, Config: a.settings.Config,
	}
	if p.Daemon.CA == "" {
		p.Daemon.CA = filepath.Join(a.settings.State, "ca.pem")
	}
	p.CA, _ = os.ReadFile(p.Daemon.CA) // there is none before the first start
	stated := a.settings.From["state"] != "default"
	if s := a.service(); s != nil && (s.User || !p.Daemon.Running || a.settings.State == service.State(&install.Machine{})) {
		p.Service = s // else it is the user's own Hither that runs, beside that of the machine
		a.settings, p.Wrong = a.settingsOf(s)
		p.Listen, p.MinFree = a.settings.Listen, leftFree(a.settings)
	}
	if !p.Daemon.Running && p.Daemon.Err == nil {
		meetStranger(ctx, p, !stated && (p.Service == nil || !p.Service.User))
	}
	a.lendWayOut(p)
	return p
}

// settingsOf is what a service is set to: the machine's has a file of its own, beside its rule files, and nothing of the shell of
// whoever asks. Where that cannot be read, which wrong says if that is not for want of rights, all else is as for him; a file that was
// named on the command line is the one that is meant.
func (a *app) settingsOf(s *service.Installed) (set settings.Settings, wrong error) {
	if s.Config == "" || a.sources.Config != "" {
		return a.settings, nil
	}
	in := a.sources
	in.Config, in.Env = s.Config, environ.List{"HOME=" + service.State(&install.Machine{})}
	in.ReadFile = func(name string) ([]byte, error) {
		text, err := a.sources.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) { // then it has what all settings are without a file
			return nil, nil
		}
		return text, err
	}
	set, err := settings.Load(in)
	if err != nil {
		set = a.settings
	}
	if !errors.Is(err, fs.ErrPermission) {
		wrong = err
	}
	set.State = a.settings.State
	if set.From["rules"] == "default" {
		set.Rules = filepath.Join(filepath.Dir(s.Config), "rules.d")
	}
	return set, wrong
}

// leftFree is how many bytes of the disk stay free, however little was asked for.
func leftFree(s settings.Settings) int64 { return max(int64(s.CacheFree), badger.LeastFloor) }

// lendWayOut lets the doctor dial as Hither does. What is wrong with these settings `hither up` says.
func (a *app) lendWayOut(p *doctor.Patient) {
	alone := a.settings
	alone.State = "" // what is kept there of connections is the running Hither's
	var own network.Self
	for _, text := range slices.Concat(p.Daemon.Proxy, p.Daemon.DNS) {
		if at, err := netip.ParseAddrPort(text); err == nil {
			own = append(own, at)
		}
	}
	quiet := slog.New(slog.DiscardHandler)
	out, err := network.New(alone, own, version(), func(string) bool { return false }, quiet)
	if err != nil {
		return
	}
	p.Out = out.Dialer.DialContext
	p.Roots, _ = transport.Roots(alone.CAFiles...)
}

// doctorStatus is the part of a Status that the doctor reads.
type doctorStatus struct {
	Ready     control.Ready      `json:"ready"`
	Rules     string             `json:"rules"`
	Upstreams []control.Upstream `json:"upstreams"`
}

// askDaemon asks the running Hither that is meant how it stands; what follows is about its state directory.
func (a *app) askDaemon(ctx context.Context) doctor.Daemon {
	ctx, cancel := context.WithTimeout(ctx, statusWait)
	defer cancel()
	client := a.daemon(ctx)
	a.settings.State = client.State()
	var s doctorStatus
	err := client.Ask(ctx, http.MethodGet, "/status", nil, &s)
	if errors.Is(err, control.ErrNotRunning) {
		return doctor.Daemon{Mine: version()}
	}
	d := doctor.Daemon{
		Running: err == nil, Err: err, PID: s.Ready.PID, Version: s.Ready.Version, Mine: version(), Proxy: s.Ready.Proxy, CA: s.Ready.CA,
		DNS: s.Ready.DNS, Transparent: s.Ready.Transparent, Mode: string(s.Ready.DNSMode), Rules: s.Rules,
	}
	if err != nil {
		d.PID = client.PID()
	}
	for _, u := range s.Upstreams {
		d.Upstreams = append(d.Upstreams, doctor.Upstream{Rule: u.Rule, Base: u.Base, Requests: u.Requests, Failures: u.Failures, Note: u.Note})
	}
	return d
}

// meetStranger looks whether a Hither listens where ours would: the one that is installed as a service has a state directory
// that users cannot enter, and tools go through it all the same. That one tells everybody where it is, which counts where no other
// is meant.
func meetStranger(ctx context.Context, p *doctor.Patient, told bool) {
	ctx, cancel := context.WithTimeout(ctx, control.ProbeWait)
	defer cancel()
	by := &http.Transport{DisableKeepAlives: true}
	public, _ := control.ReadPublic(ctx, control.PublicDir()) // else it is looked for all the same
	places := slices.Clone(p.Listen)
	if told {
		places = append(places, public.Proxy...)
	}
	for _, at := range places {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at+"/ca.pem", nil)
		if err != nil {
			continue
		}
		resp, err := by.RoundTrip(req)
		if err != nil {
			continue
		}
		text, _ := io.ReadAll(io.LimitReader(resp.Body, roots.Limit))
		resp.Body.Close()
		if doctor.IsRoot(text) {
			p.Daemon.Running, p.Daemon.Stranger, p.Daemon.Proxy, p.CA = true, true, append(p.Daemon.Proxy, at), text
			p.Daemon.Version = p.Daemon.Mine // it does not say
			if slices.Contains(public.Proxy, at) {
				p.Daemon.Version, p.Daemon.CA, p.Daemon.Proxy = public.Version, public.CA, public.Proxy
				p.Daemon.DNS, p.Daemon.Transparent, p.Daemon.Mode = public.DNS, public.Transparent, string(public.DNSMode)
			}
			return
		}
	}
}
