package nameserver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// servePackets answers datagrams one after the other. Several run on one
// socket; there are no more, so that memory stays bounded and the kernel drops
// what is too much.
func (s *Server) servePackets(ctx context.Context, socket *packetSocket) error {
	in, out := make([]byte, maxQuery), make([]byte, dns.MinMsgSize*4)
	control := make([]byte, 128)
	for {
		n, from, err := socket.read(in, control)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !passing(err):
			return err
		case err != nil:
			s.log.Warn("read a DNS packet", "error", err)
			pause(ctx)
			continue
		}
		by := udp
		if !s.udpLimit.allow(from.source, s.config.Now()) {
			if !s.udpLimit.slip() {
				continue
			}
			by = udpLimited
		}
		if answer := s.respond(in[:n], by, out); answer != nil {
			if err := socket.write(answer, from); err != nil {
				s.log.Debug("send a DNS answer", "client", from.source, "error", err)
			}
		}
	}
}

// passing tells whether a socket may work again later: out of memory or files,
// or the fault of one client.
func passing(err error) bool {
	for _, e := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EINTR,
		syscall.ECONNABORTED, syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EMSGSIZE,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// pause waits until trying again is worth it, or ctx ends.
func pause(ctx context.Context) {
	t := time.NewTimer(100 * time.Millisecond)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// A packetSocket is a UDP socket whose answers leave from the address that was
// asked. On a socket bound to all addresses of the host the kernel would choose
// one, and clients drop an answer from another address than they asked.
type packetSocket struct {
	conn net.PacketConn
	udp  *net.UDPConn // nil: bound to one address, or not the kernel's
}

// A peer is where a packet came from.
type peer struct {
	source netip.Addr // for limits; the zero Addr if it has none
	addr   net.Addr   // without udp
	port   netip.AddrPort
	local  []byte // control message that makes the answer leave from where the packet arrived
}

func newPacketSocket(conn net.PacketConn) *packetSocket {
	s := &packetSocket{conn: conn}
	c, ok := conn.(*net.UDPConn)
	if !ok {
		return s
	}
	if local, ok := c.LocalAddr().(*net.UDPAddr); !ok || !local.IP.IsUnspecified() {
		return s
	}
	// A socket for both families takes both options.
	err4 := ipv4.NewPacketConn(c).SetControlMessage(ipv4.FlagDst|ipv4.FlagInterface, true)
	err6 := ipv6.NewPacketConn(c).SetControlMessage(ipv6.FlagDst|ipv6.FlagInterface, true)
	if err4 == nil || err6 == nil {
		s.udp = c
	}
	return s
}

// read waits for a packet. The peer is good until control is used again.
func (s *packetSocket) read(b, control []byte) (int, peer, error) {
	if s.udp == nil {
		n, addr, err := s.conn.ReadFrom(b)
		return n, peer{source: addressOf(addr), addr: addr}, err
	}
	n, controls, _, port, err := s.udp.ReadMsgUDPAddrPort(b, control)
	if err != nil {
		return 0, peer{}, err
	}
	return n, peer{source: port.Addr().Unmap(), port: port, local: sourceControl(control[:controls])}, nil
}

func (s *packetSocket) write(b []byte, to peer) error {
	if s.udp == nil {
		_, err := s.conn.WriteTo(b, to.addr)
		return err
	}
	_, _, err := s.udp.WriteMsgUDPAddrPort(b, to.local, to.port)
	return err
}

// sourceControl turns the control message that says where a packet arrived into
// one that says where its answer leaves from; nil: the kernel chooses.
func sourceControl(received []byte) []byte {
	var m6 ipv6.ControlMessage
	if m6.Parse(received) == nil && m6.Dst != nil {
		if m6.Dst.To4() == nil {
			return (&ipv6.ControlMessage{Src: m6.Dst, IfIndex: linkLocal(m6.Dst, m6.IfIndex)}).Marshal()
		}
		return (&ipv4.ControlMessage{Src: m6.Dst.To4()}).Marshal()
	}
	var m4 ipv4.ControlMessage
	if m4.Parse(received) == nil && m4.Dst != nil && !m4.Dst.IsMulticast() {
		return (&ipv4.ControlMessage{Src: m4.Dst}).Marshal()
	}
	return nil
}

// linkLocal is the interface that an address needs to be one: addresses of a
// link are the same on every link.
func linkLocal(a net.IP, index int) int {
	if a.IsLinkLocalUnicast() {
		return index
	}
	return 0
}

// addressOf gives the IP address of a peer, or the zero Addr.
func addressOf(a net.Addr) netip.Addr {
	switch a := a.(type) {
	case *net.UDPAddr:
		return a.AddrPort().Addr().Unmap()
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
