package objects

import (
	"io"
	"net/netip"
	"strings"
	"testing"

	"countersign/call"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// opened is a bucket where ACLs count and the public is not blocked.
func (w *world) opened(name string) string {
	w.Helper()
	if _, err := w.CreateBucket(w.ctx(), &s3.CreateBucketInput{Bucket: &name, ObjectOwnership: types.ObjectOwnershipBucketOwnerPreferred}); err != nil {
		w.Fatal(err)
	}
	if _, err := w.DeletePublicAccessBlock(w.ctx(), &s3.DeletePublicAccessBlockInput{Bucket: &name}); err != nil {
		w.Fatal(err)
	}
	return name
}

func (w *world) policy(bucket, document string) {
	w.Helper()
	if _, err := w.PutBucketPolicy(w.ctx(), &s3.PutBucketPolicyInput{Bucket: &bucket, Policy: &document}); err != nil {
		w.Fatal(err)
	}
}

// anonymously reads without a signature.
func (w *world) anonymously(bucket, key string, id *string) (string, error) {
	w.Helper()
	ctx := call.With(w.Context(), call.Call{Account: testAccount, Service: "s3", Signing: call.Anonymous, Source: netip.MustParseAddr("192.0.2.7")})
	out, err := w.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key, VersionId: id})
	if err != nil {
		return "", err
	}
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	return string(body), err
}

func (w *world) putACL(bucket, key string, acl types.ObjectCannedACL) error {
	_, err := w.PutObject(w.ctx(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader("x"), ACL: acl})
	return err
}

