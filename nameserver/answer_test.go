package nameserver

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"countersign/edge/snapshot"

	"github.com/miekg/dns"
)

const (
	soa = "900 IN SOA ns1.names.test. hostmaster.names.test. 1 7200 900 1209600 86400"
	com = "example.com. " + soa
)

func platformSOA(apex string) string {
	return apex + " 60 IN SOA " + apex + " nobody.invalid. 1 3600 1200 604800 60"
}

var answers = []struct {
	name, kind string
	rcode      int
	notAA      bool
	answer     string
	authority  string
	additional string
}{
	// Plain answers.
	{name: "example.com.", kind: "A", answer: "example.com. 300 IN A 192.0.2.1"},
	{name: "example.com.", kind: "SOA", answer: com},
	{name: "example.com.", kind: "NS", answer: lines("example.com. 172800 IN NS ns1.names.test.", "example.com. 172800 IN NS ns2.names.test.")},
	{name: "example.com.", kind: "MX", answer: "example.com. 300 IN MX 10 mail.example.com."},
	{name: "www.example.com.", kind: "A", answer: lines("www.example.com. 300 IN A 192.0.2.1", "www.example.com. 300 IN A 192.0.2.2")},
	{name: "www.example.com.", kind: "TXT", answer: `www.example.com. 60 IN TXT "v=1; a \"b\"" "second"`},
	{name: "odd@.x.example.com.", kind: "A", rcode: dns.RcodeNameError, authority: com},
	{name: `odd\064\.x.example.com.`, kind: "A", answer: `odd\@\.x.example.com. 300 IN A 192.0.2.6`},

	// Nothing there: the type, the name, below an existing name, an empty non-terminal.
	{name: "www.example.com.", kind: "AAAA", authority: com},
	{name: "nothing.example.com.", kind: "A", rcode: dns.RcodeNameError, authority: com},
	{name: "x.www.example.com.", kind: "A", rcode: dns.RcodeNameError, authority: com},
	{name: "empty.example.com.", kind: "A", authority: com},
	{name: "deep.empty.example.com.", kind: "ANY", authority: com},
	{name: "b.deep.empty.example.com.", kind: "A", rcode: dns.RcodeNameError, authority: com},
	{name: "elsewhere.test.", kind: "A", rcode: dns.RcodeRefused, notAA: true},
	{name: ".", kind: "NS", rcode: dns.RcodeRefused, notAA: true},
	{name: "com.", kind: "A", rcode: dns.RcodeRefused, notAA: true},

	// Wildcards, RFC 4592.
	{name: "any.wild.example.com.", kind: "A", answer: "any.wild.example.com. 300 IN A 192.0.2.4"},
	{name: "two.labels.wild.example.com.", kind: "A", answer: "two.labels.wild.example.com. 300 IN A 192.0.2.4"},
	{name: "*.wild.example.com.", kind: "A", answer: "*.wild.example.com. 300 IN A 192.0.2.4"},
	{name: "any.wild.example.com.", kind: "AAAA", authority: com},
	{name: "wild.example.com.", kind: "A", authority: com},
	{name: "exact.wild.example.com.", kind: "A", authority: com},
	{name: "below.exact.wild.example.com.", kind: "A", rcode: dns.RcodeNameError, authority: com},
	{name: "ent.wild.example.com.", kind: "A", authority: com},
	{name: "other.ent.wild.example.com.", kind: "A", rcode: dns.RcodeNameError, authority: com},
	{name: "x.*.wild.example.com.", kind: "A", rcode: dns.RcodeNameError, authority: com},
	{name: "a.cwild.example.com.", kind: "A", answer: lines("a.cwild.example.com. 300 IN CNAME www.example.com.", "www.example.com. 300 IN A 192.0.2.1", "www.example.com. 300 IN A 192.0.2.2")},
	{name: "a.cwild.example.com.", kind: "CNAME", answer: "a.cwild.example.com. 300 IN CNAME www.example.com."},

	// CNAMEs.
	{name: "c1.example.com.", kind: "A", answer: lines("c1.example.com. 30 IN CNAME c2.example.com.", "c2.example.com. 30 IN CNAME www.example.com.", "www.example.com. 300 IN A 192.0.2.1", "www.example.com. 300 IN A 192.0.2.2")},
	{name: "c1.example.com.", kind: "CNAME", answer: "c1.example.com. 30 IN CNAME c2.example.com."},
	{name: "c2.example.com.", kind: "AAAA", answer: "c2.example.com. 30 IN CNAME www.example.com.", authority: com},
	{name: "gone.example.com.", kind: "A", rcode: dns.RcodeNameError, answer: "gone.example.com. 30 IN CNAME nothing.example.com.", authority: com},
	{name: "away.example.com.", kind: "A", answer: "away.example.com. 30 IN CNAME www.elsewhere.test."},
	{name: "over.example.com.", kind: "A", answer: lines("over.example.com. 30 IN CNAME www.example.org.", "www.example.org. 300 IN A 198.51.100.1")},
	{name: "loop1.example.com.", kind: "A", answer: lines("loop1.example.com. 30 IN CNAME loop2.example.com.", "loop2.example.com. 30 IN CNAME loop1.example.com.")},
	{name: "api.example.com.", kind: "AAAA", answer: lines("api.example.com. 30 IN CNAME d-abcdefghij.execute-api.us-east-2.amazonaws.com.", "d-abcdefghij.execute-api.us-east-2.amazonaws.com. 60 IN AAAA 2001:db8::7")},
	{name: "into.example.com.", kind: "A", answer: "into.example.com. 30 IN CNAME host.sub.example.com.",
		authority:  lines("sub.example.com. 600 IN NS ns1.sub.example.com.", "sub.example.com. 600 IN NS ns.other.test.", "sub.example.com. 600 IN NS ns2.example.com."),
		additional: lines("ns1.sub.example.com. 600 IN A 192.0.2.53", "ns1.sub.example.com. 600 IN AAAA 2001:db8::53", "ns2.example.com. 600 IN A 192.0.2.54")},

	// Delegation.
	{name: "host.sub.example.com.", kind: "A", notAA: true,
		authority:  lines("sub.example.com. 600 IN NS ns1.sub.example.com.", "sub.example.com. 600 IN NS ns.other.test.", "sub.example.com. 600 IN NS ns2.example.com."),
		additional: lines("ns1.sub.example.com. 600 IN A 192.0.2.53", "ns1.sub.example.com. 600 IN AAAA 2001:db8::53", "ns2.example.com. 600 IN A 192.0.2.54")},
	{name: "ns1.sub.example.com.", kind: "A", notAA: true,
		authority:  lines("sub.example.com. 600 IN NS ns1.sub.example.com.", "sub.example.com. 600 IN NS ns.other.test.", "sub.example.com. 600 IN NS ns2.example.com."),
		additional: lines("ns1.sub.example.com. 600 IN A 192.0.2.53", "ns1.sub.example.com. 600 IN AAAA 2001:db8::53", "ns2.example.com. 600 IN A 192.0.2.54")},
	{name: "sub.example.com.", kind: "DS", answer: "sub.example.com. 600 IN DS 12345 13 2 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF"},
	{name: "host.sub.example.com.", kind: "DS", notAA: true,
		authority:  lines("sub.example.com. 600 IN NS ns1.sub.example.com.", "sub.example.com. 600 IN NS ns.other.test.", "sub.example.com. 600 IN NS ns2.example.com."),
		additional: lines("ns1.sub.example.com. 600 IN A 192.0.2.53", "ns1.sub.example.com. 600 IN AAAA 2001:db8::53", "ns2.example.com. 600 IN A 192.0.2.54")},

	// A zone inside another, both ours.
	{name: "x.child.example.com.", kind: "A", answer: "x.child.example.com. 300 IN A 198.51.100.2"},
	{name: "y.child.example.com.", kind: "A", rcode: dns.RcodeNameError, authority: "child.example.com. " + soa},
	{name: "child.example.com.", kind: "DS", authority: "child.example.com. " + soa}, // the parent does not know it

	// Aliases: never a CNAME, their own name, TTL 60.
	{name: "self.example.com.", kind: "A", answer: lines("self.example.com. 60 IN A 192.0.2.1", "self.example.com. 60 IN A 192.0.2.2")},
	{name: "self.example.com.", kind: "AAAA", authority: com},
	{name: "gw.example.com.", kind: "A", answer: lines("gw.example.com. 60 IN A 192.0.2.7", "gw.example.com. 60 IN A 192.0.2.8")},
	{name: "gw.example.com.", kind: "AAAA", answer: "gw.example.com. 60 IN AAAA 2001:db8::7"},
	{name: "gw.example.com.", kind: "TXT", authority: com},
	{name: "chain1.example.com.", kind: "A", answer: lines("chain1.example.com. 60 IN A 192.0.2.7", "chain1.example.com. 60 IN A 192.0.2.8")},
	{name: "ring1.example.com.", kind: "A", authority: com},
	{name: "throughcname.example.com.", kind: "A", answer: lines("throughcname.example.com. 60 IN A 192.0.2.1", "throughcname.example.com. 60 IN A 192.0.2.2")},
	{name: "cnamealias.example.com.", kind: "CNAME", answer: "cnamealias.example.com. 60 IN CNAME c2.example.com."},
	{name: "cnamealias.example.com.", kind: "AAAA", answer: lines("cnamealias.example.com. 60 IN CNAME c2.example.com.", "c2.example.com. 30 IN CNAME www.example.com."), authority: com},
	{name: "nowhere.example.com.", kind: "A", authority: com},
	{name: "foreign.example.com.", kind: "A", authority: com},
	{name: "x.gwild.example.com.", kind: "A", answer: lines("x.gwild.example.com. 60 IN A 192.0.2.7", "x.gwild.example.com. 60 IN A 192.0.2.8")},

	// ANY, RFC 8482.
	{name: "www.example.com.", kind: "ANY", answer: `www.example.com. 3600 IN HINFO "RFC8482" ""`},
	{name: "c1.example.com.", kind: "ANY", answer: "c1.example.com. 30 IN CNAME c2.example.com."},
	{name: "nothing.example.com.", kind: "ANY", rcode: dns.RcodeNameError, authority: com},

	// The platform's names.
	{name: "abc.execute-api.us-east-1.amazonaws.com.", kind: "A", answer: lines("abc.execute-api.us-east-1.amazonaws.com. 60 IN A 192.0.2.7", "abc.execute-api.us-east-1.amazonaws.com. 60 IN A 192.0.2.8")},
	{name: "abc.execute-api.us-gov-west-1.amazonaws.com.", kind: "AAAA", answer: "abc.execute-api.us-gov-west-1.amazonaws.com. 60 IN AAAA 2001:db8::7"},
	{name: "abc.execute-api.cn-north-1.amazonaws.com.cn.", kind: "AAAA", answer: "abc.execute-api.cn-north-1.amazonaws.com.cn. 60 IN AAAA 2001:db8::7"},
	{name: "a.b.execute-api.us-east-1.amazonaws.com.", kind: "AAAA", answer: "a.b.execute-api.us-east-1.amazonaws.com. 60 IN AAAA 2001:db8::7"},
	{name: "abc.execute-api.us-east-1.amazonaws.com.", kind: "TXT", authority: platformSOA("execute-api.us-east-1.amazonaws.com.")},
	{name: "execute-api.us-east-1.amazonaws.com.", kind: "A", authority: platformSOA("execute-api.us-east-1.amazonaws.com.")},
	{name: "execute-api.us-east-1.amazonaws.com.", kind: "SOA", answer: platformSOA("execute-api.us-east-1.amazonaws.com.")},
	{name: "execute-api.us-east-1.amazonaws.com.", kind: "NS", answer: "execute-api.us-east-1.amazonaws.com. 60 IN NS execute-api.us-east-1.amazonaws.com."},
	{name: "_x.abc.acm-validations.aws.", kind: "AAAA", answer: "_x.abc.acm-validations.aws. 60 IN AAAA 2001:db8::7"},
	{name: "abc.execute-api.amazonaws.com.", kind: "A", rcode: dns.RcodeRefused, notAA: true},
	{name: "abc.execute-api.nowhere.amazonaws.com.", kind: "A", rcode: dns.RcodeRefused, notAA: true},
	{name: "abc.execute-api.us-east-1.amazonaws.org.", kind: "A", rcode: dns.RcodeRefused, notAA: true},
	{name: "s3.us-east-1.amazonaws.com.", kind: "A", rcode: dns.RcodeRefused, notAA: true},
	{name: `abc.execute-api.us-east-1.x\009amazonaws.com.`, kind: "A", rcode: dns.RcodeRefused, notAA: true},

	// Not for names.
	{name: "example.com.", kind: "AXFR", rcode: dns.RcodeRefused, notAA: true},
	{name: "example.com.", kind: "IXFR", rcode: dns.RcodeRefused, notAA: true},
	{name: "example.com.", kind: "MAILB", rcode: dns.RcodeNotImplemented, notAA: true},
	{name: "example.com.", kind: "RRSIG", authority: com},
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	address, _ := listen(t, newServer(t, Config{}, example()))
	for _, network := range []string{"udp", "tcp"} {
		for _, c := range answers {
			t.Run(network+" "+c.name+" "+c.kind, func(t *testing.T) {
				q := question(c.name, dns.StringToType[c.kind])
				q.SetEdns0(1232, false)
				got := exchange(t, network, address, q)
				if got.Rcode != c.rcode {
					t.Errorf("got %s, want %s", dns.RcodeToString[got.Rcode], dns.RcodeToString[c.rcode])
				}
				if got.Authoritative == c.notAA {
					t.Errorf("AA is %v", got.Authoritative)
				}
				if !got.Response || got.RecursionAvailable || got.AuthenticatedData || got.Truncated || got.Zero {
					t.Errorf("flags: %v", got.MsgHdr.String())
				}
				if a := show(got.Answer); a != c.answer {
					t.Errorf("answer:\n%s\nwant:\n%s", a, c.answer)
				}
				if a := show(got.Ns); a != c.authority {
					t.Errorf("authority:\n%s\nwant:\n%s", a, c.authority)
				}
				if a := show(got.Extra); a != c.additional {
					t.Errorf("additional:\n%s\nwant:\n%s", a, c.additional)
				}
			})
		}
	}
}

