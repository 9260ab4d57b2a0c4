package objects

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"countersign/store/storetest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func TestBucketNames(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{
		"abc": true, "a-b.c1": true, strings.Repeat("a", 63): true, "1.2.3.a": true, "192.168.5.4": false,
		"": false, "ab": false, strings.Repeat("a", 64): false, "Abc": false, "a_b": false, "-abc": false, "abc-": false, ".abc": false, "a..b": false,
		"xn--abc": false, "sthree-abc": false, "abc-s3alias": false, "abc--ol-s3": false, "abc.mrap": false, "abc--x-s3": false, "a/b": false, "a\x00b": false, "bücket": false,
	} {
		err := checkBucketName(name)
		if ok && err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if !ok {
			if err == nil {
				t.Errorf("%q was accepted", name)
				continue
			}
			says(t, err, 400, "InvalidBucketName", "The specified bucket is not valid.")
		}
	}
}

func TestCreateBucket(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	create := func(account, region, name, constraint string) error {
		in := &s3.CreateBucketInput{Bucket: &name}
		if constraint != "" {
			in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(constraint)}
		}
		out, err := w.CreateBucket(as(t.Context(), account, region), in)
		if err == nil && *out.Location != "/"+name {
			t.Errorf("location %s", *out.Location)
		}
		return err
	}
	other := "999999999999"
	for _, c := range []struct {
		account, region, name, constraint string
		status                            int
		code                              string
	}{
		{testAccount, "us-east-1", "one", "", 0, ""},
		{testAccount, "us-east-1", "one", "", 0, ""}, // us-east-1 alone lets it pass
		{other, "us-east-1", "one", "", 409, "BucketAlreadyExists"},
		{testAccount, "eu-west-1", "one", "eu-west-1", 409, "BucketAlreadyOwnedByYou"},
		{testAccount, "eu-west-1", "two", "eu-west-1", 0, ""},
		{testAccount, "eu-west-1", "two", "eu-west-1", 409, "BucketAlreadyOwnedByYou"},
		{testAccount, "eu-west-1", "three", "", 400, "IllegalLocationConstraintException"},
		{testAccount, "eu-west-1", "three", "eu-west-2", 400, "IllegalLocationConstraintException"},
		{testAccount, "us-east-1", "three", "us-east-1", 400, "InvalidLocationConstraint"},
		{testAccount, "us-east-1", "three", "EU", 0, ""},
	} {
		err := create(c.account, c.region, c.name, c.constraint)
		if c.status == 0 {
			if err != nil {
				t.Errorf("%+v: %v", c, err)
			}
			continue
		}
		refused(t, err, c.status, c.code)
	}
	for name, want := range map[string]string{"one": "", "two": "eu-west-1", "three": "eu-west-1"} {
		out, err := w.GetBucketLocation(w.ctx(), &s3.GetBucketLocationInput{Bucket: &name})
		if err != nil || string(out.LocationConstraint) != want {
			t.Errorf("%s is in %q, want %q: %v", name, out.LocationConstraint, want, err)
		}
	}
	// Another Region redirects, and says where to.
	_, err := w.HeadBucket(w.ctx(), &s3.HeadBucketInput{Bucket: aws.String("two")})
	if r := refused(t, err, 301, "PermanentRedirect"); r.headers["x-amz-bucket-region"] != "eu-west-1" {
		t.Errorf("headers %v", r.headers)
	}
	// A copy may come from another Region.
	eu := as(t.Context(), testAccount, "eu-west-1")
	if _, err := w.PutObject(eu, &s3.PutObjectInput{Bucket: aws.String("two"), Key: aws.String("k"), Body: strings.NewReader("far")}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.CopyObject(w.ctx(), &s3.CopyObjectInput{Bucket: aws.String("one"), Key: aws.String("k"), CopySource: aws.String("two/k")}); err != nil {
		t.Fatal(err)
	}
	w.want("one", "k", nil, "far")
	_, err = w.HeadBucket(as(t.Context(), other, "us-east-1"), &s3.HeadBucketInput{Bucket: aws.String("one")})
	refused(t, err, 403, "AccessDenied")
	_, err = w.HeadBucket(w.ctx(), &s3.HeadBucketInput{Bucket: aws.String("nowhere")})
	refused(t, err, 404, "NotFound")
	head, err := w.HeadBucket(w.ctx(), &s3.HeadBucketInput{Bucket: aws.String("one")})
	if err != nil || *head.BucketRegion != "us-east-1" {
		t.Errorf("head: %+v %v", head, err)
	}
	if err := create(other, "us-east-1", "theirs", ""); err != nil {
		t.Fatal(err)
	}
	var got []string
	in := &s3.ListBucketsInput{MaxBuckets: aws.Int32(2)}
	for {
		out, err := w.ListBuckets(w.ctx(), in)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range out.Buckets {
			got = append(got, *b.Name+" "+*b.BucketRegion)
		}
		if in.ContinuationToken = out.ContinuationToken; in.ContinuationToken == nil {
			break
		}
	}
	if want := "[one us-east-1 three eu-west-1 two eu-west-1]"; fmt.Sprint(got) != want {
		t.Errorf("buckets %v, want %s", got, want)
	}
}

