//go:build !windows

package control

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"hither/cache/filelock"
	"hither/cmd/hither/paths"
	"hither/cmd/hither/private"
)

// socketLimit is what every system takes for a socket's path: macOS has 104 bytes, Linux 108, with a zero at the end.
const socketLimit = 100

// socketPath is STATE/control.sock. A state directory with a long name has its socket in XDG_RUNTIME_DIR, else in
// /tmp/hither-UID, under a name made of the directory's.
func socketPath(state string) (string, error) {
	path := filepath.Join(state, paths.SocketName)
	if len(path) <= socketLimit {
		return path, nil
	}
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" || len(dir) > socketLimit-40 {
		dir = fmt.Sprintf("/tmp/hither-%d", os.Getuid())
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return "", err
		}
	}
	if err := checkOwn(dir); err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(state))
	return filepath.Join(dir, "hither-"+hex.EncodeToString(sum[:8])+".sock"), nil
}

// checkOwn makes sure that nobody else put a socket there for us: in /tmp anybody may have come first.
func checkOwn(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || int(stat.Uid) != os.Getuid() || info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s is not a directory of yours alone: remove it, or name a state directory with a shorter path by --state", dir)
	}
	return nil
}

// listen takes the lock first: a socket file may be left from a Hither that was killed, a lock never is.
func listen(state string) (net.Listener, string, func(), error) {
	lock, err := os.OpenFile(filepath.Join(state, private.Lock), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, "", nil, err
	}
	free, err := filelock.Try(lock)
	if err == nil && !free {
		err = errTaken
	}
	if err != nil {
		lock.Close()
		return nil, "", nil, err
	}
	listener, path, err := listenSocket(state)
	if err != nil {
		lock.Close()
		return nil, "", nil, err
	}
	return listener, path, func() { lock.Close() }, nil
}

func listenSocket(state string) (net.Listener, string, error) {
	path, err := socketPath(state)
	if err != nil {
		return nil, "", err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, "", err
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, "", err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		listener.Close()
		return nil, "", err
	}
	return listener, path, nil
}

// Dial connects to the Hither of a state directory. The caller closes the connection.
func Dial(ctx context.Context, state string) (net.Conn, error) {
	path, err := socketPath(state)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	return d.DialContext(ctx, "unix", path)
}