// A chain comes in its order, so that a client can follow it as it reads.
func TestChainOrder(t *testing.T) {
	t.Parallel()
	sets := []snapshot.RecordSet{rs("end.long.test.", "A", 5, "192.0.2.1")}
	for i := range 20 {
		to := fmt.Sprintf("n%d.long.test.", i+1)
		if i == 19 {
			to = "end.long.test."
		}
		sets = append(sets, rs(fmt.Sprintf("n%d.long.test.", i), "CNAME", 5, to), alias(fmt.Sprintf("a%d.long.test.", i), "A", strings.Replace(to, "n", "a", 1)))
	}
	address, _ := listen(t, newServer(t, Config{}, dnsOf(zoneOf("long.test.", sets...))))

	got := exchange(t, "udp", address, question("n0.long.test.", dns.TypeA))
	if len(got.Answer) != maxChain || got.Rcode != dns.RcodeSuccess {
		t.Fatalf("a chain of 20 gave %d records and %s, want %d and NOERROR", len(got.Answer), dns.RcodeToString[got.Rcode], maxChain)
	}
	for i, rr := range got.Answer {
		if rr.Header().Name != fmt.Sprintf("n%d.long.test.", i) {
			t.Errorf("record %d is %v", i, rr)
		}
	}
	if got = exchange(t, "udp", address, question("n15.long.test.", dns.TypeA)); len(got.Answer) != 6 || got.Answer[5].Header().Rrtype != dns.TypeA {
		t.Errorf("the end of the chain: %v", got.Answer)
	}
	if got = exchange(t, "udp", address, question("a0.long.test.", dns.TypeA)); len(got.Answer) != 0 {
		t.Errorf("an alias chain of 20 was followed: %v", got.Answer)
	}
}

