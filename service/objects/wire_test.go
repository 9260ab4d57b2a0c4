package objects_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/api"
	"countersign/service/identity"
	"countersign/service/objects"
	"countersign/store/storetest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/google/uuid"
)

const (
	testAccount = "111122223333"
	testKey     = "AKIAIOSFODNN7EXAMPLE"
	testSecret  = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	testRegion  = "eu-central-1"
)

// serve starts the API with S3 on a store of its own.
func serve(t *testing.T, secure bool) *httptest.Server {
	t.Helper()
	keep := storetest.New(t)
	id, err := identity.New(identity.Config{
		Store: keep, Account: testAccount, RootAccessKeyID: testKey, RootSecretAccessKey: testSecret, TokenKey: bytes.Repeat([]byte{7}, 32), Now: time.Now, Rand: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	svc := objects.New(objects.Config{Store: keep, Now: time.Now, Rand: rand.Reader})
	server, err := api.New(api.Config{
		Services: []api.Service{api.S3(svc)}, Credentials: id.Credential, Account: testAccount, Now: time.Now, NewRequestID: uuid.NewString,
	})
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewUnstartedServer(server)
	if secure {
		h.StartTLS()
	} else {
		h.Start()
	}
	t.Cleanup(h.Close)
	return h
}

func client(h *httptest.Server, change ...func(*s3.Options)) *s3.Client {
	return s3.New(s3.Options{
		Region: testRegion, BaseEndpoint: aws.String(h.URL), UsePathStyle: true, HTTPClient: h.Client(),
		Credentials: credentials.NewStaticCredentialsProvider(testKey, testSecret, ""), RetryMaxAttempts: 1,
		// As config.LoadDefaultConfig sets them: checksums on every upload and download.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported, ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported,
	}, change...)
}

func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return fmt.Sprint(err)
}

// The whole life of a bucket through the SDK, in the clear and over TLS, where
// the SDK sends chunks with trailing checksums.
func TestThroughTheSDK(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprint("tls=", secure), func(t *testing.T) {
			t.Parallel()
			c := client(serve(t, secure))
			ctx := t.Context()
			b := aws.String("trust-stores")
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			_, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: b, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: testRegion}})
			must(err)
			_, err = c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: b, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: testRegion}})
			var mine *types.BucketAlreadyOwnedByYou
			if !errors.As(err, &mine) {
				t.Errorf("create again: %v", err)
			}
			_, err = c.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: b, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}})
			must(err)
			location, err := c.GetBucketLocation(ctx, &s3.GetBucketLocationInput{Bucket: b})
			must(err)
			if location.LocationConstraint != testRegion {
				t.Errorf("location %q", location.LocationConstraint)
			}
			head, err := c.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: b})
			must(err)
			if *head.BucketRegion != testRegion {
				t.Errorf("region %q", *head.BucketRegion)
			}

			key := aws.String("a b+c/ü%20/truststore.pem")
			small, big := "hello", strings.Repeat("0123456789abcdef", 20000)
			put, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: key, Body: strings.NewReader(small), ContentType: aws.String("application/x-pem-file"),
				Metadata: map[string]string{"purpose": "test"}, Tagging: aws.String("a=b")})
			must(err)
			put2, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: key, Body: strings.NewReader(big), IfMatch: put.ETag})
			must(err)
			if aws.ToString(put.ChecksumCRC32) != "NhCmhg==" || *put.VersionId == *put2.VersionId {
				t.Errorf("put %+v then %+v", put, put2)
			}
			read := func(in *s3.GetObjectInput) (string, *s3.GetObjectOutput) {
				t.Helper()
				in.Bucket, in.Key = b, key
				out, err := c.GetObject(ctx, in)
				must(err)
				defer out.Body.Close()
				got, err := io.ReadAll(out.Body) // the SDK compares the checksum here
				must(err)
				return string(got), out
			}
			if got, out := read(&s3.GetObjectInput{VersionId: put.VersionId}); got != small || *out.ContentType != "application/x-pem-file" || out.Metadata["purpose"] != "test" ||
				*out.TagCount != 1 || out.ContentEncoding != nil || *out.ETag != *put.ETag || *out.VersionId != *put.VersionId || out.LastModified.IsZero() {
				t.Errorf("first version: %q %+v", got, out)
			}
			if got, _ := read(&s3.GetObjectInput{}); got != big {
				t.Errorf("second version: %d bytes", len(got))
			}
			if got, out := read(&s3.GetObjectInput{Range: aws.String("bytes=100000-100009")}); got != big[100000:100010] || *out.ContentRange != "bytes 100000-100009/320000" {
				t.Errorf("range: %q %v", got, out.ContentRange)
			}
			_, err = c.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: key, Range: aws.String("bytes=999999-")})
			if code(err) != "InvalidRange" {
				t.Errorf("range beyond the end: %v", err)
			}
			_, err = c.PutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: key, Body: strings.NewReader("x"), IfNoneMatch: aws.String("*")})
			if code(err) != "PreconditionFailed" {
				t.Errorf("put over what is there: %v", err)
			}
			_, err = c.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: key, IfNoneMatch: put2.ETag})
			var res interface{ HTTPStatusCode() int }
			if !errors.As(err, &res) || res.HTTPStatusCode() != 304 {
				t.Errorf("not modified: %v", err)
			}

			copied, err := c.CopyObject(ctx, &s3.CopyObjectInput{Bucket: b, Key: aws.String("copy"), CopySource: aws.String("trust-stores/a%20b%2Bc/%C3%BC%2520/truststore.pem?versionId=" + *put.VersionId)})
			must(err)
			if *copied.CopyObjectResult.ETag != *put.ETag {
				t.Errorf("copied %+v", copied.CopyObjectResult)
			}

			marker, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: b, Key: key})
			must(err)
			if !aws.ToBool(marker.DeleteMarker) {
				t.Errorf("delete %+v", marker)
			}
			_, err = c.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: key})
			var gone *types.NoSuchKey
			if !errors.As(err, &gone) {
				t.Errorf("get what is hidden: %v", err)
			}
			_, err = c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: b, Key: key})
			var missing *types.NotFound
			if !errors.As(err, &missing) {
				t.Errorf("head of what is hidden: %v", err)
			}
			_, err = c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: b, Key: key, VersionId: marker.VersionId})
			if !errors.As(err, &res) || res.HTTPStatusCode() != 405 {
				t.Errorf("head of a marker: %v", err)
			}

			versions, err := c.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: b, Prefix: aws.String("a b")})
			must(err)
			if len(versions.Versions) != 2 || len(versions.DeleteMarkers) != 1 || *versions.Versions[0].VersionId != *put2.VersionId || !*versions.DeleteMarkers[0].IsLatest || *versions.Versions[0].IsLatest {
				t.Errorf("versions %+v", versions)
			}
			list, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: b})
			must(err)
			if len(list.Contents) != 1 || *list.Contents[0].Key != "copy" || *list.KeyCount != 1 {
				t.Errorf("list %+v", list)
			}

			_, err = c.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: b, Policy: aws.String(`{"Statement":{"Effect":"Allow","Principal":{"Service":"acm-pca.amazonaws.com"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::trust-stores/*"}}`)})
			must(err)
			policy, err := c.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: b})
			must(err)
			if !strings.Contains(*policy.Policy, "acm-pca") {
				t.Errorf("policy %s", *policy.Policy)
			}
			_, err = c.GetBucketCors(ctx, &s3.GetBucketCorsInput{Bucket: b})
			if code(err) != "NoSuchCORSConfiguration" {
				t.Errorf("cors: %v", err)
			}
			if _, err = c.GetBucketLogging(ctx, &s3.GetBucketLoggingInput{Bucket: b}); err != nil {
				t.Errorf("logging: %v", err)
			}
			attributes, err := c.GetObjectAttributes(ctx, &s3.GetObjectAttributesInput{Bucket: b, Key: aws.String("copy"), ObjectAttributes: []types.ObjectAttributes{"ETag", "ObjectSize", "Checksum"}})
			must(err)
			if *attributes.ObjectSize != 5 || attributes.Checksum.ChecksumType != types.ChecksumTypeFullObject {
				t.Errorf("attributes %+v", attributes)
			}

			_, err = c.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: b})
			if code(err) != "BucketNotEmpty" {
				t.Errorf("delete a bucket in use: %v", err)
			}
			all, err := c.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: b})
			must(err)
			var ids []types.ObjectIdentifier
			for _, v := range all.Versions {
				ids = append(ids, types.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
			}
			for _, m := range all.DeleteMarkers {
				ids = append(ids, types.ObjectIdentifier{Key: m.Key, VersionId: m.VersionId})
			}
			deleted, err := c.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: b, Delete: &types.Delete{Objects: ids}})
			must(err)
			if len(deleted.Deleted) != len(ids) || len(deleted.Errors) != 0 {
				t.Errorf("deleted %+v", deleted)
			}
			_, err = c.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: b})
			must(err)
		})
	}
}

