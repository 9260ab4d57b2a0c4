package objects

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"countersign/store"
	"countersign/store/storetest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// versionsOf lists a key's versions, newest first, as "id body" with ids cut to
// what names gives them, and checks IsLatest.
func (w *world) versionsOf(bucket, key string, names map[string]string) string {
	w.Helper()
	out, err := w.ListObjectVersions(w.ctx(), &s3.ListObjectVersionsInput{Bucket: &bucket, Prefix: &key})
	if err != nil {
		w.Fatal(err)
	}
	type line struct {
		text   string
		latest bool
	}
	// The SDK's output splits versions and markers; the records tell the order.
	byID := map[string]line{}
	for _, v := range out.Versions {
		byID[*v.VersionId] = line{names[*v.VersionId], *v.IsLatest}
	}
	for _, m := range out.DeleteMarkers {
		byID[*m.VersionId] = line{names[*m.VersionId] + "!", *m.IsLatest}
	}
	records, err := w.store.List(w.Context(), kindVersion, versionPrefix(bucket, key), "", 0)
	if err != nil {
		w.Fatal(err)
	}
	var lines []string
	for i, r := range records {
		v, err := decode[version](r)
		if err != nil {
			w.Fatal(err)
		}
		l, ok := byID[v.ID]
		if !ok || l.latest != (i == 0) {
			w.Fatalf("version %s (%d of %d) is listed as %+v", v.ID, i, len(records), l)
		}
		lines = append(lines, l.text)
	}
	if len(records) != len(byID) {
		w.Fatalf("%d versions are listed, %d are stored", len(byID), len(records))
	}
	return strings.Join(lines, " ")
}

func TestVersions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bucketOf("alpha", "")
	names := map[string]string{nullID: "null"}

	w.put(b, "k", "before") // null
	w.versioning(b, "Enabled")
	w.wait(-1e9) // versions are ordered by writing, not by the clock
	one := w.put(b, "k", "one").VersionId
	w.wait(-1e9)
	two := w.put(b, "k", "two").VersionId
	names[*one], names[*two] = "1", "2"
	if len(*one) != 32 || len(*two) != 32 || *one == *two || strings.ContainsAny(*one+*two, "-/+= ") {
		t.Fatalf("ids %q %q", *one, *two)
	}
	if got := w.versionsOf(b, "k", names); got != "2 1 null" {
		t.Fatalf("versions: %s", got)
	}
	w.want(b, "k", nil, "two")
	w.want(b, "k", one, "one")
	if out := w.want(b, "k", aws.String(nullID), "before"); *out.VersionId != nullID {
		t.Errorf("version id %s", *out.VersionId)
	}

	// A delete marker hides the key.
	d := w.delete(b, "k", nil)
	names[*d.VersionId] = "d"
	if !*d.DeleteMarker || len(*d.VersionId) != 32 {
		t.Errorf("delete: %+v", d)
	}
	_, _, err := w.get(b, "k", nil)
	r := says(t, err, 404, "NoSuchKey", "The specified key does not exist.")
	if r.headers["x-amz-delete-marker"] != "true" || r.headers["x-amz-version-id"] != *d.VersionId || r.fieldNamed("Key") != "k" {
		t.Errorf("headers %v fields %v", r.headers, r.fields)
	}
	_, _, err = w.get(b, "k", d.VersionId)
	r = says(t, err, 405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
	if r.headers["x-amz-delete-marker"] != "true" || r.headers["Allow"] != "DELETE" || r.fieldNamed("ResourceType") != "DeleteMarker" {
		t.Errorf("headers %v fields %v", r.headers, r.fields)
	}
	w.want(b, "k", two, "two")
	if got := w.versionsOf(b, "k", names); got != "d! 2 1 null" {
		t.Fatalf("versions: %s", got)
	}

	// While suspended, writes replace the null version only.
	w.versioning(b, "Suspended")
	put := w.put(b, "k", "suspended")
	if *put.VersionId != nullID {
		t.Errorf("version id %s", *put.VersionId)
	}
	if got := w.versionsOf(b, "k", names); got != "null d! 2 1" {
		t.Fatalf("versions: %s", got)
	}
	w.want(b, "k", nil, "suspended")
	w.put(b, "k", "again")
	if got := w.versionsOf(b, "k", names); got != "null d! 2 1" {
		t.Fatalf("versions: %s", got)
	}
	d = w.delete(b, "k", nil)
	if !*d.DeleteMarker || *d.VersionId != nullID {
		t.Errorf("delete: %+v", d)
	}
	if got := w.versionsOf(b, "k", names); got != "null! d! 2 1" {
		t.Fatalf("versions: %s", got)
	}

	// Removing the newest uncovers what is below.
	d = w.delete(b, "k", aws.String(nullID))
	if !*d.DeleteMarker || *d.VersionId != nullID {
		t.Errorf("delete: %+v", d)
	}
	_, _, err = w.get(b, "k", nil)
	refused(t, err, 404, "NoSuchKey")
	for id, name := range names {
		if name == "d" {
			w.delete(b, "k", &id)
		}
	}
	w.want(b, "k", nil, "two")
	w.delete(b, "k", one)
	w.want(b, "k", nil, "two")
	_, _, err = w.get(b, "k", one)
	r = says(t, err, 404, "NoSuchVersion", "The specified version does not exist.")
	if r.fieldNamed("VersionId") != *one {
		t.Errorf("fields %v", r.fields)
	}
	if got := w.versionsOf(b, "k", names); got != "2" {
		t.Fatalf("versions: %s", got)
	}
	if d := w.delete(b, "k", one); *d.VersionId != *one || d.DeleteMarker != nil {
		t.Errorf("deleting what is gone: %+v", d)
	}
	w.delete(b, "k", two)
	if n := w.count(kindHead) + w.count(kindVersion) + w.count(kindInline); n != 0 {
		t.Errorf("%d records are left", n)
	}
}

