package project

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

const (
	// maxInstruction bounds one instruction of a Dockerfile, with all the lines it goes on over, in bytes.
	maxInstruction = 1 << 20
	// maxValue bounds what a variable may stand for, in bytes. No image has a name that long.
	maxValue = 4 << 10
)

// Image is what a build pulls.
type Image struct {
	Name     string // as it is written, with ARG defaults put in
	Platform string // OS/ARCH or OS/ARCH/VARIANT, as it is written; empty: the one that is built for
}

// Images are the images that a build of a Dockerfile for a platform pulls, each once: its syntax line, FROM, COPY --from and
// RUN --mount=from. Stages of the file itself and scratch are none. Unnamed is how many more there are, whose names need an
// argument without a default, or are none.
func Images(dockerfile io.Reader, target string) (images []Image, unnamed int, err error) {
	lines := bufio.NewScanner(io.LimitReader(dockerfile, maxFile))
	lines.Buffer(nil, maxInstruction)
	f := &dockerReader{lines: lines, escape: '\\', args: platformArgs(target), stages: map[string]bool{}, seen: map[Image]bool{}}
	f.directives = true
	for {
		instruction, ok := f.next()
		if !ok {
			break
		}
		f.read(instruction)
		if len(f.images) >= maxEntries {
			return nil, 0, errTooMany
		}
	}
	if err := lines.Err(); err != nil {
		return nil, 0, fmt.Errorf("read the Dockerfile: %w: is it one?", err)
	}
	return f.images, f.unnamed, nil
}

// dockerReader goes through a Dockerfile (docs.docker.com, Dockerfile reference).
type dockerReader struct {
	lines      *bufio.Scanner
	escape     byte // at the end of a line that goes on
	directives bool // nothing but parser directives came so far
	args       map[string]string
	stages     map[string]bool // by name in lower case, and by number
	count      int             // of stages
	images     []Image
	seen       map[Image]bool // which images has
	unnamed    int
}

// BuildPlatform is what a build runs on, as OS/ARCH: this machine's in a container, which is Linux also on macOS and Windows.
const BuildPlatform = "linux/" + runtime.GOARCH

// platformArgs are the arguments that BuildKit sets itself.
func platformArgs(target string) map[string]string {
	args := map[string]string{}
	for which, platform := range map[string]string{"BUILD": BuildPlatform, "TARGET": target} {
		system, machine, _ := strings.Cut(platform, "/")
		machine, variant, _ := strings.Cut(machine, "/")
		maps.Copy(args, map[string]string{which + "PLATFORM": platform, which + "OS": system, which + "ARCH": machine, which + "VARIANT": variant})
	}
	return args
}

// next returns one instruction, without comments, empty lines and here-documents.
func (f *dockerReader) next() (string, bool) {
	var whole strings.Builder
	for f.lines.Scan() {
		text := strings.TrimPrefix(f.lines.Text(), "\ufeff")
		line := strings.TrimSpace(text)
		if strings.HasPrefix(line, "#") {
			f.directive(line)
			continue
		}
		f.directives = false
		if line == "" {
			continue
		}
		if whole.Len() > 0 {
			line = strings.TrimRightFunc(text, unicode.IsSpace) // a word may go on in it
		}
		more := f.goesOn(line)
		if more {
			line = line[:len(line)-1]
		}
		if whole.Len()+len(line) <= maxInstruction {
			whole.WriteString(line)
		}
		if !more {
			break
		}
	}
	instruction := strings.TrimSpace(whole.String())
	for _, d := range hereDocuments(instruction) {
		f.skip(d)
	}
	return instruction, instruction != ""
}

// goesOn says whether an instruction goes on behind a line: where the escape stands by itself at its end.
func (f *dockerReader) goesOn(line string) bool {
	end := len(line) - 1
	return line[end] == f.escape && (end == 0 || line[end-1] != f.escape)
}

// directive reads "# syntax=IMAGE" and "# escape=`", which count only at the top.
func (f *dockerReader) directive(line string) {
	if !f.directives {
		return
	}
	key, value, ok := strings.Cut(strings.TrimSpace(strings.TrimLeft(line, "#")), "=")
	value = strings.TrimSpace(value)
	switch strings.ToLower(strings.TrimSpace(key)) {
	case "syntax":
		f.add(Image{value, BuildPlatform})
	case "escape":
		if value == "`" {
			f.escape = '`'
		}
	default:
		ok = false
	}
	f.directives = ok || strings.HasPrefix(line, "#!") || strings.HasPrefix(line, "#") && strings.Contains(line, "check")
}

// hereDocument is the word that ends one, in front of which tabs may stand.
type hereDocument struct {
	end  string
	tabs bool
}

// hereDocuments are those of a RUN, COPY or ADD: <<EOF, <<-"EOF". One begins a word, as
// BuildKit has it: neither within quotes nor behind anything but a number, as in $((1<<3)).
func hereDocuments(instruction string) (begun []hereDocument) {
	name, rest := shellWord(instruction)
	if !slices.Contains([]string{"RUN", "COPY", "ADD"}, strings.ToUpper(name)) {
		return nil
	}
	for rest != "" && len(begun) < maxDepth {
		var word string
		word, rest = shellWord(rest)
		after, ok := strings.CutPrefix(strings.TrimLeft(word, "0123456789"), "<<")
		if !ok || strings.HasPrefix(after, "<") { // the latter is a here-string of the shell
			continue
		}
		after, tabs := strings.CutPrefix(after, "-")
		end := strings.Trim(after, `"';)`)
		if end != "" && strings.Trim(end, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") == "" {
			begun = append(begun, hereDocument{end, tabs})
		}
	}
	return begun
}

