package zones

import (
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// recordTypes are those that Route 53 takes.
var recordTypes = map[string]bool{
	"A": true, "AAAA": true, "CAA": true, "CNAME": true, "DS": true, "HTTPS": true, "MX": true, "NAPTR": true, "NS": true,
	"PTR": true, "SOA": true, "SPF": true, "SRV": true, "SSHFP": true, "SVCB": true, "TLSA": true, "TXT": true,
}

const maxValue = 4000 // characters of one value

// checkValue judges one value of a record set and says what is wrong with it.
func checkValue(n name, kind, value string) string {
	if value == "" || len(value) > maxValue || strings.ContainsAny(value, "\r\n\x00") {
		return "InvalidCharacterString (Value is empty, too long or has a line break)"
	}
	switch kind {
	case "A", "AAAA":
		a, err := netip.ParseAddr(value)
		if err != nil || a.Is4() != (kind == "A") || a.Zone() != "" {
			return "ARRDATAIllegalIPv" + map[string]string{"A": "4", "AAAA": "6"}[kind] + "Address (Value is not a valid IP address)"
		}
		return ""
	case "TXT", "SPF":
		if !strings.HasPrefix(value, `"`) || !strings.HasSuffix(value, `"`) || len(value) < 2 {
			return "InvalidCharacterString (Value should be enclosed in quotation marks)"
		}
	}
	if zoneSyntax(value) {
		return "InvalidRData (Value has a comment or parentheses outside quotation marks)"
	}
	if _, err := parseValue(n, kind, value); err != nil {
		return "InvalidRData (Value is not a valid " + kind + " value)"
	}
	return ""
}

// zoneSyntax tells whether a value uses what means something to a zone file's
// reader but is part of no value.
func zoneSyntax(value string) bool {
	quoted := false
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ';' || c == '(' || c == ')'):
			return true
		}
	}
	return false
}

// parseValue parses one value as a zone file would hold it; names in it are
// absolute with or without the dot at the end, as on Route 53.
func parseValue(n name, kind, value string) (dns.RR, error) {
	z := dns.NewZoneParser(strings.NewReader(string(n.presentation())+" 300 IN "+kind+" "+value+"\n"), ".", "")
	z.SetIncludeAllowed(false)
	rr, ok := z.Next()
	if err := z.Err(); err != nil {
		return nil, err
	}
	if !ok || dns.TypeToString[rr.Header().Rrtype] != kind || !strings.EqualFold(rr.Header().Name, n.presentation()) {
		return nil, &dns.ParseError{}
	}
	if _, more := z.Next(); more {
		return nil, &dns.ParseError{}
	}
	buffer := make([]byte, dns.MaxMsgSize)
	if _, err := dns.PackRR(rr, buffer, 0, nil, false); err != nil {
		return nil, err
	}
	return rr, nil
}
