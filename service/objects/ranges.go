package objects

import (
	"strconv"
	"strings"
)

// A span is a run of bytes: length of them from offset.
type span struct{ offset, length int64 }

// parseRange reads a Range header for size bytes. partial is false where S3
// answers with the whole object: no range, a form it does not understand, or
// more than one range. A range that no byte of the object lies in is an error.
func parseRange(header string, size int64) (s span, partial bool, err error) {
	whole := span{0, size}
	spec, ok := strings.CutPrefix(strings.TrimSpace(header), "bytes=")
	if !ok || strings.Contains(spec, ",") {
		return whole, false, nil
	}
	from, to, ok := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok {
		return whole, false, nil
	}
	first, okFirst := position(from)
	last, okLast := position(to)
	switch {
	case from == "" && okLast: // the last bytes
		if last == 0 || size == 0 {
			return span{}, false, invalidRange(header, size)
		}
		n := min(last, size)
		return span{size - n, n}, true, nil
	case okFirst && to == "":
		last = size - 1
	case okFirst && okLast && first <= last:
		last = min(last, size-1)
	default:
		return whole, false, nil
	}
	if first >= size {
		return span{}, false, invalidRange(header, size)
	}
	return span{first, last - first + 1}, true, nil
}

// position reads decimal digits; a number beyond int64 is as good as its maximum.
func position(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, _ := strconv.ParseInt(s, 10, 64) // the only error left is the range, which saturates
	return n, true
}

// parseCopyRange reads x-amz-copy-source-range, which must be bytes=first-last within the source.
func parseCopyRange(header string, size int64) (span, error) {
	bad := invalidArgument("The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy", "x-amz-copy-source-range", header)
	spec, ok := strings.CutPrefix(header, "bytes=")
	from, to, ok2 := strings.Cut(spec, "-")
	first, okFirst := position(from)
	last, okLast := position(to)
	if !ok || !ok2 || !okFirst || !okLast || first > last {
		return span{}, bad
	}
	if last >= size {
		return span{}, invalidArgument("Range specified is not valid for source object of size: "+decimal(size), "x-amz-copy-source-range", header)
	}
	return span{first, last - first + 1}, nil
}