func TestDeleteBucket(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bucketOf("alpha", "")
	remove := func() error {
		_, err := w.DeleteBucket(w.ctx(), &s3.DeleteBucketInput{Bucket: &b})
		return err
	}
	w.put(b, "k", "x")
	says(t, remove(), 409, "BucketNotEmpty", "The bucket you tried to delete is not empty")
	w.versioning(b, "Enabled")
	w.delete(b, "k", nil)
	says(t, remove(), 409, "BucketNotEmpty", "The bucket you tried to delete is not empty. You must delete all versions in the bucket.")
	out, err := w.ListObjectVersions(w.ctx(), &s3.ListObjectVersionsInput{Bucket: &b})
	if err != nil {
		t.Fatal(err)
	}
	w.delete(b, "k", out.Versions[0].VersionId)
	w.delete(b, "k", out.DeleteMarkers[0].VersionId)
	if _, err := w.CreateMultipartUpload(w.ctx(), &s3.CreateMultipartUploadInput{Bucket: &b, Key: aws.String("k")}); err != nil {
		t.Fatal(err)
	}
	if err := remove(); err != nil {
		t.Fatal(err)
	}
	refused(t, remove(), 404, "NoSuchBucket")
	if n := w.count(kindBucket) + w.count(kindUpload); n != 0 {
		t.Errorf("%d records are left", n)
	}
	// A new bucket of the name has nothing of the old one.
	w.bucketOf(b, "")
	if v, err := w.GetBucketVersioning(w.ctx(), &s3.GetBucketVersioningInput{Bucket: &b}); err != nil || v.Status != "" {
		t.Errorf("versioning of the new bucket: %+v %v", v, err)
	}
}

// However writes and the deletion of their bucket fall together, an
// acknowledged write is in a bucket that is there, and no object outlives its bucket.
func TestDeleteBucketRaces(t *testing.T) {
	t.Parallel()
	st := storetest.New(t)
	w, other := newWorldOn(t, st), newWorldOn(t, st)
	for round := range 15 {
		b := w.bucketOf(fmt.Sprint("race-", round), "")
		if round%2 == 0 { // a bucket that was in use before
			w.put(b, "k", "")
			w.delete(b, "k", nil)
		}
		var group sync.WaitGroup
		var deleted error
		put := make([]error, 4)
		group.Go(func() {
			_, deleted = w.DeleteBucket(w.ctx(), &s3.DeleteBucketInput{Bucket: &b})
		})
		for i := range put {
			group.Go(func() {
				_, put[i] = other.PutObject(w.ctx(), &s3.PutObjectInput{Bucket: &b, Key: aws.String(fmt.Sprint(i)), Body: strings.NewReader("x")})
			})
		}
		group.Wait()
		heads, err := st.List(t.Context(), kindHead, keyPrefix(b), "", 0)
		if err != nil {
			t.Fatal(err)
		}
		stored := 0
		for _, err := range put {
			var gone *types.NoSuchBucket
			switch {
			case err == nil:
				stored++
			case !errors.As(err, &gone):
				t.Errorf("put: %v", err)
			}
		}
		if len(heads) != stored {
			t.Fatalf("round %d: %d objects, %d were acknowledged", round, len(heads), stored)
		}
		if (deleted == nil) != (stored == 0) {
			t.Fatalf("round %d: %d objects were stored, and deleting the bucket said %v", round, stored, deleted)
		}
	}
}