// A DS question about a zone's apex is the parent's to answer when it is ours
// and delegates (RFC 4035 section 3.1.4.1).
func TestDSOfChild(t *testing.T) {
	t.Parallel()
	const ds = "12345 13 2 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF"
	address, _ := listen(t, newServer(t, Config{}, dnsOf(
		zoneOf("parent.test.", rs("child.parent.test.", "NS", 60, "ns1.names.test."), rs("child.parent.test.", "DS", 60, ds)),
		zoneOf("child.parent.test."),
	)))
	if got := exchange(t, "udp", address, question("child.parent.test.", dns.TypeDS)); show(got.Answer) != "child.parent.test. 60 IN DS "+ds || !got.Authoritative {
		t.Errorf("DS: %v", got)
	}
	if got := exchange(t, "udp", address, question("child.parent.test.", dns.TypeNS)); len(got.Answer) != 2 || !got.Authoritative {
		t.Errorf("NS: %v", got)
	}
}

// The platform's names stay the platform's, whatever zones somebody publishes.
func TestPlatformCannotBeTaken(t *testing.T) {
	t.Parallel()
	const name = "d-abcdefghij.execute-api.us-east-1.amazonaws.com."
	address, _ := listen(t, newServer(t, Config{}, dnsOf(
		zoneOf(name, rs(name, "A", 60, "203.0.113.66")),
		zoneOf("amazonaws.com.", rs(name, "A", 60, "203.0.113.66"), rs("other.amazonaws.com.", "A", 60, "203.0.113.67")),
	)))
	want := lines(name+" 60 IN A 192.0.2.7", name+" 60 IN A 192.0.2.8")
	if got := show(exchange(t, "udp", address, question(name, dns.TypeA)).Answer); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := show(exchange(t, "udp", address, question("other.amazonaws.com.", dns.TypeA)).Answer); got != "other.amazonaws.com. 60 IN A 203.0.113.67" {
		t.Errorf("the rest of the zone is not served: %s", got)
	}
}

