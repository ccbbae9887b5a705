//go:build linux

package main

import "time"

// packet waits until it is due.
type packet struct {
	due time.Duration
	buf []byte
	out int // the device that it goes to
}

// queue is first in, first out, in a ring that grows. The zero queue is empty.
type queue struct {
	ring  []packet
	first int
	size  int
}

// leastRing is how many packets the first ring holds.
const leastRing = 64

func (q *queue) push(p packet) {
	if q.size == len(q.ring) {
		q.grow()
	}
	q.ring[(q.first+q.size)%len(q.ring)] = p
	q.size++
}

func (q *queue) grow() {
	wider := make([]packet, max(leastRing, 2*len(q.ring)))
	for i := range q.size {
		wider[i] = q.ring[(q.first+i)%len(q.ring)]
	}
	q.ring, q.first = wider, 0
}

// head is the packet that pop returns next. The queue must not be empty, here as there.
func (q *queue) head() packet { return q.ring[q.first] }

func (q *queue) pop() packet {
	p := q.ring[q.first]
	q.ring[q.first].buf = nil
	q.first = (q.first + 1) % len(q.ring)
	q.size--
	return p
}
