package nameserver

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"sync"
)

// serveConnections accepts connections until ctx ends, and waits for all of them.
func (s *Server) serveConnections(ctx context.Context, l net.Listener) error {
	var open sync.WaitGroup
	defer open.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop() // before the wait: a listener that broke ends its connections too
	for {
		conn, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				conn.Close()
			}
			return nil
		case err != nil && !passing(err):
			return err
		case err != nil:
			s.log.Warn("accept a DNS connection", "error", err)
			pause(ctx)
			continue
		}
		source := addressOf(conn.RemoteAddr())
		if !s.clients.enter(source) {
			s.log.Debug("too many DNS connections", "client", source)
			conn.Close()
			continue
		}
		open.Go(func() {
			defer s.clients.leave(source)
			defer conn.Close()
			s.serveConnection(ctx, conn, source)
		})
	}
}

// serveConnection answers the queries of one client in their order, each
// preceded by its length (RFC 7766). It ends when the client is done, too slow
// or asks too much, and after the answer in progress when ctx ends.
func (s *Server) serveConnection(ctx context.Context, conn net.Conn, source netip.Addr) {
	unblock := context.AfterFunc(ctx, func() { conn.SetReadDeadline(past) })
	defer unblock()
	query := make([]byte, 2, 512)
	var out []byte
	for {
		if conn.SetReadDeadline(s.config.Now().Add(s.config.IdleTimeout)) != nil {
			return
		}
		if ctx.Err() != nil { // after the deadline was set, or it would hide the end
			return
		}
		query = query[:2]
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		length := int(binary.BigEndian.Uint16(query))
		if length > maxQuery || !s.tcpLimit.allow(source, s.config.Now()) {
			s.log.Debug("DNS client asks too much", "client", source, "bytes", length)
			return
		}
		if cap(query) < length {
			query = make([]byte, length)
		}
		query = query[:length]
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		if out == nil {
			out = make([]byte, 2+maxQuery) // larger answers get their own
		}
		answer := s.respond(query, tcp, out[2:])
		if answer == nil {
			return
		}
		if &answer[0] != &out[2] {
			out = append(out[:2], answer...)
		}
		binary.BigEndian.PutUint16(out, uint16(len(answer)))
		if conn.SetWriteDeadline(s.config.Now().Add(s.config.WriteTimeout)) != nil {
			return
		}
		if _, err := conn.Write(out[:2+len(answer)]); err != nil {
			return
		}
	}
}
