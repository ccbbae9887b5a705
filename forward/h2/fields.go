package h2

import (
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// What follows encodes header fields so that they suit every connection: by the static table and by themselves, never by
// the dynamic table (RFC 7541). That costs bytes, which are cheap on loopback, and makes a block that can lie ready.

// AppendStatus begins the block of an answer.
func AppendStatus(dst []byte, status int) []byte {
	switch status {
	case 200:
		return append(dst, 0x80|8)
	case 204:
		return append(dst, 0x80|9)
	case 206:
		return append(dst, 0x80|10)
	case 304:
		return append(dst, 0x80|11)
	case 400:
		return append(dst, 0x80|12)
	case 404:
		return append(dst, 0x80|13)
	case 500:
		return append(dst, 0x80|14)
	}
	dst = append(dst, 8, 3)
	return strconv.AppendInt(dst, int64(status), 10)
}

// AppendField adds one field to a block. The name may be in any case. A field that HTTP/2 cannot carry is left out.
func AppendField(dst []byte, name, value string) []byte {
	value = strings.Trim(value, " \t")
	if !validValue(value) || !httpguts.ValidHeaderFieldName(name) {
		return dst
	}
	if i := staticName(name); i > 0 {
		dst = appendInt(dst, 0, 4, i)
	} else {
		dst = appendInt(append(dst, 0), 0, 7, len(name))
		for i := range len(name) {
			dst = append(dst, lower(name[i]))
		}
	}
	dst = appendInt(dst, 0, 7, len(value))
	return append(dst, value...)
}

// AppendHeader adds all fields of h to a block, without those that speak of an HTTP/1 connection.
func AppendHeader(dst []byte, h http.Header) []byte {
	for name, values := range h {
		if perConnection(name) {
			continue
		}
		for _, v := range values {
			dst = AppendField(dst, name, v)
		}
	}
	return dst
}

// perConnection says that a field in canonical form must not be sent over HTTP/2 (RFC 9113 section 8.2.2).
func perConnection(name string) bool {
	switch name {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade", "Te":
		return true
	}
	return false
}

// appendInt is an integer with a prefix of so many bits (RFC 7541 section 5.1).
func appendInt(dst []byte, first byte, bits, n int) []byte {
	most := 1<<bits - 1
	if n < most {
		return append(dst, first|byte(n))
	}
	dst = append(dst, first|byte(most))
	for n -= most; n >= 0x80; n >>= 7 {
		dst = append(dst, byte(n)|0x80)
	}
	return append(dst, byte(n))
}

// staticName is the place of a name in the static table (RFC 7541 appendix A); 0: it has none there, or is rare.
func staticName(name string) int {
	switch name {
	case "Accept-Ranges", "accept-ranges":
		return 18
	case "Age", "age":
		return 21
	case "Cache-Control", "cache-control":
		return 24
	case "Content-Encoding", "content-encoding":
		return 26
	case "Content-Length", "content-length":
		return 28
	case "Content-Range", "content-range":
		return 30
	case "Content-Type", "content-type":
		return 31
	case "Date", "date":
		return 33
	case "Etag", "etag":
		return 34
	case "Last-Modified", "last-modified":
		return 44
	case "Location", "location":
		return 46
	case "Vary", "vary":
		return 59
	case "Via", "via":
		return 60
	}
	return 0
}

func lower(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		return b | 0x20
	}
	return b
}

// validLower is httpguts.ValidHeaderFieldName for HTTP/2, which knows no upper case.
func validLower(name string) bool {
	for i := range len(name) {
		if b := name[i]; b-'a' >= 26 && b != '-' && (!httpguts.IsTokenRune(rune(b)) || b-'A' < 26) {
			return false
		}
	}
	return name != ""
}

// validValue says whether a value holds nothing that an HTTP/1 hop behind us could take for the end of a line (RFC 9113
// section 8.2.1).
func validValue(value string) bool {
	for i := range len(value) {
		if b := value[i]; b < ' ' && b != '\t' || b == 0x7f {
			return false
		}
	}
	return value == "" || !blank(value[0]) && !blank(value[len(value)-1])
}

func blank(b byte) bool { return b == ' ' || b == '\t' }
