package edge

import "strings"

// normalName is the one form in which host names are compared: lower case,
// without a trailing dot. It allocates only when it has to change something.
func normalName(name string) string {
	name = strings.TrimSuffix(name, ".")
	for i := range len(name) {
		if c := name[i]; 'A' <= c && c <= 'Z' {
			return lowerASCII(name)
		}
	}
	return name
}

// lowerASCII leaves everything but A to Z alone: strings.ToLower makes a "k"
// of the Kelvin sign, and another name's Host of a name that is nobody's.
func lowerASCII(name string) string {
	b := []byte(name)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// hostName is the normal form of a Host header or :authority, its port cut off.
func hostName(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && strings.IndexByte(host[i:], ']') < 0 {
		host = host[:i]
	}
	return normalName(host)
}

// wildcardParent is what follows the first label: the key under which
// "*.example.com" is kept, for "a.example.com". A wildcard stands for exactly
// one label, which is not empty.
func wildcardParent(name string) (parent string, ok bool) {
	i := strings.IndexByte(name, '.')
	return name[i+1:], i > 0
}

// isDefaultEndpoint tells the host names AWS reserves for default endpoints,
// whether or not there is such an API.
func isDefaultEndpoint(name string) bool {
	return strings.HasSuffix(name, ".amazonaws.com") && strings.Contains(name, ".execute-api.")
}
