package forward

import (
	"bufio"
	"bytes"
	"net/textproto"
	"net/url"
	"strings"
	"time"
)

// readHead reads the head of a client's first request, leaves it where it is, and takes from it what host is meant. It stops
// as soon as that is no HTTP/1.
func (g *guest) readHead(c *caller) {
	g.SetReadDeadline(time.Now().Add(g.patience()))
	defer g.SetReadDeadline(time.Time{})
	var block [4 << 10]byte
	for c.speaks = jargon; ; {
		end := headEnd(g.head)
		if end > 0 {
			c.understand(g.head[:end])
			return
		}
		if end < 0 || len(g.head) >= maxHeader {
			return
		}
		n, err := g.Conn.Read(block[:])
		g.head = append(g.head, block[:n]...)
		if err != nil {
			return
		}
	}
}

// headEnd is how long the head at the beginning of p is; 0: not all of it is there; negative: it is none of HTTP/1. Empty
// lines before it are a fault that servers may forgive (RFC 9112, section 2.2); its line then is none, and this does not.
func headEnd(p []byte) int {
	line := bytes.IndexByte(p, '\n')
	if line < 0 {
		if len(p) > maxHeader/2 {
			return -1
		}
		return 0
	}
	if !bytes.Contains(p[:line], []byte(" HTTP/1.")) {
		return -1
	}
	for at := line + 1; ; {
		end := bytes.IndexByte(p[at:], '\n')
		switch {
		case end < 0:
			return 0
		case end == 0 || end == 1 && p[at] == '\r':
			return at + end + 1
		}
		at += end + 1
	}
}

// understand reads a head. One that can be understood in two ways names no host: whoever is behind shall decide.
func (c *caller) understand(head []byte) {
	c.speaks = inHTTP
	r := textproto.NewReader(bufio.NewReader(bytes.NewReader(head)))
	line, err := r.ReadLine()
	if err != nil {
		return
	}
	method, rest, _ := strings.Cut(line, " ")
	target, version, ok := strings.Cut(rest, " ")
	if !ok || target == "" || !strings.HasPrefix(version, "HTTP/1.") || strings.ContainsRune(version, ' ') {
		return
	}
	fields, err := r.ReadMIMEHeader()
	if err != nil {
		return
	}
	if hosts := fields["Host"]; len(hosts) == 1 {
		c.name = hosts[0]
	}
	switch {
	case method == "CONNECT":
		c.proxy, c.tunnel, c.name = true, true, target
	case strings.HasPrefix(target, "/") || target == "*":
	default: // the whole URL counts, and not the Host field (RFC 9112, section 3.2.2)
		c.proxy, c.name = true, ""
		if u, err := url.Parse(target); err == nil && strings.EqualFold(u.Scheme, "http") {
			c.name = u.Host
		}
	}
}
