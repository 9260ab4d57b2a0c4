package objects

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"countersign/call"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// lookup finds the current version of a key, or the one that id names. A delete
// marker is an error; method is for its text.
func (s *Service) lookup(ctx context.Context, bk *bucket, key string, id *string, method string) (*version, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	if id == nil {
		h, err := s.head(ctx, bk.Name, key)
		switch {
		case err != nil:
			return nil, err
		case h == nil:
			return nil, noSuchKey(key)
		case h.Current.Marker:
			return nil, markerWithoutID(&h.Current)
		}
		return &h.Current, nil
	}
	v, err := s.find(ctx, bk, key, *id)
	switch {
	case err != nil:
		return nil, err
	case v == nil:
		return nil, noSuchVersion(key, *id)
	case v.Marker:
		return nil, markerByID(v, method)
	}
	return v, nil
}

// find finds a version by its id, delete markers too; nil when there is none.
func (s *Service) find(ctx context.Context, bk *bucket, key, id string) (*version, error) {
	sequence, ok := idNumber(id)
	if id == nullID {
		h, err := s.head(ctx, bk.Name, key)
		if err != nil || h == nil || h.Null == 0 {
			return nil, err
		}
		sequence, ok = h.Null, true
	}
	if !ok {
		if id == "" {
			return nil, invalidArgument("Version id cannot be the empty string", "versionId", id)
		}
		return nil, invalidArgument("Invalid version id specified", "versionId", id)
	}
	v, err := s.version(ctx, bk.Name, key, sequence)
	if err != nil || v == nil || v.ID != id {
		return nil, err
	}
	return v, nil
}

// A reading is what GetObject and HeadObject ask alike.
type reading struct {
	bucket, key, expected, version *string
	conditions                     readCondition
	byteRange                      *string
	part                           *int32
	ssec                           []*string
	method                         string
	anywhere                       bool                   // the bucket may be in another Region
	narrow                         func(*selection) error // last word on what was chosen; may be nil
}

// A selection is the version and the bytes that a reading comes to.
type selection struct {
	bucket  *bucket
	version *version
	span    span
	partial bool
	pinned  bool // chosen by its id
}