func TestBucketConfiguration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := w.ctx()
	b := w.bucketOf("alpha", "")

	block, err := w.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: &b})
	if err != nil || !*block.PublicAccessBlockConfiguration.BlockPublicPolicy {
		t.Errorf("a new bucket's public access block: %+v %v", block, err)
	}
	if _, err := w.DeletePublicAccessBlock(ctx, &s3.DeletePublicAccessBlockInput{Bucket: &b}); err != nil {
		t.Error(err)
	}
	_, err = w.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: &b})
	refused(t, err, 404, "NoSuchPublicAccessBlockConfiguration")

	owned, err := w.GetBucketOwnershipControls(ctx, &s3.GetBucketOwnershipControlsInput{Bucket: &b})
	if err != nil || owned.OwnershipControls.Rules[0].ObjectOwnership != types.ObjectOwnershipBucketOwnerEnforced {
		t.Errorf("ownership: %+v %v", owned, err)
	}
	if _, err := w.DeleteBucketOwnershipControls(ctx, &s3.DeleteBucketOwnershipControlsInput{Bucket: &b}); err != nil {
		t.Error(err)
	}
	_, err = w.GetBucketOwnershipControls(ctx, &s3.GetBucketOwnershipControlsInput{Bucket: &b})
	refused(t, err, 404, "OwnershipControlsNotFoundError")

	_, err = w.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: &b})
	says(t, err, 404, "NoSuchTagSet", "The TagSet does not exist")
	tags := []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}, {Key: aws.String("b"), Value: aws.String("2")}}
	if _, err := w.PutBucketTagging(ctx, &s3.PutBucketTaggingInput{Bucket: &b, Tagging: &types.Tagging{TagSet: tags}}); err != nil {
		t.Error(err)
	}
	got, err := w.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: &b})
	if err != nil || len(got.TagSet) != 2 || *got.TagSet[1].Value != "2" {
		t.Errorf("tags: %+v %v", got, err)
	}
	_, err = w.PutBucketTagging(ctx, &s3.PutBucketTaggingInput{Bucket: &b, Tagging: &types.Tagging{TagSet: append(tags, tags...)}})
	refused(t, err, 400, "InvalidTag")

	e, err := w.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: &b})
	if err != nil || e.ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm != types.ServerSideEncryptionAes256 {
		t.Errorf("encryption: %+v %v", e, err)
	}
	kms := &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{{
		ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAwsKms, KMSMasterKeyID: aws.String("k")}, BucketKeyEnabled: aws.Bool(true),
	}}}
	if _, err := w.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{Bucket: &b, ServerSideEncryptionConfiguration: kms}); err != nil {
		t.Error(err)
	}
	if out := w.put(b, "k", "x"); out.ServerSideEncryption != types.ServerSideEncryptionAwsKms || *out.SSEKMSKeyId != "k" || !*out.BucketKeyEnabled {
		t.Errorf("put by default encryption: %+v", out)
	}

	acl, err := w.GetBucketAcl(ctx, &s3.GetBucketAclInput{Bucket: &b})
	if err != nil || len(acl.Grants) != 1 || acl.Grants[0].Permission != types.PermissionFullControl || *acl.Grants[0].Grantee.ID != *acl.Owner.ID {
		t.Errorf("acl: %+v %v", acl, err)
	}
	if _, err := w.PutBucketAcl(ctx, &s3.PutBucketAclInput{Bucket: &b, ACL: types.BucketCannedACLPrivate}); err != nil {
		t.Error(err)
	}
	_, err = w.PutBucketAcl(ctx, &s3.PutBucketAclInput{Bucket: &b, ACL: types.BucketCannedACLPublicRead})
	says(t, err, 400, "AccessControlListNotSupported", "The bucket does not allow ACLs")
	_, err = w.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: &b, VersioningConfiguration: &types.VersioningConfiguration{}})
	refused(t, err, 400, "IllegalVersioningConfigurationException")
}

func TestAbsentConfiguration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := w.ctx()
	b, none := w.bucketOf("alpha", ""), aws.String("nowhere")
	reads := map[string]func(name *string) error{
		"NoSuchLifecycleConfiguration": func(name *string) error {
			_, err := w.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: name})
			return err
		},
		"NoSuchCORSConfiguration": func(name *string) error {
			_, err := w.GetBucketCors(ctx, &s3.GetBucketCorsInput{Bucket: name})
			return err
		},
		"ReplicationConfigurationNotFoundError": func(name *string) error {
			_, err := w.GetBucketReplication(ctx, &s3.GetBucketReplicationInput{Bucket: name})
			return err
		},
		"NoSuchWebsiteConfiguration": func(name *string) error {
			_, err := w.GetBucketWebsite(ctx, &s3.GetBucketWebsiteInput{Bucket: name})
			return err
		},
		"ObjectLockConfigurationNotFoundError": func(name *string) error {
			_, err := w.GetObjectLockConfiguration(ctx, &s3.GetObjectLockConfigurationInput{Bucket: name})
			return err
		},
		"NoSuchBucketPolicy": func(name *string) error {
			_, err := w.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: name})
			return err
		},
	}
	for code, read := range reads {
		refused(t, read(&b), 404, code)
		refused(t, read(none), 404, "NoSuchBucket")
	}
	if _, err := w.GetBucketLogging(ctx, &s3.GetBucketLoggingInput{Bucket: &b}); err != nil {
		t.Error(err)
	}
	if out, err := w.GetBucketRequestPayment(ctx, &s3.GetBucketRequestPaymentInput{Bucket: &b}); err != nil || out.Payer != types.PayerBucketOwner {
		t.Errorf("%+v %v", out, err)
	}
	_, err := w.GetBucketNotificationConfiguration(ctx, &s3.GetBucketNotificationConfigurationInput{Bucket: none})
	refused(t, err, 404, "NoSuchBucket")
}

func TestBucketPolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := w.ctx()
	b := w.bucketOf("alpha", "")
	put := func(document string) error {
		_, err := w.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &b, Policy: &document})
		return err
	}
	crl := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"acm-pca.amazonaws.com"},
		"Action":["s3:PutObject","s3:PutObjectAcl","s3:GetBucketAcl","s3:GetBucketLocation"],"Resource":["arn:aws:s3:::alpha/*","arn:aws:s3:::alpha"],
		"Condition":{"StringEquals":{"aws:SourceAccount":"111122223333"}}}]}`
	if err := put(crl); err != nil {
		t.Fatal(err)
	}
	got, err := w.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: &b})
	if err != nil || *got.Policy != crl {
		t.Errorf("policy: %+v %v", got, err)
	}
	public := func() bool {
		t.Helper()
		out, err := w.GetBucketPolicyStatus(ctx, &s3.GetBucketPolicyStatusInput{Bucket: &b})
		if err != nil {
			t.Fatal(err)
		}
		return *out.PolicyStatus.IsPublic
	}
	if public() {
		t.Error("a policy for one service is public")
	}
	open := `{"Version":"2012-10-17","Statement":{"Sid":"x","Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::alpha/*"%s}}`
	refused(t, put(fmt.Sprintf(open, "")), 403, "AccessDenied")
	if _, err := w.DeletePublicAccessBlock(ctx, &s3.DeletePublicAccessBlockInput{Bucket: &b}); err != nil {
		t.Fatal(err)
	}
	for condition, want := range map[string]bool{
		``: true,
		`,"Condition":{"StringEquals":{"aws:SourceVpc":"vpc-1"}}`:        false,
		`,"Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`:       false,
		`,"Condition":{"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}}`:        true,
		`,"Condition":{"StringNotEquals":{"aws:SourceVpc":"vpc-1"}}`:     true,
		`,"Condition":{"Bool":{"aws:SecureTransport":true}}`:             true,
		`,"Condition":{"StringLike":{"aws:PrincipalOrgID":["o-*","x"]}}`: true,
	} {
		if err := put(fmt.Sprintf(open, condition)); err != nil {
			t.Errorf("%s: %v", condition, err)
		} else if public() != want {
			t.Errorf("%s: public is %v", condition, !want)
		}
	}
	for document, text := range map[string]string{
		``:                                   "Policies must be valid JSON and the first byte must be '{'",
		`[]`:                                 "Policies must be valid JSON and the first byte must be '{'",
		`{"Version":"2012-10-17"`:            "Policies must be valid JSON and the first byte must be '{'",
		`{"Version":"2013-01-01"}`:           "The policy must contain a valid version string",
		`{"Version":"2012-10-17"}`:           "Could not parse the policy: Statement is empty!",
		`{"Statement":[{}]}`:                 "Missing required field Effect",
		`{"Statement":[{"Effect":"Maybe"}]}`: "Invalid effect: Maybe",
		`{"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::alpha"}]}`:                                       "Missing required field Principal",
		`{"Statement":[{"Effect":"Allow","Principal":"me","Action":"s3:*","Resource":"arn:aws:s3:::alpha"}]}`:                      "Invalid principal in policy",
		`{"Statement":[{"Effect":"Allow","Principal":"*","Resource":"arn:aws:s3:::alpha"}]}`:                                       "Missing required field Action",
		`{"Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*"}]}`:                                                       "Missing required field Resource",
		`{"Statement":[{"Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"arn:aws:s3:::alpha"}]}`:                      "Policy has invalid action",
		`{"Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::beta"}]}`:                        "Policy has invalid resource",
		`{"Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::alpha","Colour":"red"}]}`:        "Policy has an unknown element: \"Colour\"",
		`{"Statement":[{"Effect":"Allow","Principal":"*","Action":{"x":1},"Resource":"arn:aws:s3:::alpha"}]}`:                      "This policy contains invalid Json",
		`{"Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::alpha","Condition":{"a":[1]}}]}`: "This policy contains invalid Json",
		`{"Id":"` + strings.Repeat("x", maxPolicy) + `"}`:                                                                          "Policy exceeds the maximum allowed document size.",
	} {
		says(t, put(document), 400, "MalformedPolicy", text)
	}
	if _, err := w.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: &b}); err != nil {
		t.Fatal(err)
	}
	_, err = w.GetBucketPolicyStatus(ctx, &s3.GetBucketPolicyStatusInput{Bucket: &b})
	says(t, err, 404, "NoSuchBucketPolicy", "The bucket policy does not exist")
}
