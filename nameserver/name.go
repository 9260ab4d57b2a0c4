package nameserver

import (
	"fmt"

	"github.com/miekg/dns"
)

// A key is an absolute name in wire form and lower case. Names that are equal
// have equal keys, however they were escaped, and a key that ends another after
// whole labels is its ancestor.
type key string

// keyOf takes a name in presentation form.
func keyOf(name string) (key, error) {
	var buffer [256]byte
	end, err := dns.PackDomainName(name, buffer[:], 0, nil, false)
	if err != nil || end == 0 || end > 255 {
		return "", fmt.Errorf("%q is not an absolute domain name", name)
	}
	wire := buffer[:end]
	for i, c := range wire {
		if c >= 'A' && c <= 'Z' { // never a length: those end at 63
			wire[i] = c + 'a' - 'A'
		}
	}
	return key(wire), nil
}

// parent is the key without its first label. The root has none: "".
func (k key) parent() key { return k[1+int(k[0]):] }

// wildcard is the key of "*" below k.
func (k key) wildcard() key { return "\x01*" + k }

// label is the first label; the root's is empty.
func (k key) label() string { return string(k[1 : 1+int(k[0])]) }

func (k key) String() string {
	name, _, err := dns.UnpackDomainName([]byte(k), 0)
	if err != nil {
		return fmt.Sprintf("%q", string(k))
	}
	return name
}
