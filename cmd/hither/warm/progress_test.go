package warm

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hither/cmd/hither/hithertest"
	"hither/cmd/hither/terminal"
)

func TestTheProgressLineFits(t *testing.T) {
	now := time.Unix(0, 0)
	for _, width := range []int{1, 20, 40, 60, 80, 200} {
		var out bytes.Buffer
		p := &Progress{screen: &Screen{Out: &out}, width: func() (int, bool) { return width, true }, now: func() time.Time { return now }}
		p.began = now
		for range 5 {
			now = now.Add(time.Second)
			p.tell(Stand{Done: int(now.Unix()), Objects: 412, Bytes: now.Unix() << 20, Known: 500 << 20, Expected: 500 << 20, Received: now.Unix() << 20, Source: "https://mirrors.example.test"})
		}
		lines := strings.Split(out.String(), "\r\x1b[K")
		if got := terminal.Columns(lines[min(4, len(lines)-1)]); got >= width {
			t.Errorf("%d columns\n got %q with %d", width, lines[4], got)
		}
		if width == 200 {
			hithertest.Contains(t, lines[4], "[", "] 30 of 412 objects, 30 MiB of 500 MiB, 1 MiB/s, about 7m50s left, mostly from mirrors.example.test")
		}
	}
}

func TestWithoutATerminalProgressIsLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := &Progress{screen: &Screen{Out: &out}, width: func() (int, bool) { return 0, false }, now: time.Now}
		ended := make(chan struct{})
		time.AfterFunc(11*time.Second, func() { close(ended) })
		p.Run(func() Stand { return Stand{Done: 1, Objects: 2, Bytes: 10, Known: 10} }, ended)
		hithertest.Same(t, "what was said", out.String(), strings.Repeat("hither: 1 of 2 objects, 10 B\n", 2))
	})
}

func TestTheLogMakesTheProgressLineWait(t *testing.T) {
	var out bytes.Buffer
	s := &Screen{Out: &out}
	s.draw("half")
	fmt.Fprintln(s, "a warning")
	s.draw("all")
	s.draw("")
	hithertest.Same(t, "the screen", out.String(), "half\r\x1b[Ka warning\nall\r\x1b[K")
}
