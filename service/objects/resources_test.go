package objects

import (
	"fmt"
	"strings"
	"testing"

	"countersign/call"
	"countersign/service/stacks/resource/resourcetest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const (
	bucketType = "AWS::S3::Bucket"
	policyType = "AWS::S3::BucketPolicy"
)

func newStack(t *testing.T, region string) (*world, *resourcetest.Stack) {
	w := newWorld(t)
	ctx := call.Through(as(t.Context(), testAccount, region), call.CloudFormation)
	return w, resourcetest.New(t, ctx, testAccount, region, w.ResourceTypes())
}

// tagsOf lists a bucket's tags without what CloudFormation's have in common.
func (w *world) tagsOf(name string) string {
	w.Helper()
	out, err := w.GetBucketTagging(w.ctx(), &s3.GetBucketTaggingInput{Bucket: &name})
	if err != nil {
		w.Fatal(err)
	}
	var b strings.Builder
	for _, t := range out.TagSet {
		if *t.Key != "aws:cloudformation:stack-id" {
			fmt.Fprintf(&b, "%s=%s ", strings.TrimPrefix(*t.Key, "aws:cloudformation:"), *t.Value)
		}
	}
	return b.String()
}

// The bucket and policy of SAM CLI's managed stack.
const (
	samBucket = `{"PublicAccessBlockConfiguration": {"BlockPublicPolicy": "true", "BlockPublicAcls": "true", "IgnorePublicAcls": "true", "RestrictPublicBuckets": "true"},
		"BucketEncryption": {"ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]},
		"VersioningConfiguration": {"Status": "Enabled"}, "Tags": [{"Key": "ManagedStackSource", "Value": "AwsSamCli"}]}`
	samPolicy = `{"Bucket": "BUCKET", "PolicyDocument": {"Statement": [
		{"Action": ["s3:GetObject"], "Effect": "Allow", "Resource": "arn:aws:s3:::BUCKET/*", "Principal": {"Service": "serverlessrepo.amazonaws.com"},
		 "Condition": {"StringEquals": {"aws:SourceAccount": "111122223333"}}},
		{"Action": ["s3:*"], "Effect": "Deny", "Resource": ["arn:aws:s3:::BUCKET", "arn:aws:s3:::BUCKET/*"], "Principal": "*",
		 "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]}}`
)

func TestResourceSAMBucket(t *testing.T) {
	t.Parallel()
	w, s := newStack(t, "us-east-1")
	b := s.Create(bucketType, "SamCliSourceBucket", samBucket)
	name := b.PhysicalID
	if !strings.HasPrefix(name, "stack-samclisourcebucket-") || len(b.Initiated) != 1 || b.Initiated[0] != name {
		t.Errorf("initiated %v: %+v", b.Initiated, b.Result)
	}
	for attribute, want := range map[string]string{
		"Arn": "arn:aws:s3:::" + name, "DomainName": name + ".s3.amazonaws.com", "RegionalDomainName": name + ".s3.us-east-1.amazonaws.com",
		"DualStackDomainName": name + ".s3.dualstack.us-east-1.amazonaws.com", "WebsiteURL": "http://" + name + ".s3-website-us-east-1.amazonaws.com",
	} {
		if b.Attributes[attribute] != want {
			t.Errorf("%s = %v, want %s", attribute, b.Attributes[attribute], want)
		}
	}
	if got := w.tagsOf(name); got != "ManagedStackSource=AwsSamCli logical-id=SamCliSourceBucket stack-name=stack " {
		t.Errorf("tags %s", got)
	}
	if out := w.put(name, "k", "x"); out.ServerSideEncryption != types.ServerSideEncryptionAwsKms || out.VersionId == nil {
		t.Errorf("put into it: %+v", out)
	}
	s.Again(b)
	s.Found(b)

	properties := strings.ReplaceAll(samPolicy, "BUCKET", name)
	p := s.Create(policyType, "SamCliSourceBucketBucketPolicy", properties)
	got, err := w.GetBucketPolicy(w.ctx(), &s3.GetBucketPolicyInput{Bucket: &name})
	if err != nil || p.PhysicalID != name || !strings.Contains(*got.Policy, `"aws:SecureTransport":"false"`) {
		t.Errorf("%s: policy %v, %v", p.PhysicalID, got, err)
	}
	s.Found(p)
	s.Refused(policyType, properties, "AlreadyExists", "The bucket policy already exists on bucket "+name+".")
	s.Update(p, strings.Replace(properties, "s3:*", "s3:Put*", 1))
	if got, err = w.GetBucketPolicy(w.ctx(), &s3.GetBucketPolicyInput{Bucket: &name}); err != nil || !strings.Contains(*got.Policy, "s3:Put*") {
		t.Errorf("policy after the update %v, %v", got, err)
	}
	s.Replaces(policyType, true, "Bucket")
	s.Replaces(policyType, false, "PolicyDocument")
	s.Refused(policyType, strings.Replace(properties, name+"/*", "other/*", 1), "AlreadyExists", "")
	s.Delete(p)
	s.Refused(policyType, strings.Replace(properties, name+"/*", "other/*", 1), "MalformedPolicy", "Policy has invalid resource")
	s.Refused(policyType, strings.Replace(strings.Replace(properties, `"Service": "serverlessrepo.amazonaws.com"`, `"AWS": "*"`, 1), "aws:SourceAccount", "aws:UserAgent", 1),
		"AccessDenied", "BlockPublicPolicy")

	// A bucket with something in it is not deleted, versions and delete markers among it.
	w.delete(name, "k", nil)
	says(t, s.TryDelete(b), 409, "BucketNotEmpty", "The bucket you tried to delete is not empty. You must delete all versions in the bucket.")
	out, err := w.ListObjectVersions(w.ctx(), &s3.ListObjectVersionsInput{Bucket: &name})
	if err != nil {
		t.Fatal(err)
	}
	w.delete(name, "k", out.Versions[0].VersionId)
	w.delete(name, "k", out.DeleteMarkers[0].VersionId)
	s.Delete(b)
	s.Delete(p) // with its bucket
}