func TestHundredsOfRecords(t *testing.T) {
	t.Parallel()
	var sets []snapshot.RecordSet
	for i := range 800 {
		sets = append(sets, rs(fmt.Sprintf("h%d.big.test.", i), "A", 60, fmt.Sprintf("10.1.%d.%d", i/256, i%256)))
	}
	address, _ := listen(t, newServer(t, Config{}, dnsOf(zoneOf("big.test.", sets...))))
	c := &dns.Client{Net: "tcp"}
	conn, err := c.Dial(address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for i := range 800 {
		name := fmt.Sprintf("h%d.big.test.", i)
		got, _, err := c.ExchangeWithConn(question(name, dns.TypeA), conn)
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("%s 60 IN A 10.1.%d.%d", name, i/256, i%256); show(got.Answer) != want {
			t.Fatalf("got %s, want %s", show(got.Answer), want)
		}
	}
}

func TestDig(t *testing.T) {
	t.Parallel()
	dig, err := exec.LookPath("dig")
	if err != nil {
		t.Skip("dig is not installed")
	}
	address, _ := listen(t, newServer(t, Config{}, example()))
	host, port, _ := strings.Cut(address, ":")
	for _, c := range []struct{ args, want string }{
		{"+short www.example.com A", "192.0.2.1\n192.0.2.2"},
		{"+short +tcp gw.example.com A", "192.0.2.7\n192.0.2.8"},
		{"+short c1.example.com", "c2.example.com.\nwww.example.com.\n192.0.2.1\n192.0.2.2"},
		{"+noall +comments nothing.example.com", "status: NXDOMAIN"},
		{"+noall +comments www.example.com", "flags: qr aa rd; QUERY: 1, ANSWER: 2, AUTHORITY: 0, ADDITIONAL: 1"},
		{"+noall +comments www.example.com", "udp: 1232"},
		{"+noall +comments +ignore +noedns many.example.com", "flags: qr aa tc rd;"},
		{"+noall +comments many.example.com", "ANSWER: 120"}, // again over TCP
		{"+noall +comments +notcp +edns=1 +noednsnegotiation example.com", "status: BADVERS"},
	} {
		out, err := exec.Command(dig, append([]string{"@" + host, "-p", port, "+time=5", "+tries=1"}, strings.Fields(c.args)...)...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), c.want) {
			t.Errorf("dig %s: %v\n%s\nwant %s", c.args, err, out, c.want)
		}
	}
}
