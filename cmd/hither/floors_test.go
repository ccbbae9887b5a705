package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// floors is DESIGN section 2. A package imports only packages of lower floors, so that each can be read, tested and
// replaced without the ones above it.
func floors() map[string]int {
	return map[string]int{
		"rules.d": 0, "cache/digest": 0, "cache/wholefile": 0, "cache/filelock": 0, "resolver/exchange": 0, "resolver/exchange/chain": 0, "resolver/exchange/exchangetest": 0, "resolver/hosts": 0, "resolver/link": 0, "resolver/socket": 0,
		"resolver/exchange/letter": 1, "resolver/exchange/group": 1, "resolver/exchange/lookup": 1, "resolver/exchange/nameserver": 2,
		"forward/measure": 0, "forward/split": 0, "forward/quick": 0, "forward/lanes": 0, "forward/prefetch/npm/semver": 0,
		"forward/peer": 0, "forward/h2": 0, "forward/npmrc": 0, "forward/listener": 0,
		"forward/mark": 0, "forward/terse": 0, "forward/field": 0, "forward/huddle": 0, "forward/race": 0, "forward/footing": 0, "forward/wiretest": 1,
		"install/files": 0, "install/lines": 0, "install/ownfile": 0, "install/proxyname": 0, "install/stage": 1, "install/guard": 1, "install": 1,
		"install/installtest": 2, "install/service": 2, "install/sysdns": 2, "install/sysproxy": 2, "install/toolfile": 2, "install/tools": 3, "install/truststore": 3,
		"cmd/hither/terminal": 0, "cmd/hither/amount": 0, "cmd/hither/redact": 0, "cmd/hither/environ": 0, "cmd/hither/watchdog": 0, "cmd/hither/doctor/kernel": 0,
		"rules": 1, "cache": 1, "forward/project": 1, "forward/dial": 1, "forward/authority": 1, "cmd/hither/port": 1, "cmd/hither/scores": 1, "cmd/hither/paths": 1, "cmd/hither/private": 1,
		"cache/badger": 2, "cache/hot": 2, "cache/mem": 2, "cache/cachetest": 2, "forward/notary": 2, "forward/spool": 2, "forward/prefetch/npm": 2, "forward/prefetch/oci": 2, "forward/prefetch/recall": 2, "forward/redirect": 2, "cmd/hither/memory": 2, "cmd/hither/kindling": 2, "cmd/hither/mirrors": 2,
		"cmd/hither/shell": 2, "cmd/hither/goenv": 2, "cmd/hither/trust": 2, "cmd/hither/hithertest": 2, "cmd/hither/doctor/told": 3,
		"resolver": 3, "forward/fetch": 3, "forward/transport": 3, "forward/bearer": 3, "forward/prefetch/golang": 3, "cmd/hither/roots": 3, "cmd/hither/settings": 3, "cmd/hither/netwatch": 3,
		"forward": 4, "forward/prefetch": 4, "cmd/hither/child": 4, "cmd/hither/doctor": 4, "cmd/hither/logbook": 4, "cmd/hither/why": 4, "cmd/hither/rulebook": 4, "cmd/hither/network": 4, "cmd/hither/upkeep": 4,
		"cmd/hither/warm": 5, "cmd/hither/control": 5,
		"cmd/hither/projects": 6, "cmd/hither/ledger": 6, "cmd/hither/led": 6,
		"cmd/hither/house": 7,
		"cmd/hither":       8, "cmd/hither/e2e": 9, "bench/wan": 0, "bench/lab": 1, "bench/mirrors": 2, "bench/speed": 2, "bench/dns": 4,
	}
}

// source is one package of ours as it stands in its files, for every system; tests are left out.
type source struct {
	path    string // below the module
	files   map[string]*ast.File
	imports map[string]string // of ours, by path; the value is the file
	doc     bool
}

func TestAPackageImportsOnlyLowerFloors(t *testing.T) {
	known, gone := floors(), floors()
	for _, p := range readModule(t) {
		delete(gone, p.path)
		floor, ok := known[p.path]
		if !ok {
			t.Errorf("%s has no floor: decide what it may import, and add it to the table above and to DESIGN section 2", p.path)
			continue
		}
		for imported, file := range p.imports {
			if below, ok := known[imported]; ok && below >= floor {
				t.Errorf("%s: %s (floor %d) imports %s (floor %d)\nwant imports to go down: let the caller hand in what is needed, as a field or a function", file, p.path, floor, imported, below)
			}
		}
	}
	for path := range gone {
		t.Errorf("%s has a floor, and is not there: take it out of the table above, or nobody decides when a package comes by that name", path)
	}
}

