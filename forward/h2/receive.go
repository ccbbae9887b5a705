package h2

import (
	"encoding/binary"
)

// receive does what a frame asks for. A connError ends the connection, a streamError one stream.
func (c *conn) receive(f *frame) error {
	if c.block.open && (f.kind != frameContinuation || f.stream != c.block.id) {
		return connError{codeProtocol, "a header block is interrupted"}
	}
	switch f.kind {
	case frameData:
		return c.receiveData(f)
	case frameHeaders:
		return c.receiveHeaders(f)
	case frameContinuation:
		return c.receiveContinuation(f)
	case framePriority:
		return c.receivePriority(f)
	case frameReset:
		return c.receiveReset(f)
	case frameSettings:
		return c.receiveSettings(f)
	case framePing:
		return c.receivePing(f)
	case frameGoAway:
		return c.receiveGoAway(f)
	case frameWindow:
		return c.receiveWindow(f)
	case framePush:
		return connError{codeProtocol, "a client cannot push"}
	}
	return c.temper.spend(costTrifle) // section 5.5: frames unknown are ignored
}

// notice spends points for a frame that made us answer, and waits while the client does not read what we answer.
func (c *conn) notice(points int) error {
	if err := c.temper.spend(points); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.out != nil && len(c.out.b) > outMost && c.err == nil {
		if c.writing {
			c.drained.Wait()
		} else {
			c.writing = true
			c.pumpLocked(1)
		}
	}
	return c.err
}

// receiveData is section 6.1.
func (c *conn) receiveData(f *frame) error {
	size := len(f.payload) // padding counts for the windows
	if err := f.unpad(); err != nil {
		return err
	}
	end := f.has(flagEndStream)
	cost := 0
	if !end && len(f.payload) == 0 {
		cost = costNotice
	} else if !end && len(f.payload) < trifle {
		cost = costTrifle
	}
	if err := c.temper.spend(cost); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.idleStreamLocked(f.stream) {
		return connError{codeProtocol, "data for a stream that was not begun"}
	}
	if c.recv -= int64(size); c.recv < 0 {
		return connError{codeFlowControl, "more data than the connection's window allows"}
	}
	st := c.streams[f.stream]
	if st == nil || st.heard {
		c.creditLocked(size)
		if st == nil && c.wasCutLocked(f.stream) {
			return nil
		}
		return streamError{f.stream, codeStreamClosed, "data after the end"}
	}
	if err := st.body.take(f.payload, size, end); err != nil {
		c.creditLocked(size)
		err.id = f.stream
		return *err
	}
	if st.body.closed {
		c.creditLocked(len(f.payload))
	}
	if padding := size - len(f.payload); padding > 0 {
		st.returnLocked(padding)
	}
	if end {
		c.hearLocked(st)
	}
	st.turn.Broadcast()
	return nil
}

// idleStreamLocked says that a client has not begun a stream, or cannot.
func (c *conn) idleStreamLocked(id uint32) bool { return id == 0 || id%2 == 0 || id > c.last }

// receivePriority is section 6.3. We have our own opinion of what comes first.
func (c *conn) receivePriority(f *frame) error {
	switch {
	case f.stream == 0:
		return connError{codeProtocol, "a priority for no stream"}
	case len(f.payload) != 5:
		return streamError{f.stream, codeFrameSize, "a priority of the wrong length"}
	case binary.BigEndian.Uint32(f.payload)&^(1<<31) == f.stream:
		return streamError{f.stream, codeProtocol, "a stream that depends on itself"}
	}
	return c.temper.spend(costTrifle)
}

