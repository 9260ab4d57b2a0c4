package nameserver

import (
	"maps"
	"net/netip"
	"regexp"

	"github.com/miekg/dns"
)

// platformTTL is what API Gateway's own names and alias records have.
const platformTTL = 60

// acmValidations is where the CNAME records point that ACM wants to see.
const acmValidations key = "\x0facm-validations\x03aws\x00"

var region = regexp.MustCompile(`^[a-z]{2}(-[a-z]{1,12}){1,3}-[0-9]{1,2}$`)

// A platform is what names that belong to the platform lead to. It answers for
// the endpoint's names only when they lead somewhere.
type platform struct {
	gateway  []netip.Addr // every name below execute-api.<region>.amazonaws.com, and acm-validations.aws
	endpoint []netip.Addr // s3.<region>.amazonaws.com and ocsp.acm-pca.<region>.amazonaws.com with every name below
}

// apex tells whether k is the apex of a zone of the platform, and what names
// below it have; bare: the apex itself has it, too.
func (p platform) apex(k key) (addresses []netip.Addr, bare, ok bool) {
	if k == acmValidations {
		return p.gateway, false, true
	}
	switch k.label() {
	case "execute-api":
		return p.gateway, false, inRegion(k.parent())
	case "s3":
		return p.endpoint, true, len(p.endpoint) > 0 && (amazon(k.parent()) || inRegion(k.parent()))
	case "ocsp":
		parent := k.parent()
		return p.endpoint, true, len(p.endpoint) > 0 && parent.label() == "acm-pca" && inRegion(parent.parent())
	}
	return nil, false, false
}

// inRegion tells whether k is <region>.amazonaws.com, or that of China.
func inRegion(k key) bool {
	return k.label() != "" && amazon(k.parent()) && region.MatchString(k.label())
}

func amazon(k key) bool {
	return k == "\x09amazonaws\x03com\x00" || k == "\x09amazonaws\x03com\x02cn\x00"
}

// above gives the platform's zone that k belongs to, or nil.
func (p platform) above(k key) *zone {
	for ; k != ""; k = k.parent() {
		if addresses, bare, ok := p.apex(k); ok {
			return platformZone(k, addresses, bare)
		}
	}
	return nil
}

// platformZone makes the zone of a platform apex: every name below it has the
// addresses, and with bare the apex as well. The form of its SOA and NS records is that of RFC 6303
// section 3, for zones that exist on one server only. It is made anew for every
// query, since any Region's name may be asked for.
func platformZone(apex key, addresses []netip.Addr, bare bool) *zone {
	name := apex.String()
	header := func(kind uint16) dns.RR_Header {
		return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: platformTTL}
	}
	soa := &dns.SOA{
		Hdr: header(dns.TypeSOA), Ns: name, Mbox: "nobody.invalid.",
		Serial: 1, Refresh: 3600, Retry: 1200, Expire: 604800, Minttl: platformTTL,
	}
	below := make(map[uint16]*set, 2)
	for _, a := range addresses {
		var rr dns.RR
		a = a.Unmap().WithZone("")
		switch {
		case a.Is4():
			rr = &dns.A{Hdr: header(dns.TypeA), A: a.AsSlice()}
		case a.Is6():
			rr = &dns.AAAA{Hdr: header(dns.TypeAAAA), AAAA: a.AsSlice()}
		default:
			continue // the zero Addr
		}
		kind := rr.Header().Rrtype
		if below[kind] == nil {
			below[kind] = &set{}
		}
		below[kind].records = append(below[kind].records, rr)
	}
	own := map[uint16]*set{
		dns.TypeSOA: {records: []dns.RR{soa}},
		dns.TypeNS:  {records: []dns.RR{&dns.NS{Hdr: header(dns.TypeNS), Ns: name}}},
	}
	if bare {
		maps.Copy(own, below)
	}
	return &zone{apex: apex, soa: soa, nodes: map[key]*node{apex: {sets: own}, apex.wildcard(): {sets: below}}}
}
