package digest

// fixed prepares the codes that every stream may use unsaid (section 3.2.6).
func (u *unpacker) fixed() bool {
	var lengths [288 + 32]uint8
	for i := range lengths {
		switch {
		case i < 144, i >= 280 && i < 288:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		case i < 280:
			lengths[i] = 7
		default:
			lengths[i] = 5
		}
	}
	return u.literals.build(lengths[:288], literalMeanings) && u.distances.build(lengths[288:], distanceMeanings)
}

// dynamic reads the codes of a block (section 3.2.7).
func (u *unpacker) dynamic() bool {
	u.fill()
	head, ok := u.take(14)
	literals, distances, n := head&31+257, head>>5&31+1, head>>10+4
	if !ok || literals > maxLiterals || distances > maxDistances {
		return false
	}
	var lengths [len(lengthOrder)]uint8
	for _, symbol := range lengthOrder[:n] {
		u.fill()
		length, ok := u.take(3)
		if !ok {
			return false
		}
		lengths[symbol] = uint8(length)
	}
	all := u.lengths[:literals+distances]
	return u.literals.build(lengths[:], lengthMeanings) && u.readLengths(all) &&
		u.literals.build(all[:literals], literalMeanings) && u.distances.build(all[literals:], distanceMeanings)
}

// readLengths reads how long the codes are, with the code in u.literals.
func (u *unpacker) readLengths(all []uint8) bool {
	for i := 0; i < len(all); {
		u.fill()
		c, used := u.literals.find(u.held)
		if used == 0 || used > u.n {
			return false
		}
		_, _ = u.take(used) // they are there
		if c.value() < 16 {
			all[i] = uint8(c.value())
			i++
			continue
		}
		times, length, ok := u.again(c.value(), all[:i])
		if !ok || i+times > len(all) {
			return false
		}
		for range times {
			all[i] = length
			i++
		}
	}
	return true
}

// again is how often which length is repeated.
func (u *unpacker) again(symbol int, before []uint8) (times int, length uint8, ok bool) {
	switch symbol {
	case 16:
		if len(before) == 0 {
			return 0, 0, false
		}
		times, ok = u.take(2)
		return times + 3, before[len(before)-1], ok
	case 17:
		times, ok = u.take(3)
		return times + 3, 0, ok
	}
	times, ok = u.take(7)
	return times + 11, 0, ok
}

// The meanings of symbols (RFC 1951, section 3.2.5).
//
//nolint:gochecknoglobals // constants that Go cannot write as such
var (
	literalMeanings  = meanLiterals()
	distanceMeanings = meanDistances()
	lengthMeanings   = meanLengths()
	// lengthOrder is the order in which the lengths of the code for lengths come (section 3.2.7).
	lengthOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
)

// meanLiterals are bytes, the end, and lengths. The last two of the fixed code mean nothing.
func meanLiterals() []code {
	all := make([]code, 288)
	for i := range 256 {
		all[i] = isLiteral | code(i)<<16
	}
	all[256] = isEnd
	value := 3
	for i := 257; i < maxLiterals-1; i++ {
		extra := max(0, (i-261)/4)
		all[i] = code(value)<<16 | code(extra)<<4
		value += 1 << extra
	}
	all[maxLiterals-1] = longestMatch << 16
	return all
}

// meanDistances are those of matches. The last two of the fixed code mean nothing.
func meanDistances() []code {
	all := make([]code, 32)
	value := 1
	for i := range maxDistances {
		extra := max(0, (i-2)/2)
		all[i] = code(value)<<16 | code(extra)<<4
		value += 1 << extra
	}
	return all
}

// meanLengths are the numbers of the symbols themselves.
func meanLengths() []code {
	all := make([]code, len(lengthOrder))
	for i := range all {
		all[i] = isLiteral | code(i)<<16
	}
	return all
}
