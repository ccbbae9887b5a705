package h2

import (
	"context"
	"net/http"

	"golang.org/x/net/http2/hpack"
)

// Head is a request without body, as Ready sees it. It is valid until Ready returns; its strings live on.
type Head struct {
	Method    string
	Scheme    string              // "https" or "http", as the client says
	Authority string              // the host that is asked, with its port if the client says one
	Path      string              // with query, as it came
	Fields    []hpack.HeaderField // the others, in lower case, in order, and fit to be sent on
	Context   context.Context     // of the connection: what BaseContext and ConnContext made

	length int64 // Content-Length; -1: the client did not say
}

// Get is the first value of a field, whose name is in lower case; empty: there is none.
func (h *Head) Get(name string) string {
	for i := range h.Fields {
		if h.Fields[i].Name == name {
			return h.Fields[i].Value
		}
	}
	return ""
}

// Reply is an answer that lies ready. The server reads it after Ready has returned, until the client has it: it must not
// change any more. The same one may be sent on many connections at once.
type Reply struct {
	// Block is the header block: AppendStatus, then AppendField or AppendHeader. The server adds Date.
	Block []byte
	// More is added to Block: what changes by the second, such as Age. nil: nothing.
	More []byte
	// Body is left out when the method is HEAD. Block holds its Content-Length, if that is to be told.
	Body []byte
}

// reply sends what lies ready: into the buffer if there is room for the whole, else as a stream that needs no handler.
// heard: the client sends no body.
func (c *conn) reply(id uint32, heard bool, r *Reply) {
	body := r.Body
	if c.head.Method == http.MethodHead {
		body = nil
	}
	date := c.server.dateBlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.outLocked().b)+len(body) > outGoal {
		c.settleLocked()
	}
	if !c.straightLocked(len(body)) {
		st := c.openLocked(id, heard)
		st.block = append(append(append([]byte(nil), r.Block...), r.More...), date...)
		st.pending, st.end = body, true
		c.queueLocked(st)
		return
	}
	c.served++
	out := c.outLocked()
	out.b = appendBlock(out.b, id, len(body) == 0, c.tableUpdateLocked(), r.Block, r.More, date)
	for len(body) > 0 {
		n := min(len(body), maxFrame)
		flags := uint8(0)
		if n == len(body) {
			flags = flagEndStream
		}
		out.b = append(appendHead(out.b, frameData, flags, id, n), body[:n]...)
		body = body[n:]
		c.window -= int64(n)
	}
	if !heard {
		c.cutLocked(id, codeNone, errDone)
	}
}

// straightLocked says whether an answer may be written ahead of nobody, and without asking for leave.
func (c *conn) straightLocked(body int) bool {
	return c.err == nil && c.queue.empty() && len(c.outLocked().b)+body <= outGoal && int64(body) <= min(c.window, c.initialWindow)
}
