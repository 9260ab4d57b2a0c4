package nameserver

import (
	"math"
	"net/netip"
	"strings"
	"testing"

	"countersign/edge/snapshot"

	"github.com/miekg/dns"
)

func TestPublish(t *testing.T) {
	t.Parallel()
	s := newServer(t, Config{}, nil)
	address, _ := listen(t, s)
	ask := func() string {
		got := exchange(t, "udp", address, question("www.p.test.", dns.TypeA))
		if got.Rcode != dns.RcodeSuccess {
			return dns.RcodeToString[got.Rcode]
		}
		return show(got.Answer)
	}
	if got := ask(); got != "SERVFAIL" {
		t.Errorf("before the first snapshot: %s", got)
	}
	if got := exchange(t, "udp", address, question("x.execute-api.us-east-1.amazonaws.com.", dns.TypeA)); len(got.Answer) != 2 {
		t.Errorf("a platform name before the first snapshot: %v", got)
	}
	zone := func(revision uint64, ip string) *snapshot.DNS {
		d := dnsOf(zoneOf("p.test.", rs("www.p.test.", "A", 60, ip)))
		d.Revision = revision
		return d
	}
	publish := func(d *snapshot.DNS) {
		t.Helper()
		if err := s.Publish(d); err != nil {
			t.Fatal(err)
		}
	}
	publish(zone(4, "192.0.2.1"))
	if got := ask(); got != "www.p.test. 60 IN A 192.0.2.1" {
		t.Errorf("published: %s", got)
	}
	err := s.Publish(zone(5, "192.0.2.1000"))
	if err == nil || !strings.Contains(err.Error(), "revision 4") || !strings.Contains(err.Error(), "www.p.test. A") || !strings.Contains(err.Error(), "192.0.2.1000") {
		t.Errorf("a broken snapshot: %v", err)
	}
	if got := ask(); got != "www.p.test. 60 IN A 192.0.2.1" {
		t.Errorf("after a broken snapshot: %s", got)
	}
	publish(zone(6, "192.0.2.2"))
	publish(zone(5, "192.0.2.3"))
	if got := ask(); got != "www.p.test. 60 IN A 192.0.2.2" {
		t.Errorf("an older snapshot took the place of a newer: %s", got)
	}
	publish(&snapshot.DNS{Revision: 7})
	if got := ask(); got != "REFUSED" {
		t.Errorf("after the zone was deleted: %s", got)
	}
}

func TestPublishRefuses(t *testing.T) {
	t.Parallel()
	with := func(sets ...snapshot.RecordSet) *snapshot.DNS { return dnsOf(zoneOf("p.test.", sets...)) }
	both := rs("a.p.test.", "A", 60, "192.0.2.1")
	both.Alias = "b.p.test."
	for what, c := range map[string]struct {
		d    *snapshot.DNS
		want string
	}{
		"nil":                   {nil, "no snapshot"},
		"nil zone":              {&snapshot.DNS{Zones: map[string]*snapshot.Zone{"p.test.": nil}}, "nil"},
		"another key":           {&snapshot.DNS{Zones: map[string]*snapshot.Zone{"q.test.": zoneOf("p.test.")}}, "calls itself"},
		"not absolute":          {dnsOf(zoneOf("p.test")), "not an absolute"},
		"no SOA":                {dnsOf(&snapshot.Zone{Name: "p.test."}), "no SOA"},
		"twice":                 {dnsOf(zoneOf("p.test."), zoneOf("P.test.")), "twice"},
		"SOA elsewhere":         {with(rs("x.p.test.", "SOA", 60, "a. b. 1 2 3 4 5")), "one SOA"},
		"two SOA":               {dnsOf(&snapshot.Zone{Name: "p.test.", Sets: []snapshot.RecordSet{rs("p.test.", "SOA", 60, "a. b. 1 2 3 4 5", "a. b. 1 2 3 4 6")}}), "one SOA"},
		"outside":               {with(rs("x.q.test.", "A", 60, "192.0.2.1")), "not in the zone"},
		"outside, same ending":  {with(rs("xp.test.", "A", 60, "192.0.2.1")), "not in the zone"},
		"unknown type":          {with(rs("x.p.test.", "NOPE", 60, "x")), "no such type"},
		"question type":         {with(rs("x.p.test.", "ANY", 60, "x")), "no such type"},
		"set twice":             {with(rs("x.p.test.", "A", 60, "192.0.2.1"), rs("X.p.test.", "A", 60, "192.0.2.1")), "twice"},
		"no values":             {with(rs("x.p.test.", "A", 60)), "neither"},
		"values and alias":      {with(both), "both"},
		"alias of nothing":      {with(alias("x.p.test.", "A", "y")), "alias target"},
		"alias of NS":           {with(alias("x.p.test.", "NS", "y.p.test.")), "no alias"},
		"CNAME beside others":   {with(rs("x.p.test.", "A", 60, "192.0.2.1"), rs("x.p.test.", "CNAME", 60, "y.p.test.")), "beside"},
		"CNAME at the apex":     {with(rs("p.test.", "CNAME", 60, "y.p.test.")), "beside"},
		"two CNAMEs":            {with(rs("x.p.test.", "CNAME", 60, "y.p.test.", "z.p.test.")), "one CNAME"},
		"TTL":                   {with(rs("x.p.test.", "A", math.MaxInt32+1, "192.0.2.1")), "TTL"},
		"empty value":           {with(rs("x.p.test.", "A", 60, "")), "value"},
		"comment for a value":   {with(rs("x.p.test.", "A", 60, "; nothing")), "value"},
		"two lines":             {with(rs("x.p.test.", "A", 60, "192.0.2.1\nexample.com. 60 IN A 192.0.2.2")), "line break"},
		"more than one value":   {with(rs("x.p.test.", "A", 60, "192.0.2.1 192.0.2.2")), "value"},
		"broken generic form":   {with(rs("x.p.test.", "CNAME", 60, `\# 2 C000`)), "value"},
		"IPv6 in A":             {with(rs("x.p.test.", "A", 60, "2001:db8::1")), "value"},
		"a name with a newline": {with(rs("x\n.p.test.", "A", 60, "x")), "value"},
		"open parenthesis":      {with(rs("x.p.test.", "TXT", 60, `( "a"`)), "value"},
		"oversize":              {with(rs("x.p.test.", "TXT", 60, strings.Repeat(`"`+strings.Repeat("a", 255)+`" `, 200))), "value"},
	} {
		err := New(Config{}).Publish(c.d)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", what, err, c.want)
		}
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]string{{"A.Example.", "a.eXAMPLE."}, {`\097.test.`, "a.test."}, {`\065.test.`, "a.test."}, {`a\@b.test.`, `a\064b.test.`}} {
		a, err1 := keyOf(pair[0])
		b, err2 := keyOf(pair[1])
		if a != b || err1 != nil || err2 != nil {
			t.Errorf("%s and %s: %q and %q, %v, %v", pair[0], pair[1], a, b, err1, err2)
		}
	}
	for _, bad := range []string{"", "a", "a..b.", strings.Repeat("a", 64) + ".", strings.Repeat("abcdefg.", 32)} {
		if k, err := keyOf(bad); err == nil {
			t.Errorf("%q became %q", bad, k)
		}
	}
	dotted, _ := keyOf(`a\.b.test.`)
	plain, _ := keyOf("a.b.test.")
	if dotted == plain {
		t.Error("a dot inside a label is a dot between labels")
	}
}

