package objects

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// PutObject stores the body as the newest version of a key. On return the bytes
// and the version are durable. Nothing of it is seen, or left behind, when the
// body is cut short, does not match its length or a checksum, or the condition
// does not hold at the moment of the commit.
func (s *Service) PutObject(ctx context.Context, in *s3.PutObjectInput) (*s3.PutObjectOutput, error) {
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
	if in.WriteOffsetBytes != nil {
		return nil, notBuilt("x-amz-write-offset-bytes", "Appending to objects is not built in this version of Countersign.")
	}
	want, err := expect(in.ContentLength, in.ContentMD5, in.ChecksumAlgorithm, fields{&in.ChecksumCRC32, &in.ChecksumCRC32C, &in.ChecksumCRC64NVME, &in.ChecksumSHA1, &in.ChecksumSHA256, &in.ChecksumSHA512, &in.ChecksumMD5},
		in.ChecksumXXHASH64, in.ChecksumXXHASH3, in.ChecksumXXHASH128)
	if err != nil {
		return nil, err
	}
	condition := writeCondition{in.IfMatch, in.IfNoneMatch}
	if _, err := s.admit(ctx, in.Bucket, in.ExpectedBucketOwner, key, condition); err != nil {
		return nil, err
	}
	c, err := s.receive(ctx, in.Body, want)
	if err != nil {
		return nil, err
	}
	bk, err := s.add(ctx, in.Bucket, in.ExpectedBucketOwner, v, c, condition)
	if err != nil {
		return nil, err
	}
	out := &s3.PutObjectOutput{
		ETag: aws.String(quoted(v.ETag)), VersionId: bk.shown(v.ID), ChecksumType: types.ChecksumType(v.Checksum.Type),
		ServerSideEncryption: types.ServerSideEncryption(v.Encryption.Algorithm), SSEKMSKeyId: text(v.Encryption.Key), BucketKeyEnabled: v.Encryption.bucketKey(),
	}
	v.Checksum.show(fields{&out.ChecksumCRC32, &out.ChecksumCRC32C, &out.ChecksumCRC64NVME, &out.ChecksumSHA1, &out.ChecksumSHA256, &out.ChecksumSHA512, &out.ChecksumMD5})
	return out, nil
}

// expect collects what a request says of its body.
func expect(length *int64, contentMD5 *string, declared types.ChecksumAlgorithm, f fields, xxhash ...*string) (expectation, error) {
	name, value, err := given(f, xxhash...)
	if err != nil {
		return expectation{}, err
	}
	if err := checkAlgorithm(string(declared)); err != nil {
		return expectation{}, err
	}
	e := expectation{length: length, md5: contentMD5, algorithm: name, value: value, declared: declared != "", compute: defaultAlgorithm}
	if declared != "" {
		if name != "" && !strings.EqualFold(name, string(declared)) {
			return expectation{}, invalidRequest("Value for x-amz-sdk-checksum-algorithm header is invalid.")
		}
		e.algorithm = string(declared)
	}
	return e, e.check()
}

// properties is what a request says of an object beside its bytes.
type properties struct {
	key                                                                  string
	acl                                                                  string
	grants                                                               []*string
	contentType, cacheControl, disposition, encoding, language, redirect *string
	expires                                                              *time.Time
	metadata                                                             map[string]string
	tagging                                                              *string
	sse                                                                  types.ServerSideEncryption
	kmsKey, kmsContext                                                   *string
	bucketKey                                                            *bool
	class                                                                types.StorageClass
	locks                                                                bool // asks for Object Lock
	ssec                                                                 []*string
}

const (
	maxMetadata       = 2 << 10 // bytes of user metadata, names and values
	maxSystemMetadata = 8 << 10 // bytes of the headers kept with an object
	defaultType       = "binary/octet-stream"
)

