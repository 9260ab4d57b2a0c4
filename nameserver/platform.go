package nameserver

import (
	"net/netip"
	"regexp"

	"github.com/miekg/dns"
)

// platformTTL is what API Gateway's own names and alias records have.
const platformTTL = 60

// acmValidations is where the CNAME records point that ACM wants to see.
const acmValidations key = "\x0facm-validations\x03aws\x00"

var region = regexp.MustCompile(`^[a-z]{2}(-[a-z]{1,12}){1,3}-[0-9]{1,2}$`)

// platformApex tells whether k is the apex of a zone of the platform.
func platformApex(k key) bool {
	if k == acmValidations {
		return true
	}
	if k.label() != "execute-api" {
		return false
	}
	k = k.parent()
	if !region.MatchString(k.label()) {
		return false
	}
	domain := k.parent()
	return domain == "\x09amazonaws\x03com\x00" || domain == "\x09amazonaws\x03com\x02cn\x00"
}

// platformZone makes the zone of a platform apex: every name below it has the
// gateway's addresses. The form of its SOA and NS records is that of RFC 6303
// section 3, for zones that exist on one server only. It is made anew for every
// query, since any Region's name may be asked for.
func platformZone(apex key, addresses []netip.Addr) *zone {
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
	return &zone{
		apex: apex, soa: soa,
		nodes: map[key]*node{
			apex: {sets: map[uint16]*set{
				dns.TypeSOA: {records: []dns.RR{soa}},
				dns.TypeNS:  {records: []dns.RR{&dns.NS{Hdr: header(dns.TypeNS), Ns: name}}},
			}},
			apex.wildcard(): {sets: below},
		},
	}
}
