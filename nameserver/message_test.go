package nameserver

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// The question comes back letter for letter, and records of the name are
// written as the question writes it, which resolvers use against forgery.
func Test0x20(t *testing.T) {
	t.Parallel()
	address, _ := listen(t, newServer(t, Config{}, example()))
	for _, network := range []string{"udp", "tcp"} {
		for _, name := range []string{"wWw.eXAMPLE.cOm.", "ANY.wild.EXAMPLE.com.", "gW.Example.Com.", "noThing.exAmple.com.", "D-x.ExEcUtE-api.US-east-1.AmazonAWS.com."} {
			got := exchange(t, network, address, question(name, dns.TypeA))
			if got.Question[0].Name != name {
				t.Errorf("asked for %s, got the question %s", name, got.Question[0].Name)
			}
			for _, rr := range got.Answer {
				if rr.Header().Name != name {
					t.Errorf("asked for %s, got %v", name, rr)
				}
			}
			if (len(got.Answer) == 0) != strings.HasPrefix(name, "noThing") {
				t.Errorf("%s: %v", name, got)
			}
		}
	}
}

func TestEDNS(t *testing.T) {
	t.Parallel()
	address, _ := listen(t, newServer(t, Config{}, example()))

	got := exchange(t, "udp", address, question("www.example.com.", dns.TypeA))
	if got.IsEdns0() != nil {
		t.Error("an OPT record that was not asked for")
	}
	for _, do := range []bool{false, true} {
		q := question("www.example.com.", dns.TypeA)
		q.SetEdns0(4096, do)
		got = exchange(t, "udp", address, q)
		if opt := got.IsEdns0(); opt == nil || opt.UDPSize() != maxUDP || opt.Do() != do || opt.Version() != 0 || len(opt.Option) != 0 {
			t.Errorf("DO %v: OPT %v", do, opt)
		}
	}
	q := question("www.example.com.", dns.TypeA)
	q.SetEdns0(4096, false)
	q.IsEdns0().SetVersion(1)
	got = exchange(t, "udp", address, q)
	if got.Rcode != dns.RcodeBadVers || got.IsEdns0() == nil || got.IsEdns0().Version() != 0 || len(got.Answer) != 0 {
		t.Errorf("EDNS version 1: %v", got)
	}
	q = question("www.example.com.", dns.TypeA)
	q.SetEdns0(4096, false)
	q.SetEdns0(4096, false)
	if got = exchange(t, "udp", address, q); got.Rcode != dns.RcodeFormatError {
		t.Errorf("two OPT records: %v", got)
	}
	q = question("www.example.com.", dns.TypeA)
	q.SetEdns0(1232, false)
	q.IsEdns0().Option = append(q.IsEdns0().Option, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0123456789abcdef"}, &dns.EDNS0_LOCAL{Code: 65001, Data: []byte("x")})
	if got = exchange(t, "udp", address, q); got.Rcode != dns.RcodeSuccess || len(got.Answer) != 2 {
		t.Errorf("unknown options: %v", got)
	}
}

func TestTruncation(t *testing.T) {
	t.Parallel()
	s := newServer(t, Config{}, example())
	address, _ := listen(t, s)
	for _, c := range []struct{ size, limit int }{{0, 512}, {100, 512}, {512, 512}, {800, 800}, {1232, 1232}, {65535, 1232}} {
		q := question("many.example.com.", dns.TypeA)
		if c.size > 0 {
			q.SetEdns0(uint16(c.size), false)
		}
		wire, err := q.Pack()
		if err != nil {
			t.Fatal(err)
		}
		answer := s.respond(wire, udp, nil)
		got := new(dns.Msg)
		if err := got.Unpack(answer); err != nil {
			t.Fatal(err)
		}
		if len(answer) > c.limit || !got.Truncated || !got.Authoritative || (got.IsEdns0() != nil) != (c.size > 0) {
			t.Errorf("size %d: %d bytes, %v", c.size, len(answer), got.MsgHdr.String())
		}
		if len(answer) < c.limit-16 {
			t.Errorf("size %d: %d bytes leave room for another record", c.size, len(answer))
		}
	}
	got := exchange(t, "tcp", address, question("many.example.com.", dns.TypeA))
	if got.Truncated || len(got.Answer) != 120 {
		t.Errorf("TCP: %d records, %v", len(got.Answer), got.MsgHdr.String())
	}
}

// A record set that no message can hold is cut even over TCP, rather than lost.
func TestMoreThanAMessage(t *testing.T) {
	t.Parallel()
	var values []string
	for i := range 300 {
		values = append(values, fmt.Sprintf(`"%d %s"`, i, strings.Repeat("x", 240)))
	}
	address, _ := listen(t, newServer(t, Config{}, dnsOf(zoneOf("huge.test.", rs("huge.test.", "TXT", 1, values...)))))
	got := exchange(t, "tcp", address, question("huge.test.", dns.TypeTXT))
	if !got.Truncated || len(got.Answer) < 200 || len(got.Answer) >= 300 {
		t.Errorf("%d records, %v", len(got.Answer), got.MsgHdr.String())
	}
}

func TestBadMessages(t *testing.T) {
	t.Parallel()
	s := newServer(t, Config{}, example())
	packed := func(change func(*dns.Msg)) []byte {
		q := question("www.example.com.", dns.TypeA)
		q.Id = 0x1234
		change(q)
		b, err := q.Pack()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	good := packed(func(*dns.Msg) {})
	raw := func(change func([]byte) []byte) []byte { return change(append([]byte(nil), good...)) }
	const silence = -1
	for what, c := range map[string]struct {
		query []byte
		rcode int
	}{
		"nothing":            {nil, silence},
		"eleven bytes":       {good[:11], silence},
		"an answer":          {packed(func(m *dns.Msg) { m.Response = true }), silence},
		"a header":           {good[:12], dns.RcodeFormatError},
		"half a question":    {good[:20], dns.RcodeFormatError},
		"a lie about counts": {raw(func(b []byte) []byte { binary.BigEndian.PutUint16(b[10:], 9); b = append(b, 0, 0, 41); return b }), dns.RcodeFormatError},
		"a pointer to itself": {raw(func(b []byte) []byte {
			return append(b[:12], 0xC0, 12, 0, 1, 0, 1)
		}), dns.RcodeFormatError},
		"no question":   {packed(func(m *dns.Msg) { m.Question = nil }), dns.RcodeFormatError},
		"two questions": {packed(func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) }), dns.RcodeFormatError},
		"class CHAOS": {packed(func(m *dns.Msg) {
			m.Question[0] = dns.Question{Name: "version.bind.", Qtype: dns.TypeTXT, Qclass: dns.ClassCHAOS}
		}), dns.RcodeRefused},
		"class ANY":        {packed(func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassANY }), dns.RcodeRefused},
		"NOTIFY":           {packed(func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify }), dns.RcodeNotImplemented},
		"UPDATE":           {packed(func(m *dns.Msg) { m.Opcode = dns.OpcodeUpdate }), dns.RcodeNotImplemented},
		"STATUS":           {packed(func(m *dns.Msg) { m.Opcode = dns.OpcodeStatus }), dns.RcodeNotImplemented},
		"OPT as a type":    {packed(func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeOPT }), dns.RcodeNotImplemented},
		"type 0":           {packed(func(m *dns.Msg) { m.Question[0].Qtype = 0 }), dns.RcodeNotImplemented},
		"an unknown type":  {packed(func(m *dns.Msg) { m.Question[0].Qtype = 65280 }), dns.RcodeSuccess},
		"recursion wanted": {packed(func(m *dns.Msg) { m.RecursionDesired = true }), dns.RcodeSuccess},
	} {
		for _, by := range []transport{udp, tcp} {
			answer := s.respond(c.query, by, nil)
			if c.rcode == silence {
				if answer != nil {
					t.Errorf("%s: got %x, want silence", what, answer)
				}
				continue
			}
			got := new(dns.Msg)
			if err := got.Unpack(answer); err != nil {
				t.Errorf("%s: %v", what, err)
				continue
			}
			if got.Rcode != c.rcode || got.Id != 0x1234 || !got.Response || got.Opcode != int(c.query[2]>>3&15) || got.RecursionDesired != (c.query[2]&1 == 1) || got.RecursionAvailable {
				t.Errorf("%s: %v, want %s", what, got, dns.RcodeToString[c.rcode])
			}
		}
	}
}

