package objects

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/call"
	"countersign/store"
	"countersign/store/storetest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

const testAccount = "111122223333"

// A world is a service on a store of its own with a clock that tests move.
type world struct {
	*Service
	testing.TB
	store store.Store

	mu   sync.Mutex
	time time.Time
}

func newWorld(t testing.TB) *world {
	t.Helper()
	return newWorldOn(t, storetest.New(t))
}

func newWorldOn(t testing.TB, st store.Store) *world {
	w := &world{TB: t, store: st, time: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	w.Service = New(Config{Store: st, Now: w.clock, Rand: rand.Reader})
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.time
}

func (w *world) wait(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.time = w.time.Add(d)
}

// as is the context of a call by an account in a Region.
func as(ctx context.Context, account, region string) context.Context {
	return call.With(ctx, call.Call{Account: account, Region: region, Service: "s3", Principal: call.Principal{Account: account, ARN: "arn:aws:iam::" + account + ":root"}})
}

func (w *world) ctx() context.Context { return as(w.Context(), testAccount, "us-east-1") }

// bucketOf makes a bucket with a versioning state.
func (w *world) bucketOf(name, versioning string) string {
	w.Helper()
	if _, err := w.CreateBucket(w.ctx(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
		w.Fatal(err)
	}
	w.versioning(name, versioning)
	return name
}

func (w *world) versioning(name, status string) {
	w.Helper()
	if status == "" {
		return
	}
	_, err := w.PutBucketVersioning(w.ctx(), &s3.PutBucketVersioningInput{Bucket: &name, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatus(status)}})
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) put(bucket, key, body string) *s3.PutObjectOutput {
	w.Helper()
	out, err := w.PutObject(w.ctx(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(body)})
	if err != nil {
		w.Fatalf("put %s/%s: %v", bucket, key, err)
	}
	return out
}

// get reads an object, or says why not.
func (w *world) get(bucket, key string, id *string) (string, *s3.GetObjectOutput, error) {
	out, err := w.GetObject(w.ctx(), &s3.GetObjectInput{Bucket: &bucket, Key: &key, VersionId: id})
	if err != nil {
		return "", nil, err
	}
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	return string(b), out, err
}

func (w *world) want(bucket, key string, id *string, body string) *s3.GetObjectOutput {
	w.Helper()
	got, out, err := w.get(bucket, key, id)
	if err != nil {
		w.Fatalf("get %s/%s version %s: %v", bucket, key, aws.ToString(id), err)
	}
	if got != body {
		w.Fatalf("get %s/%s version %s: got %.40q, want %.40q", bucket, key, aws.ToString(id), got, body)
	}
	return out
}

func (w *world) delete(bucket, key string, id *string) *s3.DeleteObjectOutput {
	w.Helper()
	out, err := w.DeleteObject(w.ctx(), &s3.DeleteObjectInput{Bucket: &bucket, Key: &key, VersionId: id})
	if err != nil {
		w.Fatalf("delete %s/%s version %s: %v", bucket, key, aws.ToString(id), err)
	}
	return out
}

// refused checks that err is a refusal with a status and code.
func refused(t testing.TB, err error, status int, code string) *refusal {
	t.Helper()
	r, ok := err.(*refusal)
	if !ok {
		t.Fatalf("got %v (%T), want %d %s", err, err, status, code)
	}
	if r.HTTPStatus() != status || r.ErrorCode() != code {
		t.Fatalf("got %d %s (%s), want %d %s", r.HTTPStatus(), r.ErrorCode(), r.ErrorMessage(), status, code)
	}
	if r.ErrorMessage() == "" {
		t.Fatalf("%s has no message", code)
	}
	return r
}

// says checks the text of a refusal as well.
func says(t testing.TB, err error, status int, code, message string) *refusal {
	t.Helper()
	r := refused(t, err, status, code)
	if r.ErrorMessage() != message {
		t.Fatalf("%s: got message %q, want %q", code, r.ErrorMessage(), message)
	}
	return r
}

func (r *refusal) fieldNamed(name string) string {
	for _, f := range r.fields {
		if f[0] == name {
			return f[1]
		}
	}
	return ""
}

// count is how many records of a kind the store holds.
func (w *world) count(kind string) int {
	w.Helper()
	records, err := w.store.List(w.Context(), kind, "", "", 0)
	if err != nil {
		w.Fatal(err)
	}
	return len(records)
}

// blobStore counts blobs that are there: kept or provisional, not dropped.
type blobStore struct {
	store.Store
	mu    sync.Mutex
	blobs map[store.BlobID]bool
}

func countBlobs(s store.Store) *blobStore {
	return &blobStore{Store: s, blobs: map[store.BlobID]bool{}}
}

func (b *blobStore) live() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.blobs)
}