// What Publish takes, the server can answer with.
func FuzzPublish(f *testing.F) {
	for _, z := range example().Zones {
		for _, set := range z.Sets {
			for i, value := range set.Values {
				if i < 3 {
					f.Add(set.Name, set.Type, value)
				}
			}
			if set.Alias != "" {
				f.Add(set.Name, set.Type, set.Alias)
			}
		}
	}
	f.Add("svc.example.com.", "HTTPS", `1 . alpn="h2,h3" ipv4hint=192.0.2.1`)
	f.Add("caa.example.com.", "CAA", `0 issue "amazon.com"`)
	f.Add("naptr.example.com.", "NAPTR", `100 50 "s" "http" "" _http._tcp.example.com.`)
	f.Fuzz(func(t *testing.T, name, kind, value string) {
		set := rs(name, kind, 60, value)
		aliased := alias("alias."+name, kind, value)
		s := New(Config{})
		for _, d := range []*snapshot.DNS{dnsOf(zoneOf("example.com.", set)), dnsOf(zoneOf("example.com.", set, aliased))} {
			if s.Publish(d) != nil {
				continue
			}
			for _, owner := range []string{name, "alias." + name} {
				q := new(dns.Msg)
				q.SetQuestion(owner, dns.StringToType[kind])
				wire, err := q.Pack()
				if err != nil {
					t.Fatalf("%q was published but cannot be asked for: %v", owner, err)
				}
				got := new(dns.Msg)
				if err := got.Unpack(s.respond(wire, tcp, nil)); err != nil {
					t.Fatalf("%q %q %q: %v", name, kind, value, err)
				}
				if got.Rcode == dns.RcodeServerFailure {
					t.Fatalf("%q %q %q cannot be answered", name, kind, value)
				}
			}
		}
	})
}

// The endpoint's names are there when the server is told where it is, else they
// are nobody's.
func TestEndpointNames(t *testing.T) {
	t.Parallel()
	config := Config{EndpointAddresses: []netip.Addr{netip.MustParseAddr("192.0.2.66")}}
	told, _ := listen(t, newServer(t, config, example()))
	untold, _ := listen(t, newServer(t, Config{}, example()))
	for _, name := range []string{
		"s3.amazonaws.com.", "bucket.s3.amazonaws.com.", "s3.eu-west-1.amazonaws.com.", "bucket.s3.eu-west-1.amazonaws.com.", "my.bucket.s3.eu-west-1.amazonaws.com.",
		"ocsp.acm-pca.eu-west-1.amazonaws.com.", "ocsp.acm-pca.cn-north-1.amazonaws.com.cn.", "bucket.s3.cn-north-1.amazonaws.com.cn.",
	} {
		if got, want := show(exchange(t, "udp", told, question(name, dns.TypeA)).Answer), name+" 60 IN A 192.0.2.66"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if got := exchange(t, "udp", untold, question(name, dns.TypeA)); got.Rcode != dns.RcodeRefused {
			t.Errorf("%s, not told: %v", name, got)
		}
	}
	for _, name := range []string{"acm-pca.eu-west-1.amazonaws.com.", "ocsp.acm-pca.nowhere.amazonaws.com.", "ocsp.eu-west-1.amazonaws.com.", "s3.eu-west-1.amazonaws.net.", "s3.", "ocsp."} {
		if got := exchange(t, "udp", told, question(name, dns.TypeA)); got.Rcode != dns.RcodeRefused {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got, want := show(exchange(t, "udp", told, question("s3.eu-west-1.amazonaws.com.", dns.TypeSOA)).Answer), platformSOA("s3.eu-west-1.amazonaws.com."); got != want {
		t.Errorf("SOA: got %s, want %s", got, want)
	}
	// The gateway's names go on leading to the gateway.
	if got := exchange(t, "udp", told, question("x.execute-api.us-east-1.amazonaws.com.", dns.TypeA)); len(got.Answer) != 2 {
		t.Errorf("a name of the gateway: %v", got)
	}
}