// TestResolverAndForwardMeetOnlyInMain keeps DNS and HTTP apart: each must work, and be understood, without the other.
func TestResolverAndForwardMeetOnlyInMain(t *testing.T) {
	for _, p := range readModule(t) {
		for imported, file := range p.imports {
			if isBelow(p.path, "resolver") && isBelow(imported, "forward") || isBelow(p.path, "forward") && isBelow(imported, "resolver") {
				t.Errorf("%s imports %s\nwant the two to meet in cmd/hither alone, which hands one's functions to the other", file, imported)
			}
		}
	}
}

// TestNamesAreLookedUpInOnePlace guards trap 13: while Hither answers the machine's DNS, the system's resolver leads our
// own look-ups back to us.
func TestNamesAreLookedUpInOnePlace(t *testing.T) {
	for _, p := range readModule(t) {
		if isBelow(p.path, "resolver/exchange") {
			continue
		}
		for name, file := range p.files {
			for _, use := range systemLookups(file) {
				t.Errorf("%s uses %s\nwant a resolver that is handed in: this one may be ourselves", name, use)
			}
		}
	}
}

func TestPrometheusHasOneImporter(t *testing.T) {
	for _, p := range readModule(t) {
		for name, file := range p.files {
			for _, spec := range file.Imports {
				if strings.Contains(spec.Path.Value, "prometheus/") && !isBelow(p.path, "cmd/hither/metrics") {
					t.Errorf("%s imports %s\nwant it in cmd/hither/metrics alone, which listens to fetch.Trace", name, spec.Path.Value)
				}
			}
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	for _, p := range readModule(t) {
		if !p.doc {
			t.Errorf("%s has no package comment\nwant one that says what it is for, then how it is used", p.path)
		}
	}
}

// TestTheFloorsAreWatched breaks the rules on purpose: a check that cannot fail is none.
func TestTheFloorsAreWatched(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "x.go", `package x
import wires "net"
var r = wires.DefaultResolver
func f() { wires.LookupHost("x"); wires.Dial("tcp", "x"); (&wires.Resolver{}).LookupHost(nil, "x") }`, 0)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "look-ups", strings.Join(systemLookups(file), " "), "net.DefaultResolver net.LookupHost")
	same(t, "below itself", isBelow("forward", "forward"), true)
	same(t, "below", isBelow("forward/fetch", "forward"), true)
	same(t, "beside", isBelow("forwarder", "forward"), false)
}

// readModule parses every package of the module.
func readModule(t *testing.T) []source {
	t.Helper()
	root := filepath.Join("..", "..")
	packages := map[string]*source{}
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		switch base := entry.Name(); {
		case err != nil:
			return err
		case entry.IsDir() && name != root && (base == "testdata" || base == "vendor" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(base, ".go") || strings.HasSuffix(base, "_test.go"):
			return nil
		}
		return readSource(packages, root, name)
	})
	if err != nil {
		t.Fatal(err)
	}
	var out []source
	for _, p := range packages {
		out = append(out, *p)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].path < out[j].path })
	if len(out) < 5 {
		t.Fatalf("only %d packages were found: is the module elsewhere?", len(out))
	}
	return out
}

func readSource(packages map[string]*source, root, name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments)
	if err != nil {
		return fmt.Errorf("parse: %w", err)
	}
	dir, err := filepath.Rel(root, filepath.Dir(name))
	if err != nil {
		return err
	}
	dir = filepath.ToSlash(dir)
	p := packages[dir]
	if p == nil {
		p = &source{path: dir, files: map[string]*ast.File{}, imports: map[string]string{}}
		packages[dir] = p
	}
	p.files[name] = file
	p.doc = p.doc || file.Doc != nil
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if ours, ok := strings.CutPrefix(imported, "hither/"); ok && err == nil {
			p.imports[ours] = name
		}
	}
	return nil
}

// systemLookups finds uses of the system's resolver by name. A Resolver of one's own is not one of them.
func systemLookups(file *ast.File) []string {
	local := ""
	for _, spec := range file.Imports {
		if spec.Path.Value == `"net"` {
			local = "net"
			if spec.Name != nil {
				local = spec.Name.Name
			}
		}
	}
	var found []string
	ast.Inspect(file, func(n ast.Node) bool {
		selector, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		of, ok := selector.X.(*ast.Ident)
		name := selector.Sel.Name
		forbidden := name == "DefaultResolver" || strings.HasPrefix(name, "Lookup") && name != "LookupPort"
		if ok && local != "" && of.Name == local && forbidden {
			found = append(found, "net."+name)
		}
		return true
	})
	return found
}

func isBelow(p, parent string) bool { return p == parent || strings.HasPrefix(p, parent+"/") }
