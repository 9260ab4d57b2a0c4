package objects

import (
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// httpDateFormat is the IMF-fixdate of RFC 9110.
const httpDateFormat = "Mon, 02 Jan 2006 15:04:05 GMT"

func httpDate(t time.Time) string { return t.UTC().Format(httpDateFormat) }

// quoted is an entity tag as S3 writes it.
func quoted(etag string) string { return `"` + etag + `"` }

// text is nil for an empty string, which S3 does not send.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func decimal[T int | int64](n T) string { return strconv.FormatInt(int64(n), 10) }

// matches reports whether a list of entity tags, or *, names etag. Weak tags
// and tags without quotes count as well, as with S3.
func matches(list, etag string) bool {
	for t := range strings.SplitSeq(list, ",") {
		t = strings.TrimPrefix(strings.TrimSpace(t), "W/")
		if t == "*" || strings.Trim(t, `"`) == etag {
			return true
		}
	}
	return false
}

// A readCondition is what must hold for a version to be read.
type readCondition struct {
	match, noneMatch     *string
	modified, unmodified *time.Time
	names                [4]string // header names in the order above
}

func readConditions(match, noneMatch *string, modified, unmodified *time.Time) readCondition {
	return readCondition{match, noneMatch, modified, unmodified, [4]string{"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"}}
}

// check applies the order of RFC 9110 section 13.2.2: an entity tag silences the
// date beside it. A failed If-None-Match or If-Modified-Since is 304.
func (c readCondition) check(v *version) error {
	if c.match != nil {
		if !matches(*c.match, v.ETag) {
			return preconditionFailed(c.names[0])
		}
	} else if c.unmodified != nil && v.Modified.After(*c.unmodified) {
		return preconditionFailed(c.names[3])
	}
	changed := true
	if c.noneMatch != nil {
		changed = !matches(*c.noneMatch, v.ETag)
	} else if c.modified != nil {
		changed = v.Modified.After(*c.modified)
	}
	if changed {
		return nil
	}
	r := refuse(304, "NotModified", "Not Modified").header("ETag", quoted(v.ETag)).header("Last-Modified", httpDate(v.Modified))
	if v.Headers.CacheControl != "" {
		r.header("Cache-Control", v.Headers.CacheControl)
	}
	if v.ID != nullID {
		r.header("x-amz-version-id", v.ID)
	}
	return r
}

// A writeCondition is what must hold of a key at the moment of a write.
type writeCondition struct {
	match     *string // If-Match: an entity tag, or *
	noneMatch *string // If-None-Match: only *
}

func (c writeCondition) form() error {
	if c.noneMatch != nil && strings.TrimSpace(*c.noneMatch) != "*" {
		return notBuilt("If-None-Match", "We don't accept the provided value of If-None-Match header for this API: only * is.")
	}
	if c.match != nil && c.noneMatch != nil {
		return notBuilt("If-Match,If-None-Match", "Multiple conditional request headers present in the request")
	}
	return nil
}

// check holds the condition against where the key stands now.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
func (c writeCondition) check(key string, h *head) error {
	exists := h != nil && !h.Current.Marker
	if c.noneMatch != nil && exists {
		return preconditionFailed("If-None-Match")
	}
	if c.match != nil {
		if !exists {
			return noSuchKey(key)
		}
		if !matches(*c.match, h.Current.ETag) {
			return preconditionFailed("If-Match")
		}
	}
	return nil
}

// checkSSEC refuses encryption with keys that the client brings.
func checkSSEC(members ...*string) error {
	for _, m := range members {
		if aws.ToString(m) != "" {
			return notBuilt("x-amz-server-side-encryption-customer-algorithm", "Encryption with customer-provided keys (SSE-C) is not built in this version of Countersign.")
		}
	}
	return nil
}
