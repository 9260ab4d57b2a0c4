package objects

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// A source is what x-amz-copy-source names.
type source struct {
	bucket, key string
	id          *string // nil: the current version
}

// parseSource reads "bucket/key" or "/bucket/key", percent-encoded, with
// "?versionId=…" behind it or not. A plus sign stands for itself.
func parseSource(header string) (source, error) {
	bad := invalidArgument("Copy Source must mention the source bucket and key: sourcebucket/sourcekey", "x-amz-copy-source", header)
	path, query, versioned := strings.Cut(header, "?")
	path, err := url.PathUnescape(path)
	if err != nil {
		return source{}, invalidArgument("Invalid copy source encoding.", "x-amz-copy-source", header)
	}
	if strings.HasPrefix(path, "arn:") {
		return source{}, notBuilt("x-amz-copy-source", "Access points are not built in this version of Countersign.")
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if bucket == "" || key == "" {
		return source{}, bad
	}
	if err := checkKey(key); err != nil {
		return source{}, err
	}
	src := source{bucket: bucket, key: key}
	if versioned {
		name, value, _ := strings.Cut(query, "=")
		id, err := url.PathUnescape(value)
		if err != nil || name != "versionId" {
			return source{}, bad
		}
		src.id = &id
	}
	return src, nil
}

// copyConditions are read conditions under the names they have for a source.
// What is 304 for a read is 412 for a copy.
func copyConditions(match, noneMatch *string, modified, unmodified *time.Time) readCondition {
	c := readConditions(match, noneMatch, modified, unmodified)
	for i, name := range c.names {
		c.names[i] = "x-amz-copy-source-" + name
	}
	return c
}

// fetch reads the source of a copy into content of its own. accept may refuse
// what was found before its bytes are read. blob is as in expectation.
func (s *Service) fetch(ctx context.Context, header, expected *string, conditions readCondition, byteRange *string, algorithm string, blob bool, accept func(*selection) error, ssec ...*string) (*selection, *content, error) {
	src, err := parseSource(aws.ToString(header))
	if err != nil {
		return nil, nil, err
	}
	if err := checkSSEC(ssec...); err != nil {
		return nil, nil, err
	}
	from, body, err := s.read(ctx, reading{
		bucket: &src.bucket, key: &src.key, expected: expected, version: src.id, conditions: conditions, method: "GET", anywhere: true,
		narrow: func(c *selection) error {
			if byteRange != nil {
				at, err := parseCopyRange(*byteRange, c.version.Size)
				if err != nil {
					return err
				}
				c.span = at
			}
			if c.span.length > maxUpload {
				return invalidRequest("The specified copy source is larger than the maximum allowable size for a copy source: " + decimal(int64(maxUpload)))
			}
			return accept(c)
		},
	})
	if refused, ok := err.(*refusal); ok {
		switch {
		case refused.status == 405:
			err = invalidRequest("The source of a copy request may not specifically refer to a delete marker by version id.")
		case refused.status == 304 && conditions.noneMatch != nil:
			err = preconditionFailed(conditions.names[1])
		case refused.status == 304:
			err = preconditionFailed(conditions.names[2])
		}
	}
	if err != nil {
		return nil, nil, err
	}
	defer body.Close()
	if algorithm == "" {
		algorithm = from.version.Checksum.Algorithm
	}
	c, err := s.receive(ctx, body, expectation{length: &from.span.length, compute: algorithm, blob: blob})
	return from, c, err
}

// CopyObject makes a new version of a key out of a version of the same or
// another key, which may be in a bucket of another Region. The bytes are copied,
// so both live on their own. On return the copy is durable.
func (s *Service) CopyObject(ctx context.Context, in *s3.CopyObjectInput) (*s3.CopyObjectOutput, error) {
	key := aws.ToString(in.Key)
	v, err := newVersion(properties{
		key: key, acl: string(in.ACL), grants: []*string{in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWriteACP},
		contentType: in.ContentType, cacheControl: in.CacheControl, disposition: in.ContentDisposition, encoding: in.ContentEncoding,
		language: in.ContentLanguage, redirect: in.WebsiteRedirectLocation, expires: in.Expires, metadata: in.Metadata, tagging: in.Tagging,
		sse: in.ServerSideEncryption, kmsKey: in.SSEKMSKeyId, kmsContext: in.SSEKMSEncryptionContext, bucketKey: in.BucketKeyEnabled, class: in.StorageClass,
		locks: in.ObjectLockMode != "" || in.ObjectLockLegalHoldStatus != "" || in.ObjectLockRetainUntilDate != nil || in.ObjectLockEventHold != "",
		ssec:  []*string{in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5},
	})
	if err != nil {
		return nil, err
	}
	replaceMetadata, err := directive(string(in.MetadataDirective), "x-amz-metadata-directive")
	if err != nil {
		return nil, err
	}
	replaceTags, err := directive(string(in.TaggingDirective), "x-amz-tagging-directive")
	if err != nil {
		return nil, err
	}
	if err := checkAlgorithm(string(in.ChecksumAlgorithm)); err != nil {
		return nil, err
	}
	condition := writeCondition{in.IfMatch, in.IfNoneMatch}
	bk, err := s.admit(ctx, in.Bucket, in.ExpectedBucketOwner, key, condition)
	if err != nil {
		return nil, err
	}
	conditions := copyConditions(in.CopySourceIfMatch, in.CopySourceIfNoneMatch, in.CopySourceIfModifiedSince, in.CopySourceIfUnmodifiedSince)
	from, c, err := s.fetch(ctx, in.CopySource, in.ExpectedSourceBucketOwner, conditions, nil, string(in.ChecksumAlgorithm), false,
		func(from *selection) error {
			src := from.version
			itself := from.bucket.Name == bk.Name && src.Key == key && !from.pinned
			if itself && !replaceMetadata && in.StorageClass == "" && in.ServerSideEncryption == "" && in.WebsiteRedirectLocation == nil {
				return invalidRequest("This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")
			}
			return nil
		}, in.CopySourceSSECustomerAlgorithm, in.CopySourceSSECustomerKey, in.CopySourceSSECustomerKeyMD5)
	if err != nil {
		return nil, err
	}
	if src := from.version; !replaceMetadata {
		redirect := v.Headers.Redirect // never copied
		v.Headers, v.Metadata = src.Headers, maps.Clone(src.Metadata)
		v.Headers.Redirect = redirect
	}
	if !replaceTags {
		v.Tags = slices.Clone(from.version.Tags)
	}
	if bk, err = s.add(ctx, in.Bucket, in.ExpectedBucketOwner, v, c, condition); err != nil {
		return nil, err
	}
	result := &types.CopyObjectResult{ETag: aws.String(quoted(v.ETag)), LastModified: aws.Time(v.Modified), ChecksumType: types.ChecksumType(v.Checksum.Type)}
	v.Checksum.show(fields{&result.ChecksumCRC32, &result.ChecksumCRC32C, &result.ChecksumCRC64NVME, &result.ChecksumSHA1, &result.ChecksumSHA256, &result.ChecksumSHA512, &result.ChecksumMD5})
	return &s3.CopyObjectOutput{
		CopyObjectResult: result, VersionId: bk.shown(v.ID), CopySourceVersionId: from.bucket.shown(from.version.ID),
		ServerSideEncryption: types.ServerSideEncryption(v.Encryption.Algorithm), SSEKMSKeyId: text(v.Encryption.Key), BucketKeyEnabled: v.Encryption.bucketKey(),
	}, nil
}

// directive reads COPY (the default) or REPLACE.
func directive(value, header string) (replace bool, err error) {
	switch value {
	case "", "COPY":
		return false, nil
	case "REPLACE":
		return true, nil
	}
	return false, invalidArgument("Unknown "+strings.TrimPrefix(header, "x-amz-")+".", header, value)
}
