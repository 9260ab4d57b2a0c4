package objects

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"countersign/call"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func (w *world) lifecycle(bucket string, rules ...types.LifecycleRule) error {
	_, err := w.PutBucketLifecycleConfiguration(w.ctx(), &s3.PutBucketLifecycleConfigurationInput{Bucket: &bucket, LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: rules}})
	return err
}

func enabled(r types.LifecycleRule) types.LifecycleRule {
	if r.Status = types.ExpirationStatusEnabled; r.Filter == nil {
		r.Filter = &types.LifecycleRuleFilter{Prefix: aws.String("")}
	}
	return r
}

func expireIn(days int32) *types.LifecycleExpiration { return &types.LifecycleExpiration{Days: &days} }

func noncurrentFor(days int32) *types.NoncurrentVersionExpiration {
	return &types.NoncurrentVersionExpiration{NoncurrentDays: &days}
}

func abortAfter(days int32) *types.AbortIncompleteMultipartUpload {
	return &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: &days}
}

func TestLifecycleConfiguration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bucketOf("alpha", "Enabled")
	tagged := types.Tag{Key: aws.String("k"), Value: aws.String("v")}
	rules := []types.LifecycleRule{
		{ID: aws.String("CleanupOldVersions"), Status: "Enabled", Filter: &types.LifecycleRuleFilter{Prefix: aws.String("")},
			NoncurrentVersionExpiration: &types.NoncurrentVersionExpiration{NoncurrentDays: aws.Int32(30), NewerNoncurrentVersions: aws.Int32(3)}, AbortIncompleteMultipartUpload: abortAfter(1)},
		{ID: aws.String("plain"), Status: "Disabled", Prefix: aws.String("logs/"), Expiration: expireIn(3)},
		{ID: aws.String("tag"), Status: "Enabled", Filter: &types.LifecycleRuleFilter{Tag: &tagged}, Expiration: &types.LifecycleExpiration{Date: aws.Time(time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC))}},
		{ID: aws.String("size"), Status: "Enabled", Filter: &types.LifecycleRuleFilter{ObjectSizeLessThan: aws.Int64(5)}, NoncurrentVersionExpiration: noncurrentFor(1)},
		{ID: aws.String("and"), Status: "Enabled", Filter: &types.LifecycleRuleFilter{And: &types.LifecycleRuleAndOperator{Prefix: aws.String("p"), Tags: []types.Tag{tagged},
			ObjectSizeGreaterThan: aws.Int64(1), ObjectSizeLessThan: aws.Int64(9)}}, Expiration: expireIn(1)},
		{ID: aws.String("markers"), Status: "Enabled", Filter: &types.LifecycleRuleFilter{Prefix: aws.String("x")}, Expiration: &types.LifecycleExpiration{ExpiredObjectDeleteMarker: aws.Bool(true)}},
	}
	if err := w.lifecycle(b, rules...); err != nil {
		t.Fatal(err)
	}
	got, err := w.GetBucketLifecycleConfiguration(w.ctx(), &s3.GetBucketLifecycleConfigurationInput{Bucket: &b})
	if err != nil || got.TransitionDefaultMinimumObjectSize != types.TransitionDefaultMinimumObjectSizeAllStorageClasses128k || len(got.Rules) != len(rules) {
		t.Fatalf("%+v, %v", got, err)
	}
	for i := range rules {
		if !reflect.DeepEqual(got.Rules[i], rules[i]) {
			t.Errorf("rule %s came back as %+v", *rules[i].ID, got.Rules[i])
		}
	}
	if err := w.lifecycle(b, enabled(types.LifecycleRule{Expiration: expireIn(1)})); err != nil {
		t.Fatal(err)
	}
	if got, err = w.GetBucketLifecycleConfiguration(w.ctx(), &s3.GetBucketLifecycleConfigurationInput{Bucket: &b}); err != nil || len(*got.Rules[0].ID) != 36 {
		t.Errorf("a rule without an id: %+v, %v", got, err)
	}
	for range 2 {
		if _, err := w.DeleteBucketLifecycle(w.ctx(), &s3.DeleteBucketLifecycleInput{Bucket: &b}); err != nil {
			t.Error(err)
		}
	}
	_, err = w.GetBucketLifecycleConfiguration(w.ctx(), &s3.GetBucketLifecycleConfigurationInput{Bucket: &b})
	says(t, err, 404, "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")

	for what, bad := range map[string]struct {
		rules         []types.LifecycleRule
		status        int
		code, message string
	}{
		"none":         {nil, 400, "MalformedXML", ""},
		"no status":    {[]types.LifecycleRule{{Filter: &types.LifecycleRuleFilter{}, Expiration: expireIn(1)}}, 400, "MalformedXML", ""},
		"no action":    {[]types.LifecycleRule{enabled(types.LifecycleRule{})}, 400, "InvalidRequest", "At least one action needs to be specified in a rule"},
		"no filter":    {[]types.LifecycleRule{{Status: "Enabled", Expiration: expireIn(1)}}, 400, "MalformedXML", ""},
		"zero days":    {[]types.LifecycleRule{enabled(types.LifecycleRule{Expiration: expireIn(0)})}, 400, "InvalidArgument", "'Days' for Expiration action must be a positive integer"},
		"two ways":     {[]types.LifecycleRule{enabled(types.LifecycleRule{Expiration: &types.LifecycleExpiration{Days: aws.Int32(1), Date: aws.Time(time.Unix(0, 0))}})}, 400, "MalformedXML", ""},
		"noon":         {[]types.LifecycleRule{enabled(types.LifecycleRule{Expiration: &types.LifecycleExpiration{Date: aws.Time(time.Unix(43200, 0))}})}, 400, "InvalidArgument", "'Date' must be at midnight GMT"},
		"one id twice": {[]types.LifecycleRule{enabled(types.LifecycleRule{ID: aws.String("a"), Expiration: expireIn(1)}), enabled(types.LifecycleRule{ID: aws.String("a"), Expiration: expireIn(1)})}, 400, "InvalidArgument", "Rule ID must be unique. Found same ID for more than one rule"},
		"long id":      {[]types.LifecycleRule{enabled(types.LifecycleRule{ID: aws.String(strings.Repeat("a", 256)), Expiration: expireIn(1)})}, 400, "InvalidArgument", "ID length should not exceed allowed limit of 255"},
		"transition":   {[]types.LifecycleRule{enabled(types.LifecycleRule{Transitions: []types.Transition{{Days: aws.Int32(1), StorageClass: "GLACIER"}}})}, 501, "NotImplemented", ""},
		"tags and abort": {[]types.LifecycleRule{enabled(types.LifecycleRule{Filter: &types.LifecycleRuleFilter{Tag: &tagged}, AbortIncompleteMultipartUpload: abortAfter(1)})},
			400, "InvalidRequest", "AbortIncompleteMultipartUpload cannot be specified with Tags or object sizes."},
		"two filters": {[]types.LifecycleRule{enabled(types.LifecycleRule{Filter: &types.LifecycleRuleFilter{Tag: &tagged, Prefix: aws.String("p")}, Expiration: expireIn(1)})}, 400, "MalformedXML", ""},
		"noncurrent":  {[]types.LifecycleRule{enabled(types.LifecycleRule{NoncurrentVersionExpiration: &types.NoncurrentVersionExpiration{}})}, 400, "InvalidArgument", "'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer"},
	} {
		err := w.lifecycle(b, bad.rules...)
		if r := refused(t, err, bad.status, bad.code); bad.message != "" && r.ErrorMessage() != bad.message {
			t.Errorf("%s: %s, want %s", what, r.ErrorMessage(), bad.message)
		}
	}
	refused(t, w.lifecycle("nowhere", enabled(types.LifecycleRule{Expiration: expireIn(1)})), 404, "NoSuchBucket")
}

