package nameserver

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"countersign/edge/snapshot"

	"github.com/miekg/dns"
)

// A view is what queries are answered from. Nothing in it changes once it is
// published: its records are shared by all answers.
type view struct {
	revision    uint64
	unpublished bool          // no snapshot has come yet
	zones       map[key]*zone // by apex
	platform    platform
	hidden      []string // zones that are not served, being the platform's own
}

// A zone has a node for every name that exists: those with records, and those
// between them and the apex, which have none (RFC 4592 section 2.2.2).
type zone struct {
	apex  key
	soa   *dns.SOA
	nodes map[key]*node
}

// A node is one name.
type node struct {
	sets map[uint16]*set // by type; empty for an empty non-terminal
	cut  bool            // the zone ends here: it has NS records and is not the apex
}

// A set is all records of one name and type.
type set struct {
	records []dns.RR // nil for an alias
	target  key      // what an alias stands for, where a CNAME points; "" for others
}

// maxRecord is far above what Route 53 lets a record have, and below what fits
// into a message with a question and options.
const maxRecord = 32 << 10

func newView(d *snapshot.DNS, p platform) (*view, error) {
	if d == nil {
		return nil, errors.New("there is no snapshot")
	}
	v := &view{revision: d.Revision, zones: make(map[key]*zone, len(d.Zones)), platform: p}
	buffer := make([]byte, maxRecord)
	for name, from := range d.Zones {
		if from == nil {
			return nil, fmt.Errorf("zone %s: it is nil", name)
		}
		if from.Name != name {
			return nil, fmt.Errorf("zone %s: it calls itself %q", name, from.Name)
		}
		z, err := newZone(from, buffer)
		if err != nil {
			return nil, fmt.Errorf("zone %s: %w", name, err)
		}
		if v.zones[z.apex] != nil {
			return nil, fmt.Errorf("zone %s: it is there twice", name)
		}
		if p.above(z.apex) != nil {
			v.hidden = append(v.hidden, name)
			continue
		}
		v.zones[z.apex] = z
	}
	return v, nil
}

func newZone(from *snapshot.Zone, buffer []byte) (*zone, error) {
	apex, err := keyOf(from.Name)
	if err != nil {
		return nil, err
	}
	z := &zone{apex: apex, nodes: map[key]*node{apex: {}}}
	for _, rs := range from.Sets {
		if err := z.add(rs, buffer); err != nil {
			return nil, fmt.Errorf("%s %s: %w", rs.Name, rs.Type, err)
		}
	}
	if z.soa == nil {
		return nil, errors.New("it has no SOA record")
	}
	for k, n := range z.nodes {
		if n.sets[dns.TypeCNAME] != nil && len(n.sets) > 1 {
			return nil, fmt.Errorf("%s has a CNAME beside other records", k)
		}
		// The name servers of a wildcard delegate nothing (RFC 4592 section 4.2).
		n.cut = k != apex && n.sets[dns.TypeNS] != nil && k.label() != "*"
	}
	return z, nil
}

// add parses one record set and puts it at its node, with the nodes above it.
func (z *zone) add(rs snapshot.RecordSet, buffer []byte) error {
	name, err := keyOf(rs.Name)
	if err != nil {
		return err
	}
	if !name.within(z.apex) {
		return errors.New("the name is not in the zone")
	}
	kind, ok := dns.StringToType[rs.Type]
	if !ok || metaType(kind) {
		return errors.New("there is no such type of record")
	}
	s, err := newSet(rs, kind, buffer)
	if err != nil {
		return err
	}
	if kind == dns.TypeSOA {
		if name != z.apex || len(s.records) != 1 {
			return errors.New("a zone has one SOA record, at its apex")
		}
		z.soa = s.records[0].(*dns.SOA)
	}
	for k := name; z.nodes[k] == nil; k = k.parent() {
		z.nodes[k] = &node{}
	}
	n := z.nodes[name]
	if n.sets == nil {
		n.sets = make(map[uint16]*set, 1)
	}
	if n.sets[kind] != nil {
		return errors.New("the record set is there twice")
	}
	n.sets[kind] = s
	return nil
}

