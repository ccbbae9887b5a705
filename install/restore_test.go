package install

import (
	"os"
	"testing"

	"hither/install/stage"
)

// TestALinkComesBack is resolv.conf of systemd-resolved: our file stands in the place of the link, and nobody's target is
// written to.
func TestALinkComesBack(t *testing.T) {
	for _, row := range []struct {
		name string
		then func(w *world)
		want string
	}{
		{"nobody else wrote", func(*world) {}, "../run/stub"},
		{"somebody wrote a line", func(w *world) { w.over("/etc/resolv.conf", w.Text("/etc/resolv.conf")+"search x\n") }, ""},
		{"somebody made his own link", func(w *world) {
			stage.Check(w.t, os.Remove(w.Path("/etc/resolv.conf")))
			stage.Check(w.t, os.Symlink("other", w.Path("/etc/resolv.conf")))
		}, "other"},
		{"somebody removed it", func(w *world) { stage.Check(w.t, os.Remove(w.Path("/etc/resolv.conf"))) }, "absent"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, "linux", map[string]string{"/etc/resolv.conf": "-> ../run/stub", "/run/stub": "nameserver 127.0.0.53\n"})
			e := Edit{On: w.Machine, Name: "dns", Path: "/etc/resolv.conf", Replace: true, Volatile: true, Change: replacing("nameserver ", "127.0.0.1")}
			stage.Check(t, Apply(t.Context(), e))
			stage.Same(t, "resolv.conf", w.Text("/etc/resolv.conf"), "nameserver 127.0.0.1\n")
			stage.Same(t, "the stub", w.Text("/run/stub"), "nameserver 127.0.0.53\n")
			row.then(w)
			_, err := Restore(t.Context(), w.Machine, Volatile)
			stage.Check(t, err)
			got, err := os.Readlink(w.Path("/etc/resolv.conf"))
			if os.IsNotExist(err) {
				got = "absent"
			}
			stage.Same(t, "link", got, row.want)
			if row.want == "" {
				stage.Same(t, "resolv.conf", w.Text("/etc/resolv.conf"), "nameserver 127.0.0.53\nsearch x\n")
			}
		})
	}
}

func (w *world) over(path, text string) {
	w.t.Helper()
	stage.Check(w.t, os.WriteFile(w.Path(path), []byte(text), 0o644))
}

// TestWhatIsLeftIsFound looks at a machine on which somebody has copied what was ours.
func TestWhatIsLeftIsFound(t *testing.T) {
	w := newWorld(t, "linux", map[string]string{"/a": "x\n"})
	stage.Check(t, Apply(t.Context(), addLine(w, "/a", false), addLine(w, "/new/b", false)))
	records, err := w.Journal.Records()
	stage.Check(t, err)
	w.over("/a", w.Text("/a")+"a line of hither\n")
	_, err = Restore(t.Context(), w.Machine, nil)
	stage.Check(t, err)
	left, err := Leftovers(t.Context(), w.Machine, records)
	stage.Check(t, err)
	if len(left) != 1 || left[0].Step != "add to /a" {
		t.Errorf("got %v, want the line in /a", left)
	}
}

// TestAnotherUsersFileIsNotWrittenThroughALink keeps root from being led out of a home directory.
func TestAnotherUsersFileIsNotWrittenThroughALink(t *testing.T) {
	w := newWorld(t, "linux", map[string]string{"/home/u/.npmrc": "x\n", "/home/u/bin": "-> /etc", "/etc/shadow": "root\n", "/home/u/.link": "-> /etc/shadow"})
	w.UID, w.GID = os.Getuid()+1, os.Getgid()
	for _, path := range []string{"/home/u/.link", "/home/u/bin/shadow"} {
		if err := addLine(w, path, false).Do(t.Context()); err == nil {
			t.Errorf("%s was written through a link: %q", path, w.Text("/etc/shadow"))
		}
	}
	stage.Same(t, "/etc/shadow", w.Text("/etc/shadow"), "root\n")
}
