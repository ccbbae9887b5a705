package forward

import (
	"bytes"
	"strings"
)

// head is the head of a request without a body, in HTTP/1.1, as its bytes stand in the buffer of a connection.
type head struct {
	hot       bool // a GET in which nothing asks for more than the usual answer
	host      []byte
	target    []byte
	accept    []byte
	integrity []byte // Pacote-Integrity
}

// What readHead found instead of a head.
const (
	unfinished = 0  // it is not all there yet
	strange    = -1 // where it ends, or what follows it, only net/http shall decide
)

// longestName is that of the longest header field that is looked at. Those with longer names are not known.
const longestName = 24

// readHead reads the head of a request at the beginning of p and returns its length. It knows only what cannot be
// understood in two ways, so that net/http sees the end of the head in the same place: HTTP/1.1, GET or HEAD, lines that
// end in CRLF, no folding, and nothing that announces a body or another protocol (RFC 9112, sections 2 to 6).
func readHead(p []byte) (h head, length int) {
	end := bytes.IndexByte(p, '\n')
	if end < 0 {
		return h, awaits(p)
	}
	if !h.requestLine(p[:end]) {
		return h, strange
	}
	hosts := 0
	for at := end + 1; ; {
		line := p[at:]
		end := bytes.IndexByte(line, '\n')
		if end < 0 {
			return h, unfinished
		}
		line = line[:end]
		at += end + 1
		if len(line) == 1 && line[0] == '\r' {
			h.hot = h.hot && hosts == 1
			return h, at
		}
		if !h.field(line, &hosts) {
			return h, strange
		}
	}
}

// awaits says whether more of p may become a request line.
func awaits(p []byte) int {
	for _, method := range [...]string{"GET ", "HEAD "} {
		if n := min(len(p), len(method)); string(p[:n]) == method[:n] {
			return unfinished
		}
	}
	return strange
}

// requestLine reads METHOD TARGET HTTP/1.1 with its CR.
func (h *head) requestLine(line []byte) bool {
	rest, ok := bytes.CutSuffix(line, []byte(" HTTP/1.1\r"))
	if !ok {
		return false
	}
	switch {
	case bytes.HasPrefix(rest, []byte("GET ")):
		h.hot, h.target = true, rest[4:]
	case bytes.HasPrefix(rest, []byte("HEAD ")):
		h.target = rest[5:]
	default:
		return false
	}
	for _, c := range h.target {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return len(h.target) > 0
}

// field reads NAME: VALUE with its CR, and counts the hosts that are named.
func (h *head) field(line []byte, hosts *int) bool {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 || line[len(line)-1] != '\r' {
		return false
	}
	var lower [longestName]byte
	name, value := line[:colon], bytes.Trim(line[colon+1:len(line)-1], " \t")
	for i, c := range name {
		if !isToken(c) {
			return false
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if i < len(lower) {
			lower[i] = c
		}
	}
	for _, c := range value {
		if c < ' ' && c != '\t' || c >= 0x7f {
			return false
		}
	}
	if len(name) > len(lower) {
		h.hot = false // nothing of interest has so long a name
		return true
	}
	return h.known(lower[:len(name)], value, hosts)
}

// known takes what the key is made of. False: the field is about a body or another protocol.
func (h *head) known(name, value []byte, hosts *int) bool {
	switch string(name) {
	case "content-length", "transfer-encoding", "upgrade", "expect", "trailer":
		return false
	case "host":
		*hosts++
		h.host = value
	case "accept":
		h.hot = h.hot && h.accept == nil
		h.accept = value
	case "pacote-integrity":
		h.hot = h.hot && h.integrity == nil
		h.integrity = value
	}
	h.hot = h.hot && len(value) > 0 && harmless(name, value)
	return true
}

// isToken says whether c may stand in the name of a header field (RFC 9110, section 5.6.2).
func isToken(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-':
		return true
	}
	return strings.IndexByte("!#$%&'*+.^_`|~", c) >= 0
}
