// Package lines adds to texts that are others', and takes out again what was added, line by line: TakeOut knows three texts, the
// former one, ours, and what stands there now, and leaves what others wrote. INI, TOML and JSON files are added to so that this
// can be done, and TakeOutOf sees that what is left means what it meant. All of it is functions of texts; nothing is opened.
package lines

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
)

// TakeOut returns now without what ours had added to former, and with what ours had replaced, line by line. Lines that
// others wrote stay. If nothing of ours is in it, it comes back as it is.
func TakeOut(former, ours, now []byte) []byte { return takeOutBy(former, ours, now, Ends) }

// takeOutBy is TakeOut where the characters of ends do not count at the end of a line.
func takeOutBy(former, ours, now []byte, ends string) []byte {
	w := weave{former: Split(former), now: Split(now), known: map[string]bool{}}
	w.ours, w.theirs = keys(Split(ours), ends), keys(w.now, ends)
	w.old = keys(w.former, ends)
	for _, l := range w.old {
		w.known[l] = true
	}
	w.at = match(w.ours, w.theirs)
	w.gone = make([]bool, len(w.now))
	w.back = make([][]string, len(w.now)+1)
	for _, h := range hunks(w.ours, w.old) {
		w.revert(h)
	}
	return w.join()
}

// weave is three texts that are brought together.
type weave struct {
	former, now       []string        // whole lines
	old, ours, theirs []string        // without their ends: former, ours and now
	known             map[string]bool // lines of old
	at                []int           // for each line of ours where it is in now; -1: nowhere
	gone              []bool          // lines of now that are ours
	back              [][]string      // former lines that come before each line of now
}

// hunk says that ours[o0:o1] stands where former[f0:f1] was.
type hunk struct{ o0, o1, f0, f1 int }

func hunks(ours, former []string) []hunk {
	var list []hunk
	at := match(ours, former)
	o, f := 0, 0
	for i := 0; i <= len(ours); i++ {
		next := len(former)
		if i < len(ours) {
			if at[i] < 0 {
				continue
			}
			next = at[i]
		}
		if i > o || next > f {
			list = append(list, hunk{o, i, f, next})
		}
		o, f = i+1, next+1
	}
	return list
}

func (w *weave) revert(h hunk) {
	if h.o0 == h.o1 {
		w.putBack(h)
		return
	}
	first := w.takeBlock(h)
	if first < 0 {
		first = w.takeSingly(h)
	}
	if first >= 0 {
		w.back[first] = append(w.back[first], w.former[h.f0:h.f1]...)
	}
}

// putBack returns lines that ours had only left out, if a neighbour of theirs is still there and nobody has put them back.
func (w *weave) putBack(h hunk) {
	place := -1
	if len(w.ours) == 0 {
		place = 0
	} else if h.o0 > 0 && w.at[h.o0-1] >= 0 {
		place = w.at[h.o0-1] + 1
	} else if h.o0 < len(w.ours) && w.at[h.o0] >= 0 {
		place = w.at[h.o0]
	}
	missing := w.old[h.f0:h.f1]
	if place < 0 || slices.Equal(w.theirs[place:min(len(w.theirs), place+len(missing))], missing) ||
		slices.Equal(w.theirs[max(0, place-len(missing)):place], missing) {
		return
	}
	w.back[place] = append(w.back[place], w.former[h.f0:h.f1]...)
}

// takeBlock takes ours out where it stands together, and returns where; -1: it stands together nowhere.
func (w *weave) takeBlock(h hunk) int {
	block := w.ours[h.o0:h.o1]
	if j := w.at[h.o0]; j >= 0 && w.isBlock(j, block) {
		return w.take(j, len(block))
	}
	if !w.anyTelling(block) {
		return -1
	}
	for j := range w.now {
		if w.isBlock(j, block) {
			return w.take(j, len(block))
		}
	}
	return -1
}

func (w *weave) isBlock(j int, block []string) bool {
	if j+len(block) > len(w.theirs) || !slices.Equal(w.theirs[j:j+len(block)], block) {
		return false
	}
	for k := range block {
		if w.gone[j+k] {
			return false
		}
	}
	return true
}

func (w *weave) take(j, n int) int {
	for k := range n {
		w.gone[j+k] = true
	}
	return j
}

// takeSingly takes the lines that can only be ours, and such beside them as could be anybody's: a brace, an empty line.
func (w *weave) takeSingly(h hunk) int {
	first := -1
	for i := h.o0; i < h.o1; i++ {
		j := w.at[i]
		if !w.telling(w.ours[i]) || j >= 0 && w.gone[j] {
			continue
		}
		if j < 0 {
			j = w.findLine(w.ours[i])
		}
		if j >= 0 {
			w.gone[j] = true
			if first < 0 || j < first {
				first = j
			}
		}
	}
	if first < 0 {
		return -1
	}
	for i := h.o0 + 1; i < h.o1; i++ {
		w.takeBeside(i, i-1)
	}
	for i := h.o1 - 2; i >= h.o0; i-- {
		w.takeBeside(i, i+1)
	}
	for first > 0 && w.gone[first-1] {
		first--
	}
	return first
}

