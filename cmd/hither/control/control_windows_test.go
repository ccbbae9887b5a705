package control

import (
	"context"
	"errors"
	"testing"
	"time"

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

// TestAQuestionToAHungHitherIsOut has nobody read it. What is waited for then is an answer, and that has an end.
func TestAQuestionToAHungHitherIsOut(t *testing.T) {
	state := t.TempDir()
	listener, _, unlock, err := listen(state)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	defer listener.Close()
	go func() { _, _ = listener.Accept() }()
	time.Sleep(100 * time.Millisecond) //nolint:forbidigo // an Accept that is under way does not say so
	conn, err := Dial(t.Context(), state)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	hithertest.Same(t, "error", conn.SetWriteDeadline(time.Now().Add(2*time.Second)), nil)
	_, err = conn.Write(make([]byte, 4<<10))
	hithertest.Same(t, "error", err, nil)
}