// receiveReset is section 6.4.
func (c *conn) receiveReset(f *frame) error {
	if len(f.payload) != 4 {
		return connError{codeFrameSize, "a reset of the wrong length"}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.idleStreamLocked(f.stream) {
		return connError{codeProtocol, "a reset of a stream that was not begun"}
	}
	if st := c.streams[f.stream]; st != nil {
		c.dropLocked(st, errReset)
		return c.temper.spend(costNotice)
	}
	return c.temper.spend(costTrifle)
}

// receiveSettings is section 6.5.
func (c *conn) receiveSettings(f *frame) error {
	switch {
	case f.stream != 0:
		return connError{codeProtocol, "settings of a stream"}
	case f.has(flagAck) && len(f.payload) > 0 || len(f.payload)%6 != 0:
		return connError{codeFrameSize, "settings of the wrong length"}
	case f.has(flagAck):
		return c.temper.spend(costTrifle)
	}
	c.mu.Lock()
	for p := f.payload; len(p) > 0; p = p[6:] {
		if err := c.setLocked(binary.BigEndian.Uint16(p), binary.BigEndian.Uint32(p[2:])); err != nil {
			c.mu.Unlock()
			return err
		}
	}
	out := c.outLocked()
	out.b = appendHead(out.b, frameSettings, flagAck, 0, 0)
	c.mu.Unlock()
	return c.notice(costNotice + len(f.payload)/60)
}

// setLocked obeys one setting of the client (section 6.5.2).
func (c *conn) setLocked(setting uint16, value uint32) error {
	switch setting {
	case settingTableSize:
		c.tableUpdate = []byte{0x20} // we keep no table, which the next block has to say (RFC 7541 section 4.2)
	case settingPush:
		if value > 1 {
			return connError{codeProtocol, "ENABLE_PUSH is neither 0 nor 1"}
		}
	case settingInitialWindow:
		if value > maxWindow {
			return connError{codeFlowControl, "INITIAL_WINDOW_SIZE is too large"}
		}
		return c.widenLocked(int64(value))
	case settingMaxFrame:
		if value < maxFrame || value > 1<<24-1 {
			return connError{codeProtocol, "MAX_FRAME_SIZE is out of bounds"}
		}
	}
	return nil
}

// widenLocked changes the window of all streams (section 6.9.2).
func (c *conn) widenLocked(window int64) error {
	change := window - c.initialWindow
	c.initialWindow = window
	for _, st := range c.streams {
		if st.window += change; st.window > maxWindow {
			return connError{codeFlowControl, "INITIAL_WINDOW_SIZE makes a window too large"}
		}
		c.resumeLocked(st)
	}
	return nil
}

// resumeLocked queues a stream that waited for its window.
func (c *conn) resumeLocked(st *stream) {
	if !st.queued && st.window > 0 && len(st.pending) > 0 {
		c.queueLocked(st)
	}
}

// receivePing is section 6.7.
func (c *conn) receivePing(f *frame) error {
	switch {
	case f.stream != 0:
		return connError{codeProtocol, "a ping of a stream"}
	case len(f.payload) != 8:
		return connError{codeFrameSize, "a ping of the wrong length"}
	case f.has(flagAck):
		return c.temper.spend(costNotice)
	}
	c.mu.Lock()
	out := c.outLocked()
	out.b = append(appendHead(out.b, framePing, flagAck, 0, 8), f.payload...)
	c.mu.Unlock()
	return c.notice(costNotice)
}

// receiveGoAway is section 6.8: the client begins no more streams.
func (c *conn) receiveGoAway(f *frame) error {
	if f.stream != 0 {
		return connError{codeProtocol, "a farewell of a stream"}
	}
	if len(f.payload) < 8 {
		return connError{codeFrameSize, "a farewell that is too short"}
	}
	c.mu.Lock()
	c.leaveLocked()
	c.mu.Unlock()
	return c.temper.spend(costNotice)
}

// receiveWindow is section 6.9.
func (c *conn) receiveWindow(f *frame) error {
	if len(f.payload) != 4 {
		return connError{codeFrameSize, "a window update of the wrong length"}
	}
	n := int64(binary.BigEndian.Uint32(f.payload) &^ (1 << 31))
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.stream == 0 {
		if n == 0 {
			return connError{codeProtocol, "a window that grows by nothing"}
		}
		if c.window += n; c.window > maxWindow {
			return connError{codeFlowControl, "the connection's window is too large"}
		}
		c.feedLocked()
		return nil
	}
	if c.idleStreamLocked(f.stream) {
		return connError{codeProtocol, "a window for a stream that was not begun"}
	}
	st := c.streams[f.stream]
	switch {
	case n == 0:
		return streamError{f.stream, codeProtocol, "a window that grows by nothing"}
	case st == nil:
		return nil // it ended meanwhile
	}
	if st.window += n; st.window > maxWindow {
		return streamError{f.stream, codeFlowControl, "the stream's window is too large"}
	}
	c.resumeLocked(st)
	return nil
}
