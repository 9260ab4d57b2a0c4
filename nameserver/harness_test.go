package nameserver

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/edge/snapshot"

	"github.com/miekg/dns"
)

var gateway = []netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("192.0.2.8"), netip.MustParseAddr("2001:db8::7")}

func rs(name, kind string, ttl uint32, values ...string) snapshot.RecordSet {
	return snapshot.RecordSet{Name: name, Type: kind, TTL: ttl, Values: values}
}

func alias(name, kind, target string) snapshot.RecordSet {
	return snapshot.RecordSet{Name: name, Type: kind, Alias: target}
}

// zoneOf makes a zone with the SOA and NS records of a new hosted zone.
func zoneOf(apex string, sets ...snapshot.RecordSet) *snapshot.Zone {
	return &snapshot.Zone{Name: apex, Sets: append([]snapshot.RecordSet{
		rs(apex, "SOA", 900, "ns1.names.test. hostmaster.names.test. 1 7200 900 1209600 86400"),
		rs(apex, "NS", 172800, "ns1.names.test.", "ns2.names.test."),
	}, sets...)}
}

func dnsOf(zones ...*snapshot.Zone) *snapshot.DNS {
	d := &snapshot.DNS{Revision: 1, Zones: map[string]*snapshot.Zone{}}
	for _, z := range zones {
		d.Zones[z.Name] = z
	}
	return d
}

func example() *snapshot.DNS {
	var many []string
	for i := range 120 {
		many = append(many, netip.AddrFrom4([4]byte{10, 9, 0, byte(i)}).String())
	}
	return dnsOf(
		zoneOf("example.com.",
			rs("example.com.", "A", 300, "192.0.2.1"),
			rs("example.com.", "MX", 300, "10 mail.example.com."),
			rs("www.example.com.", "A", 300, "192.0.2.1", "192.0.2.2"),
			rs("www.example.com.", "TXT", 60, `"v=1; a \"b\"" "second"`),
			rs("c1.example.com.", "CNAME", 30, "c2.example.com."),
			rs("c2.example.com.", "CNAME", 30, "www.example.com."),
			rs("gone.example.com.", "CNAME", 30, "nothing.example.com."),
			rs("away.example.com.", "CNAME", 30, "www.elsewhere.test."),
			rs("over.example.com.", "CNAME", 30, "www.example.org."),
			rs("loop1.example.com.", "CNAME", 30, "loop2.example.com."),
			rs("loop2.example.com.", "CNAME", 30, "loop1.example.com."),
			rs("into.example.com.", "CNAME", 30, "host.sub.example.com."),
			rs("api.example.com.", "CNAME", 30, "d-abcdefghij.execute-api.us-east-2.amazonaws.com."),
			rs("a.deep.empty.example.com.", "A", 300, "192.0.2.3"),
			rs("*.wild.example.com.", "A", 300, "192.0.2.4"),
			rs("*.wild.example.com.", "TXT", 300, `"wild"`),
			rs("exact.wild.example.com.", "TXT", 300, `"exact"`),
			rs("below.ent.wild.example.com.", "A", 300, "192.0.2.5"),
			rs("*.cwild.example.com.", "CNAME", 300, "www.example.com."),
			rs("sub.example.com.", "NS", 600, "ns1.sub.example.com.", "ns.other.test.", "ns2.example.com."),
			rs("sub.example.com.", "DS", 600, "12345 13 2 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF"),
			rs("ns1.sub.example.com.", "A", 600, "192.0.2.53"),
			rs("ns1.sub.example.com.", "AAAA", 600, "2001:db8::53"),
			rs("ns2.example.com.", "A", 600, "192.0.2.54"),
			rs("odd\\064\\046x.example.com.", "A", 300, "192.0.2.6"),
			rs("many.example.com.", "A", 300, many...),
			alias("self.example.com.", "A", "www.example.com."),
			alias("gw.example.com.", "A", "d-abcdefghij.execute-api.eu-west-1.amazonaws.com."),
			alias("gw.example.com.", "AAAA", "d-abcdefghij.execute-api.eu-west-1.amazonaws.com."),
			alias("ring1.example.com.", "A", "ring2.example.com."),
			alias("ring2.example.com.", "A", "ring1.example.com."),
			alias("chain1.example.com.", "A", "chain2.example.com."),
			alias("chain2.example.com.", "A", "gw.example.com."),
			alias("throughcname.example.com.", "A", "c1.example.com."),
			alias("cnamealias.example.com.", "CNAME", "c1.example.com."),
			alias("nowhere.example.com.", "A", "nothing.example.com."),
			alias("foreign.example.com.", "A", "www.elsewhere.test."),
			alias("*.gwild.example.com.", "A", "d-abcdefghij.execute-api.eu-west-1.amazonaws.com."),
		),
		zoneOf("example.org.", rs("www.example.org.", "A", 300, "198.51.100.1")),
		zoneOf("child.example.com.", rs("x.child.example.com.", "A", 300, "198.51.100.2")),
	)
}

func newServer(t testing.TB, c Config, d *snapshot.DNS) *Server {
	t.Helper()
	if c.Addresses == nil {
		c.Addresses = gateway
	}
	s := New(c)
	if d != nil {
		if err := s.Publish(d); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// listen serves on one port for UDP and TCP until the test ends or stop is
// called; both say when Serve does not return nil.
func listen(t testing.TB, s *Server) (address string, stop func()) {
	t.Helper()
	return listenOn(t, s, "127.0.0.1:0")
}

func listenOn(t testing.TB, s *Server, at string) (address string, stop func()) {
	t.Helper()
	var l net.Listener
	var p net.PacketConn
	for attempt := 0; ; attempt++ {
		var err error
		if l, err = net.Listen("tcp", at); err != nil {
			t.Fatal(err)
		}
		if p, err = net.ListenPacket("udp", l.Addr().String()); err == nil {
			break
		}
		l.Close()
		if attempt == 10 {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, p, l) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Serve returned %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("Serve did not return")
		}
	}
	t.Cleanup(stop)
	return l.Addr().String(), stop
}

func question(name string, kind uint16) *dns.Msg {
	m := new(dns.Msg)
	m.SetQuestion(name, kind)
	m.RecursionDesired = false
	return m
}

func exchange(t testing.TB, network, address string, m *dns.Msg) *dns.Msg {
	t.Helper()
	c := &dns.Client{Net: network, Timeout: 5 * time.Second}
	reply, _, err := c.Exchange(m, address)
	if err != nil {
		t.Fatalf("%s %v: %v", network, m.Question, err)
	}
	return reply
}

// show writes records one per line, tab by blank, sorted.
func show(rrs []dns.RR) string {
	var lines []string
	for _, rr := range rrs {
		if rr.Header().Rrtype != dns.TypeOPT {
			lines = append(lines, strings.Join(strings.Fields(rr.String()), " "))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func lines(s ...string) string { slices.Sort(s); return strings.Join(s, "\n") }
