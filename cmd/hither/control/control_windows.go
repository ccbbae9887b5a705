package control

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net"
	"strings"

	"github.com/Microsoft/go-winio"
	"golang.org/x/sys/windows"

	"hither/install/ownfile"
)

// pipeRoom is how many bytes a pipe holds that nobody reads yet. Without it who asks a Hither that hangs would wait for ever,
// as his question would not be out, from which on an answer is waited for.
const pipeRoom = 64 << 10

// socketPath names a pipe after the state directory. Windows folds case in paths, and so does the name.
func socketPath(state string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(state)))
	return `\\.\pipe\hither-` + hex.EncodeToString(sum[:8])
}

// listen makes the first instance of the pipe, which is the lock as well: it ends with its process.
func listen(state string) (net.Listener, string, func(), error) {
	sid, err := ownSID()
	if err != nil {
		return nil, "", nil, err
	}
	path := socketPath(state)
	// A protected list with two entries: everything for the user and the administrators, nothing for anybody else.
	listener, err := winio.ListenPipe(path, &winio.PipeConfig{
		SecurityDescriptor: "O:" + sid + "D:P(A;;GA;;;" + sid + ")(A;;GA;;;BA)", InputBufferSize: pipeRoom, OutputBufferSize: pipeRoom,
	})
	if errors.Is(err, windows.ERROR_ACCESS_DENIED) || errors.Is(err, windows.ERROR_PIPE_BUSY) {
		err = errTaken
	}
	return listener, path, func() {}, err
}

// errForeign is met where another user waits for whom he could tell where to go.
var errForeign = errors.New("another user of this machine has taken the pipe's name: find out who, or name another directory with --state")

// Dial connects to the Hither of a state directory, or of an administrator. The caller closes the connection.
func Dial(ctx context.Context, state string) (net.Conn, error) {
	conn, err := winio.DialPipeContext(ctx, socketPath(state))
	if err != nil {
		return nil, err
	}
	if err := isOurs(conn); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// isOurs asks who made a pipe: everybody may make one of any name that is free.
func isOurs(conn net.Conn) error {
	pipe, ok := conn.(interface{ Fd() uintptr })
	if !ok {
		return errForeign
	}
	sd, err := windows.GetSecurityInfo(windows.Handle(pipe.Fd()), windows.SE_KERNEL_OBJECT, windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return err
	}
	if who, err := ownfile.ReadAccess(sd); err != nil || !who.Owned {
		return errors.Join(err, errForeign)
	}
	return nil
}

func ownSID() (string, error) {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return "", err
	}
	return user.User.Sid.String(), nil
}
