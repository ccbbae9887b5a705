package prefetch

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hither/forward/fetch"
	"hither/forward/project"
)

func plain(w *world) { w.Walks = nil }

func TestListAllWithoutFiles(t *testing.T) {
	roots, all := mixed(40)
	var direct, ahead float64
	var needed int
	inWorld(t, plain, func(w *world) {
		w.publish(1000, all)
		direct = took(func() { w.client(1).listAll(4, roots) })
		needed = len(w.sent())
	})
	inWorld(t, nil, func(w *world) {
		w.publish(1000, all)
		ahead = took(func() { w.client(1).listAll(4, roots) })
		t.Logf("go list -m all: %.0f rounds alone, %.0f ahead; %d requests needed, %d made; %+v", direct, ahead, needed, len(w.sent()), w.balance())
		for _, l := range w.Report() {
			t.Logf("%+v", l)
		}
		same(t, "zips asked for", w.asked(".zip"), 0)
		atMost(t, "rounds", ahead, direct*0.40)
		atMost(t, "requests", len(w.sent()), 2*needed+slack)
	})
}

func TestDownloadWithoutFiles(t *testing.T) {
	roots, all := mixed(40)
	var direct, ahead float64
	var needed int
	inWorld(t, plain, func(w *world) {
		w.publish(1000, all)
		direct = took(func() { w.client(1).download(4, roots) })
		needed = len(w.sent())
	})
	inWorld(t, nil, func(w *world) {
		w.publish(1000, all)
		ahead = took(func() { w.client(1).download(4, roots) })
		t.Logf("go mod download: %.0f rounds alone, %.0f ahead; %d requests needed, %d made; %+v", direct, ahead, needed, len(w.sent()), w.balance())
		for _, l := range w.Report() {
			t.Logf("%+v", l)
		}
		same(t, "zips asked for", w.asked(".zip"), len(roots))
		atMost(t, "rounds", ahead, direct*0.35)
		atMost(t, "requests", len(w.sent()), 2*needed+slack)
	})
}

// inProject has a directory with the go.mod and go.sum of a project, and clients that work there.
func inProject(t *testing.T, roots []string, sum []string, args ...string) func(*world) {
	dir := t.TempDir()
	file := "module example.com/main\ngo 1.21\n"
	for _, r := range roots {
		file += "require " + strings.Replace(r, "@", " ", 1) + "\n"
	}
	sums := ""
	for _, s := range sum {
		sums += strings.Replace(s, "@", " ", 1) + "/go.mod h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
	}
	for name, text := range map[string]string{"go.mod": file, "go.sum": sums} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return func(w *world) {
		w.Project = func(fetch.Client) (Place, bool) { return Place{Dir: dir, Args: args}, true }
	}
}

// TestProject has the whole list at the first request: a round for the metadata, one for the zips, and no recursion.
func TestProject(t *testing.T) {
	roots, all := mixed(40)
	var read []string // go.mod files, as in go.sum
	inWorld(t, plain, func(w *world) {
		w.publish(1000, all)
		w.client(1).graph(4, roots)
		for _, url := range sorted(w.sent()) {
			path, version, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(url, host+"/"), ".mod"), "/@v/")
			read = append(read, path+"@"+version)
		}
	})
	for _, c := range []struct {
		args   string
		run    func(*gopher, int, []string)
		zips   int
		rounds float64
	}{
		{"go list -m all", (*gopher).listAll, 0, 16}, // of 140
		{"go mod download", (*gopher).download, len(roots), 16},
		{"/usr/local/go/bin/go mod download -x", (*gopher).download, len(roots), 16},
	} {
		inWorld(t, inProject(t, roots, read, strings.Fields(c.args)...), func(w *world) {
			w.publish(1000, all)
			rounds := took(func() { c.run(w.client(1), 4, roots) })
			b := w.balance()
			t.Logf("%s: %.1f rounds, %d requests, %+v", c.args, rounds, len(w.sent()), b)
			atMost(t, c.args+": rounds", rounds, c.rounds)
			same(t, c.args+": zips", w.asked(".zip"), c.zips)
			time.Sleep(2 * idleAfter)
			for _, l := range w.Report() {
				t.Logf("%+v", l)
			}
			atMost(t, c.args+": wasted", w.balance().Wasted, 10)
			atMost(t, c.args+": most metadata at once", w.peak(metadata), 90+4)
			atMost(t, c.args+": most packages at once", w.peak(bulk), 8+4)
		})
	}
}