func TestMultipartThroughTheSDK(t *testing.T) {
	t.Parallel()
	c := client(serve(t, true))
	ctx := t.Context()
	b, key := aws.String("parts"), aws.String("big")
	if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: b, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: testRegion}}); err != nil {
		t.Fatal(err)
	}
	parts := []string{strings.Repeat("a", 5<<20), strings.Repeat("b", 5<<20+1), "c"}
	for _, algorithm := range []types.ChecksumAlgorithm{"", types.ChecksumAlgorithmCrc32, types.ChecksumAlgorithmSha256, types.ChecksumAlgorithmCrc64nvme} {
		up, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: b, Key: key, ChecksumAlgorithm: algorithm})
		if err != nil {
			t.Fatal(err)
		}
		var done []types.CompletedPart
		for i, p := range parts {
			number := aws.Int32(int32(i + 1))
			out, err := c.UploadPart(ctx, &s3.UploadPartInput{Bucket: b, Key: key, UploadId: up.UploadId, PartNumber: number, Body: strings.NewReader(p), ChecksumAlgorithm: algorithm})
			if err != nil {
				t.Fatalf("%s part %d: %v", algorithm, i+1, err)
			}
			done = append(done, types.CompletedPart{PartNumber: number, ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32, ChecksumSHA256: out.ChecksumSHA256, ChecksumCRC64NVME: out.ChecksumCRC64NVME})
		}
		listed, err := c.ListParts(ctx, &s3.ListPartsInput{Bucket: b, Key: key, UploadId: up.UploadId})
		if err != nil || len(listed.Parts) != 3 {
			t.Fatalf("%s: parts %+v %v", algorithm, listed, err)
		}
		end, err := c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: b, Key: key, UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: done}})
		if err != nil {
			t.Fatalf("%s: complete: %v", algorithm, err)
		}
		if !strings.HasSuffix(*end.ETag, `-3"`) || !strings.HasSuffix(*end.Location, "/parts/big") {
			t.Errorf("%s: %+v", algorithm, end)
		}
		out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: key})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(out.Body)
		out.Body.Close()
		if err != nil || string(got) != strings.Join(parts, "") {
			t.Errorf("%s: %d bytes: %v", algorithm, len(got), err)
		}
	}
}