func (w *weave) takeBeside(i, neighbour int) {
	a, b := w.at[i], w.at[neighbour]
	if a >= 0 && b >= 0 && w.gone[b] && a-b == i-neighbour {
		w.gone[a] = true
	}
}

func (w *weave) findLine(l string) int {
	for j, n := range w.theirs {
		if !w.gone[j] && n == l {
			return j
		}
	}
	return -1
}

// telling says that a line cannot well be somebody else's.
func (w *weave) telling(l string) bool {
	letters := 0
	for _, r := range l {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			letters++
		}
	}
	return letters >= 4 && !w.known[l] && !strings.HasPrefix(l, "-----")
}

func (w *weave) anyTelling(block []string) bool {
	for _, l := range block {
		if w.telling(l) {
			return true
		}
	}
	return false
}

func (w *weave) join() []byte {
	var out []string
	for j, l := range w.now {
		out = append(out, w.back[j]...)
		if !w.gone[j] {
			out = append(out, l)
		}
	}
	out = append(out, w.back[len(w.now)]...)
	var text bytes.Buffer
	for i, l := range out {
		text.WriteString(l)
		if i < len(out)-1 && !strings.HasSuffix(l, "\n") {
			text.WriteString("\n")
		}
	}
	return text.Bytes()
}

// Split keeps the ends of the lines.
func Split(text []byte) []string {
	if len(text) == 0 {
		return nil
	}
	lines := strings.SplitAfter(string(text), "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// Ends are what editors change as they please.
const Ends = "\r\n"

// keys are lines without their ends.
func keys(lines []string, ends string) []string {
	cut := make([]string, len(lines))
	for i, l := range lines {
		cut[i] = strings.TrimRight(l, ends)
	}
	return cut
}

// maxDifference bounds the time and memory of match, both of which grow with its square.
const maxDifference = 2000

// match pairs the lines of a with equal ones of b, in order, as many as can be: for each line of a its place in b, or -1.
// It is Myers' O(ND) algorithm between the common beginning and end. Texts with more than maxDifference differences
// are matched there only.
func match(a, b []string) []int {
	at := make([]int, len(a))
	for i := range at {
		at[i] = -1
	}
	lo := 0
	for lo < len(a) && lo < len(b) && a[lo] == b[lo] {
		at[lo] = lo
		lo++
	}
	ea, eb := len(a), len(b)
	for ea > lo && eb > lo && a[ea-1] == b[eb-1] {
		ea, eb = ea-1, eb-1
		at[ea] = eb
	}
	walkBack(a[lo:ea], b[lo:eb], func(i, j int) { at[lo+i] = lo + j })
	return at
}

// walkBack calls pair for each pair on a shortest way from the beginnings of a and b to their ends.
func walkBack(a, b []string, pair func(i, j int)) {
	trace := shortest(a, b)
	x, y := len(a), len(b)
	for d := len(trace) - 1; d >= 0; d-- {
		v, k := trace[d], x-y
		prev := k - 1
		if k == -d || k != d && v[k-1+d+1] < v[k+1+d+1] {
			prev = k + 1
		}
		px := v[prev+d+1]
		py := px - prev
		for x > px && y > py && x > 0 && y > 0 {
			x, y = x-1, y-1
			pair(x, y)
		}
		x, y = px, py
	}
}

// shortest returns, for each number of differences d, how far each diagonal k had come before, at [k+d+1]. nil: too different.
func shortest(a, b []string) [][]int {
	limit := min(len(a)+len(b), maxDifference)
	v := make([]int, 2*limit+3)
	var trace [][]int
	for d := 0; d <= limit; d++ {
		trace = append(trace, append([]int(nil), v[limit-d:limit+d+3]...))
		for k := -d; k <= d; k += 2 {
			x := v[limit+1+k-1] + 1
			if k == -d || k != d && v[limit+1+k-1] < v[limit+1+k+1] {
				x = v[limit+1+k+1]
			}
			y := x - k
			for x < len(a) && y < len(b) && a[x] == b[y] {
				x, y = x+1, y+1
			}
			v[limit+1+k] = x
			if x >= len(a) && y >= len(b) {
				return trace
			}
		}
	}
	return nil
}

// Telling returns a line of now that ours had added to former and that is nobody else's; empty: there is none.
func Telling(former, ours, now []byte) string {
	if bytes.Equal(former, ours) {
		return ""
	}
	w := weave{known: map[string]bool{}}
	for _, l := range keys(Split(former), Ends) {
		w.known[l] = true
	}
	there := keys(Split(now), Ends)
	for _, l := range keys(Split(ours), Ends) {
		if w.telling(l) && slices.Contains(there, l) {
			return l
		}
	}
	return ""
}

// Append adds whole lines at the end, with the ending that the text has.
func Append(text []byte, lines []string) []byte {
	if len(lines) == 0 {
		return text
	}
	ending := Ending(text)
	out := slices.Clone(text)
	if n := len(out); n > 0 && out[n-1] != '\n' {
		out = append(out, ending...)
	}
	return append(out, strings.Join(lines, ending)+ending...)
}

// Ending is what ends the lines of a text.
func Ending(text []byte) string {
	if bytes.Contains(text, []byte("\r\n")) {
		return "\r\n"
	}
	return "\n"
}
