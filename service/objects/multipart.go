package objects

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"countersign/call"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const (
	maxParts  = 10000
	maxObject = 50 << 40 // bytes of an object uploaded in parts
)

// CreateMultipartUpload begins an upload in parts; what it says of the object
// holds when the upload is completed.
func (s *Service) CreateMultipartUpload(ctx context.Context, in *s3.CreateMultipartUploadInput) (*s3.CreateMultipartUploadOutput, error) {
	v, err := newVersion(properties{
		key: aws.ToString(in.Key), acl: string(in.ACL), grants: []*string{in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWriteACP},
		contentType: in.ContentType, cacheControl: in.CacheControl, disposition: in.ContentDisposition, encoding: in.ContentEncoding,
		language: in.ContentLanguage, redirect: in.WebsiteRedirectLocation, expires: in.Expires, metadata: in.Metadata, tagging: in.Tagging,
		sse: in.ServerSideEncryption, kmsKey: in.SSEKMSKeyId, kmsContext: in.SSEKMSEncryptionContext, bucketKey: in.BucketKeyEnabled, class: in.StorageClass,
		locks: in.ObjectLockMode != "" || in.ObjectLockLegalHoldStatus != "" || in.ObjectLockRetainUntilDate != nil || in.ObjectLockEventHold != "",
		ssec:  []*string{in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5},
	})
	if err != nil {
		return nil, err
	}
	algorithm, kind, err := uploadChecksum(in.ChecksumAlgorithm, in.ChecksumType)
	if err != nil {
		return nil, err
	}
	u := upload{Initiated: s.stamp(), Initiator: call.From(ctx).Principal.ARN, Algorithm: algorithm, Type: kind, Template: *v}
	began := uint64(s.now().UnixNano())
	if u.ID, err = s.newID(began); err != nil {
		return nil, err
	}
	err = s.commit(ctx, u.ID, func(b *store.Batch) error {
		bk, err := s.bucket(ctx, in.Bucket, in.ExpectedBucketOwner)
		if err != nil {
			return err
		}
		if v.Encryption.Algorithm == "" {
			u.Template.Encryption = bk.encryption()
			u.Template.Encryption.Blocked = nil
		}
		hold(b, bk)
		b.Create(kindUpload, uploadKey(bk.Name, v.Key, u.ID, began), encode(u))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &s3.CreateMultipartUploadOutput{
		Bucket: in.Bucket, Key: in.Key, UploadId: aws.String(u.ID), ChecksumAlgorithm: types.ChecksumAlgorithm(algorithm), ChecksumType: types.ChecksumType(kind),
		ServerSideEncryption: types.ServerSideEncryption(u.Template.Encryption.Algorithm), SSEKMSKeyId: text(u.Template.Encryption.Key), BucketKeyEnabled: u.Template.Encryption.bucketKey(),
	}, nil
}

// uploadChecksum settles how the parts of an upload are summed up.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
func uploadChecksum(algorithm types.ChecksumAlgorithm, kind types.ChecksumType) (string, string, error) {
	if algorithm == "" {
		if kind != "" {
			return "", "", invalidRequest("The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
		}
		return "", "", nil
	}
	if err := checkAlgorithm(string(algorithm)); err != nil {
		return "", "", err
	}
	a, _ := algorithmNamed(string(algorithm))
	if kind == "" {
		kind = types.ChecksumTypeComposite
		if a.name == defaultAlgorithm {
			kind = types.ChecksumTypeFullObject
		}
	}
	switch {
	case kind != types.ChecksumTypeComposite && kind != types.ChecksumTypeFullObject:
		return "", "", invalidRequest("Value for x-amz-checksum-type header is invalid.")
	case kind == types.ChecksumTypeComposite && a.name == defaultAlgorithm,
		kind == types.ChecksumTypeFullObject && a.poly == 0:
		return "", "", invalidRequest(fmt.Sprintf("The %s checksum type cannot be used with the %s checksum algorithm.", kind, strings.ToLower(a.name)))
	}
	return a.name, string(kind), nil
}

// algorithm is the one that every part is hashed with.
func (u *upload) algorithm() algorithm {
	name := u.Algorithm
	if name == "" {
		name = defaultAlgorithm
	}
	a, _ := algorithmNamed(name)
	return a
}

func readUpload(r store.Record) (*upload, error) {
	u, err := decode[upload](r)
	if err != nil {
		return nil, err
	}
	u.rev, u.at = r.Revision, r.Key
	return u, nil
}

// upload finds an upload of a key under way.
func (s *Service) upload(ctx context.Context, bk *bucket, key, id string) (*upload, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	began, ok := idNumber(id)
	if !ok {
		return nil, noSuchUpload(id)
	}
	r, err := s.store.Get(ctx, kindUpload, uploadKey(bk.Name, key, id, began))
	if errors.Is(err, store.ErrNotFound) {
		return nil, noSuchUpload(id)
	}
	if err != nil {
		return nil, fmt.Errorf("read upload %s: %w", id, err)
	}
	return readUpload(r)
}

// parts reads the parts of an upload by number, those above after.
func (s *Service) parts(ctx context.Context, id string, after, limit int) ([]part, error) {
	from := ""
	if after > 0 {
		from = partKey(id, after)
	}
	records, err := s.store.List(ctx, kindPart, id+"\x00", from, limit)
	if err != nil {
		return nil, fmt.Errorf("list parts of upload %s: %w", id, err)
	}
	parts := make([]part, 0, len(records))
	for _, r := range records {
		p, err := decode[part](r)
		if err != nil {
			return nil, err
		}
		parts = append(parts, *p)
	}
	return parts, nil
}

// dropUpload adds to b the end of an upload with all its parts, except for the
// blobs of those in kept. A part that comes meanwhile moves the upload's
// revision, so the batch fails rather than leave it behind.
func (s *Service) dropUpload(ctx context.Context, b *store.Batch, u *upload, kept map[store.BlobID]bool) error {
	parts, err := s.parts(ctx, u.ID, 0, 0)
	if err != nil {
		return err
	}
	for _, p := range parts {
		b.Delete(kindPart, partKey(u.ID, p.Number))
		if p.Blob != "" && !kept[p.Blob] {
			b.DropBlob(p.Blob)
		}
	}
	b.DeleteIf(kindUpload, u.at, u.rev)
	return nil
}

// AbortMultipartUpload ends an upload and drops its parts.
func (s *Service) AbortMultipartUpload(ctx context.Context, in *s3.AbortMultipartUploadInput) (*s3.AbortMultipartUploadOutput, error) {
	if in.IfMatchInitiatedTime != nil {
		return nil, notBuilt("x-amz-if-match-initiated-time", "Conditions on the time an upload began are for directory buckets.")
	}
	id := aws.ToString(in.UploadId)
	err := s.commit(ctx, id, func(b *store.Batch) error {
		bk, err := s.bucket(ctx, in.Bucket, in.ExpectedBucketOwner)
		if err != nil {
			return err
		}
		u, err := s.upload(ctx, bk, aws.ToString(in.Key), id)
		if err != nil {
			return err
		}
		return s.dropUpload(ctx, b, u, nil)
	})
	return &s3.AbortMultipartUploadOutput{}, err
}

// CompleteMultipartUpload makes the listed parts the newest version of the key,
// in one commit that ends the upload; parts not listed are dropped. The
// condition holds at that commit.
func (s *Service) CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput) (*s3.CompleteMultipartUploadOutput, error) {
	id, key := aws.ToString(in.UploadId), aws.ToString(in.Key)
	if err := checkKey(key); err != nil {
		return nil, err
	}
	if err := checkSSEC(in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5); err != nil {
		return nil, err
	}
	if in.MultipartUpload == nil || len(in.MultipartUpload.Parts) == 0 || len(in.MultipartUpload.Parts) > maxParts {
		return nil, malformedXML()
	}
	name, value, err := given(fields{&in.ChecksumCRC32, &in.ChecksumCRC32C, &in.ChecksumCRC64NVME, &in.ChecksumSHA1, &in.ChecksumSHA256, &in.ChecksumSHA512, &in.ChecksumMD5},
		in.ChecksumXXHASH64, in.ChecksumXXHASH3, in.ChecksumXXHASH128)
	if err != nil {
		return nil, err
	}
	condition := writeCondition{in.IfMatch, in.IfNoneMatch}
	if _, err := s.admit(ctx, in.Bucket, in.ExpectedBucketOwner, key, condition); err != nil {
		return nil, err
	}
	var bk *bucket
	var v *version
	err = s.commit(ctx, headKey(aws.ToString(in.Bucket), key), func(b *store.Batch) error {
		if bk, err = s.bucket(ctx, in.Bucket, in.ExpectedBucketOwner); err != nil {
			return err
		}
		u, err := s.upload(ctx, bk, key, id)
		if err != nil {
			return err
		}
		have, err := s.parts(ctx, id, 0, 0)
		if err != nil {
			return err
		}
		chosen, err := u.choose(in.MultipartUpload.Parts, have)
		if err != nil {
			return err
		}
		if v, err = u.assemble(chosen); err != nil {
			return err
		}
		if in.MpuObjectSize != nil && *in.MpuObjectSize != v.Size {
			return invalidRequest(fmt.Sprintf("The provided 'x-amz-mp-object-size' header value %d does not match what was computed: %d", *in.MpuObjectSize, v.Size))
		}
		if err := u.verify(v.Checksum, name, value, string(in.ChecksumType)); err != nil {
			return err
		}
		if err := s.place(ctx, b, bk, v, condition); err != nil {
			return raced(err)
		}
		kept := map[store.BlobID]bool{}
		for _, p := range chosen {
			kept[p.Blob] = true
		}
		b.Put(kindManifest, versionKey(bk.Name, key, v.Sequence), encode(chosen))
		return s.dropUpload(ctx, b, u, kept)
	})
	if err != nil {
		return nil, err
	}
	out := &s3.CompleteMultipartUploadOutput{
		Bucket: in.Bucket, Key: in.Key, ETag: aws.String(quoted(v.ETag)), VersionId: bk.shown(v.ID), Location: location(ctx, bk.Name, key),
		ChecksumType:         types.ChecksumType(v.Checksum.Type),
		ServerSideEncryption: types.ServerSideEncryption(v.Encryption.Algorithm), SSEKMSKeyId: text(v.Encryption.Key), BucketKeyEnabled: v.Encryption.bucketKey(),
	}
	v.Checksum.show(fields{&out.ChecksumCRC32, &out.ChecksumCRC32C, &out.ChecksumCRC64NVME, &out.ChecksumSHA1, &out.ChecksumSHA256, &out.ChecksumSHA512, &out.ChecksumMD5})
	return out, nil
}

// choose finds the parts that a client lists among those it uploaded.
func (u *upload) choose(listed []types.CompletedPart, have []part) ([]part, error) {
	byNumber := map[int]part{}
	for _, p := range have {
		byNumber[p.Number] = p
	}
	invalid := func(number int) *refusal {
		return refuse(400, "InvalidPart", "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.").
			field("UploadId", u.ID).field("PartNumber", decimal(number))
	}
	last := 0
	for _, l := range listed {
		number := int(aws.ToInt32(l.PartNumber))
		if number < 1 || number > maxParts {
			return nil, invalidArgument("PartNumber must be >= 1 and <= 10000", "partNumber", decimal(number))
		}
		if number <= last {
			return nil, refuse(400, "InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered by part number.").field("UploadId", u.ID)
		}
		last = number
	}
	var chosen []part
	for _, l := range listed {
		number := int(aws.ToInt32(l.PartNumber))
		p, ok := byNumber[number]
		if !ok || strings.Trim(aws.ToString(l.ETag), `"`) != p.ETag {
			return nil, invalid(number).field("ETag", strings.Trim(aws.ToString(l.ETag), `"`))
		}
		name, value, err := given(fields{&l.ChecksumCRC32, &l.ChecksumCRC32C, &l.ChecksumCRC64NVME, &l.ChecksumSHA1, &l.ChecksumSHA256, &l.ChecksumSHA512, &l.ChecksumMD5},
			l.ChecksumXXHASH64, l.ChecksumXXHASH3, l.ChecksumXXHASH128)
		switch {
		case err != nil:
			return nil, err
		case value == "" && u.Type == composite:
			return nil, invalidRequest(fmt.Sprintf("The upload was created using a %s checksum. The complete request must include the checksum for each part. It was missing for part %d in the request.", strings.ToLower(u.Algorithm), number))
		case value != "" && u.Algorithm != "" && (name != p.Checksum.Algorithm || value != p.Checksum.Value):
			return nil, invalid(number)
		}
		chosen = append(chosen, p)
	}
	for _, p := range chosen[:len(chosen)-1] {
		if p.Size < minPart {
			return nil, refuse(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size").
				field("ProposedSize", decimal(p.Size)).field("MinSizeAllowed", decimal(int64(minPart))).field("PartNumber", decimal(p.Number)).field("ETag", p.ETag)
		}
	}
	return chosen, nil
}

// assemble makes the version that the parts come to. Its entity tag is the MD5 of
// the parts' MD5s with their number.
func (u *upload) assemble(parts []part) (*version, error) {
	v := u.Template
	sum := md5.New()
	for _, p := range parts {
		digest, err := hex.DecodeString(p.ETag)
		if err != nil {
			return nil, fmt.Errorf("entity tag of part %d of upload %s: %w", p.Number, u.ID, err)
		}
		sum.Write(digest)
		v.Size += p.Size
	}
	if v.Size > maxObject {
		return nil, refuse(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size").
			field("ProposedSize", decimal(v.Size)).field("MaxSizeAllowed", decimal(int64(maxObject)))
	}
	v.ETag = hex.EncodeToString(sum.Sum(nil)) + "-" + decimal(len(parts))
	v.Parts = len(parts)
	kind := u.Type
	if kind == "" {
		kind = fullObject
	}
	v.Checksum = u.algorithm().assemble(parts, kind)
	return &v, nil
}

// verify holds the checksum of the whole against what the client says it is.
func (u *upload) verify(c checksum, name, value, kind string) error {
	if kind != "" && u.Type != "" && kind != u.Type {
		return invalidRequest(fmt.Sprintf("The upload was created using the %s checksum mode. The complete request must use the same checksum mode.", u.Type))
	}
	if value == "" {
		return nil
	}
	if name != c.Algorithm {
		return invalidRequest(fmt.Sprintf("Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: %s", strings.ToLower(c.Algorithm), strings.ToLower(name)))
	}
	// Of a composite checksum the client may leave the number of parts away.
	whole, _, _ := strings.Cut(c.Value, "-")
	if value != c.Value && value != whole {
		return refuse(400, "BadDigest", "The "+strings.ToLower(name)+" you specified did not match the calculated checksum.")
	}
	return nil
}
