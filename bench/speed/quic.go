//go:build linux

package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/quic-go/quic-go/http3"

	"hither/bench/lab"
)

// quicOffer is what a server says about HTTP/3, and whether it is so. The zero offer is none.
type quicOffer struct {
	conn   net.PacketConn // where it listens, and perhaps never reads
	http   *http3.Server  // nil: a black hole
	behind time.Duration  // how much longer answers over TCP take
}

// offerQUIC has the server offer HTTP/3 from now on (RFC 7838). With answer it is there; without, datagrams vanish, as they do
// in networks that let no UDP out. behind makes TCP the slower way, as it is where QUIC ends nearer to the user.
func (s *server) offerQUIC(ctx context.Context, addr string, answer bool, behind time.Duration) error {
	offer := &quicOffer{behind: behind}
	err := lab.Within(lab.Space(s.name), func() (err error) {
		offer.conn, err = new(net.ListenConfig).ListenPacket(ctx, "udp4", net.JoinHostPort(addr, "443"))
		return err
	})
	if err != nil {
		return fmt.Errorf("listen for HTTP/3: %w", err)
	}
	if answer {
		offer.http = &http3.Server{Handler: s, TLSConfig: http3.ConfigureTLSConfig(s.http.TLSConfig.Clone())}
		s.work.Go(func() { _ = offer.http.Serve(offer.conn) }) // it ends with withdrawQUIC
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quic = offer
	return nil
}

// withdrawQUIC ends the offer. Who was told of it will find nobody there.
func (s *server) withdrawQUIC() {
	s.mu.Lock()
	offer := s.quic
	s.quic = nil
	s.mu.Unlock()
	if offer == nil {
		return
	}
	if offer.http != nil {
		offer.http.Close()
	}
	offer.conn.Close()
}

// tellQUIC adds the offer to an answer, and makes the answer wait if it goes over TCP.
func (s *server) tellQUIC(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	offer := s.quic
	s.mu.Unlock()
	if offer == nil {
		return
	}
	w.Header().Set("Alt-Svc", `h3=":443"; ma=86400`)
	if offer.behind > 0 && r.ProtoMajor < 3 {
		select {
		case <-time.After(offer.behind):
		case <-r.Context().Done():
		}
	}
}
