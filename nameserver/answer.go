package nameserver

import (
	"github.com/miekg/dns"
)

// maxChain bounds how many CNAMEs or aliases one answer follows. A client asks
// again for where the chain was left.
const maxChain = 8

// answer fills in the reply to its one question, by the algorithm of RFC 1034
// section 4.3.2 as RFC 4592 and RFC 2308 have made it clearer.
func (v *view) answer(reply *dns.Msg) {
	owner, kind := reply.Question[0].Name, reply.Question[0].Qtype
	name, err := keyOf(owner)
	if err != nil {
		reply.Rcode = dns.RcodeFormatError
		return
	}
	var seen [maxChain]key
	for step := 0; ; step++ {
		z := v.zone(name, kind)
		if z == nil {
			if step == 0 {
				reply.Rcode = dns.RcodeRefused
			}
			return
		}
		n, cut := z.find(name)
		if cut != "" && (cut != name || kind != dns.TypeDS) {
			// AA is about the name that was asked for: a referral is no
			// authoritative answer, but a CNAME before it is.
			z.refer(reply, cut)
			return
		}
		reply.Authoritative = true
		if n == nil {
			reply.Rcode = dns.RcodeNameError // of the last name of a chain (RFC 6604 section 3)
			reply.Ns = append(reply.Ns, z.negative())
			return
		}
		if kind == dns.TypeANY && len(n.sets) > 0 {
			reply.Answer = append(reply.Answer, v.any(n, owner)...)
			return
		}
		if records := v.records(n, kind, owner); len(records) > 0 {
			reply.Answer = append(reply.Answer, records...)
			return
		}
		cname := v.records(n, dns.TypeCNAME, owner)
		if len(cname) == 0 {
			reply.Ns = append(reply.Ns, z.negative())
			return
		}
		reply.Answer = append(reply.Answer, cname[0])
		if step == maxChain-1 {
			return
		}
		seen[step] = name
		owner = cname[0].(*dns.CNAME).Target
		if name, err = keyOf(owner); err != nil {
			return
		}
		for _, before := range seen[:step+1] {
			if name == before { // a loop: the client finds out
				return
			}
		}
	}
}

// any answers type ANY with as little as possible, which is no use for
// amplification: the CNAME, or the record that RFC 8482 section 4.2 made for it.
func (v *view) any(n *node, owner string) []dns.RR {
	if cname := v.records(n, dns.TypeCNAME, owner); len(cname) > 0 {
		return cname
	}
	return []dns.RR{&dns.HINFO{
		Hdr: dns.RR_Header{Name: owner, Rrtype: dns.TypeHINFO, Class: dns.ClassINET, Ttl: 3600},
		Cpu: "RFC8482",
	}}
}

// records gives a node's records of a type as those of owner: as the query
// writes it, and for a wildcard's. Those that an alias stands for come with
// the alias's TTL.
func (v *view) records(n *node, kind uint16, owner string) []dns.RR {
	s := n.sets[kind]
	alias := s != nil && s.records == nil
	for step := 0; s != nil && s.records == nil; step++ {
		if step == maxChain {
			return nil
		}
		s = v.target(s.target, kind)
	}
	if s == nil {
		return nil
	}
	out := make([]dns.RR, len(s.records))
	for i, rr := range s.records {
		if alias || rr.Header().Name != owner {
			rr = dns.Copy(rr)
			rr.Header().Name = owner
			if alias {
				rr.Header().Ttl = platformTTL
			}
		}
		out[i] = rr
	}
	return out
}

// target gives the record set of a type that an alias's target has, nil for
// none. A CNAME there is taken for an alias in turn: the answer of an alias
// never has a CNAME that was not asked for.
func (v *view) target(name key, kind uint16) *set {
	z := v.zone(name, kind)
	if z == nil {
		return nil
	}
	n, cut := z.find(name)
	if n == nil || cut != "" {
		return nil
	}
	if s := n.sets[kind]; s != nil {
		return s
	}
	if s := n.sets[dns.TypeCNAME]; s != nil {
		return &set{target: s.target}
	}
	return nil
}

// refer points at the name servers that a part of the zone was delegated to,
// with the addresses that the zone has for them: without those below the cut
// nobody could reach them (RFC 9471).
func (z *zone) refer(reply *dns.Msg, cut key) {
	for _, rr := range z.nodes[cut].sets[dns.TypeNS].records {
		reply.Ns = append(reply.Ns, rr)
		server, err := keyOf(rr.(*dns.NS).Ns)
		if err != nil {
			continue
		}
		if n := z.nodes[server]; n != nil {
			for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
				if s := n.sets[kind]; s != nil {
					reply.Extra = append(reply.Extra, s.records...)
				}
			}
		}
	}
}

// negative is the SOA record that says for how long a name or a type that does
// not exist may be remembered (RFC 2308 section 3).
func (z *zone) negative() dns.RR {
	soa := *z.soa
	soa.Hdr.Ttl = min(soa.Hdr.Ttl, soa.Minttl)
	return &soa
}
