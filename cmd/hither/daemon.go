package main

import (
	"context"
	"errors"
	"os"
	"strings"

	"hither/cmd/hither/control"
	"hither/cmd/hither/paths"
	"hither/cmd/hither/shell"
	"hither/install"
	"hither/install/service"
)

// daemon is the client of the Hither that this user means: his own, or that of the machine if he has none and may enter it.
func (a *app) daemon(ctx context.Context) *control.Client {
	own := a.client()
	dir := service.State(&install.Machine{})
	if a.settings.From["state"] != "default" || dir == "" || os.Geteuid() != 0 {
		return own
	}
	ctx, cancel := context.WithTimeout(ctx, statusWait) // who asks the one that is found waits for its answer himself
	defer cancel()
	if _, err := own.Ready(ctx); !errors.Is(err, control.ErrNotRunning) {
		return own
	}
	machine := a.clientOf(dir)
	if _, err := machine.Ready(ctx); errors.Is(err, control.ErrNotRunning) && service.Find(&install.Machine{}, false) == nil {
		return own // one that hangs is the one that is meant, and one that is to be started
	}
	return machine
}

// service is the one that starts the Hither that this user means; nil: none does.
func (a *app) service() *service.Installed {
	m := &install.Machine{UID: -1, GID: -1, Env: func(name string) string { return a.env.Get(name) }}
	home, _ := paths.Find(a.env) // empty: there is none
	m.Home = home.Home
	machines := service.Find(m, false)
	switch {
	case a.settings.State == service.State(m):
		return machines
	case a.settings.From["state"] != "default":
		return nil
	case os.Geteuid() != 0:
		if own := service.Find(m, true); own != nil {
			return own
		}
	}
	return machines
}

// typed is a service's command as this user types it.
func (a *app) typed(s *service.Installed, command []string) string {
	text := strings.Join(command, " ")
	if !s.User && !a.allRights() {
		text = "sudo " + text
	}
	return text
}

// allRights says that what is told is typed by root himself.
func (a *app) allRights() bool { return os.Geteuid() == 0 && a.env.Get("SUDO_USER") == "" }

// ready tells where the Hither is that this user means. That of the machine keeps nothing for him, so State is his own.
func (a *app) ready(ctx context.Context) (control.Ready, error) {
	r, err := a.daemon(ctx).Ready(ctx)
	if !errors.Is(err, control.ErrNotRunning) || a.settings.From["state"] != "default" {
		return r, err
	}
	machine, err2 := control.ReadPublic(ctx, control.PublicDir())
	if err2 != nil {
		return r, errors.Join(err, err2)
	}
	if machine.PID == 0 {
		return r, err
	}
	machine.State = a.settings.State
	return machine, nil
}

// client asks the Hither of the settings.
func (a *app) client() *control.Client { return a.clientOf(a.settings.State) }

// clientOf asks the Hither of a state directory. What it tells to type finds that of the settings.
func (a *app) clientOf(state string) *control.Client {
	c := control.NewClient(state)
	if s := a.service(); s != nil {
		c.Start = "start the service with `" + a.typed(s, s.Start()) + "`"
	}
	c.Call = func(command string) string {
		sh, _ := shell.Find("", shell.Parent(), a.env) // fails only for a name
		return a.command(sh, command)
	}
	return c
}