func TestVersionIDs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bucketOf("alpha", "Enabled")
	w.put(b, "k", "x")
	for id, want := range map[string]string{"": "Version id cannot be the empty string", "abc": "Invalid version id specified", strings.Repeat("-", 32): "Invalid version id specified"} {
		_, _, err := w.get(b, "k", &id)
		r := says(t, err, 400, "InvalidArgument", want)
		if r.fieldNamed("ArgumentName") != "versionId" || r.fieldNamed("ArgumentValue") != id {
			t.Errorf("fields %v", r.fields)
		}
	}
	for _, id := range []string{nullID, strings.Repeat("a", 32)} {
		_, _, err := w.get(b, "k", &id)
		refused(t, err, 404, "NoSuchVersion")
	}
	// The id of another key's version of the same sequence does not open this one.
	other := w.put(b, "k2", "y").VersionId
	_, _, err := w.get(b, "k", other)
	refused(t, err, 404, "NoSuchVersion")
	for range 100 {
		for _, n := range []uint64{0, 1, 77, 1 << 63} {
			id, err := w.newID(n)
			if got, ok := idNumber(id); err != nil || !ok || got != n || len(id) != idLength {
				t.Fatalf("id %s of %d gives %d %v %v", id, n, got, ok, err)
			}
		}
	}
}

func TestDeleteUnversioned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bucketOf("alpha", "")
	w.put(b, "k", "x")
	if d := w.delete(b, "k", nil); d.DeleteMarker != nil || d.VersionId != nil {
		t.Errorf("delete: %+v", d)
	}
	w.delete(b, "k", nil)
	w.put(b, "k", "y")
	w.delete(b, "k", aws.String(nullID))
	_, _, err := w.get(b, "k", nil)
	refused(t, err, 404, "NoSuchKey")
	// With versioning even a key that never was gets a marker.
	w.versioning(b, "Enabled")
	if d := w.delete(b, "never", nil); d.DeleteMarker == nil || d.VersionId == nil {
		t.Errorf("delete: %+v", d)
	}
}

func TestWriteConditions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bucketOf("alpha", "Enabled")
	put := func(key string, match, none *string) error {
		_, err := w.PutObject(w.ctx(), &s3.PutObjectInput{Bucket: &b, Key: &key, Body: strings.NewReader(key), IfMatch: match, IfNoneMatch: none})
		return err
	}
	star := aws.String("*")
	if err := put("k", nil, star); err != nil {
		t.Fatal(err)
	}
	r := says(t, put("k", nil, star), 412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
	if r.fieldNamed("Condition") != "If-None-Match" {
		t.Errorf("fields %v", r.fields)
	}
	refused(t, put("none", aws.String(`"x"`), nil), 404, "NoSuchKey")
	refused(t, put("k", aws.String(`"x"`), nil), 412, "PreconditionFailed")
	etag := w.want(b, "k", nil, "k").ETag
	if err := put("k", etag, nil); err != nil {
		t.Fatal(err)
	}

	del := func(match string, id *string) error {
		_, err := w.DeleteObject(w.ctx(), &s3.DeleteObjectInput{Bucket: &b, Key: aws.String("k"), IfMatch: &match, VersionId: id})
		return err
	}
	refused(t, del(`"x"`, nil), 412, "PreconditionFailed")
	w.want(b, "k", nil, "k")
	if err := del(*etag, nil); err != nil {
		t.Fatal(err)
	}
	// A delete marker is no object: it may be written over, and cannot match.
	refused(t, del("*", nil), 412, "PreconditionFailed")
	refused(t, put("k", star, nil), 404, "NoSuchKey")
	if err := put("k", nil, star); err != nil {
		t.Fatal(err)
	}
	_, err := w.DeleteObject(w.ctx(), &s3.DeleteObjectInput{Bucket: &b, Key: aws.String("none"), IfMatch: star})
	refused(t, err, 404, "NoSuchKey")
}