// days lets days pass and carries out the rules.
func (w *world) days(n int) {
	w.Helper()
	w.wait(time.Duration(n) * 24 * time.Hour)
	next, err := w.ExpireObjects(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	if now := w.clock(); !next.After(now) || next.Sub(now) > 24*time.Hour || next.Hour() != 0 {
		w.Errorf("at %s it asks for %s", now, next)
	}
}

// left lists what is left in a bucket, the newest version of a key first: "k:one k:- " where - is a delete marker.
func (w *world) left(bucket string) string {
	w.Helper()
	out, err := w.ListObjectVersions(w.ctx(), &s3.ListObjectVersionsInput{Bucket: &bucket})
	if err != nil {
		w.Fatal(err)
	}
	var b strings.Builder
	for _, v := range out.DeleteMarkers {
		fmt.Fprintf(&b, "%s:- ", *v.Key)
	}
	for _, v := range out.Versions {
		body, _, err := w.get(bucket, *v.Key, v.VersionId)
		if err != nil {
			w.Fatal(err)
		}
		fmt.Fprintf(&b, "%s:%s ", *v.Key, body)
	}
	return strings.TrimSpace(b.String())
}

func (w *world) wantLeft(bucket, want string) {
	w.Helper()
	if got := w.left(bucket); got != want {
		w.Errorf("left in %s: %s, want %s", bucket, got, want)
	}
}

// The rules of the CDK's bootstrap bucket.
func TestExpireNoncurrentVersionsAndUploads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bucketOf("alpha", "Enabled")
	other := w.bucketOf("beta", "Enabled")
	for _, b := range []string{b, other} {
		w.put(b, "k", "one")
		w.put(b, "l", "only")
		w.begin(b, "u", "", "")
	}
	if err := w.lifecycle(b, enabled(types.LifecycleRule{NoncurrentVersionExpiration: noncurrentFor(30)}), enabled(types.LifecycleRule{AbortIncompleteMultipartUpload: abortAfter(1)})); err != nil {
		t.Fatal(err)
	}
	w.days(10) // the age of a version does not count, only since when it is noncurrent
	for _, b := range []string{b, other} {
		w.put(b, "k", "two")
	}
	w.wantLeft(b, "k:two k:one l:only")
	if n := w.count(kindUpload); n != 1 {
		t.Errorf("%d uploads left, want that of the bucket without rules", n)
	}
	w.days(30) // 05:06 is not the midnight that follows yet
	w.wantLeft(b, "k:two k:one l:only")
	w.days(1)
	w.wantLeft(b, "k:two l:only")
	w.wantLeft(other, "k:two k:one l:only")
	w.days(400)
	w.wantLeft(b, "k:two l:only")
	w.want(b, "k", nil, "two")
}

