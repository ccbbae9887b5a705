package digest

import "encoding/binary"

const (
	// longestMatch is how many bytes one match repeats at most.
	longestMatch = 258
	// slack is how far behind the end of a match may be written, in bytes.
	slack = 8

	maxLiterals, maxDistances = 286, 30 // symbols (RFC 1951, section 3.2.7)
)

// unpacker inflates what is in memory as a whole, in less than half the time of compress/flate, which works byte by byte. It
// takes nothing that compress/flate refuses: the client unpacks with that, and what only we can read must not be kept for it.
// What it does not take is to be given to compress/flate, which knows why. It is reused, and for one goroutine.
type unpacker struct {
	in   []byte
	at   int    // of the next byte of in
	held uint64 // bits of the bytes before, the next one lowest; behind n of them is nothing that counts
	n    uint   // how many

	out  []byte // with room for one match too many
	size int    // bytes of out that are unpacked
	most int    // how many they may be

	literals, distances table
	lengths             [maxLiterals + maxDistances]uint8
}

// inflate returns what in unpacks to, at most most bytes, valid until the next call; false if in is damaged, or ends too early,
// or unpacks to more. What is behind the end counts for nothing.
func (u *unpacker) inflate(in []byte, most int) ([]byte, bool) {
	u.in, u.at, u.held, u.n, u.size, u.most = in, 0, 0, 0, 0, most
	if room := most + longestMatch + slack; len(u.out) < room {
		u.out = make([]byte, room+room/4) // the next file may be a little larger
	}
	for {
		u.fill()
		head, ok := u.take(3)
		if !ok {
			return nil, false
		}
		switch head >> 1 {
		case 0:
			ok = u.stored()
		case 1:
			ok = u.fixed() && u.block()
		case 2:
			ok = u.dynamic() && u.block()
		default:
			ok = false
		}
		if !ok || head&1 == 1 {
			return u.out[:u.size], ok
		}
	}
}

// fill holds at least 56 bits, or all that there are.
func (u *unpacker) fill() {
	if u.at+8 <= len(u.in) {
		u.held |= binary.LittleEndian.Uint64(u.in[u.at:]) << u.n
		u.at += int(63-u.n) >> 3
		u.n |= 56
		return
	}
	for u.n < 56 && u.at < len(u.in) {
		u.held |= uint64(u.in[u.at]) << u.n
		u.at++
		u.n += 8
	}
}

// take takes up to 16 bits.
func (u *unpacker) take(n uint) (int, bool) {
	if n > u.n {
		return 0, false
	}
	v := int(u.held & (1<<n - 1))
	u.held >>= n
	u.n -= n
	return v, true
}

// stored copies a block that was not packed (section 3.2.4). It begins at a whole byte.
func (u *unpacker) stored() bool {
	u.at -= int(u.n / 8)
	u.held, u.n = 0, 0
	rest := u.in[u.at:]
	if len(rest) < 4 {
		return false
	}
	n, check := binary.LittleEndian.Uint16(rest), binary.LittleEndian.Uint16(rest[2:])
	if n != ^check || len(rest)-4 < int(n) || u.size+int(n) > u.most {
		return false
	}
	u.size += copy(u.out[u.size:], rest[4:4+int(n)])
	u.at += 4 + int(n)
	return true
}

// block unpacks what two codes have packed. Forty-eight bits are the most that one match takes, so they are filled up once for
// each. This is where the time goes: what lies in u would be loaded and stored for each bit.
func (u *unpacker) block() bool {
	in, at, held, n, out, size := u.in, u.at, u.held, u.n, u.out, u.size
	for size <= u.most {
		if at+8 <= len(in) {
			held |= binary.LittleEndian.Uint64(in[at:]) << n
			at += int(63-n) >> 3
			n |= 56
		} else {
			u.at, u.held, u.n = at, held, n
			u.fill()
			at, held, n = u.at, u.held, u.n
		}
		c, used := u.literals.find(held)
		if used > n || used == 0 {
			return false
		}
		held >>= used
		n -= used
		if c&isLiteral != 0 {
			out[size] = byte(c >> 16)
			size++
			continue
		}
		if c&isEnd != 0 {
			u.at, u.held, u.n, u.size = at, held, n, size
			return true
		}
		extra := c.extra()
		length := c.value() + int(held&(1<<extra-1))
		held >>= extra
		d, used := u.distances.find(held)
		more := d.extra()
		if used == 0 || extra+used+more > n {
			return false
		}
		distance := d.value() + int(held>>used&(1<<more-1))
		held >>= used + more
		n -= extra + used + more
		if distance > size {
			return false
		}
		repeat(out[:size+length+slack], size, distance)
		size += length
	}
	return false
}

// repeat copies what lies so far back to the end of out, of which the last bytes are slack. The two may overlap.
func repeat(out []byte, at, back int) {
	end := len(out) - slack
	if back >= 8 {
		for ; at < end; at += 8 {
			binary.LittleEndian.PutUint64(out[at:], binary.LittleEndian.Uint64(out[at-back:]))
		}
		return
	}
	for start := at - back; at < end; {
		at += copy(out[at:end], out[start:at])
	}
}
