package h2

// queue holds streams that can send: short answers in front of long ones, and within each in turns.
type queue struct{ short, long line }

func (q *queue) empty() bool { return q.short.empty() && q.long.empty() }

func (q *queue) push(st *stream) {
	if st.long() {
		q.long.push(st)
	} else {
		q.short.push(st)
	}
}

// pop takes the next stream, a short one if there is and shortFirst says so. nil: there is none.
func (q *queue) pop(shortFirst bool) *stream {
	first, second := &q.short, &q.long
	if !shortFirst {
		first, second = second, first
	}
	st := first.pop()
	if st == nil {
		st = second.pop()
	}
	if st != nil {
		st.queued = false
	}
	return st
}

// line is first in, first out.
type line struct {
	streams []*stream
	at      int
}

func (l *line) empty() bool { return l.at == len(l.streams) }

func (l *line) push(st *stream) {
	if l.at > 64 && l.at > len(l.streams)/2 {
		n := copy(l.streams, l.streams[l.at:])
		clear(l.streams[n:])
		l.streams, l.at = l.streams[:n], 0
	}
	l.streams = append(l.streams, st)
}

func (l *line) pop() *stream {
	if l.empty() {
		return nil
	}
	st := l.streams[l.at]
	l.streams[l.at] = nil
	if l.at++; l.empty() {
		l.streams, l.at = l.streams[:0], 0
	}
	return st
}