func TestExpireKeepsNewerNoncurrentVersions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bucketOf("alpha", "Enabled")
	for _, body := range []string{"1", "2", "3", "4"} {
		w.put(b, "k", body)
	}
	n := noncurrentFor(1)
	n.NewerNoncurrentVersions = aws.Int32(2)
	if err := w.lifecycle(b, enabled(types.LifecycleRule{NoncurrentVersionExpiration: n})); err != nil {
		t.Fatal(err)
	}
	w.days(2)
	w.wantLeft(b, "k:4 k:3 k:2")
}

func TestExpireCurrentVersions(t *testing.T) {
	t.Parallel()
	for versioning, want := range map[string][3]string{
		"":          {"keep/k:x tmp/new:x", "keep/k:x tmp/new:x", "keep/k:x"},
		"Suspended": {"tmp/old:- keep/k:x tmp/new:x", "keep/k:x tmp/new:x", "tmp/new:- keep/k:x"},
		"Enabled":   {"tmp/old:- keep/k:x tmp/new:x tmp/old:x", "tmp/old:- keep/k:x tmp/new:x tmp/old:x", "tmp/new:- tmp/old:- keep/k:x tmp/new:x tmp/old:x"},
	} {
		t.Run(versioning, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := w.bucketOf("alpha", versioning)
			w.put(b, "keep/k", "x")
			w.put(b, "tmp/old", "x")
			if err := w.lifecycle(b, enabled(types.LifecycleRule{Filter: &types.LifecycleRuleFilter{Prefix: aws.String("tmp/")}, Expiration: expireIn(5)})); err != nil {
				t.Fatal(err)
			}
			w.days(3)
			w.put(b, "tmp/new", "x")
			w.days(3)
			w.wantLeft(b, want[0])
			if err := w.lifecycle(b, enabled(types.LifecycleRule{Expiration: &types.LifecycleExpiration{ExpiredObjectDeleteMarker: aws.Bool(true)}})); err != nil {
				t.Fatal(err)
			}
			w.days(0) // a marker with something behind it stays
			w.wantLeft(b, want[1])
			if err := w.lifecycle(b, enabled(types.LifecycleRule{Filter: &types.LifecycleRuleFilter{Prefix: aws.String("tmp/")},
				Expiration: &types.LifecycleExpiration{Date: aws.Time(w.clock().UTC().Truncate(24 * time.Hour))}})); err != nil {
				t.Fatal(err)
			}
			w.days(0)
			w.wantLeft(b, want[2])
		})
	}
}