// A condition that held when the upload began and does not when it ends refuses
// the upload and leaves nothing of it.
func TestConditionsHoldAtTheCommit(t *testing.T) {
	t.Parallel()
	st := countBlobs(storetest.New(t))
	w := newWorldOn(t, st)
	b := w.bucketOf("alpha", "")
	for _, size := range []int{5, inlineLimit * 3} {
		etag := w.put(b, "k", "old").ETag
		meanwhile := func(do func(), match, none *string) error {
			body := &hooked{r: strings.NewReader(large(size)), do: do}
			_, err := w.PutObject(w.ctx(), &s3.PutObjectInput{Bucket: &b, Key: aws.String("k"), Body: body, IfMatch: match, IfNoneMatch: none})
			return err
		}
		refused(t, meanwhile(func() { w.put(b, "k", "other") }, etag, nil), 412, "PreconditionFailed")
		etag = w.put(b, "k", "old").ETag
		r := refused(t, meanwhile(func() { w.delete(b, "k", nil) }, etag, nil), 409, "ConditionalRequestConflict")
		if r.fieldNamed("Condition") != "If-Match" {
			t.Errorf("fields %v", r.fields)
		}
		refused(t, meanwhile(func() { w.put(b, "k", "first") }, nil, aws.String("*")), 412, "PreconditionFailed")
		w.want(b, "k", nil, "first")
		w.delete(b, "k", nil)
		if n := st.live(); n != 0 {
			t.Errorf("%d blobs were left behind", n)
		}
	}
}

// hooked does something once its bytes were read.
type hooked struct {
	r    *strings.Reader
	do   func()
	once sync.Once
}

func (h *hooked) Read(b []byte) (int, error) {
	n, err := h.r.Read(b)
	if h.r.Len() == 0 {
		h.once.Do(h.do)
	}
	return n, err
}

// Of many conditional writes to one key at once, one wins.
func TestRacingConditionalPuts(t *testing.T) {
	t.Parallel()
	st := storetest.New(t)
	// Two services on one store stand for two nodes: only the store is between them.
	w, other := newWorldOn(t, st), newWorldOn(t, st)
	b := w.bucketOf("alpha", "Enabled")
	for round := range 5 {
		key := fmt.Sprint("k", round)
		var match, none *string
		none = aws.String("*")
		for step := range 3 { // the bodies differ, or the entity tag would match again
			var won atomic.Int32
			var group sync.WaitGroup
			for i := range 12 {
				node := []*world{w, other}[i%2]
				group.Go(func() {
					_, err := node.PutObject(w.ctx(), &s3.PutObjectInput{Bucket: &b, Key: &key, Body: strings.NewReader(fmt.Sprint(round, step, i)), IfMatch: match, IfNoneMatch: none})
					if err == nil {
						won.Add(1)
						return
					}
					if r, ok := err.(*refusal); !ok || r.status != 412 {
						t.Errorf("loser: %v", err)
					}
				})
			}
			group.Wait()
			if won.Load() != 1 {
				t.Fatalf("%d writers won", won.Load())
			}
			out, err := w.HeadObject(w.ctx(), &s3.HeadObjectInput{Bucket: &b, Key: &key})
			if err != nil {
				t.Fatal(err)
			}
			match, none = out.ETag, nil
		}
	}
}

// Unconditional writes to one key all succeed, and the versions are all there.
func TestRacingPuts(t *testing.T) {
	t.Parallel()
	st := storetest.New(t)
	w, other := newWorldOn(t, st), newWorldOn(t, st)
	b := w.bucketOf("alpha", "Enabled")
	var mu sync.Mutex
	bodies := map[string]string{}
	var group sync.WaitGroup
	for i := range 24 {
		node := []*world{w, other}[i%2]
		group.Go(func() {
			body := fmt.Sprint("body ", i)
			id := node.put(b, "k", body).VersionId
			mu.Lock()
			defer mu.Unlock()
			bodies[*id] = body
		})
	}
	group.Wait()
	if len(bodies) != 24 || w.count(kindVersion) != 24 {
		t.Fatalf("%d ids, %d versions", len(bodies), w.count(kindVersion))
	}
	for id, body := range bodies {
		w.want(b, "k", &id, body)
	}
}

