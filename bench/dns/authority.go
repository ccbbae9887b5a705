//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
)

const (
	headerLen = 12
	typeA     = 1
)

// serveAuthority is the upstream of all: it says that each name has one address, for an hour, over UDP and TCP at args[0].
// It does little, so that what is measured is who asks it.
func serveAuthority(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("write authority ADDRESS:PORT")
	}
	packets, err := new(net.ListenConfig).ListenPacket(ctx, "udp4", args[0])
	if err != nil {
		return err
	}
	streams, err := new(net.ListenConfig).Listen(ctx, "tcp4", args[0])
	if err != nil {
		packets.Close()
		return err
	}
	context.AfterFunc(ctx, func() { packets.Close(); streams.Close() })
	udp := packets.(*net.UDPConn)
	_ = udp.SetReadBuffer(4 << 20) // less loses questions of a flood, and who asks asks again
	var running sync.WaitGroup
	running.Go(func() { answerPackets(udp) })
	running.Go(func() { answerStreams(streams) })
	running.Wait()
	return nil
}

func answerPackets(conn *net.UDPConn) {
	var buf [4096]byte
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf[:])
		if err != nil {
			return
		}
		if reply := answer(buf[:n:n]); reply != nil {
			_, _ = conn.WriteToUDPAddrPort(reply, from) // who does not hear it asks again
		}
	}
}

func answerStreams(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go answerStream(conn)
	}
}

func answerStream(conn net.Conn) {
	defer conn.Close()
	for {
		var size [2]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		packet := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(conn, packet); err != nil {
			return
		}
		reply := answer(packet)
		if reply == nil {
			return
		}
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...)); err != nil {
			return
		}
	}
}

// answer makes the reply to a question: one address, or no record for other types. nil: it is no question.
func answer(packet []byte) []byte {
	at := headerLen
	for at < len(packet) && packet[at] != 0 && packet[at] < 64 {
		at += 1 + int(packet[at])
	}
	end := at + 1 + 4
	if len(packet) < headerLen || end > len(packet) || packet[2]&0x80 != 0 {
		return nil
	}
	records := byte(0)
	reply := append([]byte(nil), packet[:end]...)
	if binary.BigEndian.Uint16(packet[end-4:]) == typeA {
		records = 1
		reply = append(reply, 0xc0, headerLen, 0, typeA, 0, 1, 0, 0, 14, 16, 0, 4, 192, 0, 2, packet[headerLen+1])
	}
	reply[2], reply[3] = 0x84|packet[2]&1, 0x80 // an answer, authoritative, with recursion
	copy(reply[4:headerLen], []byte{0, 1, 0, records, 0, 0, 0, 0})
	return reply
}
