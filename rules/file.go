package rules

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// maxFaults bounds what is told about one file; the rest is rarely worth reading before these are mended.
const maxFaults = 20

// table is a part of a rule file as it is written. The keys at the top are one too, of no kind.
type table struct {
	kind string // "host", "mirror", "probe", "path"; empty: the top
	line int
	keys map[string]value
}

// value is a string, or a list of them: rule files need no other. A single string is a list of one.
type value struct {
	line  int
	items []item
}

type item struct {
	line int
	text string
}

// text is the value of a key that holds one string; empty if it is absent.
func (t table) text(key string) string {
	if v, ok := t.keys[key]; ok && len(v.items) == 1 {
		return v.items[0].text
	}
	return ""
}

// texts are the values of a key that holds a list; nil if it is absent.
func (t table) texts(key string) []string {
	var all []string
	for _, item := range t.keys[key].items {
		all = append(all, item.text)
	}
	return all
}

// lineOf is where a key stands, or where it is missing.
func (t table) lineOf(key string) int {
	if v, ok := t.keys[key]; ok {
		return v.line
	}
	return t.line
}

// faults are what is wrong with one file.
type faults struct {
	file string
	list []fault
	more int // not listed
}

type fault struct {
	line int
	text string
}

func (f *faults) add(line int, format string, args ...any) {
	if len(f.list) == maxFaults {
		f.more++
		return
	}
	f.list = append(f.list, fault{line, fmt.Sprintf(format, args...)})
}

// err joins the faults in the order of their lines; nil if there are none.
func (f *faults) err() error {
	slices.SortStableFunc(f.list, func(a, b fault) int { return cmp.Compare(a.line, b.line) })
	var errs []error
	for _, fault := range f.list {
		errs = append(errs, fmt.Errorf("%s:%d: %s", f.file, fault.line, fault.text))
	}
	if f.more > 0 {
		errs = append(errs, fmt.Errorf("%s: and %d more; mend these first", f.file, f.more))
	}
	return errors.Join(errs...)
}

// shape tells which keys a table may have, and whether a key holds a list. It is the whole grammar of a rule file.
func shape(kind, key string) (list, known bool) {
	single, lists, _ := keysOf(kind)
	if slices.Contains(strings.Fields(lists), key) {
		return true, true
	}
	return false, slices.Contains(strings.Fields(single), key)
}

func keysOf(kind string) (single, lists string, known bool) {
	switch kind {
	case "":
		return "name home gateway auth walk twin", "ns", true
	case "host":
		return "name prefix key realm service", "origin offers tokens stores", true
	case "mirror":
		return "url operator off", "offers", true
	case "probe":
		return "path digest why newest field", "", true
	case "path":
		return "match host keep stale from notary why early subject send type traffic", "accept variants answer changes", true
	}
	return "", "", false
}

// parser walks a document once. It reads the syntax tree itself, because only there every key and every element of a
// list has its place, and an error in the meaning needs the place as much as one in the syntax.
type parser struct {
	toml   unstable.Parser
	data   []byte
	faults *faults
	tables []table
	probed bool // [probe] was there

	seen int // bytes whose newlines are counted
	line int // of the byte at seen
}

// parse returns the tables in the order of the file, the top first; nil if it is not TOML.
func parse(data []byte, f *faults) []table {
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		f.add(1, "this is UTF-16, as PowerShell 5 writes what a command prints; save it as UTF-8")
		return nil
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // as editors on Windows begin files
	p := &parser{data: slices.Clip(data), faults: f, line: 1}
	p.tables = []table{{line: 1, keys: map[string]value{}}}
	p.toml.Reset(p.data)
	for p.toml.NextExpression() {
		switch node := p.toml.Expression(); node.Kind {
		case unstable.Table, unstable.ArrayTable:
			p.header(node)
		case unstable.KeyValue:
			p.keyValue(node)
		}
	}
	if err := p.toml.Error(); err != nil {
		p.syntax(err)
		return nil
	}
	return p.tables
}

func (p *parser) syntax(err error) {
	line := p.line
	if at, ok := errors.AsType[*unstable.ParserError](err); ok {
		line = p.lineAt(p.toml.Range(at.Highlight).Offset)
	}
	p.faults.add(line, "this is not TOML: %v; see toml.io for how to write it", err)
}

func (p *parser) header(node *unstable.Node) {
	kind, line := p.key(node)
	_, _, known := keysOf(kind)
	if !known || kind == "" {
		p.faults.add(line, "there is no table %q; the tables are [[host]], [[mirror]], [probe] and [[path]]", kind)
	} else if array := node.Kind == unstable.ArrayTable; array != (kind != "probe") {
		p.faults.add(line, "%s is written with the other number of brackets; write [[host]], [[mirror]], [probe] and [[path]]", kind)
	} else if kind == "probe" && p.probed {
		p.faults.add(line, "there is a [probe] already; one is enough, remove the other")
	}
	p.probed = p.probed || kind == "probe"
	p.tables = append(p.tables, table{kind: kind, line: line, keys: map[string]value{}})
}

func (p *parser) keyValue(node *unstable.Node) {
	key, line := p.key(node)
	t := p.tables[len(p.tables)-1]
	single, lists, known := keysOf(t.kind)
	if !known {
		return // the header was a fault, its keys need not be
	}
	list, ok := shape(t.kind, key)
	if !ok {
		p.faults.add(line, "unknown key %q; here are known: %s", key, strings.TrimSpace(single+" "+lists))
		return
	}
	if _, twice := t.keys[key]; twice {
		p.faults.add(line, "the key %q is here a second time; remove one", key)
		return
	}
	items, ok := p.items(node.Value(), list)
	if !ok && list {
		p.faults.add(line, "%s is a list of strings; write %s = [\"…\"]", key, key)
	} else if !ok {
		p.faults.add(line, "%s is a string; write %s = \"…\"", key, key)
	}
	t.keys[key] = value{line: line, items: items}
}

// key joins a dotted key, so that it is unknown by its whole name.
func (p *parser) key(node *unstable.Node) (string, int) {
	var parts []string
	line := 0
	for it := node.Key(); it.Next(); {
		if line == 0 {
			line = p.lineAt(it.Node().Raw.Offset)
		}
		parts = append(parts, string(it.Node().Data))
	}
	return strings.Join(parts, "."), line
}

// items copies strings out of the parser, which reuses its nodes.
func (p *parser) items(node *unstable.Node, list bool) ([]item, bool) {
	if !list {
		return []item{p.item(node)}, node.Kind == unstable.String
	}
	var items []item
	ok := node.Kind == unstable.Array
	for it := node.Children(); ok && it.Next(); {
		ok = it.Node().Kind == unstable.String
		items = append(items, p.item(it.Node()))
	}
	return items, ok
}

func (p *parser) item(node *unstable.Node) item {
	if node.Kind != unstable.String {
		return item{}
	}
	return item{line: p.lineAt(node.Raw.Offset), text: string(node.Data)}
}

// lineAt counts newlines once over the whole document, for places are asked for in order.
func (p *parser) lineAt(offset uint32) int {
	if at := min(int(offset), len(p.data)); at > p.seen {
		p.line += bytes.Count(p.data[p.seen:at], []byte{'\n'})
		p.seen = at
	}
	return p.line
}