func TestPublicObjects(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.opened("open")
	if err := w.putACL(b, "public", types.ObjectCannedACLPublicRead); err != nil {
		t.Fatal(err)
	}
	if err := w.putACL(b, "private", ""); err != nil {
		t.Fatal(err)
	}
	if got, err := w.anonymously(b, "public", nil); err != nil || got != "x" {
		t.Errorf("a public object: %q %v", got, err)
	}
	for _, key := range []string{"private", "missing"} { // not told apart
		_, err := w.anonymously(b, key, nil)
		refused(t, err, 403, "AccessDenied")
	}
	_, err := w.anonymously("no-such-bucket", "public", nil)
	refused(t, err, 404, "NoSuchBucket")
	acl, err := w.GetObjectAcl(w.ctx(), &s3.GetObjectAclInput{Bucket: &b, Key: aws.String("public")})
	if err != nil || len(acl.Grants) != 2 || acl.Grants[1].Permission != types.PermissionRead || *acl.Grants[1].Grantee.URI != everybody {
		t.Errorf("the ACL: %+v %v", acl, err)
	}
	// Nothing but reading objects: not even for the account that the node serves.
	nobody := call.With(t.Context(), call.Call{Account: testAccount, Signing: call.Anonymous})
	_, err = w.ListObjectsV2(nobody, &s3.ListObjectsV2Input{Bucket: &b})
	refused(t, err, 403, "AccessDenied")
	_, err = w.DeleteObject(nobody, &s3.DeleteObjectInput{Bucket: &b, Key: aws.String("public")})
	refused(t, err, 403, "AccessDenied")

	// The ACL is changed, and then ignored by a setting.
	if _, err := w.PutObjectAcl(w.ctx(), &s3.PutObjectAclInput{Bucket: &b, Key: aws.String("private"), ACL: types.ObjectCannedACLPublicRead}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.anonymously(b, "private", nil); err != nil {
		t.Errorf("made public: %v", err)
	}
	if _, err := w.PutObjectAcl(w.ctx(), &s3.PutObjectAclInput{Bucket: &b, Key: aws.String("private"), ACL: types.ObjectCannedACLPrivate}); err != nil {
		t.Fatal(err)
	}
	_, err = w.anonymously(b, "private", nil)
	refused(t, err, 403, "AccessDenied")
	block := func(c types.PublicAccessBlockConfiguration) {
		t.Helper()
		if _, err := w.PutPublicAccessBlock(w.ctx(), &s3.PutPublicAccessBlockInput{Bucket: &b, PublicAccessBlockConfiguration: &c}); err != nil {
			t.Fatal(err)
		}
	}
	block(types.PublicAccessBlockConfiguration{IgnorePublicAcls: aws.Bool(true)})
	_, err = w.anonymously(b, "public", nil)
	refused(t, err, 403, "AccessDenied")
	block(types.PublicAccessBlockConfiguration{BlockPublicAcls: aws.Bool(true)})
	if _, err := w.anonymously(b, "public", nil); err != nil {
		t.Errorf("blocking new ACLs leaves the old ones: %v", err)
	}
	refused(t, w.putACL(b, "new", types.ObjectCannedACLPublicRead), 403, "AccessDenied")
	if _, err := w.PutBucketOwnershipControls(w.ctx(), &s3.PutBucketOwnershipControlsInput{Bucket: &b, OwnershipControls: &types.OwnershipControls{
		Rules: []types.OwnershipControlsRule{{ObjectOwnership: types.ObjectOwnershipBucketOwnerEnforced}}}}); err != nil {
		t.Fatal(err)
	}
	_, err = w.anonymously(b, "public", nil)
	refused(t, err, 403, "AccessDenied")
	refused(t, w.putACL(b, "new", types.ObjectCannedACLPublicRead), 400, "AccessControlListNotSupported")
}

func TestPublicPolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.opened("open")
	w.versioning(b, "Enabled")
	id := w.put(b, "crl/a", "1").VersionId
	w.put(b, "other", "2")
	w.policy(b, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::open/crl/*"}]}`)
	if got, err := w.anonymously(b, "crl/a", nil); err != nil || got != "1" {
		t.Errorf("allowed by the policy: %q %v", got, err)
	}
	for key, version := range map[string]*string{"other": nil, "crl/b": nil, "crl/a": id} { // a version is an action of its own
		_, err := w.anonymously(b, key, version)
		refused(t, err, 403, "AccessDenied")
	}
	w.policy(b, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":["s3:GetObject*","s3:ListBucket"],"Resource":["arn:aws:s3:::open","arn:aws:s3:::open/*"]},
		{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::open/other"}]}`)
	if _, err := w.anonymously(b, "crl/a", id); err != nil {
		t.Errorf("a version: %v", err)
	}
	_, err := w.anonymously(b, "crl/b", nil)
	refused(t, err, 404, "NoSuchKey")
	_, err = w.anonymously(b, "other", nil)
	refused(t, err, 403, "AccessDenied")
	// A statement that denies wins over the ACL.
	if err := w.putACL(b, "other", types.ObjectCannedACLPublicRead); err != nil {
		t.Fatal(err)
	}
	_, err = w.anonymously(b, "other", nil)
	refused(t, err, 403, "AccessDenied")
	if _, err := w.PutPublicAccessBlock(w.ctx(), &s3.PutPublicAccessBlockInput{Bucket: &b, PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{RestrictPublicBuckets: aws.Bool(true)}}); err != nil {
		t.Fatal(err)
	}
	_, err = w.anonymously(b, "crl/a", nil)
	refused(t, err, 403, "AccessDenied")
}

func TestDelivery(t *testing.T) {
	t.Parallel()
	const service, source = "acm-pca.amazonaws.com", "arn:aws:acm-pca:eu-west-1:111122223333:certificate-authority/x"
	w := newWorld(t)
	b := w.opened("crls")
	d := Delivery{Service: service, Source: source, Bucket: b, Key: "crl/x.crl", ACL: "public-read"}
	lacks := func(want string) {
		t.Helper()
		region, lacking, err := w.CheckDelivery(t.Context(), d)
		if err != nil || lacking != want || (want == "") != (region == "us-east-1") {
			t.Errorf("lacking %q in %q, %v; want %q", lacking, region, err, want)
		}
		lacking, err = w.Deliver(t.Context(), d, "application/pkix-crl", strings.NewReader("list"), 4)
		if err != nil || lacking != want {
			t.Errorf("delivered: lacking %q, %v; want %q", lacking, err, want)
		}
	}
	grant := func(actions, condition string) {
		w.policy(b, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"acm-pca.amazonaws.com"},"Action":[`+actions+`],
			"Resource":["arn:aws:s3:::crls","arn:aws:s3:::crls/*"],"Condition":{"StringEquals":{`+condition+`}}}]}`)
	}
	const account = `"aws:SourceAccount":"111122223333"`
	lacks("s3:GetBucketAcl")
	grant(`"s3:GetBucketAcl","s3:PutObject"`, account)
	lacks("s3:GetBucketLocation")
	grant(`"s3:GetBucketAcl","s3:GetBucketLocation","s3:PutObject"`, account)
	lacks("s3:PutObjectAcl")
	all := `"s3:GetBucketAcl","s3:GetBucketLocation","s3:PutObject","s3:PutObjectAcl"`
	grant(all, `"aws:SourceAccount":"444455556666"`)
	lacks("s3:GetBucketAcl")
	grant(all, account+`,"aws:SourceArn":"`+source+`"`)
	lacks("")
	if got, err := w.anonymously(b, d.Key, nil); err != nil || got != "list" {
		t.Errorf("what was delivered: %q %v", got, err)
	}
	_, _, err := w.CheckDelivery(t.Context(), Delivery{Service: service, Source: source, Bucket: "no-such-bucket", Key: "k", ACL: "public-read"})
	refused(t, err, 404, "NoSuchBucket")
	if _, err := w.PutPublicAccessBlock(w.ctx(), &s3.PutPublicAccessBlockInput{Bucket: &b, PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{BlockPublicAcls: aws.Bool(true)}}); err != nil {
		t.Fatal(err)
	}
	_, _, err = w.CheckDelivery(t.Context(), d)
	refused(t, err, 403, "AccessDenied")
	d.ACL = "bucket-owner-full-control"
	lacks("")
	_, err = w.anonymously(b, d.Key, nil)
	refused(t, err, 403, "AccessDenied")
}