func (b *blobStore) NewBlob(ctx context.Context) (store.BlobWriter, error) {
	w, err := b.Store.NewBlob(ctx)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.blobs[w.ID()] = true
	return countedWriter{w, b}, nil
}

func (b *blobStore) dropped(batch *store.Batch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, o := range batch.Ops {
		if o, ok := o.(store.BlobOp); ok && o.Drop {
			delete(b.blobs, o.ID)
		}
	}
}

func (b *blobStore) Commit(ctx context.Context, batch *store.Batch) (store.Revision, error) {
	r, err := b.Store.Commit(ctx, batch)
	if err == nil {
		b.dropped(batch)
	}
	return r, err
}

func (b *blobStore) Later(batch *store.Batch) {
	b.Store.Later(batch)
	b.dropped(batch)
}

type countedWriter struct {
	store.BlobWriter
	b *blobStore
}

func (w countedWriter) Abort() {
	w.BlobWriter.Abort()
	w.b.mu.Lock()
	defer w.b.mu.Unlock()
	delete(w.b.blobs, w.ID())
}

// large is more than fits inline, different from byte to byte.
func large(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8 + i>>16)
	}
	return string(b)
}

func TestPutAndGet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bucketOf("alpha", "")
	for name, body := range map[string]string{
		"empty": "", "small": "hello", "limit": large(inlineLimit), "over": large(inlineLimit + 1), "large": large(3 << 20),
	} {
		out := w.put(b, name, body)
		got := w.want(b, name, nil, body)
		if *got.ETag != *out.ETag || *got.ContentLength != int64(len(body)) || *got.ContentType != "binary/octet-stream" || got.VersionId != nil || out.VersionId != nil {
			t.Errorf("%s: put %+v, got %+v", name, out, got)
		}
		if *got.AcceptRanges != "bytes" || !got.LastModified.Equal(w.clock()) || got.ServerSideEncryption != types.ServerSideEncryptionAes256 {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	if out := w.put(b, "small", "hello"); *out.ETag != `"5d41402abc4b2a76b9719d911017c592"` {
		t.Errorf("ETag of hello: %s", *out.ETag)
	}
}

func TestKeepsHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bucketOf("alpha", "Enabled")
	expires := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	_, err := w.PutObject(w.ctx(), &s3.PutObjectInput{
		Bucket: &b, Key: aws.String("k"), Body: strings.NewReader("x"), ContentType: aws.String("text/plain"), CacheControl: aws.String("no-store"),
		ContentDisposition: aws.String("inline"), ContentEncoding: aws.String("gzip"), ContentLanguage: aws.String("de"), Expires: &expires,
		WebsiteRedirectLocation: aws.String("/there"), Metadata: map[string]string{"colour": "blue"}, Tagging: aws.String("a=b&c=d%20e"),
		ServerSideEncryption: types.ServerSideEncryptionAwsKms, SSEKMSKeyId: aws.String("alias/mine"), StorageClass: types.StorageClassStandardIa,
	})
	if err != nil {
		t.Fatal(err)
	}
	out := w.want(b, "k", nil, "x")
	for name, pair := range map[string][2]string{
		"type": {*out.ContentType, "text/plain"}, "cache": {*out.CacheControl, "no-store"}, "disposition": {*out.ContentDisposition, "inline"},
		"encoding": {*out.ContentEncoding, "gzip"}, "language": {*out.ContentLanguage, "de"}, "redirect": {*out.WebsiteRedirectLocation, "/there"},
		"metadata": {out.Metadata["colour"], "blue"}, "sse": {string(out.ServerSideEncryption), "aws:kms"}, "key": {*out.SSEKMSKeyId, "alias/mine"},
		"class": {string(out.StorageClass), "STANDARD_IA"},
		//lint:ignore SA1019 this member carries the header, ExpiresString only a copy
		"expires": {out.Expires.String(), expires.String()},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: got %q, want %q", name, pair[0], pair[1])
		}
	}
	if *out.TagCount != 2 {
		t.Errorf("tag count %d", *out.TagCount)
	}
	head, err := w.HeadObject(w.ctx(), &s3.HeadObjectInput{Bucket: &b, Key: aws.String("k"), ResponseContentType: aws.String("a/b")})
	if err != nil {
		t.Fatal(err)
	}
	if *head.ContentType != "a/b" || *head.ContentLength != 1 || head.Metadata["colour"] != "blue" || *head.VersionId != *out.VersionId {
		t.Errorf("head: %+v", head)
	}
}