// Requests that the SDK would not make: what is refused on the wire leaves nothing.
func TestBadUploadsOverTheWire(t *testing.T) {
	t.Parallel()
	h := serve(t, false)
	c := client(h)
	ctx := t.Context()
	b := aws.String("bad-uploads")
	if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: b, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: testRegion}}); err != nil {
		t.Fatal(err)
	}
	signed, err := s3.NewPresignClient(c).PresignPutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: aws.String("k"), ContentLength: aws.Int64(5)})
	if err != nil {
		t.Fatal(err)
	}
	send := func(header map[string]string, body io.Reader, length int64) int {
		t.Helper()
		req, err := http.NewRequestWithContext(ctx, http.MethodPut, signed.URL, body)
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = length
		for k, v := range header {
			req.Header.Set(k, v)
		}
		res, err := h.Client().Do(req)
		if err != nil {
			return 0 // cut by ourselves
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		return res.StatusCode
	}
	if got := send(map[string]string{"Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="}, strings.NewReader("hello"), 5); got != 400 {
		t.Errorf("wrong MD5: %d", got)
	}
	send(nil, cut{strings.NewReader("he")}, 5) // the connection ends after two bytes
	if _, err = c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: b, Key: aws.String("k")}); code(err) != "NotFound" {
		t.Errorf("a refused upload is there: %v", err)
	}
	if got := send(nil, strings.NewReader("hello"), 5); got != 200 {
		t.Errorf("right: %d", got)
	}
	get, err := s3.NewPresignClient(c).PresignGetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: aws.String("k"), ResponseContentType: aws.String("text/x")})
	if err != nil {
		t.Fatal(err)
	}
	res, err := h.Client().Get(get.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got, _ := io.ReadAll(res.Body); string(got) != "hello" || res.Header.Get("Content-Type") != "text/x" || res.ContentLength != 5 {
		t.Errorf("presigned: %q %v", got, res.Header)
	}
}

