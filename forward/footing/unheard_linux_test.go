package footing

import (
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWhatSpeaksForADeadConnection(t *testing.T) {
	for _, c := range []struct {
		name    string
		info    unix.TCPInfo
		shorter bool
		want    int
	}{
		{"a request was sent again", unix.TCPInfo{Retransmits: 3, Unacked: 1, Bytes_received: 1}, false, 3},
		{"a sign of life was asked for", unix.TCPInfo{Probes: 2, Bytes_received: 1}, false, 2},
		{"nothing ever came", unix.TCPInfo{Retransmits: 3, Unacked: 1}, false, 0},
		{"an upload was sent again", unix.TCPInfo{Retransmits: 3, Unacked: 10, Bytes_received: 1}, false, 3},
		{"its packets may be too long", unix.TCPInfo{Retransmits: 3, Unacked: 10, Bytes_received: 1}, true, 0},
		{"a request's are not", unix.TCPInfo{Retransmits: 3, Unacked: 1, Bytes_received: 1}, true, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := resentOf(&c.info, func() bool { return c.shorter })
			want(t, strconv.Itoa(got), strconv.Itoa(c.want))
		})
	}
}
