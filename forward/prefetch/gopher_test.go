package prefetch

import (
	"fmt"
	"strings"
	"sync"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// mod is a module of the false registry.
type mod struct {
	old      bool // of a go before 1.17
	requires []string
}

// publish serves modules: .mod, .info and a zip of so many bytes.
func (w *world) publish(size int, mods map[string]mod) {
	for id, m := range mods {
		path, version, _ := strings.Cut(id, "@")
		file := "module " + path + "\n"
		if !m.old {
			file += "go 1.21\n"
		}
		for _, r := range m.requires {
			file += "require " + strings.Replace(r, "@", " ", 1) + "\n"
		}
		base := host + "/" + path + "/@v/" + version
		w.bodies[base+".mod"] = []byte(file)
		w.bodies[base+".info"] = []byte("{}")
		w.bodies[base+".zip"] = make([]byte, size)
	}
}

// goFile is one that is asked for once.
type goFile struct {
	requires []module.Version
	old      bool
	come     chan struct{}
}

// read reads one as publish writes them; nil: there is none.
func (f *goFile) read(body []byte) {
	file, err := modfile.ParseLax("go.mod", body, nil)
	if err != nil {
		return
	}
	for _, r := range file.Require {
		f.requires = append(f.requires, r.Mod)
	}
	f.old = file.Go == nil
}

// graph reads the module graph as cmd/go's readModGraph does, with n requests at a time, and returns the build list.
func (g *gopher) graph(n int, roots []string) map[string]string {
	type key struct {
		id       string
		unpruned bool
	}
	var (
		mu     sync.Mutex
		wg     sync.WaitGroup
		queue  []key
		active int
		seen   = make(map[key]bool)
		files  = make(map[string]*goFile)
		list   = make(map[string]string)
	)
	raise := func(id string) {
		path, version, _ := strings.Cut(id, "@")
		if semver.Compare(version, list[path]) > 0 {
			list[path] = version
		}
	}
	var work func(k key)
	enqueue := func(k key) { // mu is held
		raise(k.id)
		if seen[k] {
			return
		}
		seen[k] = true
		if queue = append(queue, k); active < n {
			active++
			next := queue[0]
			queue = queue[1:]
			wg.Go(func() { work(next) })
		}
	}
	work = func(k key) {
		for {
			mu.Lock()
			file, here := files[k.id]
			if !here {
				file = &goFile{come: make(chan struct{})}
				files[k.id] = file
			}
			mu.Unlock()
			if !here {
				file.read(g.get("/" + strings.Replace(k.id, "@", "/@v/", 1) + ".mod"))
				close(file.come)
			}
			<-file.come // not a mutex: virtual time stands still while one is waited for
			mu.Lock()
			for _, r := range file.requires {
				raise(r.Path + "@" + r.Version)
				if k.unpruned || file.old {
					enqueue(key{r.Path + "@" + r.Version, true})
				}
			}
			if len(queue) == 0 {
				active--
				mu.Unlock()
				return
			}
			k, queue = queue[0], queue[1:]
			mu.Unlock()
		}
	}
	mu.Lock()
	for _, r := range roots {
		enqueue(key{r, false})
	}
	mu.Unlock()
	wg.Wait()
	return list
}

// listAll is `go list -m all`.
func (g *gopher) listAll(n int, roots []string) {
	list := g.graph(n, roots)
	var infos []string
	for path, version := range list {
		infos = append(infos, "/"+path+"/@v/"+version+".info")
	}
	g.all(n, sorted(infos))
}

// download is `go mod download`.
func (g *gopher) download(n int, roots []string) {
	g.graph(n, roots)
	var zips []string
	for _, r := range roots {
		path, version, _ := strings.Cut(r, "@")
		g.get("/" + path + "/@v/" + version + ".info")
		zips = append(zips, "/"+path+"/@v/"+version+".zip")
	}
	g.all(n, zips)
}

// mixed is a project of old and new modules: its requirements, all modules, and a go.sum's "/go.mod" lines.
func mixed(roots int) (requires []string, all map[string]mod) {
	all = make(map[string]mod)
	for i := range roots {
		id := fmt.Sprintf("example.com/a%03d@v1.2.0", i)
		requires = append(requires, id)
		m := mod{old: i%5 == 0}
		for j := 1; j <= 6; j++ {
			other := fmt.Sprintf("example.com/a%03d@v1.1.%d", (i+j*7)%roots, j%3) // an older version of another root
			if j > 3 {
				other = fmt.Sprintf("example.com/t%03d@v0.%d.0", (i*3+j)%(2*roots), j) // what only tests need
			}
			m.requires = append(m.requires, other)
		}
		all[id] = m
	}
	// Older versions and the modules of tests have requirements, too: a graph that is read without pruning is 10 times larger.
	for grown := true; grown; {
		grown = false
		for _, m := range all {
			for _, r := range m.requires {
				if _, ok := all[r]; !ok {
					all[r] = grow(r, roots)
					grown = true
				}
			}
		}
	}
	return requires, all
}

func grow(id string, roots int) mod {
	path, version, _ := strings.Cut(id, "@")
	var n, minor int
	fmt.Sscanf(path[len("example.com/a"):], "%d", &n)
	fmt.Sscanf(version, "v0.%d.0", &minor)
	m := mod{old: n%7 == 0}
	if minor > 0 && minor < 12 {
		for j := 1; j <= 3; j++ {
			m.requires = append(m.requires, fmt.Sprintf("example.com/t%03d@v0.%d.0", (n*5+j)%(2*roots), minor+1))
		}
	}
	return m
}
