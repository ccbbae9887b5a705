// Package terminal writes for people: in one line and so many columns whatever a stranger's server sent, in colours where
// they are shown, and to an end that is told when it is lost.
package terminal

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// Width is the most columns of any line: it fits a terminal of 100, a mail and a bug report.
const Width = 100

// plainLimit is more than any message of ours has, in bytes.
const plainLimit = 2000

// Plain makes one line of text that a stranger's server may have written: what a terminal could take for a command, and
// what turns the direction of writing, is shown as a question mark. Marks that pile up on one letter are left out.
func Plain(text string) string {
	text = text[:min(len(text), plainLimit)]
	clean := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.In(r, unicode.Mn, unicode.Me):
			return -1
		case r == unicode.ReplacementChar || !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	return strings.Join(strings.Fields(clean), " ")
}

// Columns is how many columns of a terminal a text takes.
func Columns(text string) (n int) {
	for _, r := range text {
		n += runeColumns(r)
	}
	return n
}

func runeColumns(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me) {
		return 0
	}
	if k := width.LookupRune(r).Kind(); k == width.EastAsianWide || k == width.EastAsianFullwidth {
		return 2
	}
	return 1
}

// Fit is a text in exactly n columns: filled up, or shortened at the end.
func Fit(text string, n int) string {
	text = Shorten(text, n)
	return text + strings.Repeat(" ", n-Columns(text))
}

// FitRight is Fit with the text on the right.
func FitRight(text string, n int) string {
	text = Shorten(text, n)
	return strings.Repeat(" ", n-Columns(text)) + text
}

// Shorten cuts a text at the end to at most n columns.
func Shorten(text string, n int) string {
	if Columns(text) <= n {
		return text
	}
	return head(text, n-1) + "…"
}

// Middle cuts a text in the middle to at most n columns: hosts tell themselves apart by both ends.
func Middle(text string, n int) string {
	if Columns(text) <= n {
		return text
	}
	left := (n - 1) / 2
	return head(text, left) + "…" + tail(text, n-1-left)
}

// head is as much of the beginning as fits in n columns.
func head(text string, n int) string {
	used := 0
	for i, r := range text {
		if used += runeColumns(r); used > n {
			return text[:i]
		}
	}
	return text
}

// tail is as much of the end as fits in n columns.
func tail(text string, n int) string {
	runes := []rune(text)
	used, from := 0, len(runes)
	for from > 0 && used+runeColumns(runes[from-1]) <= n {
		from--
		used += runeColumns(runes[from])
	}
	return string(runes[from:])
}

// Wrap breaks a text into lines of at most n columns, at spaces where it has some.
func Wrap(text string, n int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		for Columns(word) > n {
			if line != "" {
				lines, line = append(lines, line), ""
			}
			part := head(word, n)
			lines, word = append(lines, part), word[len(part):]
		}
		switch {
		case line == "":
			line = word
		case Columns(line)+1+Columns(word) <= n:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