// newVersion checks properties and makes a version without bytes, id or sequence.
func newVersion(p properties) (*version, error) {
	if err := checkKey(p.key); err != nil {
		return nil, err
	}
	readable, err := objectACL(p.acl, p.grants...)
	if err != nil {
		return nil, err
	}
	if err := checkSSEC(p.ssec...); err != nil {
		return nil, err
	}
	if p.locks {
		return nil, invalidRequest("Bucket is missing Object Lock Configuration")
	}
	size := 0
	for name, value := range p.metadata {
		size += len(name) + len(value)
	}
	if size > maxMetadata {
		return nil, refuse(400, "MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size").
			field("Size", decimal(size)).field("MaxSizeAllowed", decimal(maxMetadata))
	}
	h := headers{
		ContentType: aws.ToString(p.contentType), CacheControl: aws.ToString(p.cacheControl), ContentDisposition: aws.ToString(p.disposition),
		ContentEncoding: aws.ToString(p.encoding), ContentLanguage: aws.ToString(p.language), Redirect: aws.ToString(p.redirect),
	}
	if n := len(h.ContentType) + len(h.CacheControl) + len(h.ContentDisposition) + len(h.ContentEncoding) + len(h.ContentLanguage) + len(h.Redirect); n > maxSystemMetadata {
		return nil, refuse(400, "MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size").
			field("Size", decimal(n)).field("MaxSizeAllowed", decimal(maxSystemMetadata))
	}
	if h.ContentType == "" {
		h.ContentType = defaultType
	}
	if h.Redirect != "" && !strings.HasPrefix(h.Redirect, "/") && !strings.HasPrefix(h.Redirect, "http://") && !strings.HasPrefix(h.Redirect, "https://") {
		return nil, refuse(400, "InvalidRedirectLocation", "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.")
	}
	if p.expires != nil {
		if y := p.expires.Year(); y < 1 || y > 9999 {
			return nil, invalidArgument("The Expires header must be an HTTP date.", "Expires", "")
		}
		h.Expires = p.expires.UTC()
	}
	tags, err := parseTagging(p.tagging)
	if err != nil {
		return nil, err
	}
	class, err := checkClass(p.class)
	if err != nil {
		return nil, err
	}
	e, err := checkEncryption(p)
	if err != nil {
		return nil, err
	}
	return &version{Key: p.key, Public: readable, Headers: h, Metadata: p.metadata, Tags: tags, Class: class, Encryption: e}, nil
}

// checkClass accepts the storage classes that are read without being restored.
// All are stored alike; the class is a label.
func checkClass(c types.StorageClass) (string, error) {
	switch c {
	case "", types.StorageClassStandard:
		return "", nil
	case types.StorageClassStandardIa, types.StorageClassOnezoneIa, types.StorageClassIntelligentTiering, types.StorageClassGlacierIr, types.StorageClassReducedRedundancy:
		return string(c), nil
	}
	if slices.Contains(c.Values(), c) {
		return "", notBuilt("x-amz-storage-class", "Storage class "+string(c)+" is not built in this version of Countersign.")
	}
	return "", refuse(400, "InvalidStorageClass", "The storage class you specified is not valid").field("StorageClassRequested", string(c))
}

func checkEncryption(p properties) (encryption, error) {
	e := encryption{Algorithm: string(p.sse), Key: aws.ToString(p.kmsKey), BucketKey: aws.ToBool(p.bucketKey)}
	kms := p.sse == types.ServerSideEncryptionAwsKms || p.sse == types.ServerSideEncryptionAwsKmsDsse
	switch {
	case p.sse != "" && p.sse != types.ServerSideEncryptionAes256 && !kms:
		return e, invalidArgument("The encryption method specified is not supported", "x-amz-server-side-encryption", string(p.sse))
	case !kms && e.Key != "":
		return e, invalidArgument("Server Side Encryption with KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms", "x-amz-server-side-encryption", string(p.sse))
	case aws.ToString(p.kmsContext) != "":
		return e, notBuilt("x-amz-server-side-encryption-context", "KMS encryption contexts are not built in this version of Countersign.")
	}
	return e, nil
}

// bucketKey is shown only where the bucket key is in use.
func (e encryption) bucketKey() *bool {
	if !e.BucketKey {
		return nil
	}
	return aws.Bool(true)
}

// admit refuses a write early, before its body is read, when it is known to
// fail. What it finds is checked again at the commit.
func (s *Service) admit(ctx context.Context, name, expected *string, key string, condition writeCondition) (*bucket, error) {
	bk, err := s.bucket(ctx, name, expected)
	if err != nil {
		return nil, err
	}
	if err := condition.form(); err != nil {
		return nil, err
	}
	if condition == (writeCondition{}) {
		return bk, nil
	}
	h, err := s.head(ctx, bk.Name, key)
	if err != nil {
		return nil, err
	}
	return bk, condition.check(key, h)
}