func newSet(rs snapshot.RecordSet, kind uint16, buffer []byte) (*set, error) {
	switch {
	case rs.Alias != "" && len(rs.Values) > 0:
		return nil, errors.New("it has both values and an alias target")
	case rs.Alias != "" && (kind == dns.TypeNS || kind == dns.TypeSOA):
		return nil, errors.New("there is no alias of this type")
	case rs.Alias != "":
		target, err := keyOf(rs.Alias)
		if err != nil {
			return nil, fmt.Errorf("alias target: %w", err)
		}
		return &set{target: target}, nil
	case len(rs.Values) == 0:
		return nil, errors.New("it has neither values nor an alias target")
	case rs.TTL > math.MaxInt32:
		return nil, fmt.Errorf("TTL %d is above %d (RFC 2181 section 8)", rs.TTL, math.MaxInt32)
	}
	s := &set{records: make([]dns.RR, 0, len(rs.Values))}
	for _, value := range rs.Values {
		rr, err := parse(rs, kind, value, buffer)
		if err != nil {
			return nil, fmt.Errorf("value %q: %w", value, err)
		}
		s.records = append(s.records, rr)
	}
	if cname, ok := s.records[0].(*dns.CNAME); ok {
		if len(s.records) > 1 {
			return nil, errors.New("a name has one CNAME record at most")
		}
		var err error
		if s.target, err = keyOf(cname.Target); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// parse reads one value in presentation form. Names in it are absolute with or
// without the dot at the end. The buffer is there to try the record's wire form.
func parse(rs snapshot.RecordSet, kind uint16, value string, buffer []byte) (dns.RR, error) {
	if strings.ContainsAny(value, "\r\n") {
		return nil, errors.New("it has a line break")
	}
	p := dns.NewZoneParser(strings.NewReader(fmt.Sprintf(". %d IN %s %s\n", rs.TTL, rs.Type, value)), ".", "")
	rr, ok := p.Next()
	if err := p.Err(); err != nil {
		return nil, err
	}
	if !ok || rr.Header().Rrtype != kind {
		return nil, errors.New("it is not a record")
	}
	if _, more := p.Next(); more || p.Err() != nil {
		return nil, errors.New("it is more than one record")
	}
	rr.Header().Name = rs.Name
	// What does not fit into a message would fail at every query.
	if _, err := dns.PackRR(rr, buffer, 0, nil, false); err != nil {
		return nil, err
	}
	if rr.Header().Rdlength == 0 {
		return nil, errors.New("it is empty")
	}
	return rr, nil
}

// within tells whether k is ancestor or below it.
func (k key) within(ancestor key) bool {
	for ; k != ""; k = k.parent() {
		if k == ancestor {
			return true
		}
	}
	return false
}

// zone gives the zone that is to answer for a name and a type: the platform's
// first, whatever others have published, then the one with the longest apex.
func (v *view) zone(name key, kind uint16) *zone {
	if z := v.platform.above(name); z != nil {
		return z
	}
	var found *zone
	for k := name; k != ""; k = k.parent() {
		z := v.zones[k]
		switch {
		case z == nil:
		case found == nil:
			found = z
			if kind != dns.TypeDS || k != name {
				return found
			}
		// DS records of an apex are the parent's (RFC 4035 section 3.1.4.1).
		case z.nodes[name] != nil:
			return z
		}
	}
	return found
}

// find gives the node of a name: its own, else the wildcard's that stands for
// it, else nil. A name at or below the end of the zone gives that end, the
// topmost, as cut.
func (z *zone) find(name key) (n *node, cut key) {
	var encloser key // the closest (RFC 4592 section 3.3.1)
	for k := name; ; k = k.parent() {
		if at := z.nodes[k]; at != nil {
			if encloser == "" {
				encloser = k
			}
			if at.cut {
				cut = k
			}
		}
		if k == z.apex {
			break
		}
	}
	if encloser == name {
		return z.nodes[name], cut
	}
	return z.nodes[encloser.wildcard()], cut
}