func TestExpireFilters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bucketOf("alpha", "")
	w.put(b, "small", "1")
	w.put(b, "large", "12345")
	w.put(b, "tagged", "123")
	w.put(b, "off", "off")
	if _, err := w.PutObjectTagging(w.ctx(), &s3.PutObjectTaggingInput{Bucket: &b, Key: aws.String("tagged"), Tagging: &types.Tagging{TagSet: []types.Tag{{Key: aws.String("t"), Value: aws.String("1")}}}}); err != nil {
		t.Fatal(err)
	}
	off := enabled(types.LifecycleRule{Filter: &types.LifecycleRuleFilter{Prefix: aws.String("off")}, Expiration: expireIn(1)})
	off.Status = "Disabled"
	err := w.lifecycle(b, off,
		enabled(types.LifecycleRule{Filter: &types.LifecycleRuleFilter{ObjectSizeGreaterThan: aws.Int64(3)}, Expiration: expireIn(1)}),
		enabled(types.LifecycleRule{Filter: &types.LifecycleRuleFilter{ObjectSizeLessThan: aws.Int64(1)}, Expiration: expireIn(1)}),
		enabled(types.LifecycleRule{Filter: &types.LifecycleRuleFilter{Tag: &types.Tag{Key: aws.String("t"), Value: aws.String("1")}}, Expiration: expireIn(1)}))
	if err != nil {
		t.Fatal(err)
	}
	w.days(2)
	w.wantLeft(b, "off:off small:1")
}

// Whoever writes between looking and removing wins.
func TestExpireDoesNotTakeWhatIsNew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bucketOf("alpha", "")
	w.put(b, "k", "old")
	if err := w.lifecycle(b, enabled(types.LifecycleRule{Expiration: expireIn(1)})); err != nil {
		t.Fatal(err)
	}
	bk, err := w.readBucket(w.ctx(), b)
	if err != nil {
		t.Fatal(err)
	}
	h, err := w.head(w.ctx(), b, "k")
	if err != nil {
		t.Fatal(err)
	}
	e := expiry{Service: w.Service, name: b, rules: bk.Lifecycle, now: w.clock().Add(100 * 24 * time.Hour)}
	old := h.Current
	w.put(b, "k", "new")
	if err := e.judge(w.ctx(), &step{version: &old, oldest: true}); err != nil {
		t.Error(err)
	}
	w.wantLeft(b, "k:new")
	if _, err := w.DeleteBucketLifecycle(w.ctx(), &s3.DeleteBucketLifecycleInput{Bucket: &b}); err != nil {
		t.Fatal(err)
	}
	if err := e.versions(w.ctx()); err != errRulesChanged {
		t.Errorf("with rules that are no longer: %v", err)
	}
	w.wantLeft(b, "k:new")
}

// One bucket that cannot be read does not stop the others.
func TestExpireGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.store.Commit(w.Context(), new(store.Batch).Create(kindBucket, "aaa", []byte("not JSON"))); err != nil {
		t.Fatal(err)
	}
	b := w.bucketOf("beta", "")
	other := as(w.Context(), "999988887777", "eu-west-1") // of another account, in another Region
	if _, err := w.CreateBucket(other, &s3.CreateBucketInput{Bucket: aws.String("gamma"), CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: "eu-west-1"}}); err != nil {
		t.Fatal(err)
	}
	rule := &types.BucketLifecycleConfiguration{Rules: []types.LifecycleRule{enabled(types.LifecycleRule{Expiration: expireIn(1)})}}
	for _, in := range []struct {
		name string
		of   string
	}{{b, testAccount}, {"gamma", "999988887777"}} {
		ctx := w.ctx()
		if in.of != testAccount {
			ctx = other
		}
		if _, err := w.PutObject(ctx, &s3.PutObjectInput{Bucket: &in.name, Key: aws.String("k"), Body: strings.NewReader("x")}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{Bucket: &in.name, LifecycleConfiguration: rule}); err != nil {
			t.Fatal(err)
		}
	}
	w.wait(48 * time.Hour)
	if _, err := w.ExpireObjects(call.With(w.Context(), call.Call{})); err == nil {
		t.Error("the broken bucket is not reported")
	}
	if n := w.count(kindVersion); n != 0 {
		t.Errorf("%d versions left", n)
	}
}