// cut ends in an error where its reader ends.
type cut struct{ io.Reader }

func (r cut) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if err == io.EOF {
		err = errors.New("gone")
	}
	return n, err
}

// A bucket may be addressed by its host name.
func TestVirtualHost(t *testing.T) {
	t.Parallel()
	h := serve(t, false)
	ctx := t.Context()
	b := aws.String("by-host")
	if _, err := client(h).CreateBucket(ctx, &s3.CreateBucketInput{Bucket: b, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: testRegion}}); err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(strings.TrimPrefix(h.URL, "http://"), ":")
	c := client(h, func(o *s3.Options) {
		o.UsePathStyle, o.BaseEndpoint = false, aws.String("http://localhost:"+port)
		// by-host.localhost need not resolve on every machine.
		dial := h.Client().Transport.(*http.Transport).Clone()
		dial.Proxy = nil
		dial.DialContext = dialTo(strings.TrimPrefix(h.URL, "http://"))
		o.HTTPClient = &http.Client{Transport: dial}
	})
	if _, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: aws.String("a/b"), Body: strings.NewReader("x")}); err != nil {
		t.Fatal(err)
	}
	out, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: b})
	if err != nil || len(out.Contents) != 1 || *out.Contents[0].Key != "a/b" {
		t.Errorf("%+v %v", out, err)
	}
}

// Paginators of the SDK reach every key, with names that XML minds.
func TestPaginators(t *testing.T) {
	t.Parallel()
	c := client(serve(t, false))
	ctx := t.Context()
	b := aws.String("pages")
	if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: b, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: testRegion}}); err != nil {
		t.Fatal(err)
	}
	keys := []string{"<&>", "a b", "a+b", "a/b/c", "a/d", "ü", "\"quoted\"", "z", "…"}
	slices.Sort(keys)
	for _, k := range keys {
		if _, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: &k, Body: strings.NewReader(k)}); err != nil {
			t.Fatalf("%q: %v", k, err)
		}
	}
	var got []string
	pages := s3.NewListObjectsV2Paginator(c, &s3.ListObjectsV2Input{Bucket: b, MaxKeys: aws.Int32(2)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			got = append(got, *o.Key)
		}
	}
	if !slices.Equal(got, keys) {
		t.Errorf("got %q, want %q", got, keys)
	}
}

