package snapshot

// DNS is what the name server answers from: every zone, whole. Whoever builds
// one hands it over and does not touch it again.
type DNS struct {
	Revision uint64           // the store revision it shows
	Zones    map[string]*Zone // by apex: "example.com."
}

// A Zone is one hosted zone. It has its SOA and NS record sets like any other.
type Zone struct {
	Name string // "example.com."
	Sets []RecordSet
}

// A RecordSet is all records of one name and type, or an alias.
type RecordSet struct {
	Name   string   // absolute, lower case, in DNS presentation form; a wildcard starts with "*."
	Type   string   // "A", "CNAME", …
	TTL    uint32   // seconds; ignored for an alias
	Values []string // in DNS presentation form; nil for an alias
	Alias  string   // absolute name whose records of the same type answer in place; empty: no alias
}