func TestDeleteObjects(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bucketOf("alpha", "Enabled")
	var ids []types.ObjectIdentifier
	for i := range 40 {
		key := fmt.Sprint("k", i)
		out := w.put(b, key, key)
		o := types.ObjectIdentifier{Key: &key}
		if i%2 == 0 {
			o.VersionId = out.VersionId
		}
		ids = append(ids, o)
	}
	ids = append(ids, types.ObjectIdentifier{Key: aws.String("bad"), VersionId: aws.String("x")})
	out, err := w.DeleteObjects(w.ctx(), &s3.DeleteObjectsInput{Bucket: &b, Delete: &types.Delete{Objects: ids}})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Deleted) != 40 || len(out.Errors) != 1 || *out.Errors[0].Code != "InvalidArgument" || *out.Errors[0].Key != "bad" {
		t.Fatalf("%d deleted, errors %+v", len(out.Deleted), out.Errors)
	}
	for i, d := range out.Deleted {
		if *d.Key != fmt.Sprint("k", i) || (d.DeleteMarker != nil) != (i%2 == 1) {
			t.Errorf("%d: %+v", i, d)
		}
	}
	if n := w.count(kindVersion); n != 40 { // 20 objects and their markers
		t.Errorf("%d versions are left", n)
	}
	quiet, err := w.DeleteObjects(w.ctx(), &s3.DeleteObjectsInput{Bucket: &b, Delete: &types.Delete{Objects: ids, Quiet: aws.Bool(true)}})
	if err != nil || len(quiet.Deleted) != 0 || len(quiet.Errors) != 1 {
		t.Errorf("quiet: %+v %v", quiet, err)
	}
	_, err = w.DeleteObjects(w.ctx(), &s3.DeleteObjectsInput{Bucket: &b, Delete: &types.Delete{Objects: make([]types.ObjectIdentifier, 1001)}})
	refused(t, err, 400, "MalformedXML")
}

// A commit that fails leaves the old state; one that fails after taking effect
// leaves the new one, whole, although the caller got an error.
func TestFailedCommits(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk on fire")
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprint("after=", after), func(t *testing.T) {
			t.Parallel()
			inner := storetest.New(t)
			var armed atomic.Bool
			fail := func(*store.Batch) error {
				if armed.Load() {
					return broken
				}
				return nil
			}
			st := storetest.FailBefore(inner, fail)
			if after {
				st = storetest.FailAfter(inner, fail)
			}
			w := newWorldOn(t, st)
			b := w.bucketOf("alpha", "")
			for _, size := range []int{10, inlineLimit * 2} {
				old, next := large(size), large(size)[1:]
				w.put(b, "k", old)
				armed.Store(true)
				_, err := w.PutObject(w.ctx(), &s3.PutObjectInput{Bucket: &b, Key: aws.String("k"), Body: strings.NewReader(next)})
				armed.Store(false)
				if !errors.Is(err, broken) {
					t.Fatalf("put: %v", err)
				}
				if after {
					w.want(b, "k", nil, next)
				} else {
					w.want(b, "k", nil, old)
				}
				armed.Store(true)
				_, err = w.DeleteObject(w.ctx(), &s3.DeleteObjectInput{Bucket: &b, Key: aws.String("k")})
				armed.Store(false)
				if !errors.Is(err, broken) {
					t.Fatalf("delete: %v", err)
				}
				_, _, err = w.get(b, "k", nil)
				if after {
					refused(t, err, 404, "NoSuchKey")
				} else if err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// The same of the end of a multipart upload.
func TestFailedCompletion(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk on fire")
	for _, after := range []bool{false, true} {
		inner := countBlobs(storetest.New(t))
		var armed atomic.Bool
		fail := func(*store.Batch) error {
			if armed.Load() {
				return broken
			}
			return nil
		}
		st := storetest.FailBefore(inner, fail)
		if after {
			st = storetest.FailAfter(inner, fail)
		}
		w := newWorldOn(t, st)
		b := w.bucketOf("alpha", "")
		w.put(b, "k", "old")
		id := w.begin(b, "k", "", "")
		p := w.part(b, "k", id, 1, "new")
		armed.Store(true)
		_, err := w.complete(b, "k", id, p)
		armed.Store(false)
		if !errors.Is(err, broken) {
			t.Fatalf("complete: %v", err)
		}
		_, again := w.complete(b, "k", id, p)
		if after {
			refused(t, again, 404, "NoSuchUpload")
		} else if again != nil {
			t.Errorf("complete again: %v", again)
		}
		w.want(b, "k", nil, "new")
		if n := w.count(kindUpload) + w.count(kindPart) + w.count(kindInline); n != 0 || inner.live() != 1 {
			t.Errorf("after=%v: %d records and %d blobs are left, want 0 and 1", after, n, inner.live())
		}
	}
}

// A request that is given up does not hang, and says so.
func TestCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bucketOf("alpha", "")
	ctx, cancel := context.WithCancel(w.ctx())
	cancel()
	_, err := w.PutObject(ctx, &s3.PutObjectInput{Bucket: &b, Key: aws.String("k"), Body: strings.NewReader("x")})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
