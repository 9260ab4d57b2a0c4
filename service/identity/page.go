package identity

import (
	"encoding/base64"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// defaultPage is how many items a page has unless MaxItems says otherwise.
const defaultPage = 100

// page cuts out of items, which are in the order of their keys, those that follow
// marker. Next is the marker of the page after; nil: there is none. A marker holds
// a key, so that it stays good when items come and go.
func page[T any](items []T, key func(T) string, marker *string, most *int32) (out []T, next *string, err error) {
	start := 0
	if marker != nil {
		after, err := base64.RawURLEncoding.DecodeString(*marker)
		if err != nil {
			return nil, nil, validation("Invalid Marker.")
		}
		for start < len(items) && key(items[start]) <= string(after) {
			start++
		}
	}
	size := defaultPage
	if most != nil {
		size = int(*most)
	}
	end := min(start+size, len(items))
	if end < len(items) {
		next = aws.String(base64.RawURLEncoding.EncodeToString([]byte(key(items[end-1]))))
	}
	return items[start:end], next, nil
}

// pageOf is page for items that are shown in another form.
func pageOf[T, U any](items []T, key func(T) string, show func(T) U, marker *string, most *int32) ([]U, *string, error) {
	some, next, err := page(items, key, marker, most)
	if err != nil {
		return nil, nil, err
	}
	out := make([]U, len(some))
	for i, item := range some {
		out[i] = show(item)
	}
	return out, next, nil
}