// choose finds the version, holds the conditions against it, and works out the range.
func (s *Service) choose(ctx context.Context, r reading) (*selection, error) {
	if err := checkSSEC(r.ssec...); err != nil {
		return nil, err
	}
	bk, v, err := s.permitted(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := r.conditions.check(v); err != nil {
		return nil, err
	}
	c := &selection{bucket: bk, version: v, span: span{0, v.Size}, pinned: r.version != nil}
	switch {
	case r.part != nil && r.byteRange != nil:
		return nil, invalidRequest("Cannot specify both Range header and partNumber query parameter")
	case r.part != nil:
		c.span, err = s.partSpan(ctx, bk.Name, v, int(*r.part))
		c.partial = true
	case r.byteRange != nil:
		c.span, c.partial, err = parseRange(*r.byteRange, v.Size)
	}
	if err == nil && r.narrow != nil {
		err = r.narrow(c)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// permitted reads the version that a request asks for, if the caller may have it.
func (s *Service) permitted(ctx context.Context, r reading) (*bucket, *version, error) {
	if call.From(ctx).Signing == call.Anonymous {
		return s.visible(ctx, r)
	}
	find := s.bucket
	if r.anywhere {
		find = s.owned
	}
	bk, err := find(ctx, r.bucket, r.expected)
	if err != nil {
		return nil, nil, err
	}
	v, err := s.lookup(ctx, bk, aws.ToString(r.key), r.version, r.method)
	return bk, v, err
}

// partSpan is where a part lies in an object. An object that was put in one piece has one part.
func (s *Service) partSpan(ctx context.Context, bucket string, v *version, number int) (span, error) {
	if number < 1 || number > maxParts {
		return span{}, invalidArgument("Part number must be an integer between 1 and 10000, inclusive", "partNumber", decimal(number))
	}
	if v.Parts == 0 && number == 1 {
		return span{0, v.Size}, nil
	}
	if number <= v.Parts {
		parts, err := s.manifest(ctx, bucket, v)
		if err != nil {
			return span{}, err
		}
		var offset int64
		for i, p := range parts {
			if i == number-1 {
				return span{offset, p.Size}, nil
			}
			offset += p.Size
		}
	}
	return span{}, refuse(416, "InvalidPartNumber", "The requested partnumber is not satisfiable").
		field("PartNumberRequested", decimal(number)).field("ActualPartCount", decimal(max(v.Parts, 1)))
}

func (c *selection) contentRange() *string {
	if !c.partial || c.span.length == 0 {
		return nil
	}
	return aws.String(fmt.Sprintf("bytes %d-%d/%d", c.span.offset, c.span.offset+c.span.length-1, c.version.Size))
}

// GetObject reads one version: the current one, or that of VersionId. The
// version is fixed when GetObject returns; the caller reads Body to the end or
// closes it. When the version is deleted meanwhile Body may end with an error,
// never with other bytes.
func (s *Service) GetObject(ctx context.Context, in *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
	r := reading{
		bucket: in.Bucket, key: in.Key, expected: in.ExpectedBucketOwner, version: in.VersionId,
		conditions: readConditions(in.IfMatch, in.IfNoneMatch, in.IfModifiedSince, in.IfUnmodifiedSince),
		byteRange:  in.Range, part: in.PartNumber, ssec: []*string{in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5}, method: "GET",
	}
	c, body, err := s.read(ctx, r)
	if err != nil {
		return nil, err
	}
	v := c.version
	out := &s3.GetObjectOutput{
		Body: body, AcceptRanges: aws.String("bytes"), ContentLength: aws.Int64(c.span.length), ContentRange: c.contentRange(),
		ETag: aws.String(quoted(v.ETag)), LastModified: aws.Time(v.Modified), VersionId: c.bucket.shown(v.ID), Metadata: v.Metadata,
		ContentType:             override(in.ResponseContentType, v.Headers.ContentType),
		CacheControl:            override(in.ResponseCacheControl, v.Headers.CacheControl),
		ContentDisposition:      override(in.ResponseContentDisposition, v.Headers.ContentDisposition),
		ContentEncoding:         override(in.ResponseContentEncoding, v.Headers.ContentEncoding),
		ContentLanguage:         override(in.ResponseContentLanguage, v.Headers.ContentLanguage),
		Expires:                 overrideTime(in.ResponseExpires, v.Headers.Expires),
		WebsiteRedirectLocation: text(v.Headers.Redirect), StorageClass: types.StorageClass(v.Class), TagCount: v.tagCount(),
		ServerSideEncryption: types.ServerSideEncryption(v.Encryption.Algorithm), SSEKMSKeyId: text(v.Encryption.Key), BucketKeyEnabled: v.Encryption.bucketKey(),
	}
	if in.PartNumber != nil && v.Parts > 0 {
		out.PartsCount = aws.Int32(int32(v.Parts))
	}
	if in.ChecksumMode == types.ChecksumModeEnabled && c.span.length == v.Size {
		out.ChecksumType = types.ChecksumType(v.Checksum.Type)
		v.Checksum.show(fields{&out.ChecksumCRC32, &out.ChecksumCRC32C, &out.ChecksumCRC64NVME, &out.ChecksumSHA1, &out.ChecksumSHA256, &out.ChecksumSHA512, &out.ChecksumMD5})
	}
	return out, nil
}

// read chooses and opens. When the version it chose is replaced before it is
// opened, the newer one is read.
func (s *Service) read(ctx context.Context, r reading) (*selection, io.ReadCloser, error) {
	for range attempts {
		c, err := s.choose(ctx, r)
		if errors.Is(err, errGone) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		body, err := s.open(ctx, c.bucket.Name, c.version, c.span.offset, c.span.length)
		if errors.Is(err, errGone) {
			continue
		}
		return c, body, err
	}
	return nil, nil, fmt.Errorf("read %s/%s: %w", aws.ToString(r.bucket), aws.ToString(r.key), errGone)
}

// HeadObject is GetObject without the bytes.
func (s *Service) HeadObject(ctx context.Context, in *s3.HeadObjectInput) (*s3.HeadObjectOutput, error) {
	c, err := s.choose(ctx, reading{
		bucket: in.Bucket, key: in.Key, expected: in.ExpectedBucketOwner, version: in.VersionId,
		conditions: readConditions(in.IfMatch, in.IfNoneMatch, in.IfModifiedSince, in.IfUnmodifiedSince),
		byteRange:  in.Range, part: in.PartNumber, ssec: []*string{in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5}, method: "HEAD",
	})
	if err != nil {
		return nil, headed(err)
	}
	v := c.version
	out := &s3.HeadObjectOutput{
		AcceptRanges: aws.String("bytes"), ContentLength: aws.Int64(c.span.length), ContentRange: c.contentRange(),
		ETag: aws.String(quoted(v.ETag)), LastModified: aws.Time(v.Modified), VersionId: c.bucket.shown(v.ID), Metadata: v.Metadata,
		ContentType:             override(in.ResponseContentType, v.Headers.ContentType),
		CacheControl:            override(in.ResponseCacheControl, v.Headers.CacheControl),
		ContentDisposition:      override(in.ResponseContentDisposition, v.Headers.ContentDisposition),
		ContentEncoding:         override(in.ResponseContentEncoding, v.Headers.ContentEncoding),
		ContentLanguage:         override(in.ResponseContentLanguage, v.Headers.ContentLanguage),
		Expires:                 overrideTime(in.ResponseExpires, v.Headers.Expires),
		WebsiteRedirectLocation: text(v.Headers.Redirect), StorageClass: types.StorageClass(v.Class), TagCount: v.tagCount(),
		ServerSideEncryption: types.ServerSideEncryption(v.Encryption.Algorithm), SSEKMSKeyId: text(v.Encryption.Key), BucketKeyEnabled: v.Encryption.bucketKey(),
	}
	if in.PartNumber != nil && v.Parts > 0 {
		out.PartsCount = aws.Int32(int32(v.Parts))
	}
	if in.ChecksumMode == types.ChecksumModeEnabled && c.span.length == v.Size {
		out.ChecksumType = types.ChecksumType(v.Checksum.Type)
		v.Checksum.show(fields{&out.ChecksumCRC32, &out.ChecksumCRC32C, &out.ChecksumCRC64NVME, &out.ChecksumSHA1, &out.ChecksumSHA256, &out.ChecksumSHA512, &out.ChecksumMD5})
	}
	return out, nil
}

func override(asked *string, kept string) *string {
	if asked != nil {
		return asked
	}
	return text(kept)
}

func overrideTime(asked *time.Time, kept time.Time) *time.Time {
	if asked != nil || kept.IsZero() {
		return asked
	}
	return &kept
}

func (v *version) tagCount() *int32 {
	if len(v.Tags) == 0 {
		return nil
	}
	return aws.Int32(int32(len(v.Tags)))
}

// GetObjectAttributes tells what is known of a version, attribute by attribute.
func (s *Service) GetObjectAttributes(ctx context.Context, in *s3.GetObjectAttributesInput) (*s3.GetObjectAttributesOutput, error) {
	c, err := s.choose(ctx, reading{
		bucket: in.Bucket, key: in.Key, expected: in.ExpectedBucketOwner, version: in.VersionId,
		ssec: []*string{in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5}, method: "GET",
	})
	if err != nil {
		return nil, err
	}
	v := c.version
	out := &s3.GetObjectAttributesOutput{LastModified: aws.Time(v.Modified), VersionId: c.bucket.shown(v.ID)}
	for _, a := range in.ObjectAttributes {
		switch a {
		case types.ObjectAttributesEtag:
			out.ETag = aws.String(v.ETag) // this operation alone shows it without quotes
		case types.ObjectAttributesObjectSize:
			out.ObjectSize = aws.Int64(v.Size)
		case types.ObjectAttributesStorageClass:
			out.StorageClass = v.shownClass()
		case types.ObjectAttributesChecksum:
			sum := &types.Checksum{ChecksumType: types.ChecksumType(v.Checksum.Type)}
			v.Checksum.show(fields{&sum.ChecksumCRC32, &sum.ChecksumCRC32C, &sum.ChecksumCRC64NVME, &sum.ChecksumSHA1, &sum.ChecksumSHA256, &sum.ChecksumSHA512, &sum.ChecksumMD5})
			out.Checksum = sum
		case types.ObjectAttributesObjectParts:
			if out.ObjectParts, err = s.objectParts(ctx, c, in.MaxParts, in.PartNumberMarker); err != nil {
				return nil, err
			}
		default:
			return nil, invalidArgument("Invalid attribute name specified.", "x-amz-object-attributes", string(a))
		}
	}
	return out, nil
}

// objectParts pages through an object's parts; nil for one that has none. S3
// lists them one by one only where each has a checksum of its own.
func (s *Service) objectParts(ctx context.Context, c *selection, most *int32, marker *string) (*types.GetObjectAttributesParts, error) {
	v := c.version
	if v.Parts == 0 {
		return nil, nil
	}
	out := &types.GetObjectAttributesParts{TotalPartsCount: aws.Int32(int32(v.Parts))}
	if v.Checksum.Type != composite {
		return out, nil
	}
	limit, after, err := partPage(most, marker)
	if err != nil {
		return nil, err
	}
	parts, err := s.manifest(ctx, c.bucket.Name, v)
	if err != nil {
		return nil, err
	}
	out.MaxParts, out.PartNumberMarker, out.IsTruncated = aws.Int32(int32(limit)), aws.String(decimal(after)), aws.Bool(false)
	last := after
	for _, p := range parts {
		if p.Number <= after {
			continue
		}
		if len(out.Parts) == limit {
			out.IsTruncated = aws.Bool(true)
			break
		}
		shown := types.ObjectPart{PartNumber: aws.Int32(int32(p.Number)), Size: aws.Int64(p.Size)}
		p.Checksum.show(fields{&shown.ChecksumCRC32, &shown.ChecksumCRC32C, &shown.ChecksumCRC64NVME, &shown.ChecksumSHA1, &shown.ChecksumSHA256, &shown.ChecksumSHA512, &shown.ChecksumMD5})
		out.Parts = append(out.Parts, shown)
		last = p.Number
	}
	out.NextPartNumberMarker = aws.String(decimal(last))
	return out, nil
}

// shownClass is the storage class where answers always name one.
func (v *version) shownClass() types.StorageClass {
	if v.Class == "" {
		return types.StorageClassStandard
	}
	return types.StorageClass(v.Class)
}
