package forward

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"hither/forward/h2"
)

// tlsConfig is the CA's, with certificates by SNI or, for clients that send none, by the CONNECT target.
func (s *Server) tlsConfig() *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.CA != nil {
		config = s.CA.TLSConfig().Clone()
	}
	// A resumed session asks for no certificate, but for a config it asks always: the check belongs there.
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		return nil, s.checkName(hello)
	}
	config.GetCertificate = s.certificate
	for _, protocol := range []string{"h2", "http/1.1"} {
		if !slices.Contains(config.NextProtos, protocol) {
			config.NextProtos = append(slices.Clone(config.NextProtos), protocol)
		}
	}
	return config
}

// shake does the handshake. It closes g if there is none to be had, and tells the log why.
func (s *Server) shake(g *guest) (*tls.Conn, bool) {
	conn := tls.Server(h2.NewCork(g), s.tls)
	g.Conn.SetDeadline(time.Now().Add(headerWait))
	if err := conn.HandshakeContext(s.ctx); err != nil {
		s.serverLog().Printf("http: TLS handshake error from %s: %v", g.RemoteAddr(), err)
		conn.Close()
		return nil, false
	}
	g.Conn.SetDeadline(time.Time{})
	return conn, true
}

// serveTLS hands a connection to the server for what it speaks. It does not wait for the end.
func (s *Server) serveTLS(conn *tls.Conn, g *guest) {
	state := conn.ConnectionState()
	switch state.NegotiatedProtocol {
	case "h2":
		s.serving.Go(func() { s.h2.Serve(conn, &state) })
	default:
		s.toSealed.offer(s.newHot(conn, realm("https", sealedPlace(&state, g.target)), &state, g.client))
	}
}

// sealedPlace is where a client inside TLS means to be: the name it said there, else the CONNECT it came by.
func sealedPlace(state *tls.ConnectionState, target string) string {
	if state.ServerName != "" {
		return withPortOf(state.ServerName, target)
	}
	return target
}

// checkName refuses a client that says one host in its CONNECT and a stranger in its ClientHello: we cannot be the
// stranger, and what it asks us there is not meant for the host that it named first.
func (s *Server) checkName(hello *tls.ClientHelloInfo) error {
	target := helloTarget(hello)
	switch name := hello.ServerName; {
	case s.CA == nil:
		return errors.New("there is no certificate authority to answer with")
	case name == "" && target == "":
		return errors.New("the client names no host, neither by CONNECT nor by SNI")
	case name == "" || target != "" && sameName(name, target):
		return nil
	case s.vouches(withPortOf(name, target)):
		return nil
	default:
		return fmt.Errorf("the client asks for %q inside a connection to %q: only hosts in the rules are answered here", name, target)
	}
}

func (s *Server) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if hello.ServerName == "" {
		name, _ := splitHost(helloTarget(hello))
		return s.CA.CertificateFor(name)
	}
	return s.CA.Certificate(hello)
}

// vouches says whether TLS for host[:port] is ours to end.
func (s *Server) vouches(host string) bool {
	_, ok := s.Rules().Host(host)
	return ok && s.CA != nil
}

func helloTarget(hello *tls.ClientHelloInfo) string {
	if g := guestOf(hello.Conn); g != nil {
		return g.target
	}
	return ""
}

// withPortOf gives name the port of hostport, if that has one.
func withPortOf(name, hostport string) string {
	if _, port := splitHost(hostport); port != "" {
		return net.JoinHostPort(name, port)
	}
	return name
}
