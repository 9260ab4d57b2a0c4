package objects

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"countersign/call"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// UploadPart stores one part of an upload, in place of an earlier part of the
// same number. It is durable on return. A part of an upload that declared an
// algorithm may come without a checksum; one with another algorithm's is refused.
func (s *Service) UploadPart(ctx context.Context, in *s3.UploadPartInput) (*s3.UploadPartOutput, error) {
	number := int(aws.ToInt32(in.PartNumber))
	if err := checkPart(number, in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5); err != nil {
		return nil, err
	}
	want, err := expect(in.ContentLength, in.ContentMD5, in.ChecksumAlgorithm, fields{&in.ChecksumCRC32, &in.ChecksumCRC32C, &in.ChecksumCRC64NVME, &in.ChecksumSHA1, &in.ChecksumSHA256, &in.ChecksumSHA512, &in.ChecksumMD5},
		in.ChecksumXXHASH64, in.ChecksumXXHASH3, in.ChecksumXXHASH128)
	if err != nil {
		return nil, err
	}
	bk, err := s.bucket(ctx, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	u, err := s.upload(ctx, bk, aws.ToString(in.Key), aws.ToString(in.UploadId))
	if err != nil {
		return nil, err
	}
	mismatch := func(actual string) error {
		return invalidRequest(fmt.Sprintf("Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: %s", strings.ToLower(u.Algorithm), strings.ToLower(actual)))
	}
	if u.Algorithm != "" && want.algorithm != "" && !strings.EqualFold(want.algorithm, u.Algorithm) {
		return nil, mismatch(want.algorithm)
	}
	want.compute, want.also, want.blob = u.algorithm().name, u.algorithm().name, true
	c, err := s.receive(ctx, in.Body, want)
	if err != nil {
		return nil, err
	}
	if u.Algorithm != "" && c.checksum.Algorithm != u.Algorithm {
		s.discard(c)
		return nil, mismatch(c.checksum.Algorithm)
	}
	p, err := s.addPart(ctx, in.Bucket, in.ExpectedBucketOwner, aws.ToString(in.Key), u.ID, number, c)
	if err != nil {
		return nil, err
	}
	out := &s3.UploadPartOutput{
		ETag:                 aws.String(quoted(p.ETag)),
		ServerSideEncryption: types.ServerSideEncryption(u.Template.Encryption.Algorithm), SSEKMSKeyId: text(u.Template.Encryption.Key), BucketKeyEnabled: u.Template.Encryption.bucketKey(),
	}
	c.checksum.show(fields{&out.ChecksumCRC32, &out.ChecksumCRC32C, &out.ChecksumCRC64NVME, &out.ChecksumSHA1, &out.ChecksumSHA256, &out.ChecksumSHA512, &out.ChecksumMD5})
	return out, nil
}

func checkPart(number int, ssec ...*string) error {
	if number < 1 || number > maxParts {
		return invalidArgument("Part number must be an integer between 1 and 10000, inclusive", "partNumber", decimal(number))
	}
	return checkSSEC(ssec...)
}

// addPart commits received content as a part. Content that is refused is discarded.
func (s *Service) addPart(ctx context.Context, name, expected *string, key, id string, number int, c *content) (part, error) {
	p := part{Number: number, Size: c.size, ETag: c.etag(), Blob: c.blob, Modified: s.stamp(), Checksum: c.also}
	committing := false
	err := s.commit(ctx, id, func(b *store.Batch) error {
		committing = false
		bk, err := s.bucket(ctx, name, expected)
		if err != nil {
			return err
		}
		u, err := s.upload(ctx, bk, key, id)
		if err != nil {
			return err
		}
		at := partKey(id, number)
		r, err := s.store.Get(ctx, kindPart, at)
		switch {
		case errors.Is(err, store.ErrNotFound):
		case err != nil:
			return fmt.Errorf("read part %d of upload %s: %w", number, id, err)
		default:
			old, err := decode[part](r)
			if err != nil {
				return err
			}
			if old.Blob != "" {
				b.DropBlob(old.Blob)
			}
		}
		// Replacing the upload by itself moves its revision: see dropUpload.
		b.Replace(kindUpload, u.at, encode(u), u.rev)
		b.Put(kindPart, at, encode(p))
		if c.blob != "" {
			b.KeepBlob(c.blob)
		}
		committing = true
		return nil
	})
	if err != nil && (!committing || lost(err)) {
		s.discard(c)
	}
	return p, err
}

// UploadPartCopy stores a part out of a version that is there already.
func (s *Service) UploadPartCopy(ctx context.Context, in *s3.UploadPartCopyInput) (*s3.UploadPartCopyOutput, error) {
	number := int(aws.ToInt32(in.PartNumber))
	if err := checkPart(number, in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5); err != nil {
		return nil, err
	}
	bk, err := s.bucket(ctx, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	u, err := s.upload(ctx, bk, aws.ToString(in.Key), aws.ToString(in.UploadId))
	if err != nil {
		return nil, err
	}
	conditions := copyConditions(in.CopySourceIfMatch, in.CopySourceIfNoneMatch, in.CopySourceIfModifiedSince, in.CopySourceIfUnmodifiedSince)
	from, c, err := s.fetch(ctx, in.CopySource, in.ExpectedSourceBucketOwner, conditions, in.CopySourceRange, u.algorithm().name, true,
		func(*selection) error { return nil }, in.CopySourceSSECustomerAlgorithm, in.CopySourceSSECustomerKey, in.CopySourceSSECustomerKeyMD5)
	if err != nil {
		return nil, err
	}
	p, err := s.addPart(ctx, in.Bucket, in.ExpectedBucketOwner, aws.ToString(in.Key), u.ID, number, c)
	if err != nil {
		return nil, err
	}
	result := &types.CopyPartResult{ETag: aws.String(quoted(p.ETag)), LastModified: aws.Time(p.Modified)}
	c.checksum.show(fields{&result.ChecksumCRC32, &result.ChecksumCRC32C, &result.ChecksumCRC64NVME, &result.ChecksumSHA1, &result.ChecksumSHA256, &result.ChecksumSHA512, &result.ChecksumMD5})
	return &s3.UploadPartCopyOutput{
		CopyPartResult: result, CopySourceVersionId: from.bucket.shown(from.version.ID),
		ServerSideEncryption: types.ServerSideEncryption(u.Template.Encryption.Algorithm), SSEKMSKeyId: text(u.Template.Encryption.Key), BucketKeyEnabled: u.Template.Encryption.bucketKey(),
	}, nil
}

// partPage reads max-parts and part-number-marker.
func partPage(most *int32, marker *string) (limit, after int, err error) {
	limit, err = pageSize(most, "max-parts")
	if err != nil {
		return 0, 0, err
	}
	if m := aws.ToString(marker); m != "" {
		if after, err = strconv.Atoi(m); err != nil || after < 0 {
			return 0, 0, invalidArgument("Provided part-number-marker not an integer or within integer range", "part-number-marker", m)
		}
	}
	return limit, min(after, maxParts), nil
}

// ListParts pages through the parts of an upload by number.
func (s *Service) ListParts(ctx context.Context, in *s3.ListPartsInput) (*s3.ListPartsOutput, error) {
	bk, err := s.bucket(ctx, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	limit, after, err := partPage(in.MaxParts, in.PartNumberMarker)
	if err != nil {
		return nil, err
	}
	u, err := s.upload(ctx, bk, aws.ToString(in.Key), aws.ToString(in.UploadId))
	if err != nil {
		return nil, err
	}
	parts, err := s.parts(ctx, u.ID, after, limit+1)
	if err != nil {
		return nil, err
	}
	out := &s3.ListPartsOutput{
		Bucket: in.Bucket, Key: in.Key, UploadId: in.UploadId, MaxParts: aws.Int32(int32(limit)), PartNumberMarker: aws.String(decimal(after)),
		IsTruncated: aws.Bool(limit > 0 && len(parts) > limit), StorageClass: u.Template.shownClass(), Owner: owner(bk.Account), Initiator: u.initiator(bk),
		ChecksumAlgorithm: types.ChecksumAlgorithm(u.Algorithm), ChecksumType: types.ChecksumType(u.Type),
	}
	for _, p := range parts[:min(limit, len(parts))] {
		shown := types.Part{PartNumber: aws.Int32(int32(p.Number)), Size: aws.Int64(p.Size), ETag: aws.String(quoted(p.ETag)), LastModified: aws.Time(p.Modified)}
		if u.Algorithm != "" {
			p.Checksum.show(fields{&shown.ChecksumCRC32, &shown.ChecksumCRC32C, &shown.ChecksumCRC64NVME, &shown.ChecksumSHA1, &shown.ChecksumSHA256, &shown.ChecksumSHA512, &shown.ChecksumMD5})
		}
		out.Parts = append(out.Parts, shown)
		after = p.Number
	}
	out.NextPartNumberMarker = aws.String(decimal(after))
	return out, nil
}

func (u *upload) initiator(bk *bucket) *types.Initiator {
	if u.Initiator == "" {
		return &types.Initiator{ID: aws.String(canonicalID(bk.Account))}
	}
	return &types.Initiator{ID: aws.String(u.Initiator)}
}

// ListMultipartUploads lists uploads under way by key and, within a key, the oldest first.
func (s *Service) ListMultipartUploads(ctx context.Context, in *s3.ListMultipartUploadsInput) (*s3.ListMultipartUploadsOutput, error) {
	bk, err := s.bucket(ctx, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	most, err := pageSize(in.MaxUploads, "max-uploads")
	if err != nil {
		return nil, err
	}
	sp, err := spell(in.EncodingType)
	if err != nil {
		return nil, err
	}
	sc := scan{kind: kindUpload, bucket: bk.Name, prefix: aws.ToString(in.Prefix), delimiter: aws.ToString(in.Delimiter), most: most}
	marker, id := aws.ToString(in.KeyMarker), aws.ToString(in.UploadIdMarker)
	switch {
	case marker == "": // S3 ignores an upload id marker without a key marker
	case id != "":
		began, ok := idNumber(id)
		if !ok {
			return nil, invalidArgument("Invalid uploadId marker", "upload-id-marker", id)
		}
		sc.after = uploadKey(bk.Name, marker, id, began)
	default:
		sc.after = sc.from(marker, "\x00\x02")
	}
	var entries []entry[upload]
	more := false
	if most > 0 {
		entries, more, err = walk(ctx, s, sc, func(r store.Record) (*upload, string, bool, error) {
			u, err := readUpload(r)
			if err != nil {
				return nil, "", false, err
			}
			return u, u.Template.Key, true, nil
		})
		if err != nil {
			return nil, err
		}
	}
	out := &s3.ListMultipartUploadsOutput{
		Bucket: in.Bucket, Prefix: sp(sc.prefix), Delimiter: sp.optional(in.Delimiter), EncodingType: in.EncodingType, KeyMarker: sp(marker), UploadIdMarker: aws.String(id),
		MaxUploads: aws.Int32(int32(most)), IsTruncated: aws.Bool(more), CommonPrefixes: commonPrefixes(entries, sp),
	}
	for _, e := range entries {
		if u := e.value; u != nil {
			out.Uploads = append(out.Uploads, types.MultipartUpload{
				Key: sp(u.Template.Key), UploadId: aws.String(u.ID), Initiated: aws.Time(u.Initiated), Owner: owner(bk.Account), Initiator: u.initiator(bk),
				StorageClass: u.Template.shownClass(), ChecksumAlgorithm: types.ChecksumAlgorithm(u.Algorithm), ChecksumType: types.ChecksumType(u.Type),
			})
		}
	}
	if more && len(entries) > 0 {
		if last := entries[len(entries)-1]; last.prefix != "" {
			out.NextKeyMarker = sp(last.prefix)
		} else {
			out.NextKeyMarker, out.NextUploadIdMarker = sp(last.value.Template.Key), aws.String(last.value.ID)
		}
	}
	return out, nil
}

// location is the address of an object as the caller reached this node.
func location(ctx context.Context, bucket, key string) *string {
	c := call.From(ctx)
	scheme, host, path := "http", c.Host, "/"+bucket+"/"+key
	if c.Secure {
		scheme = "https"
	}
	if host == "" {
		return aws.String(path)
	}
	if strings.HasPrefix(host, bucket+".") {
		path = "/" + key
	}
	return aws.String((&url.URL{Scheme: scheme, Host: host, Path: path}).String())
}