func TestRefusesUploads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bucketOf("alpha", "")
	big := map[string]string{"k": strings.Repeat("v", maxMetadata)}
	for name, c := range map[string]struct {
		in     s3.PutObjectInput
		status int
		code   string
	}{
		"no bucket":         {s3.PutObjectInput{Bucket: aws.String("nowhere")}, 404, "NoSuchBucket"},
		"empty key":         {s3.PutObjectInput{Key: aws.String("")}, 400, "InvalidArgument"},
		"long key":          {s3.PutObjectInput{Key: aws.String(strings.Repeat("k", 1025))}, 400, "KeyTooLongError"},
		"key not UTF-8":     {s3.PutObjectInput{Key: aws.String("\xff")}, 400, "InvalidURI"},
		"metadata":          {s3.PutObjectInput{Metadata: big}, 400, "MetadataTooLarge"},
		"short":             {s3.PutObjectInput{ContentLength: aws.Int64(9)}, 400, "IncompleteBody"},
		"long":              {s3.PutObjectInput{ContentLength: aws.Int64(1)}, 400, "IncompleteBody"},
		"huge":              {s3.PutObjectInput{ContentLength: aws.Int64(maxUpload + 1)}, 400, "EntityTooLarge"},
		"md5 form":          {s3.PutObjectInput{ContentMD5: aws.String("zzz")}, 400, "InvalidDigest"},
		"md5":               {s3.PutObjectInput{ContentMD5: aws.String("1B2M2Y8AsgTpgAmY7PhCfg==")}, 400, "BadDigest"},
		"checksum form":     {s3.PutObjectInput{ChecksumCRC32: aws.String("AAAA")}, 400, "InvalidRequest"},
		"checksum":          {s3.PutObjectInput{ChecksumCRC32C: aws.String("AAAAAA==")}, 400, "BadDigest"},
		"two checksums":     {s3.PutObjectInput{ChecksumCRC32C: aws.String("AAAAAA=="), ChecksumCRC32: aws.String("AAAAAA==")}, 400, "InvalidRequest"},
		"no value":          {s3.PutObjectInput{ChecksumAlgorithm: types.ChecksumAlgorithmSha1}, 400, "InvalidRequest"},
		"other value":       {s3.PutObjectInput{ChecksumAlgorithm: types.ChecksumAlgorithmSha1, ChecksumCRC32: aws.String("AAAAAA==")}, 400, "InvalidRequest"},
		"unknown algorithm": {s3.PutObjectInput{ChecksumAlgorithm: "ADLER"}, 400, "InvalidRequest"},
		"xxhash":            {s3.PutObjectInput{ChecksumXXHASH3: aws.String("AAAAAA==")}, 501, "NotImplemented"},
		"sse-c":             {s3.PutObjectInput{SSECustomerAlgorithm: aws.String("AES256")}, 501, "NotImplemented"},
		"sse":               {s3.PutObjectInput{ServerSideEncryption: "rot13"}, 400, "InvalidArgument"},
		"acl":               {s3.PutObjectInput{ACL: types.ObjectCannedACLPublicRead}, 400, "AccessControlListNotSupported"},
		"grant":             {s3.PutObjectInput{GrantRead: aws.String("id=x")}, 400, "AccessControlListNotSupported"},
		"class":             {s3.PutObjectInput{StorageClass: "DUSTY"}, 400, "InvalidStorageClass"},
		"archive":           {s3.PutObjectInput{StorageClass: types.StorageClassGlacier}, 501, "NotImplemented"},
		"lock":              {s3.PutObjectInput{ObjectLockMode: types.ObjectLockModeGovernance}, 400, "InvalidRequest"},
		"append":            {s3.PutObjectInput{WriteOffsetBytes: aws.Int64(3)}, 501, "NotImplemented"},
		"redirect":          {s3.PutObjectInput{WebsiteRedirectLocation: aws.String("there")}, 400, "InvalidRedirectLocation"},
		"tags":              {s3.PutObjectInput{Tagging: aws.String("a=1&a=2")}, 400, "InvalidArgument"},
		"many tags":         {s3.PutObjectInput{Tagging: aws.String("a&b&c&d&e&f&g&h&i&j&k")}, 400, "BadRequest"},
		"owner":             {s3.PutObjectInput{ExpectedBucketOwner: aws.String("999999999999")}, 403, "AccessDenied"},
		"if-none-match":     {s3.PutObjectInput{IfNoneMatch: aws.String(`"x"`)}, 501, "NotImplemented"},
	} {
		t.Run(name, func(t *testing.T) {
			in := c.in
			if in.Bucket == nil {
				in.Bucket = &b
			}
			if in.Key == nil {
				in.Key = aws.String("k")
			}
			in.Body = strings.NewReader("hello")
			_, err := w.PutObject(w.ctx(), &in)
			refused(t, err, c.status, c.code)
		})
	}
	if n := w.count(kindHead); n != 0 {
		t.Errorf("%d objects are there after refused uploads", n)
	}
}

