package control

import (
	"context"
	"errors"
	"testing"

	"github.com/Microsoft/go-winio"

	"hither/cmd/hither/hithertest"
)

// TestAPipeOfAnotherUserIsNotAsked plays one who waits for a `hither run` under the name that its Hither would have.
func TestAPipeOfAnotherUserIsNotAsked(t *testing.T) {
	state := t.TempDir()
	const other = "S-1-5-21-1-2-3-1099"
	listener, err := winio.ListenPipe(socketPath(state), &winio.PipeConfig{SecurityDescriptor: "O:" + other + "D:(A;;GA;;;WD)"})
	if err != nil {
		t.Skip("this user may make nothing that is another's: ", err)
	}
	defer listener.Close()
	_, err = NewClient(state).Ready(t.Context())
	hithertest.Same(t, "found out", errors.Is(err, errForeign), true)
}

func TestTheOwnPipeIsAsked(t *testing.T) {
	state := t.TempDir()
	listener, _, unlock, err := listen(state)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	defer listener.Close()
	conn, err := Dial(context.Background(), state)
	hithertest.Same(t, "error", err, nil)
	if err == nil {
		hithertest.Same(t, "closed", conn.Close(), nil)
	}
	_, _, _, err = listen(state)
	hithertest.Same(t, "a second Hither", err, errTaken)
}
