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
)

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
	// A protected list with one entry: everything for the user, nothing for anybody else.
	listener, err := winio.ListenPipe(path, &winio.PipeConfig{SecurityDescriptor: "O:" + sid + "D:P(A;;GA;;;" + sid + ")"})
	if errors.Is(err, windows.ERROR_ACCESS_DENIED) || errors.Is(err, windows.ERROR_PIPE_BUSY) {
		err = errTaken
	}
	return listener, path, func() {}, err
}

// Dial connects to the Hither of a state directory. The caller closes the connection.
func Dial(ctx context.Context, state string) (net.Conn, error) {
	return winio.DialPipeContext(ctx, socketPath(state))
}

func ownSID() (string, error) {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return "", err
	}
	return user.User.Sid.String(), nil
}