// A body that ends in an error, or was cut, leaves nothing, large or small.
func TestCutUploadLeavesNothing(t *testing.T) {
	t.Parallel()
	st := countBlobs(storetest.New(t))
	w := newWorldOn(t, st)
	b := w.bucketOf("alpha", "")
	cut := errors.New("connection reset")
	wrong := refuse(400, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.")
	for _, size := range []int{10, inlineLimit, inlineLimit + 1, 1 << 20} {
		for _, end := range []error{cut, wrong, io.ErrUnexpectedEOF} {
			body := io.MultiReader(strings.NewReader(large(size)), errReader{end})
			_, err := w.PutObject(w.ctx(), &s3.PutObjectInput{Bucket: &b, Key: aws.String("k"), Body: body})
			switch {
			case end == io.ErrUnexpectedEOF:
				refused(t, err, 400, "IncompleteBody")
			case !errors.Is(err, end):
				t.Errorf("%d bytes: got %v, want %v", size, err, end)
			}
		}
		_, err := w.PutObject(w.ctx(), &s3.PutObjectInput{Bucket: &b, Key: aws.String("k"), Body: strings.NewReader(large(size)), ContentMD5: aws.String("1B2M2Y8AsgTpgAmY7PhCfg==")})
		refused(t, err, 400, "BadDigest")
	}
	if n := w.count(kindHead) + w.count(kindVersion) + w.count(kindInline) + st.live(); n != 0 {
		t.Errorf("%d records and blobs were left behind", n)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// Overwriting and deleting drop the bytes of what was there.
func TestDropsBytes(t *testing.T) {
	t.Parallel()
	st := countBlobs(storetest.New(t))
	w := newWorldOn(t, st)
	b := w.bucketOf("alpha", "")
	for range 3 {
		w.put(b, "k", large(1<<20))
		w.put(b, "s", "small")
	}
	if n := st.live(); n != 1 {
		t.Errorf("%d blobs after overwriting, want 1", n)
	}
	w.delete(b, "k", nil)
	w.delete(b, "s", nil)
	if n := w.count(kindHead) + w.count(kindVersion) + w.count(kindInline) + st.live(); n != 0 {
		t.Errorf("%d records and blobs were left behind", n)
	}
}

func TestRanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bucketOf("alpha", "")
	small, big := "0123456789", large(2<<20)
	w.put(b, "small", small)
	w.put(b, "big", big)
	w.put(b, "empty", "")
	for _, c := range []struct {
		key, header, want, contentRange string
	}{
		{"small", "bytes=0-0", "0", "bytes 0-0/10"},
		{"small", "bytes=2-4", "234", "bytes 2-4/10"},
		{"small", "bytes=7-", "789", "bytes 7-9/10"},
		{"small", "bytes=-3", "789", "bytes 7-9/10"},
		{"small", "bytes=-99", small, "bytes 0-9/10"},
		{"small", "bytes=5-99999999999999999999999", "56789", "bytes 5-9/10"},
		{"small", "bytes=4-2", small, ""},
		{"small", "bytes=0-1,3-4", small, ""},
		{"small", "bytes=x-y", small, ""},
		{"small", "lines=0-1", small, ""},
		{"big", "bytes=1000000-1000009", big[1000000:1000010], "bytes 1000000-1000009/2097152"},
		{"big", "bytes=-5", big[len(big)-5:], "bytes 2097147-2097151/2097152"},
		{"big", "bytes=524280-1048600", big[524280:1048601], "bytes 524280-1048600/2097152"},
	} {
		out, err := w.GetObject(w.ctx(), &s3.GetObjectInput{Bucket: &b, Key: &c.key, Range: &c.header, ChecksumMode: types.ChecksumModeEnabled})
		if err != nil {
			t.Fatalf("%s %s: %v", c.key, c.header, err)
		}
		got, err := io.ReadAll(out.Body)
		out.Body.Close()
		if err != nil || string(got) != c.want || aws.ToString(out.ContentRange) != c.contentRange || *out.ContentLength != int64(len(c.want)) {
			t.Errorf("%s %s: got %d bytes, %q, %v; want %d bytes, %q", c.key, c.header, len(got), aws.ToString(out.ContentRange), err, len(c.want), c.contentRange)
		}
		if whole := c.want == small; whole != (out.ChecksumCRC64NVME != nil) {
			t.Errorf("%s %s: checksum of the whole is %v", c.key, c.header, out.ChecksumCRC64NVME)
		}
	}
	for _, c := range []struct{ key, header string }{{"small", "bytes=10-"}, {"small", "bytes=10-12"}, {"small", "bytes=-0"}, {"empty", "bytes=0-"}, {"empty", "bytes=-1"}} {
		_, err := w.GetObject(w.ctx(), &s3.GetObjectInput{Bucket: &b, Key: &c.key, Range: &c.header})
		r := says(t, err, 416, "InvalidRange", "The requested range is not satisfiable")
		if r.fieldNamed("RangeRequested") != c.header || !strings.HasPrefix(r.headers["Content-Range"], "bytes */") {
			t.Errorf("%s %s: %v %v", c.key, c.header, r.fields, r.headers)
		}
	}
}

func TestReadConditions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bucketOf("alpha", "")
	etag := *w.put(b, "k", "hello").ETag
	now, before, after := w.clock(), w.clock().Add(-time.Hour), w.clock().Add(time.Hour)
	other := `"00000000000000000000000000000000"`
	for name, c := range map[string]struct {
		in     s3.GetObjectInput
		status int // 200, 304, 412
	}{
		"match":                       {s3.GetObjectInput{IfMatch: &etag}, 200},
		"match bare":                  {s3.GetObjectInput{IfMatch: aws.String(strings.Trim(etag, `"`))}, 200},
		"match list":                  {s3.GetObjectInput{IfMatch: aws.String(other + ", " + etag)}, 200},
		"match any":                   {s3.GetObjectInput{IfMatch: aws.String("*")}, 200},
		"match other":                 {s3.GetObjectInput{IfMatch: &other}, 412},
		"none match":                  {s3.GetObjectInput{IfNoneMatch: &etag}, 304},
		"none match other":            {s3.GetObjectInput{IfNoneMatch: &other}, 200},
		"modified":                    {s3.GetObjectInput{IfModifiedSince: &before}, 200},
		"not modified":                {s3.GetObjectInput{IfModifiedSince: &now}, 304},
		"unmodified":                  {s3.GetObjectInput{IfUnmodifiedSince: &after}, 200},
		"unmodified now":              {s3.GetObjectInput{IfUnmodifiedSince: &now}, 200},
		"not unmodified":              {s3.GetObjectInput{IfUnmodifiedSince: &before}, 412},
		"match silences unmodified":   {s3.GetObjectInput{IfMatch: &etag, IfUnmodifiedSince: &before}, 200},
		"none match silences changed": {s3.GetObjectInput{IfNoneMatch: &other, IfModifiedSince: &after}, 200},
		"none match and changed":      {s3.GetObjectInput{IfNoneMatch: &etag, IfModifiedSince: &before}, 304},
	} {
		in := c.in
		in.Bucket, in.Key = &b, aws.String("k")
		out, err := w.GetObject(w.ctx(), &in)
		switch c.status {
		case 200:
			if err != nil {
				t.Errorf("%s: %v", name, err)
			} else {
				out.Body.Close()
			}
		case 304:
			r := refused(t, err, 304, "NotModified")
			if r.headers["ETag"] != etag || r.headers["Last-Modified"] != "Wed, 04 Mar 2026 05:06:07 GMT" {
				t.Errorf("%s: headers %v", name, r.headers)
			}
		case 412:
			r := says(t, err, 412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
			if !strings.HasPrefix(r.fieldNamed("Condition"), "If-") {
				t.Errorf("%s: fields %v", name, r.fields)
			}
		}
	}
}

func TestErrorsKeepTheirModel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bucketOf("alpha", "")
	_, _, err := w.get(b, "none", nil)
	var key *types.NoSuchKey
	if !errors.As(err, &key) {
		t.Errorf("GetObject: %T does not hold NoSuchKey", err)
	}
	_, _, err = w.get("none", "none", nil)
	var bucket *types.NoSuchBucket
	if !errors.As(err, &bucket) {
		t.Errorf("GetObject: %T does not hold NoSuchBucket", err)
	}
	_, err = w.HeadObject(w.ctx(), &s3.HeadObjectInput{Bucket: &b, Key: aws.String("none")})
	var missing *types.NotFound
	if !errors.As(err, &missing) {
		t.Errorf("HeadObject: %T does not hold NotFound", err)
	}
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorFault() != smithy.FaultClient {
		t.Errorf("HeadObject: %v is not the client's fault", err)
	}
}

// Reading sees either the whole old object or the whole new one while it is overwritten.
func TestReadWhileOverwritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bucketOf("alpha", "")
	bodies := map[string]bool{}
	var all []string
	for i := range 4 {
		s := strings.Repeat(string(rune('a'+i)), inlineLimit-2+i) // inline and blob
		bodies[s] = true
		all = append(all, s)
	}
	w.put(b, "k", all[0])
	done := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		defer close(done)
		for i := range 60 {
			w.put(b, "k", all[i%len(all)])
		}
	})
	for range 2 {
		group.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				got, out, err := w.get(b, "k", nil)
				if err != nil || !bodies[got] || *out.ContentLength != int64(len(got)) {
					t.Errorf("read %d bytes of %v: %v", len(got), out, err)
					return
				}
			}
		})
	}
	group.Wait()
}
