package control

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

	"hither/cache/wholefile"
	"hither/cmd/hither/paths"
	"hither/install"
	"hither/install/service"
)

// PublicDir is where the Hither that is a service of this machine tells everybody where it is, since nobody but root may
// enter its state directory. Only root can make it. Empty: this system has no such place.
func PublicDir() string {
	switch runtime.GOOS {
	case "linux":
		return "/run/hither"
	case "darwin":
		return "/var/run/hither"
	}
	return ""
}

// Publish leaves word in the public directory, if r is the service's: STATE/hither.json and the root certificate, neither of
// which holds a secret. Call the function at the end. A directory that cannot be written only means that others do not
// find us.
func Publish(r Ready, log *slog.Logger) func() {
	dir := PublicDir()
	if dir == "" || os.Geteuid() != 0 || r.State != service.State(&install.Machine{}) {
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

// writePublic writes what everybody may read, whatever the umask says.
func writePublic(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.Chmod(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return wholefile.Write(path, text, 0o644)
}

// ReadPublic returns the zero Ready if no Hither is there for everybody. What one left that was killed does not count.
func ReadPublic(ctx context.Context, dir string) (r Ready, err error) {
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
	conn, err := (&net.Dialer{Timeout: ProbeWait}).DialContext(ctx, "tcp", r.Proxy[0])
	if err != nil {
		return Ready{}, nil //nolint:nilerr // nobody is there
	}
	return r, conn.Close()
}

// ProbeWait bounds a question to whoever listens on this machine.
const ProbeWait = time.Second
