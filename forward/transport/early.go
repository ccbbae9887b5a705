//go:build !race

package transport

// speaksEarly says whether requests may travel with the first packet of a resumed HTTP/3 connection (0-RTT). quic-go then
// replaces what the server allows while the first stream is opened: one pointer and one flag, without a lock
// (github.com/quic-go/quic-go/issues/4303, open). Either value is right; the race detector rightly objects, and gets
// connections that wait for the handshake. `make test` runs the tests of it without the detector, too.
const speaksEarly = true
