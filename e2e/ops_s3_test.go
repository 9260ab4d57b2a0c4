package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Every operation of S3 that is built, and its most important refusals.
func TestS3(t *testing.T) {
	t.Parallel()
	start(t).parts(map[string]func(*system){
		"buckets":       s3Buckets,
		"configuration": s3Configuration,
		"absent":        s3Absent,
		"objects":       s3Objects,
		"attributes":    s3Attributes,
		"versions":      s3Versions,
		"conditions":    s3Conditions,
		"listing":       s3Listing,
		"copying":       s3Copying,
		"multipart":     s3Multipart,
		"corruption":    s3Corruption,
	})
}

// read gives an object, or a version of it.
func (s *system) read(bucket, key, version string) (*s3.GetObjectOutput, []byte) {
	s.t.Helper()
	in := &s3.GetObjectInput{Bucket: &bucket, Key: &key}
	if version != "" {
		in.VersionId = &version
	}
	out := must(s.s3.GetObject(context.Background(), in))(s.t)
	defer out.Body.Close()
	return out, must(io.ReadAll(out.Body))(s.t)
}

func s3Buckets(s *system) {
	t, ctx := s.t, context.Background()
	s.bucket("buckets-one")
	b := aws.String("buckets-one")
	head := must(s.s3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: b}))(t)
	same(t, "region", *head.BucketRegion, region)
	same(t, "location", must(s.s3.GetBucketLocation(ctx, &s3.GetBucketLocationInput{Bucket: b}))(t).LocationConstraint, s3types.BucketLocationConstraint(region))
	same(t, "versioning", must(s.s3.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: b}))(t).Status, s3types.BucketVersioningStatusEnabled)
	listed := must(s.s3.ListBuckets(ctx, &s3.ListBucketsInput{Prefix: aws.String("buckets-")}))(t)
	if len(listed.Buckets) != 1 || *listed.Buckets[0].Name != *b || time.Since(*listed.Buckets[0].CreationDate) > time.Minute {
		t.Errorf("buckets: %+v", listed.Buckets)
	}
	_, err := s.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: b, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}})
	wantCode(t, err, "BucketAlreadyOwnedByYou")
	_, err = s.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("Not_A_Name")})
	wantCode(t, err, "InvalidBucketName")
	_, err = s.s3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String("buckets-none")})
	wantCode(t, err, "NotFound")
	version := s.put(*b, "k", []byte("x"))
	_, err = s.s3.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: b})
	wantCode(t, err, "BucketNotEmpty")
	must(s.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: b, Key: aws.String("k"), VersionId: &version}))(t)
	must(s.s3.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: b}))(t)
	_, err = s.s3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: b})
	wantCode(t, err, "NoSuchBucket")
}

