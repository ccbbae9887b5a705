package port

import (
	"context"
	"io"
	"net"
	"strings"
	"time"
)

// askWait bounds each question to a stranger's port; it is on this machine.
const askWait = time.Second

// Dial connects as net.Dialer.DialContext does.
type Dial = func(ctx context.Context, network, address string) (net.Conn, error)

// AnswersConnect says that an HTTP proxy is there. It asks for a tunnel to a name that cannot exist (RFC 6761, section 6.4): a proxy
// agrees before it looks, or reports that it cannot reach it; a web server does not know the method.
func AnswersConnect(ctx context.Context, dial Dial, address string) bool {
	line := ask(ctx, dial, address, "CONNECT hither.invalid:443 HTTP/1.1\r\nHost: hither.invalid:443\r\n\r\n", len("HTTP/1.1 200"))
	version, status, _ := strings.Cut(line, " ")
	if !strings.HasPrefix(version, "HTTP/1.") {
		return false
	}
	switch status {
	case "200", "407", "502", "503", "504":
		return true
	}
	return false
}

// AnswersSOCKS says that a SOCKS proxy is there. It offers to go without a name (RFC 1928, section 3).
func AnswersSOCKS(ctx context.Context, dial Dial, address string) bool {
	return strings.HasPrefix(ask(ctx, dial, address, "\x05\x01\x00", 2), "\x05")
}

// maxRoot is more than an answer with a root certificate has, in bytes.
const maxRoot = 64 << 10

// answersAsHither asks for the root certificate, which no other proxy has there. Half of it will do.
func answersAsHither(ctx context.Context, dial Dial, address string) bool {
	answer := ask(ctx, dial, address, "GET /ca.pem HTTP/1.1\r\nHost: "+address+"\r\nConnection: close\r\n\r\n", maxRoot)
	return strings.HasPrefix(answer, "HTTP/1.1 200 ") && strings.Contains(answer, "\r\n\r\n-----BEGIN CERTIFICATE-----")
}

// ask sends a question and returns at most n bytes of the answer, as many as come in time.
func ask(ctx context.Context, dial Dial, address, question string, n int) string {
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	conn, err := dial(ctx, "tcp", address)
	if err != nil {
		return ""
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	if _, err := io.WriteString(conn, question); err != nil {
		return ""
	}
	answer, _ := io.ReadAll(io.LimitReader(conn, int64(n))) // what came will do
	return string(answer)
}
