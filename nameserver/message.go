package nameserver

import (
	"runtime/debug"

	"github.com/miekg/dns"
)

const (
	headerSize = 12
	// maxQuery bounds what is read of a query. Those of today's resolvers, with
	// cookies and padding, stay far below.
	maxQuery = 4096
	// maxUDP is the largest answer over UDP, which fits into a packet of IPv6's
	// smallest MTU.
	maxUDP = 1232
)

// A transport is how a query came.
type transport int

const (
	udp        transport = iota
	udpLimited           // over the rate limit: only ever "ask again over TCP"
	tcp
)

// respond answers one message; nil means silence. The result may be in buffer.
func (s *Server) respond(query []byte, by transport, buffer []byte) (answer []byte) {
	// Whatever a client sends, it must not end the process: what is read
	// comes through a library, and a way into it that nobody thought of costs
	// that client its answer only.
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("panic in a DNS answer", "panic", p, "query", query, "stack", string(debug.Stack()))
			answer = nil
		}
	}()
	const response = 0x80
	if len(query) < headerSize || query[2]&response != 0 {
		return nil // to answer an answer could go on for ever
	}
	request, reply := new(dns.Msg), new(dns.Msg)
	if err := request.Unpack(query); err != nil {
		reply.SetRcodeFormatError(request)
		reply.Opcode = request.Opcode
		reply.RecursionDesired = request.RecursionDesired
		return pack(reply, dns.MinMsgSize, buffer)
	}
	size := s.reply(request, reply, by)
	return pack(reply, size, buffer)
}

// reply fills in the reply to a request and gives the size that it may have.
func (s *Server) reply(request, reply *dns.Msg, by transport) (size int) {
	size = dns.MinMsgSize
	if by == tcp {
		size = dns.MaxMsgSize
	}
	reply.SetReply(request) // with the question as it was written: 0x20

	options := 0
	for _, rr := range request.Extra {
		if rr.Header().Rrtype == dns.TypeOPT {
			options++
		}
	}
	if options > 1 {
		reply.Rcode = dns.RcodeFormatError // RFC 6891 section 6.1.1
		return size
	}
	if opt := request.IsEdns0(); opt != nil {
		own := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}}
		own.SetUDPSize(maxUDP)
		if opt.Do() {
			own.SetDo() // RFC 3225 section 3
		}
		reply.Extra = append(reply.Extra, own)
		if by != tcp {
			size = min(max(size, int(opt.UDPSize())), maxUDP)
		}
		if opt.Version() != 0 {
			reply.Rcode = dns.RcodeBadVers
			return size
		}
	}

	switch {
	case request.Opcode != dns.OpcodeQuery:
		reply.Rcode = dns.RcodeNotImplemented
	case len(request.Question) != 1:
		reply.Rcode = dns.RcodeFormatError // RFC 9619
	case request.Question[0].Qclass != dns.ClassINET:
		reply.Rcode = dns.RcodeRefused
	case request.Question[0].Qtype == dns.TypeAXFR, request.Question[0].Qtype == dns.TypeIXFR:
		reply.Rcode = dns.RcodeRefused
	case request.Question[0].Qtype != dns.TypeANY && metaType(request.Question[0].Qtype):
		reply.Rcode = dns.RcodeNotImplemented
	case by == udpLimited:
		reply.Truncated = true
	default:
		s.resolve(reply)
	}
	return size
}

// resolve answers from what was published last.
func (s *Server) resolve(reply *dns.Msg) {
	v := s.view.Load()
	v.answer(reply)
	if v.unpublished && reply.Rcode == dns.RcodeRefused {
		reply.Rcode = dns.RcodeServerFailure // not ours, or not ours yet
	}
}

// metaType tells whether a type is for questions and protocol only: no name has
// records of it (RFC 6895 section 3.1).
func metaType(kind uint16) bool {
	return kind == dns.TypeNone || kind == dns.TypeOPT || kind >= 128 && kind <= 255
}

// pack writes a message of at most size bytes; TC says that something had to be
// left out.
func pack(m *dns.Msg, size int, buffer []byte) []byte {
	m.Truncate(size)
	m.Compress = true
	out, err := m.PackBuffer(buffer)
	if err == nil && len(out) <= size {
		return out
	}
	failure := new(dns.Msg)
	failure.Id, failure.Response, failure.Opcode = m.Id, true, m.Opcode
	failure.RecursionDesired = m.RecursionDesired
	failure.Rcode = dns.RcodeServerFailure
	if out, err = failure.PackBuffer(buffer); err != nil {
		return nil
	}
	return out
}
