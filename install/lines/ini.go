package lines

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// INIStyle is what the readers of such files disagree on.
type INIStyle struct {
	equals   string              // what is written between name and value
	colon    bool                // a colon may stand for the equals sign
	wraps    bool                // a line that is indented more than the one with the name goes on with its value
	sections bool                // nothing may stand above the first section
	raw      bool                // quotes around a value are a part of it
	defaults string              // the section whose values all others have that are there; empty: none
	tails    bool                // what stands behind the bracket of a section means nothing
	fold     func(string) string // the form in which names are compared; nil: as they are
}

// PipStyle is what pip reads, with Python's configparser. A name may be written as on the command line.
func PipStyle() INIStyle {
	return INIStyle{equals: " = ", colon: true, wraps: true, sections: true, raw: true, defaults: "DEFAULT", tails: true, fold: func(name string) string {
		return strings.TrimPrefix(strings.ReplaceAll(strings.ToLower(name), "_", "-"), "--")
	}}
}

// KDEStyle is what KDE reads.
func KDEStyle() INIStyle { return INIStyle{equals: "="} }

// NpmStyle is what npm reads.
func NpmStyle() INIStyle { return INIStyle{equals: "="} }

// INIEntry is a value, what stands before it, and the lines it stands on, from and up to.
type INIEntry struct {
	Value                 string
	section, name, indent string
	from, to              int
}

type iniHeading struct {
	section string
	line    int
}

// INI is a file of names and values in lines, with sections or without.
type INI struct {
	style INIStyle
	lines []string // with their endings
}

// ParseINI refuses what is no text and what its reader would not read either.
func ParseINI(text []byte, style INIStyle) (*INI, error) {
	if !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 {
		return nil, errors.New("is not a text in UTF-8: save it as one")
	}
	f := &INI{style: style, lines: slices.Collect(strings.Lines(string(text)))}
	if !style.sections {
		return f, nil
	}
	if bytes.HasPrefix(text, []byte("\ufeff")) {
		return nil, errors.New("begins with a byte order mark, so that its reader does not see the first [section]: save it without one")
	}
	for i, line := range f.lines {
		if _, ok := f.header(line); ok {
			break
		}
		if !IsBlank(line) {
			return nil, fmt.Errorf("has something in line %d, above its first [section]: move it into one", i+1) // it may hold a password
		}
	}
	return f, nil
}

// Bytes is the text as it is now.
func (f *INI) Bytes() []byte { return []byte(strings.Join(f.lines, "")) }

// Get finds the last value of that name in a section, which is the one that counts, or the one that all sections have.
func (f *INI) Get(section, name string) (INIEntry, bool) {
	e, ok := f.find(section, name)
	if !ok && f.style.defaults != "" && f.headerOf(section) >= 0 {
		return f.find(f.style.defaults, name)
	}
	return e, ok
}

func (f *INI) find(section, name string) (INIEntry, bool) {
	_, all := f.read()
	for i := len(all) - 1; i >= 0; i-- {
		if e := all[i]; e.section == section && f.folded(e.name) == f.folded(name) {
			return e, true
		}
	}
	return INIEntry{}, false
}

// read finds all headers and values in their order. An indented line belongs to the value above only if that one's name is indented less, as
// in Python's configparser: users indent whole sections.
func (f *INI) read() (headers []iniHeading, all []INIEntry) {
	section, open, depth := "", false, 0
	for i, line := range f.lines {
		if IsBlank(line) {
			continue
		}
		if f.style.wraps && open && utf8.RuneCountInString(indent(line)) > depth {
			last := &all[len(all)-1]
			last.Value, last.to = last.Value+"\n"+strings.TrimSpace(line), i+1
			continue
		}
		depth = utf8.RuneCountInString(indent(line))
		if header, ok := f.header(line); ok {
			section, open, headers = header, false, append(headers, iniHeading{header, i})
		} else if name, value, ok := f.split(line); ok {
			if !f.style.raw {
				value = Unquote(value)
			}
			all, open = append(all, INIEntry{Value: value, section: section, name: name, indent: indent(line), from: i, to: i + 1}), true
		}
	}
	return headers, all
}

// indent is the blank space that a line begins with.
func indent(line string) string {
	return line[:len(line)-len(strings.TrimLeftFunc(line, unicode.IsSpace))]
}

// Set gives a name a value. A value that is there is replaced where it stands; a new one goes below the section's header,
// or above the first section if it belongs to none. It is indented as the line that follows, which else would belong to it.
func (f *INI) Set(section, name, value string) {
	rest := f.style.equals + value + Ending(f.Bytes())
	if old, ok := f.find(section, name); ok {
		f.lines = slices.Replace(f.lines, old.from, old.to, old.indent+old.name+rest) // there may be one with another spelling
		return
	}
	line := name + rest
	header := f.headerOf(section)
	switch {
	case section == "" && header >= 0:
		f.lines = slices.Insert(f.lines, header, line)
	case header >= 0:
		f.endLine(header)
		below := f.lines[header+1:]
		if i := slices.IndexFunc(below, func(line string) bool { return !IsBlank(line) }); i >= 0 {
			line = indent(below[i]) + line
		}
		f.lines = slices.Insert(f.lines, header+1, line)
	case section == "":
		f.endLine(len(f.lines) - 1)
		f.lines = append(f.lines, line)
	default:
		f.endLine(len(f.lines) - 1)
		f.lines = append(f.lines, "["+section+"]"+Ending(f.Bytes()), line)
	}
}

// endLine gives the last line of a file an ending, so that another can follow.
func (f *INI) endLine(i int) {
	if i >= 0 && !strings.HasSuffix(f.lines[i], "\n") {
		f.lines[i] += Ending(f.Bytes())
	}
}

func (f *INI) split(line string) (name, value string, ok bool) {
	if IsBlank(line) {
		return "", "", false
	}
	separators := "="
	if f.style.colon {
		separators = "=:"
	}
	i := strings.IndexAny(line, separators)
	if i < 0 {
		return "", "", false
	}
	return strings.TrimSpace(line[:i]), strings.TrimSpace(line[i+1:]), true
}

func (f *INI) folded(name string) string {
	if f.style.fold == nil {
		return name
	}
	return f.style.fold(name)
}

// headerOf is the line with which a section begins; with which the first does, if it has no name. -1: there is none.
func (f *INI) headerOf(section string) int {
	headers, _ := f.read()
	for _, h := range headers {
		if h.section == section || section == "" {
			return h.line
		}
	}
	return -1
}

func (f *INI) header(line string) (string, bool) {
	if end := strings.LastIndexByte(line, ']'); f.style.tails && end >= 0 {
		line = line[:end+1]
	}
	return iniHeader(line)
}

func iniHeader(line string) (string, bool) {
	line = strings.TrimSpace(line)
	if len(line) < 2 || line[0] != '[' || line[len(line)-1] != ']' {
		return "", false
	}
	return line[1 : len(line)-1], true
}

// IsBlank says that a line is empty or a comment.
func IsBlank(line string) bool {
	line = strings.TrimSpace(line)
	return line == "" || line[0] == '#' || line[0] == ';'
}

// Unquote takes off the quotes of a value that stands in a pair of them.
func Unquote(value string) string {
	if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
		return value[1 : n-1]
	}
	return value
}