// The bucket of cdk bootstrap.
func TestResourceCDKBucket(t *testing.T) {
	t.Parallel()
	w, s := newStack(t, "eu-central-1")
	b := s.Create(bucketType, "StagingBucket", `{"BucketName": "cdk-hnb659fds-assets-111122223333-eu-central-1", "AccessControl": "Private",
		"BucketEncryption": {"ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "key"}}]},
		"PublicAccessBlockConfiguration": {"BlockPublicAcls": true, "BlockPublicPolicy": true, "IgnorePublicAcls": true, "RestrictPublicBuckets": true},
		"VersioningConfiguration": {"Status": "Enabled"}, "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]},
		"LifecycleConfiguration": {"Rules": [
			{"Id": "CleanupOldVersions", "Status": "Enabled", "NoncurrentVersionExpiration": {"NoncurrentDays": 30}},
			{"Id": "AbortIncompleteMultipartUploads", "Status": "Enabled", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}]}}`)
	ctx := as(t.Context(), testAccount, "eu-central-1")
	l, err := w.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: &b.PhysicalID})
	if err != nil || len(l.Rules) != 2 || *l.Rules[0].NoncurrentVersionExpiration.NoncurrentDays != 30 || *l.Rules[1].AbortIncompleteMultipartUpload.DaysAfterInitiation != 1 {
		t.Errorf("lifecycle %+v, %v", l, err)
	}
	if at, err := w.GetBucketLocation(ctx, &s3.GetBucketLocationInput{Bucket: &b.PhysicalID}); err != nil || at.LocationConstraint != "eu-central-1" {
		t.Errorf("location %+v, %v", at, err)
	}
	if b.Attributes["WebsiteURL"] != "http://"+b.PhysicalID+".s3-website.eu-central-1.amazonaws.com" {
		t.Errorf("WebsiteURL %s", b.Attributes["WebsiteURL"])
	}
	owner, err := w.GetBucketOwnershipControls(ctx, &s3.GetBucketOwnershipControlsInput{Bucket: &b.PhysicalID})
	if err != nil || owner.OwnershipControls.Rules[0].ObjectOwnership != types.ObjectOwnershipBucketOwnerPreferred {
		t.Errorf("ownership %+v, %v", owner, err)
	}
	s.Again(b)
	s.Found(b)
	s.Delete(b)
}

