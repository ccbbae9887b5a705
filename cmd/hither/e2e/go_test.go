package e2e_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// goGateway is the environment of a go command that knows Hither as its module proxy, and nothing else.
func (h *hither) goGateway(o *goOrigin, name string) []string {
	return h.w.clientEnv(name, "GOPROXY=http://"+h.addr+"/go", "GOSUMDB="+o.sumKey)
}

// goProxied is the environment of a go command that believes it speaks to proxy.golang.org.
func (h *hither) goProxied(o *goOrigin, name string) []string {
	return h.w.clientEnv(name, append(proxied(h.addr, h.Trust()), "GOPROXY=https://proxy.golang.org", "GOSUMDB="+o.sumKey)...)
}

// Done when 1, 2: go through Hither, then from Hither's cache alone, and go.sum as if Hither were not there.
func TestGoModulesComeThroughAndStay(t *testing.T) {
	w := newWorld(t)
	o := w.goWorld()
	w.goRule(o)
	direct := w.goProject(o, "direct")
	w.shell(direct, w.goDirect(o, "direct"), "go", "mod", "tidy")
	h := w.hither()
	doors := map[string]func(*goOrigin, string) []string{"gateway": h.goGateway, "proxy": h.goProxied}
	for _, door := range sortedKeys(doors) {
		dir := w.goProject(o, "cold-"+door)
		asked := o.Asked(nil)
		w.shell(dir, doors[door](o, "cold-"+door), "go", "mod", "tidy")
		same(t, "go.sum by the "+door, w.read(dir, "go.sum"), w.read(direct, "go.sum"))
		same(t, "go.mod by the "+door, w.read(dir, "go.mod"), w.read(direct, "go.mod"))
		if door == "proxy" && o.Asked(nil) > asked+len(o.modules) {
			t.Errorf("what one door brought was fetched again for the other: %d requests", o.Asked(nil)-asked)
		}
	}
	w.Dark()
	for _, door := range sortedKeys(doors) {
		dir, env := w.goProject(o, "warm-"+door), doors[door](o, "warm-"+door)
		w.shell(dir, env, "go", "mod", "tidy")
		same(t, "go.sum by the "+door+", upstreams off", w.read(dir, "go.sum"), w.read(direct, "go.sum"))
		w.shell(dir, env, "go", "mod", "verify")
		if got, want := w.count(filepath.Join(w.dir, "home", "warm-"+door), ".zip"), len(o.modules); got != want {
			t.Errorf("zips by the %s, upstreams off\n got %d\nwant %d", door, got, want)
		}
	}
}

// The checksum database check stays on: what contradicts it does not pass, even if it is the origin that sends it.
func TestTheChecksumDatabaseDecides(t *testing.T) {
	w := newWorld(t)
	o := w.goWorld()
	w.goRule(o)
	o.Bend(only(gets("m001/@v/v1.2.3.zip"), flips))
	h := w.hither()
	out, err := w.try(w.goProject(o, "project"), h.goGateway(o, "client"), "go", "mod", "download")
	if err == nil {
		t.Fatalf("a zip that the database does not know was taken:\n%s", out)
	}
	if strings.Contains(out, "SECURITY ERROR") {
		t.Errorf("the wrong zip reached the client, which had to find it itself:\n%s", out)
	}
	has(t, "go's error", out, "world.test/m001@v1.2.3")
}

// Each answer of the checksum database is signed at the size that its tree had. Who asks later, with the upstreams off and
// in another order, must find the tiles of an older tree too; they are the beginnings of those that are kept.
func TestAnOlderTreeHeadCanBeCheckedOffline(t *testing.T) {
	w := newWorld(t)
	o := w.youngGoWorld()
	w.goRule(o)
	h := w.hither()
	dir, first := w.mkdir("client"), h.goGateway(o, "first")
	h.get(t, "https://"+sumName+"/lookup/world.test/m001@v1.2.3") // signed at size 1
	w.shell(dir, first, "go", "mod", "download", "world.test/m002@v1.2.3")
	w.shell(dir, first, "go", "mod", "download", "world.test/m001@v1.2.3")
	w.Dark()
	w.shell(dir, h.goGateway(o, "second"), "go", "mod", "download", "world.test/m001@v1.2.3")
}

// Trap 1: our own failure is never a 404, which would send the go command to version control.
func TestTrap1OurOwnFailureIsNot404(t *testing.T) {
	w := newWorld(t)
	o := w.goWorld()
	w.goRule(o)
	h := w.hither()
	w.Dark()
	env := append(h.goGateway(o, "client"), "GOPROXY=http://"+h.addr+"/go,direct")
	out, err := w.try(w.goProject(o, "project"), env, "go", "mod", "download")
	if err == nil {
		t.Fatalf("modules came from nowhere:\n%s", out)
	}
	has(t, "go's error", out, "502 Bad Gateway")
	for _, wrong := range []string{"404 Not Found", "410 Gone", "unrecognized import path"} {
		if strings.Contains(out, wrong) {
			t.Errorf("go fell through to direct:\n%s", out)
		}
	}
}

// Trap 11: a version that was just pushed is found as soon as the short memory of its absence is over; another version of
// the same module is not hidden by it.
func TestTrap11AMissingVersionHidesNoOther(t *testing.T) {
	w := newWorld(t)
	o := w.goWorld()
	w.goRule(o)
	h := w.hither()
	env := h.goGateway(o, "client")
	dir := w.mkdir("anywhere")
	if out, err := w.try(dir, env, "go", "mod", "download", "world.test/m000@v9.9.9"); err == nil {
		t.Fatalf("a version that does not exist was found:\n%s", out)
	} else {
		has(t, "go's error", out, "404")
	}
	w.shell(dir, env, "go", "mod", "download", "world.test/m000@v1.2.3")
}

// What the checksum database's server once sent damaged, or for something else, is asked for anew when the client that saw it comes
// again, although it has the module by then.
func TestADamagedPageOfTheChecksumDatabaseIsNotKept(t *testing.T) {
	for what, bad := range map[string]fault{
		"a tile":                   only(gets("/tile/"), flips),
		"a record":                 only(gets("/lookup/"), flips),
		"the number of a record":   only(gets("/lookup/"), misnumbers),
		"the record of another":    only(gets("/lookup/"), takesForAnother),
		"a page instead of a tile": only(gets("/tile/"), logsIn),
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			o := w.goWorld()
			w.goRule(o)
			h := w.lightHither()
			dir, env := w.mkdir("client"), h.goGateway(o, "client")
			download := []string{"mod", "download", "world.test/m005@v1.2.3"}
			w.shell(dir, append(w.goDirect(o, "client"), "GONOSUMDB=*"), "go", download...)
			o.sum.Bend(bad)
			o.Bend(bad)
			if out, err := w.try(dir, env, "go", download...); err == nil {
				t.Fatalf("go believed it, so this proves nothing\n%s", out)
			}
			o.sum.Bend(nil)
			o.Bend(nil)
			w.shell(dir, env, "go", download...)
		})
	}
}

// misnumbers calls a record by the number of another.
func misnumbers(w http.ResponseWriter, r *http.Request, next http.Handler) {
	header, status, body := answerOf(r, next)
	body[0] ^= 1
	send(w, header, status, body, len(body))
}

// takesForAnother answers with the record of another module, which is as good but for that.
func takesForAnother(w http.ResponseWriter, r *http.Request, next http.Handler) {
	r.URL.Path = strings.Replace(r.URL.Path, "m005", "m001", 1)
	next.ServeHTTP(w, r)
}