func FuzzMessage(f *testing.F) {
	for _, c := range answers {
		q := question(c.name, dns.StringToType[c.kind])
		wire, err := q.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire, uint8(0))
		q.SetEdns0(4096, true)
		q.IsEdns0().Option = append(q.IsEdns0().Option, &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 24, Address: []byte{192, 0, 2, 0}})
		if wire, err = q.Pack(); err != nil {
			f.Fatal(err)
		}
		f.Add(wire, uint8(2))
	}
	f.Add([]byte("\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01"), uint8(1))
	failures := &failOnError{}
	s := newServer(f, Config{Logger: failures.logger()}, example())
	f.Fuzz(func(t *testing.T, query []byte, how uint8) {
		by := transport(how % 3)
		answer := s.respond(query, by, make([]byte, 64))
		if said := failures.take(); said != "" {
			t.Fatalf("%x: %s", query, said)
		}
		if len(query) < headerSize || query[2]&0x80 != 0 {
			if answer != nil {
				t.Fatalf("%x was answered", query)
			}
			return
		}
		got := new(dns.Msg)
		if err := got.Unpack(answer); err != nil {
			t.Fatalf("%x: answer %x: %v", query, answer, err)
		}
		if answer[0] != query[0] || answer[1] != query[1] || !got.Response || got.RecursionAvailable {
			t.Fatalf("%x: header of %v", query, got)
		}
		if limit := map[transport]int{udp: maxUDP, udpLimited: maxUDP, tcp: dns.MaxMsgSize}[by]; len(answer) > limit {
			t.Fatalf("%x: %d bytes", query, len(answer))
		}
		if by == udp && got.IsEdns0() == nil && len(answer) > dns.MinMsgSize {
			t.Fatalf("%x: %d bytes without EDNS", query, len(answer))
		}
		if by == udpLimited && len(got.Answer)+len(got.Ns) > 0 {
			t.Fatalf("%x: over the limit, but %v", query, got)
		}
	})
}