// What Terraform and the CDK set on a bucket, read back and taken away.
func s3Configuration(s *system) {
	t, ctx := s.t, context.Background()
	b := aws.String("configured")
	s.bucket(*b)

	must(s.s3.PutBucketTagging(ctx, &s3.PutBucketTaggingInput{Bucket: b, Tagging: &s3types.Tagging{TagSet: []s3types.Tag{{Key: aws.String("made"), Value: aws.String("here")}}}}))(t)
	tags := must(s.s3.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: b}))(t).TagSet
	same(t, "tags", names(tags, func(tag s3types.Tag) string { return *tag.Key + "=" + *tag.Value }), []string{"made=here"})
	must(s.s3.DeleteBucketTagging(ctx, &s3.DeleteBucketTaggingInput{Bucket: b}))(t)
	_, err := s.s3.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: b})
	wantCode(t, err, "NoSuchTagSet")

	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"acm-pca.amazonaws.com"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::configured/*"}]}`
	must(s.s3.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: b, Policy: &policy}))(t)
	same(t, "policy", *must(s.s3.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: b}))(t).Policy, policy)
	same(t, "public", *must(s.s3.GetBucketPolicyStatus(ctx, &s3.GetBucketPolicyStatusInput{Bucket: b}))(t).PolicyStatus.IsPublic, false)
	_, err = s.s3.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: b, Policy: aws.String(`{"Version":`)})
	wantCode(t, err, "MalformedPolicy")

	must(s.s3.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{Bucket: b, PublicAccessBlockConfiguration: &s3types.PublicAccessBlockConfiguration{BlockPublicPolicy: aws.Bool(true), BlockPublicAcls: aws.Bool(true)}}))(t)
	block := must(s.s3.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: b}))(t).PublicAccessBlockConfiguration
	same(t, "public access", [4]bool{*block.BlockPublicPolicy, *block.BlockPublicAcls, *block.IgnorePublicAcls, *block.RestrictPublicBuckets}, [4]bool{true, true, false, false})
	_, err = s.s3.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: b, Policy: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::configured/*"}]}`)})
	wantCode(t, err, "AccessDenied")
	must(s.s3.DeletePublicAccessBlock(ctx, &s3.DeletePublicAccessBlockInput{Bucket: b}))(t)
	_, err = s.s3.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: b})
	wantCode(t, err, "NoSuchPublicAccessBlockConfiguration")
	must(s.s3.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: b}))(t)
	_, err = s.s3.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: b})
	wantCode(t, err, "NoSuchBucketPolicy")

	encryption := func() s3types.ServerSideEncryption {
		t.Helper()
		rules := must(s.s3.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: b}))(t).ServerSideEncryptionConfiguration.Rules
		return rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm
	}
	must(s.s3.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{Bucket: b, ServerSideEncryptionConfiguration: &s3types.ServerSideEncryptionConfiguration{
		Rules: []s3types.ServerSideEncryptionRule{{ApplyServerSideEncryptionByDefault: &s3types.ServerSideEncryptionByDefault{SSEAlgorithm: s3types.ServerSideEncryptionAwsKms}}},
	}}))(t)
	same(t, "encryption", encryption(), s3types.ServerSideEncryptionAwsKms)
	must(s.s3.DeleteBucketEncryption(ctx, &s3.DeleteBucketEncryptionInput{Bucket: b}))(t)
	same(t, "encryption by default", encryption(), s3types.ServerSideEncryptionAes256)

	must(s.s3.PutBucketOwnershipControls(ctx, &s3.PutBucketOwnershipControlsInput{Bucket: b, OwnershipControls: &s3types.OwnershipControls{Rules: []s3types.OwnershipControlsRule{{ObjectOwnership: s3types.ObjectOwnershipBucketOwnerPreferred}}}}))(t)
	same(t, "ownership", must(s.s3.GetBucketOwnershipControls(ctx, &s3.GetBucketOwnershipControlsInput{Bucket: b}))(t).OwnershipControls.Rules[0].ObjectOwnership, s3types.ObjectOwnershipBucketOwnerPreferred)
	must(s.s3.DeleteBucketOwnershipControls(ctx, &s3.DeleteBucketOwnershipControlsInput{Bucket: b}))(t)
	_, err = s.s3.GetBucketOwnershipControls(ctx, &s3.GetBucketOwnershipControlsInput{Bucket: b})
	wantCode(t, err, "OwnershipControlsNotFoundError")

	must(s.s3.PutBucketAcl(ctx, &s3.PutBucketAclInput{Bucket: b, ACL: s3types.BucketCannedACLPrivate}))(t)
	grants := must(s.s3.GetBucketAcl(ctx, &s3.GetBucketAclInput{Bucket: b}))(t)
	if len(grants.Grants) != 1 || grants.Grants[0].Permission != s3types.PermissionFullControl || *grants.Grants[0].Grantee.ID != *grants.Owner.ID {
		t.Errorf("ACL: %+v", grants)
	}
	_, err = s.s3.PutBucketAcl(ctx, &s3.PutBucketAclInput{Bucket: b, ACL: s3types.BucketCannedACLPublicRead})
	wantCode(t, err, "AccessControlListNotSupported")

	_, err = s.s3.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: b})
	wantCode(t, err, "NoSuchLifecycleConfiguration")
	rule := s3types.LifecycleRule{ID: aws.String("old versions"), Status: s3types.ExpirationStatusEnabled,
		Filter:                      &s3types.LifecycleRuleFilter{And: &s3types.LifecycleRuleAndOperator{Prefix: aws.String("p/"), Tags: []s3types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}}},
		NoncurrentVersionExpiration: &s3types.NoncurrentVersionExpiration{NoncurrentDays: aws.Int32(30)}}
	must(s.s3.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{Bucket: b, LifecycleConfiguration: &s3types.BucketLifecycleConfiguration{Rules: []s3types.LifecycleRule{rule}}}))(t)
	rules := must(s.s3.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: b}))(t)
	same(t, "lifecycle rules", rules.Rules, []s3types.LifecycleRule{rule})
	same(t, "minimum size", rules.TransitionDefaultMinimumObjectSize, s3types.TransitionDefaultMinimumObjectSizeAllStorageClasses128k)
	_, err = s.s3.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{Bucket: b, LifecycleConfiguration: &s3types.BucketLifecycleConfiguration{Rules: []s3types.LifecycleRule{rule, rule}}})
	wantCode(t, err, "InvalidArgument")
	must(s.s3.DeleteBucketLifecycle(ctx, &s3.DeleteBucketLifecycleInput{Bucket: b}))(t)
}

// What cannot be set answers as S3 does where it was never set.
func s3Absent(s *system) {
	t, ctx := s.t, context.Background()
	b := aws.String("plain-bucket")
	s.bucket(*b)
	for name, get := range map[string]func() error{
		"s3 GetBucketCors": func() error { _, err := s.s3.GetBucketCors(ctx, &s3.GetBucketCorsInput{Bucket: b}); return err },
		"s3 GetBucketReplication": func() error {
			_, err := s.s3.GetBucketReplication(ctx, &s3.GetBucketReplicationInput{Bucket: b})
			return err
		},
		"s3 GetBucketWebsite": func() error {
			_, err := s.s3.GetBucketWebsite(ctx, &s3.GetBucketWebsiteInput{Bucket: b})
			return err
		},
		"s3 GetObjectLockConfiguration": func() error {
			_, err := s.s3.GetObjectLockConfiguration(ctx, &s3.GetObjectLockConfigurationInput{Bucket: b})
			return err
		},
	} {
		wantCode(t, get(), refusedOnly[name])
	}
	if out := must(s.s3.GetBucketLogging(ctx, &s3.GetBucketLoggingInput{Bucket: b}))(t); out.LoggingEnabled != nil {
		t.Errorf("logging: %+v", out.LoggingEnabled)
	}
	if out := must(s.s3.GetBucketNotificationConfiguration(ctx, &s3.GetBucketNotificationConfigurationInput{Bucket: b}))(t); len(out.LambdaFunctionConfigurations)+len(out.QueueConfigurations)+len(out.TopicConfigurations) > 0 {
		t.Errorf("notifications: %+v", out)
	}
	same(t, "acceleration", must(s.s3.GetBucketAccelerateConfiguration(ctx, &s3.GetBucketAccelerateConfigurationInput{Bucket: b}))(t).Status, "")
	same(t, "payer", must(s.s3.GetBucketRequestPayment(ctx, &s3.GetBucketRequestPaymentInput{Bucket: b}))(t).Payer, s3types.PayerBucketOwner)
	same(t, "analytics", len(must(s.s3.ListBucketAnalyticsConfigurations(ctx, &s3.ListBucketAnalyticsConfigurationsInput{Bucket: b}))(t).AnalyticsConfigurationList), 0)
	same(t, "tiering", len(must(s.s3.ListBucketIntelligentTieringConfigurations(ctx, &s3.ListBucketIntelligentTieringConfigurationsInput{Bucket: b}))(t).IntelligentTieringConfigurationList), 0)
	same(t, "inventory", len(must(s.s3.ListBucketInventoryConfigurations(ctx, &s3.ListBucketInventoryConfigurationsInput{Bucket: b}))(t).InventoryConfigurationList), 0)
	same(t, "metrics", len(must(s.s3.ListBucketMetricsConfigurations(ctx, &s3.ListBucketMetricsConfigurationsInput{Bucket: b}))(t).MetricsConfigurationList), 0)
	// And setting them is an error that says so.
	_, err := s.s3.PutBucketCors(ctx, &s3.PutBucketCorsInput{Bucket: b, CORSConfiguration: &s3types.CORSConfiguration{CORSRules: []s3types.CORSRule{{AllowedMethods: []string{"GET"}, AllowedOrigins: []string{"*"}}}}})
	wantCode(t, err, "NotImplemented")
}

func s3Objects(s *system) {
	t, ctx := s.t, context.Background()
	b, key := aws.String("objects"), aws.String("a key/with ünicode & signs+")
	s.bucket(*b)
	data := bytes.Repeat([]byte("0123456789abcdef"), 20_000) // more than is kept in one chunk
	put := must(s.s3.PutObject(ctx, &s3.PutObjectInput{
		Bucket: b, Key: key, Body: bytes.NewReader(data), ContentType: aws.String("text/x-test"), CacheControl: aws.String("no-store"),
		Metadata: map[string]string{"made": "here"}, ChecksumAlgorithm: s3types.ChecksumAlgorithmSha256,
	}))(t)
	sum := sha256.Sum256(data)
	same(t, "checksum", *put.ChecksumSHA256, base64.StdEncoding.EncodeToString(sum[:]))
	out, got := s.read(*b, *key, "")
	if !bytes.Equal(got, data) {
		t.Errorf("read %d bytes that are not the %d written", len(got), len(data))
	}
	same(t, "version", *out.VersionId, *put.VersionId)
	same(t, "type", *out.ContentType, "text/x-test")
	same(t, "cache control", *out.CacheControl, "no-store")
	same(t, "metadata", out.Metadata, map[string]string{"made": "here"})
	head := must(s.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: b, Key: key, ChecksumMode: s3types.ChecksumModeEnabled}))(t)
	same(t, "length", *head.ContentLength, int64(len(data)))
	same(t, "ETag", *head.ETag, *put.ETag)
	same(t, "checksum of HeadObject", *head.ChecksumSHA256, *put.ChecksumSHA256)

	part := must(s.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: key, Range: aws.String("bytes=131070-131075")}))(t)
	got = must(io.ReadAll(part.Body))(t)
	part.Body.Close()
	same(t, "range", string(got), string(data[131070:131076]))
	same(t, "content range", *part.ContentRange, "bytes 131070-131075/320000")
	_, err := s.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: key, Range: aws.String("bytes=400000-")})
	wantCode(t, err, "InvalidRange")
	_, err = s.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: aws.String("none")})
	var missing *s3types.NoSuchKey
	if !errors.As(err, &missing) {
		t.Errorf("a key that is not there: %v", err)
	}
	_, err = s.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: aws.String(strings.Repeat("k", 1025))})
	wantCode(t, err, "KeyTooLongError")

	// Many at once, one of them not there.
	s.put(*b, "one", nil)
	s.put(*b, "two", nil)
	deleted := must(s.s3.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: b, Delete: &s3types.Delete{Objects: []s3types.ObjectIdentifier{{Key: aws.String("one")}, {Key: aws.String("two")}, {Key: aws.String("never")}}}}))(t)
	same(t, "deleted", names(deleted.Deleted, func(d s3types.DeletedObject) string { return *d.Key }), []string{"never", "one", "two"})
	same(t, "errors", len(deleted.Errors), 0)
	_, err = s.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: b, Key: aws.String("one")})
	wantCode(t, err, "NotFound")
}

func s3Attributes(s *system) {
	t, ctx := s.t, context.Background()
	b, key := aws.String("attributes"), aws.String("k")
	s.bucket(*b)
	s.put(*b, *key, []byte("hello"))
	must(s.s3.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: b, Key: key, Tagging: &s3types.Tagging{TagSet: []s3types.Tag{{Key: aws.String("a"), Value: aws.String("1")}}}}))(t)
	tags := must(s.s3.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: b, Key: key}))(t).TagSet
	same(t, "tags", names(tags, func(tag s3types.Tag) string { return *tag.Key + "=" + *tag.Value }), []string{"a=1"})
	must(s.s3.DeleteObjectTagging(ctx, &s3.DeleteObjectTaggingInput{Bucket: b, Key: key}))(t)
	same(t, "tags left", len(must(s.s3.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: b, Key: key}))(t).TagSet), 0)
	must(s.s3.PutObjectAcl(ctx, &s3.PutObjectAclInput{Bucket: b, Key: key, ACL: s3types.ObjectCannedACLBucketOwnerFullControl}))(t)
	grants := must(s.s3.GetObjectAcl(ctx, &s3.GetObjectAclInput{Bucket: b, Key: key}))(t).Grants
	if len(grants) != 1 || grants[0].Permission != s3types.PermissionFullControl {
		t.Errorf("ACL: %+v", grants)
	}
	got := must(s.s3.GetObjectAttributes(ctx, &s3.GetObjectAttributesInput{Bucket: b, Key: key, ObjectAttributes: []s3types.ObjectAttributes{s3types.ObjectAttributesObjectSize, s3types.ObjectAttributesEtag, s3types.ObjectAttributesChecksum}}))(t)
	same(t, "size", *got.ObjectSize, 5)
	same(t, "ETag", *got.ETag, "5d41402abc4b2a76b9719d911017c592")
	same(t, "CRC32", *got.Checksum.ChecksumCRC32, "NhCmhg==")
}

func s3Versions(s *system) {
	t, ctx := s.t, context.Background()
	b, key := aws.String("versions"), aws.String("k")
	s.bucket(*b)
	first, second := s.put(*b, *key, []byte("first")), s.put(*b, *key, []byte("second"))
	_, got := s.read(*b, *key, "")
	same(t, "current", string(got), "second")
	_, got = s.read(*b, *key, first)
	same(t, "first", string(got), "first")

	hidden := must(s.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: b, Key: key}))(t)
	same(t, "delete marker", *hidden.DeleteMarker, true)
	_, err := s.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: key})
	wantCode(t, err, "NoSuchKey")
	_, err = s.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: key, VersionId: hidden.VersionId})
	wantCode(t, err, "MethodNotAllowed")
	_, got = s.read(*b, *key, second)
	same(t, "second behind the marker", string(got), "second")

	listed := must(s.s3.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: b, Prefix: key}))(t)
	var order []string
	for _, v := range listed.Versions {
		order = append(order, *v.VersionId)
		same(t, "newest", *v.IsLatest, false)
	}
	same(t, "versions", order, []string{second, first})
	if len(listed.DeleteMarkers) != 1 || *listed.DeleteMarkers[0].VersionId != *hidden.VersionId || !*listed.DeleteMarkers[0].IsLatest {
		t.Errorf("delete markers: %+v", listed.DeleteMarkers)
	}
	pages := 0
	for p := s3.NewListObjectVersionsPaginator(s.s3, &s3.ListObjectVersionsInput{Bucket: b, MaxKeys: aws.Int32(1)}); p.HasMorePages(); pages++ {
		page := must(p.NextPage(ctx))(t)
		same(t, "entries of a page", len(page.Versions)+len(page.DeleteMarkers), 1)
	}
	same(t, "pages", pages, 3)

	must(s.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: b, Key: key, VersionId: hidden.VersionId}))(t)
	_, got = s.read(*b, *key, "")
	same(t, "current again", string(got), "second")
	must(s.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: b, Key: key, VersionId: &second}))(t)
	_, got = s.read(*b, *key, "")
	same(t, "current without the second", string(got), "first")
	_, err = s.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: key, VersionId: &second})
	wantCode(t, err, "NoSuchVersion")

	// Suspended: writes take the place of the version null.
	must(s.s3.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: b, VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusSuspended}}))(t)
	same(t, "version while suspended", s.put(*b, *key, []byte("null one")), "null")
	s.put(*b, *key, []byte("null two"))
	_, got = s.read(*b, *key, "null")
	same(t, "version null", string(got), "null two")
	_, got = s.read(*b, *key, first)
	same(t, "first still", string(got), "first")
}

func s3Conditions(s *system) {
	t, ctx := s.t, context.Background()
	b, key := aws.String("conditions"), aws.String("k")
	s.bucket(*b)
	put := func(change func(*s3.PutObjectInput)) (*s3.PutObjectOutput, error) {
		in := &s3.PutObjectInput{Bucket: b, Key: key, Body: strings.NewReader("hello")}
		change(in)
		return s.s3.PutObject(ctx, in)
	}
	none := func(in *s3.PutObjectInput) { in.IfNoneMatch = aws.String("*") }
	first := must(put(none))(t)
	_, err := put(none)
	wantCode(t, err, "PreconditionFailed")
	must(put(func(in *s3.PutObjectInput) { in.IfMatch, in.Body = first.ETag, strings.NewReader("bye") }))(t)
	_, err = put(func(in *s3.PutObjectInput) { in.IfMatch = first.ETag })
	wantCode(t, err, "PreconditionFailed")
	_, err = s.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: key, IfMatch: first.ETag})
	wantCode(t, err, "PreconditionFailed")
	_, err = s.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: b, Key: key, IfModifiedSince: aws.Time(time.Now().Add(time.Hour))})
	wantCode(t, err, "NotModified")
}

func s3Listing(s *system) {
	t, ctx := s.t, context.Background()
	b := aws.String("listing")
	s.bucket(*b)
	for _, key := range []string{"a/1", "a/2", "b/1", "c", "d"} {
		s.put(*b, key, []byte(key))
	}
	key := func(o s3types.Object) string { return *o.Key }
	out := must(s.s3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: b, Delimiter: aws.String("/")}))(t)
	same(t, "keys", names(out.Contents, key), []string{"c", "d"})
	same(t, "prefixes", names(out.CommonPrefixes, func(p s3types.CommonPrefix) string { return *p.Prefix }), []string{"a/", "b/"})
	same(t, "size", *out.Contents[0].Size, 1)
	var all []string
	for pages := s3.NewListObjectsV2Paginator(s.s3, &s3.ListObjectsV2Input{Bucket: b, MaxKeys: aws.Int32(2), StartAfter: aws.String("a/1")}); pages.HasMorePages(); {
		all = append(all, names(must(pages.NextPage(ctx))(t).Contents, key)...)
	}
	same(t, "keys in pages", all, []string{"a/2", "b/1", "c", "d"})
	old := must(s.s3.ListObjects(ctx, &s3.ListObjectsInput{Bucket: b, Marker: aws.String("b/1"), MaxKeys: aws.Int32(1)}))(t)
	same(t, "keys of ListObjects", names(old.Contents, key), []string{"c"})
	same(t, "truncated", *old.IsTruncated, true)
	_, err := s.s3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: b, ContinuationToken: aws.String("forged")})
	wantCode(t, err, "InvalidArgument")
}

func s3Copying(s *system) {
	t, ctx := s.t, context.Background()
	b := aws.String("copying")
	s.bucket(*b)
	first := s.put(*b, "from", []byte("first"))
	s.put(*b, "from", []byte("second"))
	must(s.s3.CopyObject(ctx, &s3.CopyObjectInput{Bucket: b, Key: aws.String("to"), CopySource: aws.String("copying/from?versionId=" + first)}))(t)
	_, got := s.read(*b, "to", "")
	same(t, "copy", string(got), "first")
	out := must(s.s3.CopyObject(ctx, &s3.CopyObjectInput{
		Bucket: b, Key: aws.String("to"), CopySource: aws.String("copying/from"), MetadataDirective: s3types.MetadataDirectiveReplace, ContentType: aws.String("text/y"),
	}))(t)
	read, got := s.read(*b, "to", "")
	same(t, "second copy", string(got), "second")
	same(t, "type", *read.ContentType, "text/y")
	same(t, "ETag", *out.CopyObjectResult.ETag, *read.ETag)
	_, err := s.s3.CopyObject(ctx, &s3.CopyObjectInput{Bucket: b, Key: aws.String("to"), CopySource: aws.String("copying/none")})
	wantCode(t, err, "NoSuchKey")
}

func s3Multipart(s *system) {
	t, ctx := s.t, context.Background()
	b, key := aws.String("multipart"), aws.String("k")
	s.bucket(*b)
	first := bytes.Repeat([]byte("part one"), 5<<20/8)
	s.put(*b, "source", []byte("0123456789"))
	id := must(s.s3.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: b, Key: key, ContentType: aws.String("text/x-parts")}))(t).UploadId
	other := must(s.s3.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: b, Key: key}))(t).UploadId
	uploads := must(s.s3.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: b}))(t).Uploads
	same(t, "uploads", len(uploads), 2)
	one := must(s.s3.UploadPart(ctx, &s3.UploadPartInput{Bucket: b, Key: key, UploadId: id, PartNumber: aws.Int32(1), Body: bytes.NewReader(first)}))(t)
	two := must(s.s3.UploadPartCopy(ctx, &s3.UploadPartCopyInput{Bucket: b, Key: key, UploadId: id, PartNumber: aws.Int32(2), CopySource: aws.String("multipart/source"), CopySourceRange: aws.String("bytes=2-5")}))(t)
	parts := must(s.s3.ListParts(ctx, &s3.ListPartsInput{Bucket: b, Key: key, UploadId: id}))(t).Parts
	same(t, "parts", names(parts, func(p s3types.Part) string { return fmt.Sprint(*p.PartNumber, " ", *p.Size) }), []string{"1 5242880", "2 4"})

	complete := func(parts ...s3types.CompletedPart) (*s3.CompleteMultipartUploadOutput, error) {
		return s.s3.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: b, Key: key, UploadId: id, MultipartUpload: &s3types.CompletedMultipartUpload{Parts: parts}})
	}
	part := func(n int32, tag *string) s3types.CompletedPart {
		return s3types.CompletedPart{PartNumber: aws.Int32(n), ETag: tag}
	}
	_, err := complete(part(1, aws.String(`"00000000000000000000000000000000"`)))
	wantCode(t, err, "InvalidPart")
	_, err = complete(part(2, two.CopyPartResult.ETag), part(1, one.ETag))
	wantCode(t, err, "InvalidPartOrder")
	done := must(complete(part(1, one.ETag), part(2, two.CopyPartResult.ETag)))(t)
	if !strings.HasSuffix(strings.Trim(*done.ETag, `"`), "-2") {
		t.Errorf("ETag %s", *done.ETag)
	}
	out, got := s.read(*b, *key, "")
	if !bytes.Equal(got, append(bytes.Clone(first), "2345"...)) || *out.ContentType != "text/x-parts" {
		t.Errorf("read %d bytes of %s", len(got), *out.ContentType)
	}
	attributes := must(s.s3.GetObjectAttributes(ctx, &s3.GetObjectAttributesInput{Bucket: b, Key: key, ObjectAttributes: []s3types.ObjectAttributes{s3types.ObjectAttributesObjectParts}}))(t)
	same(t, "parts of the object", *attributes.ObjectParts.TotalPartsCount, 2)

	must(s.s3.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: b, Key: key, UploadId: other}))(t)
	same(t, "uploads left", len(must(s.s3.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: b}))(t).Uploads), 0)
	_, err = s.s3.ListParts(ctx, &s3.ListPartsInput{Bucket: b, Key: key, UploadId: other})
	wantCode(t, err, "NoSuchUpload")
}

// A body that is not what its checksum says is refused, and nothing of it is kept.
func s3Corruption(s *system) {
	t, ctx := s.t, context.Background()
	b, key := aws.String("corruption"), aws.String("k")
	s.bucket(*b)
	_, err := s.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: key, Body: strings.NewReader("hello"), ChecksumCRC32: aws.String("AAAAAA==")})
	wantCode(t, err, "BadDigest")
	_, err = s.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: key, Body: strings.NewReader("hello"), ContentMD5: aws.String("AAAAAAAAAAAAAAAAAAAAAA==")})
	wantCode(t, err, "BadDigest")
	same(t, "objects", *must(s.s3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: b}))(t).KeyCount, 0)
}
