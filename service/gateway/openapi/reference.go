package openapi

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
)

// maxReferences bounds how many references lead to one part.
const maxReferences = 10

var errMissing = errors.New("there is nothing where it points")

// follow gives what a part stands for: itself, or what its $ref points at within
// the document. ref is the last reference that was followed.
func (d *Document) follow(v Value) (target Value, ref string, err error) {
	for range maxReferences {
		r := v.Get("$ref")
		if !r.Exists() {
			return v, ref, nil
		}
		if ref, err = r.Text(); err != nil {
			return Value{}, "", err
		}
		target, err := d.at(ref)
		if err != nil {
			return Value{}, "", v.Errorf("$ref %q: %v", ref, err)
		}
		v = target
	}
	return Value{}, "", v.Errorf("$ref leads on more than %d times", maxReferences)
}

// at finds the part that a reference into the document names (RFC 6901, 6).
func (d *Document) at(ref string) (Value, error) {
	pointer, ok := strings.CutPrefix(ref, "#/")
	if !ok {
		return Value{}, errors.New("only references into the document itself, such as #/components/schemas/Pet, are followed")
	}
	v := d.Root
	for part := range strings.SplitSeq(pointer, "/") {
		part, err := url.PathUnescape(part)
		if err != nil {
			return Value{}, errMissing
		}
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		if list, err := v.List(); err == nil && list != nil {
			n, err := strconv.Atoi(part)
			if err != nil || n < 0 || n >= len(list) {
				return Value{}, errMissing
			}
			v = list[n]
			continue
		}
		if v = v.Get(part); !v.Exists() {
			return Value{}, errMissing
		}
	}
	return v, nil
}