// The AWS CLI copies files in and out, small ones and such that it sends in
// parts, over HTTP and HTTPS.
func TestCLI(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("the CLI is slow to start")
	}
	aws, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("the AWS CLI is not installed")
	}
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprint("tls=", secure), func(t *testing.T) {
			t.Parallel()
			h := serve(t, secure)
			dir := t.TempDir()
			env := append(os.Environ(), "AWS_ACCESS_KEY_ID="+testKey, "AWS_SECRET_ACCESS_KEY="+testSecret, "AWS_REGION="+testRegion, "AWS_DEFAULT_REGION="+testRegion,
				"AWS_ENDPOINT_URL="+h.URL, "AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE="+filepath.Join(dir, "none"), "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(dir, "none"),
				"NO_PROXY=127.0.0.1,localhost", "no_proxy=127.0.0.1,localhost")
			if secure {
				ca := filepath.Join(dir, "ca.pem")
				if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate().Raw}), 0o600); err != nil {
					t.Fatal(err)
				}
				env = append(env, "AWS_CA_BUNDLE="+ca)
			}
			run := func(args ...string) string {
				t.Helper()
				cmd := exec.CommandContext(t.Context(), aws, args...)
				cmd.Env, cmd.Dir = env, dir
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("aws %s: %v\n%s", strings.Join(args, " "), err, out)
				}
				return string(out)
			}
			run("s3", "mb", "s3://from-the-cli")
			run("s3api", "put-bucket-versioning", "--bucket", "from-the-cli", "--versioning-configuration", "Status=Enabled")
			for name, size := range map[string]int{"small.pem": 1000, "large.bin": 17 << 20} {
				body := bytes.Repeat([]byte("0123456789abcdef"), size/16)
				if err := os.WriteFile(filepath.Join(dir, name), body, 0o600); err != nil {
					t.Fatal(err)
				}
				run("s3", "cp", name, "s3://from-the-cli/dir/"+name)
				run("s3", "cp", "s3://from-the-cli/dir/"+name, "back")
				back, err := os.ReadFile(filepath.Join(dir, "back"))
				if err != nil || !bytes.Equal(back, body) {
					t.Errorf("%s came back as %d bytes: %v", name, len(back), err)
				}
			}
			if got := run("s3", "ls", "s3://from-the-cli/dir/"); !strings.Contains(got, "small.pem") || !strings.Contains(got, "large.bin") {
				t.Errorf("ls: %s", got)
			}
			if got := run("s3api", "list-object-versions", "--bucket", "from-the-cli", "--query", "Versions[].Key", "--output", "text"); !strings.Contains(got, "dir/large.bin") {
				t.Errorf("versions: %s", got)
			}
			run("s3", "rm", "--recursive", "s3://from-the-cli/")
		})
	}
}

// dialTo dials one address whatever name is asked for.
func dialTo(address string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}
}

// TestPublicObjectOverTheWire fetches as the clients of a CRL do: without a
// signature, by the host name of the bucket.
func TestPublicObjectOverTheWire(t *testing.T) {
	t.Parallel()
	h := serve(t, false)
	c := client(h)
	bucket := aws.String("crls")
	if _, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: bucket, ObjectOwnership: types.ObjectOwnershipObjectWriter,
		CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: testRegion}}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeletePublicAccessBlock(t.Context(), &s3.DeletePublicAccessBlockInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	for key, acl := range map[string]types.ObjectCannedACL{"2013-04-01/hostedzone": types.ObjectCannedACLPublicRead, "private": ""} {
		if _, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: &key, ACL: acl, Body: strings.NewReader("list"), ContentType: aws.String("application/pkix-crl")}); err != nil {
			t.Fatal(err)
		}
	}
	fetch := func(method, path string) (int, string, http.Header) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, h.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "crls.s3." + testRegion + ".amazonaws.com"
		res, err := h.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body), res.Header
	}
	if status, body, header := fetch("GET", "/2013-04-01/hostedzone"); status != 200 || body != "list" || header.Get("Content-Type") != "application/pkix-crl" {
		t.Errorf("a public object: %d %q %v", status, body, header)
	}
	if status, _, header := fetch("HEAD", "/2013-04-01/hostedzone"); status != 200 || header.Get("Content-Length") != "4" {
		t.Errorf("its head: %d %v", status, header)
	}
	for method, paths := range map[string][]string{"GET": {"/private", "/missing", "/", "/?acl", "/2013-04-01/hostedzone?acl"}, "PUT": {"/2013-04-01/hostedzone"}, "DELETE": {"/2013-04-01/hostedzone"}} {
		for _, path := range paths {
			if status, body, _ := fetch(method, path); status != 403 {
				t.Errorf("%s %s: %d %s, want 403", method, path, status, body)
			}
		}
	}
}