// add commits received content as the newest version of v.Key and completes v.
// It returns the bucket as it was then. Content that is refused is discarded.
func (s *Service) add(ctx context.Context, name, expected *string, v *version, c *content, condition writeCondition) (*bucket, error) {
	v.Size, v.ETag, v.Checksum, v.Blob = c.size, c.etag(), c.checksum, c.blob
	var in *bucket
	committing := false
	err := s.commit(ctx, headKey(aws.ToString(name), v.Key), func(b *store.Batch) error {
		committing = false
		bk, err := s.bucket(ctx, name, expected)
		if err != nil {
			return err
		}
		if err := s.place(ctx, b, bk, v, condition); err != nil {
			return raced(err)
		}
		c.keep(b, versionKey(bk.Name, v.Key, v.Sequence))
		in, committing = bk, true
		return nil
	})
	if err != nil {
		// A commit that failed otherwise than by losing may have taken effect:
		// then the blob is in use, and if it is not, the store sweeps it.
		if !committing || lost(err) {
			s.discard(c)
		}
		return nil, err
	}
	return in, nil
}

// raced turns a condition that held before the body was read and does not find
// its object any more into S3's answer to a concurrent DELETE.
func raced(err error) error {
	if r, ok := err.(*refusal); ok && r.status == 404 && r.ErrorCode() == "NoSuchKey" {
		return refuse(409, "ConditionalRequestConflict", "The conditional request cannot succeed due to a conflicting operation against this resource.").
			field("Condition", "If-Match")
	}
	return err
}

// place adds to b what makes v the newest version of its key in a bucket, by
// the bucket's versioning state, and gives v its id, sequence and time.
func (s *Service) place(ctx context.Context, b *store.Batch, bk *bucket, v *version, condition writeCondition) error {
	h, err := s.head(ctx, bk.Name, v.Key)
	if err != nil {
		return err
	}
	if err := condition.check(v.Key, h); err != nil {
		return err
	}
	if v.Public {
		if err := bk.admitsACL(); err != nil {
			return err
		}
	}
	// The store's revision is above the sequence of anything this key ever had,
	// so a key that comes back does not use a sequence again: a reader who still
	// holds the old version cannot be given the new one's bytes.
	next := head{Sequence: max(1, uint64(s.store.Revision()))}
	if h != nil {
		next.Sequence, next.Null = max(next.Sequence, h.Sequence+1), h.Null
	}
	v.Sequence, v.Modified = next.Sequence, s.stamp()
	if v.Encryption.Algorithm == "" && !v.Marker {
		v.Encryption = bk.encryption()
		v.Encryption.Blocked = nil
	}
	if bk.Versioning == string(types.BucketVersioningStatusEnabled) {
		if v.ID, err = s.newID(v.Sequence); err != nil {
			return err
		}
	} else {
		// Without versioning, and while it is suspended, a key has one null
		// version, which this one replaces.
		v.ID = nullID
		if next.Null != 0 {
			if err := s.dropSequence(ctx, b, bk.Name, h, next.Null); err != nil {
				return err
			}
		}
		next.Null = v.Sequence
	}
	next.Current = *v
	hold(b, bk)
	b.Put(kindVersion, versionKey(bk.Name, v.Key, v.Sequence), encode(v))
	if h == nil {
		b.Create(kindHead, headKey(bk.Name, v.Key), encode(next))
	} else {
		b.Replace(kindHead, headKey(bk.Name, v.Key), encode(next), h.rev)
	}
	return nil
}

// dropSequence drops the version of a key with the given sequence.
func (s *Service) dropSequence(ctx context.Context, b *store.Batch, bucket string, h *head, sequence uint64) error {
	if h.Current.Sequence == sequence {
		return s.drop(ctx, b, bucket, &h.Current)
	}
	v, err := s.version(ctx, bucket, h.Current.Key, sequence)
	if err != nil {
		return fmt.Errorf("find version to replace: %w", err)
	}
	if v == nil {
		return errStale
	}
	return s.drop(ctx, b, bucket, v)
}

// shown is a version id as answers give it: not at all in a bucket that never
// had versioning.
func (bk *bucket) shown(id string) *string {
	if bk.Versioning == "" {
		return nil
	}
	return &id
}