func TestResourceBucketUpdate(t *testing.T) {
	t.Parallel()
	w, s := newStack(t, "us-east-1")
	s.Tags["team"] = "pki"
	b := s.Create(bucketType, "Bucket", `{}`)
	name := b.PhysicalID
	if v, err := w.GetBucketVersioning(w.ctx(), &s3.GetBucketVersioningInput{Bucket: &name}); err != nil || v.Status != "" {
		t.Errorf("versioning %+v, %v", v, err)
	}
	// Somebody's own tag stays.
	all, err := w.GetBucketTagging(w.ctx(), &s3.GetBucketTaggingInput{Bucket: &name})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.PutBucketTagging(w.ctx(), &s3.PutBucketTaggingInput{Bucket: &name, Tagging: &types.Tagging{TagSet: append(all.TagSet, types.Tag{Key: aws.String("theirs"), Value: aws.String("1")})}}); err != nil {
		t.Fatal(err)
	}

	full := `{"VersioningConfiguration": {"Status": "Enabled"}, "Tags": [{"Key": "a", "Value": "1"}],
		"BucketEncryption": {"ServerSideEncryptionConfiguration": [{"BucketKeyEnabled": "true", "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]},
		"PublicAccessBlockConfiguration": {"BlockPublicAcls": true}, "OwnershipControls": {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}, "AccessControl": "BucketOwnerFullControl",
		"LifecycleConfiguration": {"Rules": [{"Status": "Enabled", "Prefix": "tmp/", "TagFilters": [{"Key": "k", "Value": "v"}], "ObjectSizeGreaterThan": "5", "ExpirationInDays": "7"},
			{"Status": "Disabled", "NoncurrentVersionExpirationInDays": 3, "ExpirationDate": "2027-01-01T00:00:00Z"}]}}`
	s.Update(b, full)
	state := func() string {
		t.Helper()
		v, err1 := w.GetBucketVersioning(w.ctx(), &s3.GetBucketVersioningInput{Bucket: &name})
		e, err2 := w.GetBucketEncryption(w.ctx(), &s3.GetBucketEncryptionInput{Bucket: &name})
		p, err3 := w.GetPublicAccessBlock(w.ctx(), &s3.GetPublicAccessBlockInput{Bucket: &name})
		o, err4 := w.GetBucketOwnershipControls(w.ctx(), &s3.GetBucketOwnershipControlsInput{Bucket: &name})
		for _, err := range []error{err1, err2, err3, err4} {
			if err != nil {
				t.Fatal(err)
			}
		}
		rules := 0
		if l, err := w.GetBucketLifecycleConfiguration(w.ctx(), &s3.GetBucketLifecycleConfigurationInput{Bucket: &name}); err == nil {
			rules = len(l.Rules)
		}
		block := p.PublicAccessBlockConfiguration
		return fmt.Sprintf("%s %s %t%t%t%t %s %d rules", v.Status, e.ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm,
			*block.BlockPublicAcls, *block.BlockPublicPolicy, *block.IgnorePublicAcls, *block.RestrictPublicBuckets, o.OwnershipControls.Rules[0].ObjectOwnership, rules)
	}
	if got, want := state(), "Enabled aws:kms truefalsefalsefalse ObjectWriter 2 rules"; got != want {
		t.Errorf("after the update: %s, want %s", got, want)
	}
	l, err := w.GetBucketLifecycleConfiguration(w.ctx(), &s3.GetBucketLifecycleConfigurationInput{Bucket: &name})
	if err != nil {
		t.Fatal(err)
	}
	if and := l.Rules[0].Filter.And; *and.Prefix != "tmp/" || *and.Tags[0].Value != "v" || *and.ObjectSizeGreaterThan != 5 || *l.Rules[0].Expiration.Days != 7 {
		t.Errorf("first rule %+v", l.Rules[0])
	}
	if r := l.Rules[1]; *r.Filter.Prefix != "" || *r.NoncurrentVersionExpiration.NoncurrentDays != 3 || r.Expiration.Date.Year() != 2027 {
		t.Errorf("second rule %+v", r)
	}
	if got := w.tagsOf(name); got != "logical-id=Bucket stack-name=stack team=pki theirs=1 a=1 " {
		t.Errorf("tags after the update: %s", got)
	}

	// What is not said any more is as for a new bucket, but for versioning.
	delete(s.Tags, "team")
	b.Change.OldTags = map[string]string{"team": "pki"}
	s.Update(b, `{}`)
	if got, want := state(), "Suspended AES256 truetruetruetrue BucketOwnerEnforced 0 rules"; got != want {
		t.Errorf("after the second update: %s, want %s", got, want)
	}
	if got := w.tagsOf(name); got != "theirs=1 logical-id=Bucket stack-name=stack " {
		t.Errorf("tags after the second update: %s", got)
	}
	s.Replaces(bucketType, true, "BucketName")
	s.Replaces(bucketType, false, "VersioningConfiguration", "BucketEncryption", "PublicAccessBlockConfiguration", "OwnershipControls", "LifecycleConfiguration", "Tags", "AccessControl")
}

