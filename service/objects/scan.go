package objects

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// A scan walks through the records of a bucket whose keys are BUCKET \0
// esc(KEY) with or without more, in order.
type scan struct {
	kind, bucket, prefix, delimiter string
	after                           string // record key to start behind; "": from the beginning
	most                            int    // entries to return
}

// An entry is one line of a listing: a record, or a common prefix.
type entry[T any] struct {
	prefix string // common prefix; "": a record
	value  *T
	after  string // record key to continue behind
}

const scanPage = 1000

// walk returns up to sc.most entries and whether there are more. show decodes a
// record and says which key it is for, and whether the listing shows it. What
// rolls up into a common prefix is not read: the walk goes on behind it.
func walk[T any](ctx context.Context, s *Service, sc scan, show func(store.Record) (value *T, key string, shown bool, err error)) (entries []entry[T], more bool, err error) {
	prefix := keyPrefix(sc.bucket) + escape(sc.prefix)
	after := sc.after
	page := min(scanPage, sc.most+1)
	if sc.delimiter != "" {
		page = min(page, 16)
	}
	for {
		records, err := s.store.List(ctx, sc.kind, prefix, after, page)
		if err != nil {
			return nil, false, fmt.Errorf("list bucket %s: %w", sc.bucket, err)
		}
		last := len(records) < page
		skipped := false
		for _, r := range records {
			if skipped && r.Key < after {
				continue // under the common prefix just returned
			}
			after = r.Key
			value, key, shown, err := show(r)
			if err != nil {
				return nil, false, err
			}
			if !shown {
				continue
			}
			if len(entries) == sc.most {
				return entries, true, nil
			}
			if common, ok := sc.common(key); ok {
				after = sc.behind(common)
				skipped = true
				entries = append(entries, entry[T]{prefix: common, after: after})
				continue
			}
			entries = append(entries, entry[T]{value: value, after: r.Key})
		}
		if last {
			return entries, false, nil
		}
		// Pages are short while keys roll up, so that little is read in vain.
		if page = min(2*page, scanPage); skipped {
			page = 16
		}
	}
}

// common is the common prefix that a key rolls up into.
func (sc *scan) common(key string) (string, bool) {
	if sc.delimiter == "" {
		return "", false
	}
	i := strings.Index(key[len(sc.prefix):], sc.delimiter)
	if i < 0 {
		return "", false
	}
	return key[:len(sc.prefix)+i+len(sc.delimiter)], true
}

// behind is the position behind everything with a prefix.
func (sc *scan) behind(prefix string) string {
	return keyPrefix(sc.bucket) + escape(prefix) + "\xff"
}

// from is the position to start at for a marker that names a key, or a common
// prefix that was returned. endOf is what follows the key in a record key.
func (sc *scan) from(marker, endOf string) string {
	if common, ok := "", false; strings.HasPrefix(marker, sc.prefix) {
		if common, ok = sc.common(marker); ok && common == marker {
			return sc.behind(common)
		}
	}
	return keyPrefix(sc.bucket) + escape(marker) + endOf
}

// pageSize reads max-keys and its like.
func pageSize(asked *int32, name string) (int, error) {
	if asked == nil {
		return 1000, nil
	}
	if *asked < 0 {
		return 0, invalidArgument("Argument "+name+" must be an integer between 0 and 2147483647", name, decimal(int64(*asked)))
	}
	return min(int(*asked), 1000), nil
}

// A spelling writes names into a listing: as they are, or percent-encoded where
// the client asked for it because XML cannot hold them all.
type spelling func(string) *string

func spell(e types.EncodingType) (spelling, error) {
	switch e {
	case "":
		return func(s string) *string { return &s }, nil
	case types.EncodingTypeUrl:
		return func(s string) *string {
			return aws.String(strings.ReplaceAll(url.QueryEscape(s), "%2F", "/"))
		}, nil
	}
	return nil, invalidArgument("Invalid Encoding Method specified in Request", "encoding-type", string(e))
}

// optional spells a member that S3 leaves out when it was not given.
func (sp spelling) optional(s *string) *string {
	if s == nil {
		return nil
	}
	return sp(*s)
}

func commonPrefixes[T any](entries []entry[T], sp spelling) []types.CommonPrefix {
	var out []types.CommonPrefix
	for _, e := range entries {
		if e.prefix != "" {
			out = append(out, types.CommonPrefix{Prefix: sp(e.prefix)})
		}
	}
	return out
}
