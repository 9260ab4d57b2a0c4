package gateway

import (
	"encoding/base64"
	"reflect"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// fill copies the fields of from into a new O by name. The SDK gives each
// operation a struct of its own for the same members; this is the one place that
// knows it. Fields that O lacks are left out.
func fill[O any](from any) *O {
	out := new(O)
	dst := reflect.ValueOf(out).Elem()
	src := reflect.ValueOf(from)
	for i := range src.NumField() {
		f := src.Type().Field(i)
		if d := dst.FieldByName(f.Name); f.IsExported() && d.IsValid() && d.Type() == f.Type {
			d.Set(src.Field(i))
		}
	}
	return out
}

// Pages hold this many items unless the caller asks for another number.
const pageSize = 100

// page cuts one page out of items, which are in a stable order by id. A token
// is the id after which the page starts, so that it outlives changes.
func page[T any](items []T, id func(T) string, maxResults, nextToken *string) ([]T, *string, error) {
	limit := pageSize
	if v := aws.ToString(maxResults); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return nil, nil, badRequest("Invalid value for maxResults: %q is not a positive number", v)
		}
		limit = min(n, 500)
	}
	if token := aws.ToString(nextToken); token != "" {
		after, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil {
			return nil, nil, badRequest("Invalid value for nextToken: pass the value that the previous page returned")
		}
		start := 0
		for start < len(items) && id(items[start]) <= string(after) {
			start++
		}
		items = items[start:]
	}
	if len(items) <= limit {
		return items, nil, nil
	}
	items = items[:limit]
	return items, aws.String(base64.RawURLEncoding.EncodeToString([]byte(id(items[limit-1])))), nil
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
