package peer

import (
	"bytes"
	"encoding/binary"
)

// parseProcArgs reads macOS's KERN_PROCARGS2: the number of arguments, the path of the program, zero bytes up to the first
// argument, then each of them with a zero byte behind it, then the environment in the same way.
func parseProcArgs(b []byte) (args, environment []string) {
	if len(b) < 4 {
		return nil, nil
	}
	count := binary.LittleEndian.Uint32(b)
	_, rest, ok := bytes.Cut(b[4:], []byte{0})
	if !ok {
		return nil, nil
	}
	rest = bytes.TrimLeft(rest, "\x00")
	for {
		word, after, ok := bytes.Cut(rest, []byte{0})
		switch {
		case !ok:
			return args, environment
		case uint32(len(args)) < count:
			args = append(args, string(word))
		default:
			environment = append(environment, string(word))
		}
		rest = after
	}
}