// TestAClientThatHasMostOfIt needs three modules of a hundred, and Hither has none: it is not sent for all of them.
func TestAClientThatHasMostOfIt(t *testing.T) {
	roots, all := mixed(100)
	var sums []string
	for id := range all {
		sums = append(sums, id)
	}
	const size = 300_000
	for _, args := range []string{"go mod download", "go build ./...", "go list -m all"} {
		inWorld(t, inProject(t, roots, sums, strings.Fields(args)...), func(w *world) {
			w.publish(size, all)
			g := w.client(1)
			for _, i := range []int{50, 70, 90} {
				base := "/" + strings.Replace(roots[i], "@", "/@v/", 1)
				g.get(base + ".mod")
				if g.get(base + ".info"); args != "go list -m all" {
					g.get(base + ".zip")
				}
				time.Sleep(5 * time.Second)
			}
			mods, zips := w.asked(".mod")+w.asked(".info"), w.asked(".zip")
			t.Logf("%s: %d zips, %d others", args, zips, mods)
			atMost(t, args+": metadata", mods, 6+6+certain)
			atMost(t, args+": zips", zips, 3+3+6+bulkAhead)
		})
	}
}

// build is the package load of `go build`: each import names the zip of the next module, so many modules at a time; then
// its .mod; and in the end the .info of all, one by one.
func (g *gopher) build(n int, needed []string) {
	for chunk := range slices.Chunk(needed, n) {
		var zips, mods []string
		for _, id := range chunk {
			base := "/" + strings.Replace(id, "@", "/@v/", 1)
			zips, mods = append(zips, base+".zip"), append(mods, base+".mod")
		}
		g.all(n, zips)
		g.all(n, mods)
	}
	for _, id := range needed {
		g.get("/" + strings.Replace(id, "@", "/@v/", 1) + ".info")
	}
}

// TestBuildWastesLittle has a build that needs six of seven modules of go.mod, twice over.
func TestBuildWastesLittle(t *testing.T) {
	roots, all := mixed(60)
	var needed []string
	for i, r := range roots {
		if i%7 != 3 {
			needed = append(needed, r)
		}
	}
	const size = 500_000
	var direct float64
	inWorld(t, plain, func(w *world) {
		w.publish(size, all)
		direct = took(func() { w.client(1).build(4, needed) })
	})
	inWorld(t, inProject(t, roots, roots, "go", "build", "./..."), func(w *world) {
		w.publish(size, all)
		g := w.client(1)
		rounds := took(func() { g.build(4, needed) })
		close(g.gone)
		time.Sleep(5 * time.Second)
		b := w.balance()
		t.Logf("go build: %.0f rounds alone, %.0f ahead; %+v", direct, rounds, b)
		atMost(t, "rounds", rounds, direct/3)
		atMost(t, "bytes wasted", b.WastedBytes, int64(len(needed))*size/20+size)
		atMost(t, "requests", len(w.sent()), 2*g.count)
	})
}

// TestABuildOfLittleWastesLittle has a build of one command, which needs two of forty modules, with their go.mod and .info.
func TestABuildOfLittleWastesLittle(t *testing.T) {
	roots, all := mixed(40)
	inWorld(t, inProject(t, roots, roots, "go", "build", "./cmd/x"), func(w *world) {
		w.publish(1_000_000, all)
		g := w.client(1)
		g.build(1, roots[20:22])
		time.Sleep(5 * time.Second)
		atMost(t, "zips", w.asked(".zip"), 2+2+bulkAhead)
	})
}

// A second go command, which has go.mod and .info files by the first, asks for a few zips. What the first asked for is no reason to
// fetch more of them, even though no process is known by more than its address.
func TestAGoCommandIsNotTheOneBeforeIt(t *testing.T) {
	roots, all := mixed(60)
	inWorld(t, nil, func(w *world) {
		w.publish(1000, all)
		first, second := w.client(1), w.client(1)
		second.of.From = netip.AddrPortFrom(second.of.From.Addr(), 4001)
		first.listAll(8, roots)
		close(first.gone)
		var zips []string
		for _, r := range roots[:10] {
			zips = append(zips, "/"+strings.Replace(r, "@", "/@v/", 1)+".zip")
		}
		second.all(4, zips)
		synctest.Wait()
		same(t, "zips", w.asked(".zip"), len(zips))
		close(second.gone)
	})
}

// TestAProjectComesInWaves has a project of 240 documents: ninety are under way at a time, and each wave is a round.
func TestAProjectComesInWaves(t *testing.T) {
	all := make(map[string]mod)
	var roots []string
	for i := range 60 {
		id := fmt.Sprintf("example.com/a%02d@v1.0.0", i)
		far := []string{fmt.Sprintf("example.com/f%02d@v1.0.0", i), fmt.Sprintf("example.com/g%02d@v1.0.0", i)} // listed, but read by nobody
		roots, all[id] = append(roots, id), mod{requires: far}
		all[far[0]], all[far[1]] = mod{}, mod{}
	}
	inWorld(t, inProject(t, roots, roots, "go", "list", "-m", "all"), func(w *world) {
		w.publish(1000, all)
		in := w.Project
		w.Project = func(c fetch.Client) (Place, bool) {
			at, ok := in(c)
			at.Has = func(project.Want) bool { return false }
			return at, ok
		}
		rounds := took(func() { w.client(1).listAll(8, roots) })
		same(t, "requests", len(w.sent()), 240)
		atMost(t, "rounds", rounds, 3)
		atMost(t, "most at once", w.peak(metadata), 90+8)
	})
}
