package hosts

import (
	"bufio"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestHosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "hosts")
		h := &File{Path: path, Skip: func(a netip.Addr) bool { return a == netip.MustParseAddr("127.0.7.90") }}
		look := func(host, want string) {
			t.Helper()
			if got := text(h.Lookup(host)); got != want {
				t.Errorf("%s\ngot  %q\nwant %q", host, got, want)
			}
		}
		look("a.example", "") // no file yet
		put(t, path, "192.0.2.1 a.example A2.example # b.example\n::1 a.example\nnonsense c.example\n127.0.7.90 reg.example\n")
		time.Sleep(age)
		look("A.Example.", "192.0.2.1 ::1")
		look("a2.example", "192.0.2.1")
		look("b.example", "")
		look("c.example", "")
		look("reg.example", "") // we wrote that one, for others
		put(t, path, "192.0.2.22 a.example\n")
		time.Sleep(age)
		look("a.example", "192.0.2.22")
		put(t, path, "# "+strings.Repeat("long ", bufio.MaxScanTokenSize)+"\n192.0.2.33 a.example\n")
		time.Sleep(age)
		look("a.example", "192.0.2.33")
		os.Remove(path)
		time.Sleep(age)
		look("a.example", "")
		h = nil
		look("a.example", "")
	})
}

func TestAHostsFileThatIsTooLongEndsWithAWholeName(t *testing.T) {
	last := "192.0.2.1 cut.example"
	file := "192.0.2.1 a.example\n#"
	file += strings.Repeat("x", most-len(file)-len(last)-1) + "\n" + last + ".org\n"
	names, err := parse(strings.NewReader(file), nil)
	if err != nil || len(names) != 1 || text(names["a.example"]) != "192.0.2.1" {
		t.Errorf("got  %v, %v\nwant a.example alone", names, err)
	}
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func text[T interface{ String() string }](list []T) string {
	var words []string
	for _, one := range list {
		words = append(words, one.String())
	}
	return strings.Join(slices.Clip(words), " ")
}
