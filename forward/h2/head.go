package h2

import (
	"encoding/binary"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/http2/hpack"
)

// block is a header block that is being received.
type block struct {
	open   bool // more CONTINUATION must follow
	id     uint32
	end    bool   // END_STREAM
	self   bool   // the stream depends on itself
	raw    []byte // what came until now, if it came in more than one frame
	frames int
	limit  int // bytes, encoded and decoded
	size   int // decoded; section 6.5.2
	fields []hpack.HeaderField
}

// maxBlockFrames bounds the CONTINUATION flood (CVE-2024-27316) by number, as limit does by bytes.
const maxBlockFrames = 64

// emit takes a decoded field. What is beyond the limit is only counted: it must be decoded, for what follows refers to it.
func (b *block) emit(f hpack.HeaderField) {
	if b.size += int(f.Size()); b.size <= b.limit {
		b.fields = append(b.fields, f)
	}
}

// receiveHeaders is section 6.2.
func (c *conn) receiveHeaders(f *frame) error {
	if f.stream%2 == 0 {
		return connError{codeProtocol, "a request on a stream that is not the client's"}
	}
	if err := f.unpad(); err != nil {
		return err
	}
	self := false
	if f.has(flagPriority) {
		if len(f.payload) < 5 {
			return connError{codeFrameSize, "a header frame that is too short"}
		}
		self = binary.BigEndian.Uint32(f.payload)&^(1<<31) == f.stream
		f.payload = f.payload[5:]
	}
	b := &c.block
	b.id, b.end, b.self, b.frames = f.stream, f.has(flagEndStream), self, 1
	if f.has(flagEndHeaders) {
		return c.decode(f.payload)
	}
	b.raw = append(b.raw[:0], f.payload...)
	c.blockOpens(true)
	return nil
}

// receiveContinuation is section 6.10.
func (c *conn) receiveContinuation(f *frame) error {
	b := &c.block
	if !b.open {
		return connError{codeProtocol, "a continuation of nothing"}
	}
	if b.frames++; len(b.raw)+len(f.payload) > b.limit || b.frames > maxBlockFrames {
		return connError{codeCalm, "a header block without end"}
	}
	b.raw = append(b.raw, f.payload...)
	if !f.has(flagEndHeaders) {
		return nil
	}
	c.blockOpens(false)
	err := c.decode(b.raw)
	b.raw = nil
	return err
}

// blockOpens tells the tick that the client owes the rest of a header block.
func (c *conn) blockOpens(open bool) {
	c.block.open = open
	c.mu.Lock()
	c.inBlock, c.quiet = open, 0
	c.mu.Unlock()
}

// decode makes fields of a whole block, and hands them to the stream they are for.
func (c *conn) decode(raw []byte) error {
	b := &c.block
	b.fields, b.size = b.fields[:0], 0
	_, err := c.decoder.Write(raw)
	if err == nil {
		err = c.decoder.Close()
	}
	if err != nil {
		return connError{codeCompression, "a header block that cannot be read: " + err.Error()}
	}
	c.mu.Lock()
	if b.id <= c.last {
		defer c.mu.Unlock()
		return c.trailersLocked(b)
	}
	c.last = b.id
	refuse := len(c.streams) >= c.maxStreams()
	leaving := c.leaving
	if leaving && !b.end {
		c.rememberLocked(b.id) // its body is on its way, and no fault of the streams that still run
	}
	c.mu.Unlock()
	switch {
	case leaving:
		return c.temper.spend(costTrifle) // it knows that nobody hears this request
	case b.self:
		return streamError{b.id, codeProtocol, "a stream that depends on itself"}
	case refuse:
		return streamError{b.id, codeRefused, "too many requests at once"}
	}
	return c.request(b)
}

// trailersLocked takes the fields after a body.
func (c *conn) trailersLocked(b *block) error {
	st := c.streams[b.id]
	switch {
	case st == nil && c.wasCutLocked(b.id):
		return nil
	case st == nil:
		return connError{codeStreamClosed, "a request on a stream that is closed"}
	case st.heard:
		return streamError{b.id, codeStreamClosed, "trailers after the end"}
	case !b.end:
		return streamError{b.id, codeProtocol, "trailers that are not the end"}
	case b.size > b.limit:
		return streamError{b.id, codeCalm, "trailers that are too long"}
	}
	for _, f := range b.fields {
		if strings.HasPrefix(f.Name, ":") || checkField(f) != "" {
			return streamError{b.id, codeProtocol, "trailers that are not fields"}
		}
	}
	if err := st.body.take(nil, 0, true); err != nil {
		err.id = b.id
		return *err
	}
	for _, f := range b.fields {
		st.body.addTrailer(c.canonical(f.Name), f.Value)
	}
	c.hearLocked(st)
	st.turn.Broadcast()
	return nil
}

// parse fills c.head from the fields of a request (section 8.3). It says what is wrong with them; empty: nothing.
func (c *conn) parse(fields []hpack.HeaderField) string {
	h := &c.head
	h.Method, h.Scheme, h.Authority, h.Path, h.length = "", "", "", "", -1
	i := 0
	for ; i < len(fields) && strings.HasPrefix(fields[i].Name, ":"); i++ {
		var place *string
		switch fields[i].Name {
		case ":method":
			place = &h.Method
		case ":scheme":
			place = &h.Scheme
		case ":authority":
			place = &h.Authority
		case ":path":
			place = &h.Path
		default:
			return "an unknown pseudo-header"
		}
		if *place != "" || fields[i].Value == "" || !validValue(fields[i].Value) {
			return "a pseudo-header that comes twice, or is empty"
		}
		*place = fields[i].Value
	}
	h.Fields = fields[i:]
	for _, f := range h.Fields {
		if why := checkField(f); why != "" {
			return why
		}
		switch f.Name {
		case "host":
			if h.Authority != "" && !strings.EqualFold(h.Authority, f.Value) {
				return "two different hosts"
			}
			h.Authority = f.Value
		case "content-length":
			n, err := strconv.ParseUint(f.Value, 10, 63)
			if err != nil || h.length >= 0 || f.Value[0] == '+' {
				return "a length that is none, or comes twice"
			}
			h.length = int64(n)
		}
	}
	return h.check()
}

// check judges the pseudo-headers as a whole (section 8.3.1).
func (h *Head) check() string {
	switch {
	case h.Method == http.MethodConnect && h.Authority != "" && h.Scheme == "" && h.Path == "":
		return ""
	case !httpguts.ValidHeaderFieldName(h.Method):
		return "a method that is none"
	case h.Scheme != "https" && h.Scheme != "http":
		return "a scheme that is not ours"
	case h.Path == "" || h.Path[0] != '/' && (h.Path != "*" || h.Method != http.MethodOptions):
		return "a path that is none"
	case strings.IndexByte(h.Path, ' ') >= 0:
		return "a path that another server would read as two words"
	case strings.ContainsAny(h.Authority, "@/?# "):
		return "a host that is none"
	}
	return ""
}

// checkField says what is wrong with a field that is no pseudo-header; empty: nothing.
func checkField(f hpack.HeaderField) string {
	switch f.Name {
	case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade":
		return "a field of HTTP/1 connections"
	case "te":
		if f.Value != "trailers" {
			return "a TE that HTTP/2 does not know"
		}
	}
	if !validLower(f.Name) {
		return "a field name that is none"
	}
	if !validValue(f.Value) {
		return "a field value that is none"
	}
	return ""
}
