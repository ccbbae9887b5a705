package h2

import (
	"encoding/binary"
	"fmt"
)

// preface is what a client says first (RFC 9113 section 3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

const (
	frameHead     = 9       // bytes before each payload
	maxFrame      = 1 << 14 // bytes of payload that either side may send; nobody announces more
	maxWindow     = 1<<31 - 1
	defaultWindow = 1<<16 - 1 // bytes, until settings say otherwise
)

// kind is the type of a frame (section 6).
type kind uint8

const (
	frameData kind = iota
	frameHeaders
	framePriority
	frameReset
	frameSettings
	framePush
	framePing
	frameGoAway
	frameWindow
	frameContinuation
)

const (
	flagEndStream  = 0x1
	flagAck        = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20
)

// Settings (section 6.5.2).
const (
	settingTableSize     = 1
	settingPush          = 2
	settingMaxStreams    = 3
	settingInitialWindow = 4
	settingMaxFrame      = 5
	settingMaxHeaderList = 6
)

// code says why a stream or a connection ends (section 7).
type code uint32

const (
	codeNone         code = 0x0
	codeProtocol     code = 0x1
	codeInternal     code = 0x2
	codeFlowControl  code = 0x3
	codeStreamClosed code = 0x5
	codeFrameSize    code = 0x6
	codeRefused      code = 0x7
	codeCancel       code = 0x8
	codeCompression  code = 0x9
	codeCalm         code = 0xb
)

// connError ends the connection.
type connError struct {
	code code
	why  string
}

func (e connError) Error() string {
	return fmt.Sprintf("the HTTP/2 connection is broken (error %d): %s", e.code, e.why)
}

// streamError ends one stream.
type streamError struct {
	id   uint32
	code code
	why  string
}

func (e streamError) Error() string {
	return fmt.Sprintf("HTTP/2 stream %d is broken (error %d): %s", e.id, e.code, e.why)
}

// frame is one as it was read. Its payload is valid until the next is read.
type frame struct {
	kind    kind
	flags   uint8
	stream  uint32
	payload []byte
}

func (f *frame) has(flag uint8) bool { return f.flags&flag != 0 }

// unpad takes off what FLAG_PADDED added (section 6.1).
func (f *frame) unpad() error {
	if !f.has(flagPadded) {
		return nil
	}
	if len(f.payload) == 0 {
		return connError{codeFrameSize, "a padded frame without the length of its padding"}
	}
	padding := int(f.payload[0])
	f.payload = f.payload[1:]
	if padding > len(f.payload) {
		return connError{codeProtocol, "a frame with more padding than frame"}
	}
	f.payload = f.payload[:len(f.payload)-padding]
	return nil
}

// parseHead reads the first nine bytes of a frame.
func parseHead(b []byte) (f frame, length int) {
	length = int(b[0])<<16 | int(b[1])<<8 | int(b[2])
	return frame{kind: kind(b[3]), flags: b[4], stream: binary.BigEndian.Uint32(b[5:]) &^ (1 << 31)}, length
}

// appendHead begins a frame of which length bytes will follow.
func appendHead(dst []byte, k kind, flags uint8, stream uint32, length int) []byte {
	return append(dst, byte(length>>16), byte(length>>8), byte(length), byte(k), flags,
		byte(stream>>24), byte(stream>>16), byte(stream>>8), byte(stream))
}

func appendReset(dst []byte, stream uint32, c code) []byte {
	return binary.BigEndian.AppendUint32(appendHead(dst, frameReset, 0, stream, 4), uint32(c))
}

func appendWindow(dst []byte, stream uint32, n uint32) []byte {
	return binary.BigEndian.AppendUint32(appendHead(dst, frameWindow, 0, stream, 4), n)
}

func appendGoAway(dst []byte, last uint32, c code) []byte {
	dst = binary.BigEndian.AppendUint32(appendHead(dst, frameGoAway, 0, 0, 8), last)
	return binary.BigEndian.AppendUint32(dst, uint32(c))
}

// appendSettings takes pairs of a setting and its value.
func appendSettings(dst []byte, pairs ...uint32) []byte {
	dst = appendHead(dst, frameSettings, 0, 0, len(pairs)*3)
	for i := 0; i < len(pairs); i += 2 {
		dst = binary.BigEndian.AppendUint16(dst, uint16(pairs[i]))
		dst = binary.BigEndian.AppendUint32(dst, pairs[i+1])
	}
	return dst
}

// appendBlock sends the parts of a header block as HEADERS and as many CONTINUATION frames as it needs.
func appendBlock(dst []byte, stream uint32, end bool, parts ...[]byte) []byte {
	left := 0
	for _, p := range parts {
		left += len(p)
	}
	k, flags := frameHeaders, uint8(0)
	if end {
		flags = flagEndStream
	}
	for {
		n := min(left, maxFrame)
		if left -= n; left == 0 {
			flags |= flagEndHeaders
		}
		dst = appendHead(dst, k, flags, stream, n)
		for n > 0 {
			m := min(n, len(parts[0]))
			dst = append(dst, parts[0][:m]...)
			if parts[0] = parts[0][m:]; len(parts[0]) == 0 {
				parts = parts[1:]
			}
			n -= m
		}
		if left == 0 {
			return dst
		}
		k, flags = frameContinuation, 0
	}
}
