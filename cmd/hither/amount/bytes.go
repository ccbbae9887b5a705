// Package amount writes amounts as people say them, and reads those of data: 20 GiB, 3 blobs, 2h5m.
package amount

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bytes is an amount of data, written "20 GiB", "1.5GB", "4096". Zero is "0".
type Bytes int64

// unit is a power with its name. The short names of disks' makers are taken for what they say: GB is 10⁹.
type unit struct {
	name string
	size int64
}

func units() []unit {
	return []unit{
		{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
		{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1},
	}
}

// ParseBytes reads what String writes.
func ParseBytes(text string) (Bytes, error) {
	number, size := strings.TrimSpace(text), int64(1)
	for _, u := range units() {
		if head, ok := cutSuffixFold(number, u.name); ok {
			number, size = strings.TrimSpace(head), u.size
			break
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(n) || n < 0 || n*float64(size) >= math.MaxInt64 {
		return 0, fmt.Errorf("%q is no amount of data: write it as 20GiB, 500MB or 4096", text)
	}
	return Bytes(n * float64(size)), nil
}

// String is at most three digits and a binary unit; thousands of TiB are written out.
func (b Bytes) String() string {
	largest := units()[0]
	if n := float64(b) / float64(largest.size); n >= 999.5 {
		return strconv.FormatFloat(n, 'f', 0, 64) + " " + largest.name
	}
	for _, u := range units()[:4] {
		if n := float64(b) / float64(u.size); n >= 999.5/1024 {
			return strconv.FormatFloat(n, 'g', 3, 64) + " " + u.name
		}
	}
	return fmt.Sprintf("%d B", int64(b))
}

func cutSuffixFold(s, suffix string) (string, bool) {
	if len(s) < len(suffix) || !strings.EqualFold(s[len(s)-len(suffix):], suffix) {
		return s, false
	}
	return s[:len(s)-len(suffix)], true
}