func TestResourceBucketRefused(t *testing.T) {
	t.Parallel()
	for _, region := range []string{"us-east-1", "eu-west-1"} {
		w, s := newStack(t, region)
		own := as(t.Context(), testAccount, region)
		other := as(t.Context(), "999988887777", region)
		where := &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(region)}
		if region == "us-east-1" {
			where = nil
		}
		if _, err := w.CreateBucket(own, &s3.CreateBucketInput{Bucket: aws.String("mine"), CreateBucketConfiguration: where}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.CreateBucket(other, &s3.CreateBucketInput{Bucket: aws.String("theirs"), CreateBucketConfiguration: where}); err != nil {
			t.Fatal(err)
		}
		// In us-east-1 CreateBucket succeeds for a bucket that one has: a stack must not take it over for that.
		s.Refused(bucketType, `{"BucketName": "mine"}`, "BucketAlreadyOwnedByYou", "mine already exists")
		if id := s.Find(s.New(bucketType, "B", `{"BucketName": "mine"}`)); id != "" {
			t.Errorf("found %s, which is not of the stack", id)
		}
		if id := s.Find(s.New(bucketType, "B", `{"BucketName": "theirs"}`)); id != "" {
			t.Errorf("found %s, which is another account's", id)
		}
		if region == "us-east-1" {
			s.Refused(bucketType, `{"BucketName": "theirs"}`, "AccessDenied", "")
		} else {
			s.Refused(bucketType, `{"BucketName": "theirs"}`, "BucketAlreadyExists", "not available")
		}
		// Another resource of the same stack is another one, too.
		first := s.Create(bucketType, "First", `{"BucketName": "first"}`)
		s.Refused(bucketType, `{"BucketName": "first"}`, "BucketAlreadyOwnedByYou", "first already exists")
		s.Delete(first)

		for _, bad := range [][3]string{
			{`{"BucketName": "UPPER"}`, "InvalidBucketName", ""},
			{`{"AccessControl": "PublicRead"}`, "AccessControlListNotSupported", "does not allow ACLs"},
			{`{"AccessControl": "public-read"}`, "", "not a valid value"},
			{`{"VersioningConfiguration": {"Status": "On"}}`, "IllegalVersioningConfigurationException", ""},
			{`{"BucketEncryption": {}}`, "", "Property ServerSideEncryptionConfiguration cannot be empty."},
			{`{"BucketEncryption": {"ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "rot13"}}]}}`, "MalformedXML", ""},
			{`{"WebsiteConfiguration": {"IndexDocument": "index.html"}}`, "", "WebsiteConfiguration is not built"},
			{`{"NotificationConfiguration": {}}`, "", "NotificationConfiguration is not built"},
			{`{"LifecycleConfiguration": {"Rules": [{"Status": "Enabled", "Transitions": [{"StorageClass": "GLACIER", "TransitionInDays": 1}]}]}}`, "", "Transitions is not built"},
			{`{"LifecycleConfiguration": {"Rules": [{"Status": "Enabled", "ExpirationDate": "soon"}]}}`, "", "ISO 8601"},
			{`{"LifecycleConfiguration": {"Rules": [{"Status": "Enabled"}]}}`, "InvalidRequest", "At least one action"},
			{`{"PublicAccessBlockConfiguration": {"BlockPublicAcls": "yes"}}`, "", "must be of type Boolean"},
			{`{"Tags": [{"Key": "aws:x", "Value": "1"}]}`, "", "aws: prefixed"},
			{`{"Bucketname": "x"}`, "", "Encountered unsupported property Bucketname"},
		} {
			s.Refused(bucketType, bad[0], bad[1], bad[2])
		}
	}
}