// shellWord cuts the first word off, to which belongs what is quoted within it.
func shellWord(s string) (word, rest string) {
	s = strings.TrimLeft(s, " \t")
	quote := byte(0)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && quote != '\'':
			i++
		case c == quote:
			quote = 0
		case quote != 0:
		case c == '\'' || c == '"':
			quote = c
		case c == ' ' || c == '\t':
			return s[:i], s[i:]
		}
	}
	return s, ""
}

func (f *dockerReader) skip(d hereDocument) {
	for f.lines.Scan() {
		if line := f.lines.Text(); line == d.end || d.tabs && strings.TrimLeft(line, "\t") == d.end {
			return
		}
	}
}

func (f *dockerReader) read(instruction string) {
	words := strings.Fields(instruction)
	switch strings.ToUpper(words[0]) {
	case "ARG":
		if f.count == 0 { // FROM knows only the arguments from before the first one
			f.arg(words[1:])
		}
	case "FROM":
		f.from(words[1:])
	case "COPY", "ADD":
		for _, word := range flags(words[1:]) {
			if image, ok := strings.CutPrefix(word, "--from="); ok {
				f.use(Image{Name: image})
			}
		}
	case "RUN":
		for _, word := range flags(words[1:]) {
			if mount, ok := strings.CutPrefix(word, "--mount="); ok {
				f.mount(mount)
			}
		}
	}
}

// flags are the words in front that begin with two dashes. Behind them COPY names files, and RUN has a command with its own.
func flags(words []string) []string {
	for i, word := range words {
		if !strings.HasPrefix(word, "--") {
			return words[:i]
		}
	}
	return words
}

func (f *dockerReader) arg(words []string) {
	for _, word := range words {
		name, value, given := strings.Cut(word, "=")
		if _, known := f.args[name]; given && !known && len(f.args) < maxDepth {
			if value, ok := f.expand(unquote(value)); ok {
				f.args[name] = value
			}
		}
	}
}

// from reads [--platform=PLATFORM] IMAGE [AS NAME].
func (f *dockerReader) from(words []string) {
	platform := ""
	for _, word := range flags(words) {
		if value, ok := strings.CutPrefix(word, "--platform="); ok {
			platform, _ = f.expand(unquote(value))
		}
	}
	if words = words[len(flags(words)):]; len(words) == 0 {
		return
	}
	if name, ok := f.expand(unquote(words[0])); ok {
		f.use(Image{name, platform})
	} else {
		f.unnamed++
	}
	f.stages[strconv.Itoa(f.count)] = true
	f.count++
	if len(words) >= 3 && strings.EqualFold(words[1], "AS") {
		f.stages[strings.ToLower(words[2])] = true
	}
}

func (f *dockerReader) mount(options string) {
	for _, option := range strings.Split(options, ",") {
		if image, ok := strings.CutPrefix(option, "from="); ok {
			f.use(Image{Name: image})
		}
	}
}

// use notes an image unless it is a stage.
func (f *dockerReader) use(image Image) {
	if image.Name != "scratch" && !f.stages[strings.ToLower(image.Name)] {
		f.add(image)
	}
}

func (f *dockerReader) add(image Image) {
	switch {
	case image.Name == "" || len(image.Name) > maxValue || strings.ContainsAny(image.Name, "$ \t\"'"):
		f.unnamed++
	case !f.seen[image]:
		f.seen[image] = true
		f.images = append(f.images, image)
	}
}

// expand puts in $NAME, ${NAME}, ${NAME:-DEFAULT} and ${NAME:+INSTEAD}, without the colon also for what is empty; false if a value
// is not known.
func (f *dockerReader) expand(s string) (string, bool) {
	var out strings.Builder
	for {
		before, after, found := strings.Cut(s, "$")
		if out.Len()+len(before) > maxValue {
			return "", false
		}
		out.WriteString(before)
		if !found {
			return out.String(), true
		}
		value, rest, ok := f.variable(after)
		if !ok || out.Len()+len(value) > maxValue {
			return "", false
		}
		out.WriteString(value)
		s = rest
	}
}

// variable reads what stands behind a $.
func (f *dockerReader) variable(s string) (value, rest string, ok bool) {
	braces := strings.HasPrefix(s, "{")
	s = strings.TrimPrefix(s, "{")
	end := 0
	for end < len(s) && (s[end] == '_' || s[end] >= '0' && s[end] <= '9' || s[end]|0x20 >= 'a' && s[end]|0x20 <= 'z') {
		end++
	}
	name, rest := s[:end], s[end:]
	value, known := f.args[name]
	if !braces {
		return value, rest, known
	}
	modifier, rest, shut := strings.Cut(rest, "}")
	if !shut || strings.Contains(modifier, "$") {
		return "", "", false
	}
	if modifier == "" {
		return value, rest, known
	}
	other, colon := strings.CutPrefix(modifier, ":")
	set := known && (value != "" || !colon)
	switch {
	case strings.HasPrefix(other, "-") && !set, strings.HasPrefix(other, "+") && set:
		return other[1:], rest, true
	case strings.HasPrefix(other, "-"), strings.HasPrefix(other, "+"):
		return value, rest, true
	}
	return "", "", false
}
