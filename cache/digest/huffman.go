package digest

import "math/bits"

// code is one entry of a table: what the next bits of a stream mean (RFC 1951, section 3.2.5). The zero code means nothing.
//
//	bits  0..3   how many bits the code takes
//	bits  4..7   how many extra bits follow it, or how many bits the second table takes
//	bits  8..10  what it is; none of them: a length or a distance
//	bits 16..31  the byte, the smallest length or distance, or where the second table begins
type code uint32

const (
	isLiteral code = 1 << 8
	isEnd     code = 1 << 9
	isTable   code = 1 << 10 // the rest of the bits is looked up in a second table
)

func (c code) taken() uint { return uint(c & 15) }
func (c code) extra() uint { return uint(c >> 4 & 15) }
func (c code) value() int  { return int(c >> 16) }

const (
	maxCode = 15 // bits
	// firstBits are how many bits are looked up at once; few codes are longer.
	firstBits = 10
	// tableSize has room for the first table and all second ones: of 288 symbols in a complete code at least two begin with
	// the same bits where a second table is needed, so that there are 144 of at most 32 entries.
	tableSize = 1<<firstBits + 144<<(maxCode-firstBits)
)

// table finds codes by the bits that come first.
type table [tableSize]code

// find is the code that the next bits begin with, and how many of them it takes; 0: there is none.
func (t *table) find(held uint64) (code, uint) {
	c := t[held&(1<<firstBits-1)]
	if c&isTable == 0 {
		return c, c.taken()
	}
	if c = t[uint64(c.value())+held>>firstBits&(1<<c.extra()-1)]; c == 0 {
		return 0, 0
	}
	return c, c.taken() + firstBits
}

// build fills the table for symbols whose codes have the given lengths; 0: it has none. Meaning is what each symbol stands
// for. It says no where compress/flate does: codes must use up all bits, unless there are none, or only one of one bit.
func (t *table) build(lengths []uint8, meaning []code) bool {
	var count [maxCode + 1]int
	for _, n := range lengths {
		count[n]++
	}
	count[0] = 0
	var next [maxCode + 2]int
	longest, all := 0, 0
	for n := 1; n <= maxCode; n++ {
		next[n+1] = (next[n] + count[n]) << 1
		all += count[n] << (maxCode - n)
		if count[n] > 0 {
			longest = n
		}
	}
	single := longest == 1 && count[1] == 1
	if longest > 0 && all != 1<<maxCode && !single {
		return false
	}
	if longest == 0 || single {
		clear(t[:1<<firstBits])
	}
	t.enter(lengths, meaning, next, longest)
	return true
}

// enter puts each code where the bits that begin with it are looked up; its first bit is the lowest there. Next are the first
// codes of each length.
func (t *table) enter(lengths []uint8, meaning []code, next [maxCode + 2]int, longest int) {
	long := next[firstBits+1] >> 1 // from here on, the first bits lead to a second table
	second := max(longest-firstBits, 0)
	for symbol, n := range lengths {
		if n == 0 {
			continue
		}
		number, entry := next[n], code(0)
		if means := meaning[symbol]; means != 0 {
			entry = means | code(n)
			if n > firstBits {
				entry -= firstBits
			}
		}
		next[n]++
		reversed := int(bits.Reverse16(uint16(number)) >> (16 - n))
		if n <= firstBits {
			for i := reversed; i < 1<<firstBits; i += 1 << n {
				t[i] = entry
			}
			continue
		}
		start := 1<<firstBits + (number>>(n-firstBits)-long)<<second
		t[reversed&(1<<firstBits-1)] = isTable | code(start)<<16 | code(second)<<4 | firstBits
		for i := reversed >> firstBits; i < 1<<second; i += 1 << (n - firstBits) {
			t[start+i] = entry
		}
	}
}
