package api

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"

	"countersign/wire"
	"countersign/wire/shape"
)

// bucketHosts decides which host names carry a bucket in front (virtual-host
// style). Every other host, custom domains and addresses among them, means path
// style: a host name is never taken for a bucket on the strength of being unknown.
type bucketHosts struct {
	suffixes []string // with a leading dot
}

func newBucketHosts(suffixes []string) bucketHosts {
	b := bucketHosts{suffixes: []string{".localhost"}}
	for _, s := range suffixes {
		if s = strings.Trim(hostname(s), "."); s != "" && s != "localhost" {
			b.suffixes = append(b.suffixes, "."+s)
		}
	}
	return b
}

var (
	// awsHost is BUCKET.s3.amazonaws.com with or without a Region, in its
	// older (s3-REGION) and its dual-stack spelling. The bucket may hold dots.
	awsHost    = regexp.MustCompile(`^(.+)\.s3(?:[.-](?:dualstack\.)?[a-z]{2}(?:-[a-z]+)+-[0-9])?\.amazonaws\.com(?:\.cn)?$`)
	ownS3      = regexp.MustCompile(`^(?:(.+)\.)?s3(?:[.-](?:dualstack\.)?[a-z]{2}(?:-[a-z]+)+-[0-9])?$`)
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
)

// bucket returns the bucket that a Host header names, or "" for path style.
func (b bucketHosts) bucket(host string) string {
	host = hostname(host)
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return ""
	}
	if m := awsHost.FindStringSubmatch(host); m != nil {
		return valid(m[1])
	}
	for _, suffix := range b.suffixes {
		front, ok := strings.CutSuffix(host, suffix)
		if !ok {
			continue
		}
		if m := ownS3.FindStringSubmatch(front); m != nil {
			return valid(m[1]) // "" for s3.SUFFIX itself
		}
		// An API's default endpoint below our suffix is no bucket.
		if strings.Contains("."+front+".", ".execute-api.") {
			return ""
		}
		return valid(front)
	}
	return ""
}

func valid(bucket string) string {
	if !bucketName.MatchString(bucket) {
		return ""
	}
	return bucket
}

// An s3Level is what a path names.
type s3Level int

const (
	s3Root s3Level = iota
	s3Bucket
	s3Object
)

// needs tells operations apart that the model gives the same method and URI,
// by query parameters that must be there.
var needs = map[string][]string{
	"AbortMultipartUpload":    {"uploadId"},
	"CompleteMultipartUpload": {"uploadId"},
	"ListParts":               {"uploadId"},
	"UploadPart":              {"partNumber", "uploadId"},
	"UploadPartCopy":          {"partNumber", "uploadId"},

	"GetBucketAnalyticsConfiguration":          {"id"},
	"GetBucketIntelligentTieringConfiguration": {"id"},
	"GetBucketInventoryConfiguration":          {"id"},
	"GetBucketMetricsConfiguration":            {"id"},
}

// passedOver lists operations that a newer one with the same URI replaces, and
// those that are selected in their own way.
var passedOver = map[string]bool{
	"GetBucketLifecycle":     true,
	"GetBucketNotification":  true,
	"PutBucketLifecycle":     true,
	"PutBucketNotification":  true,
	"ListDirectoryBuckets":   true,
	"WriteGetObjectResponse": true,
}

// s3Operation selects by method, what the path names, sub-resource and
// header. The operation that asks for most of what is there wins.
func s3Operation(m *shape.Model, r *http.Request, level s3Level, query url.Values) (*shape.Operation, error) {
	if r.Method == http.MethodPost && r.URL.Path == "/WriteGetObjectResponse" {
		return m.Operations["WriteGetObjectResponse"], nil
	}
	if level == s3Root && r.Method == http.MethodGet {
		if query.Get("x-id") == "ListDirectoryBuckets" {
			return m.Operations["ListDirectoryBuckets"], nil
		}
		return m.Operations["ListBuckets"], nil
	}
	copies := r.Header.Get("X-Amz-Copy-Source") != ""
	var best *shape.Operation
	score := -1
	for name, op := range m.Operations {
		if op.Method != r.Method || levelOf(op) != level || passedOver[name] || !hasQuery(op.Query, query) {
			continue
		}
		n := 2 * len(op.Query)
		for _, p := range op.Query {
			if p.Value != "" {
				n++
			}
		}
		missing := false
		for _, p := range needs[name] {
			missing = missing || !query.Has(p)
			n++
		}
		if name == "CopyObject" || name == "UploadPartCopy" {
			missing = missing || !copies
			n++
		}
		if !missing && (n > score || n == score && name < best.Name) {
			best, score = op, n
		}
	}
	if best != nil {
		return best, nil
	}
	if level == s3Bucket && r.Method == http.MethodPost {
		// A browser's upload form; its operation is not in the model.
		return nil, familyS3.notBuilt("s3", "PostObject")
	}
	return nil, familyS3.unknownOperation("The specified method is not allowed against this resource.")
}

func levelOf(op *shape.Operation) s3Level {
	switch {
	case strings.HasPrefix(op.Path, "/{Bucket}/"):
		return s3Object
	case strings.HasPrefix(op.Path, "/{Bucket}"):
		return s3Bucket
	}
	return s3Root
}

// selectS3 finds the operation, and puts the path into path style.
func (x *exchange) selectS3(in *wire.Request) error {
	if bucket := x.s.buckets.bucket(x.r.Host); bucket != "" {
		in.Path = "/" + bucket + in.Path
	}
	level, err := s3PathLevel(in.Path)
	if err != nil {
		return err
	}
	if level == s3Bucket {
		in.Path = strings.TrimSuffix(in.Path, "/")
	}
	x.op, err = s3Operation(x.service.model, x.r, level, in.Query)
	return err
}

// s3PathLevel looks at a path in path style. What follows the bucket's slash is
// the key, to the letter: "/b//" is the key "/".
func s3PathLevel(path string) (s3Level, error) {
	if path == "/" || path == "" {
		return s3Root, nil
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch {
	case bucket == "":
		return 0, apiError{"InvalidBucketName", "The specified bucket is not valid.", http.StatusBadRequest, [][2]string{{"BucketName", ""}}}
	case key == "":
		return s3Bucket, nil
	case len(key) > 3*1024:
		return 0, apiError{"KeyTooLongError", "Your key is too long", http.StatusBadRequest,
			[][2]string{{"Size", fmt.Sprint(len(key))}, {"MaxSizeAllowed", "1024"}}}
	}
	return s3Object, nil
}
