package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"hither/cmd/hither/amount"
	"hither/cmd/hither/paths"
	"hither/cmd/hither/private"
	"hither/install"
)

// probeWait bounds a question to whoever listens on this machine.
const probeWait = time.Second

// publicDir is where the Hither that is a service of this machine tells everybody where it is, since nobody but root may
// enter its state directory. Only root can make it. Empty: this system has no such place.
func publicDir() string {
	switch runtime.GOOS {
	case "linux":
		return "/run/hither"
	case "darwin":
		return "/var/run/hither"
	}
	return ""
}

// publish leaves word in the public directory, if r is the service's: STATE/hither.json and the root certificate, neither of
// which holds a secret. Call the function at the end. A directory that cannot be written only means that others do not
// find us.
func publish(r Ready, log *slog.Logger) func() {
	dir := publicDir()
	if dir == "" || os.Geteuid() != 0 || r.State != install.ServiceState(&install.Machine{}) {
		return func() {}
	}
	file, root := filepath.Join(dir, paths.ReadyName), filepath.Join(dir, "ca.pem")
	withdraw := func() { _, _ = os.Remove(file), os.Remove(root) }
	text, err := os.ReadFile(r.CA)
	if err == nil {
		err = writePublic(root, text)
	}
	r.CA, r.State, r.Control = root, "", ""
	if err == nil {
		text, err = json.MarshalIndent(r, "", "  ")
	}
	if err == nil {
		err = writePublic(file, append(text, '\n'))
	}
	if err != nil {
		log.Warn("the users of this machine cannot find Hither by themselves", "reason", err)
	}
	return withdraw
}

// writePublic is private.WriteFile for what everybody may read, whatever the umask says.
func writePublic(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.Chmod(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := private.WriteFile(path, text); err != nil {
		return err
	}
	return os.Chmod(path, 0o644)
}

// daemon is the client of the Hither that this user means: his own, or that of the machine if he has none and may enter it.
func (a *app) daemon(ctx context.Context) *client {
	own := a.client()
	dir := install.ServiceState(&install.Machine{})
	if a.settings.From["state"] != "default" || dir == "" || os.Geteuid() != 0 {
		return own
	}
	if _, err := own.Ready(ctx); !errors.Is(err, errNotRunning) {
		return own
	}
	machine := newClient(dir)
	if _, err := machine.Ready(ctx); err != nil {
		return own
	}
	return machine
}

// ready tells where the Hither is that this user means. That of the machine keeps nothing for him, so State is his own.
func (a *app) ready(ctx context.Context) (Ready, error) {
	r, err := a.daemon(ctx).Ready(ctx)
	if !errors.Is(err, errNotRunning) || a.settings.From["state"] != "default" {
		return r, err
	}
	machine, err2 := readPublic(ctx, publicDir())
	if err2 != nil {
		return r, errors.Join(err, err2)
	}
	if machine.PID == 0 {
		return r, err
	}
	machine.State = a.settings.State
	return machine, nil
}

// readPublic returns the zero Ready if no Hither is there for everybody. What one left that was killed does not count.
func readPublic(ctx context.Context, dir string) (r Ready, err error) {
	if dir == "" {
		return r, nil
	}
	text, err := os.ReadFile(filepath.Join(dir, paths.ReadyName))
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		return Ready{}, fmt.Errorf("what the machine's Hither tells cannot be read: %w; start that anew", err)
	}
	if len(r.Proxy) == 0 {
		return Ready{}, nil
	}
	conn, err := (&net.Dialer{Timeout: probeWait}).DialContext(ctx, "tcp", r.Proxy[0])
	if err != nil {
		return Ready{}, nil //nolint:nilerr // nobody is there
	}
	return r, conn.Close()
}

// printPublic is all of a status that everybody may know.
func (a *app) printPublic(r Ready) {
	fmt.Fprintf(a.out, "Hither %s, a service of this machine, is up on %s, pid %d, for %s.\n", r.Version, join(r.Proxy), r.PID, amount.Rough(time.Since(r.Since)))
	if len(r.DNS) > 0 {
		fmt.Fprintf(a.out, "It answers DNS on %s%s.\n", join(r.DNS), ledInWords(r.DNSMode))
	}
	fmt.Fprintln(a.out, "What it has done, for all users, is for root to see: `sudo hither status`.")
}
