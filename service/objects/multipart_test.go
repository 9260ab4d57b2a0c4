package objects

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"countersign/store/storetest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func (w *world) begin(bucket, key string, algorithm types.ChecksumAlgorithm, kind types.ChecksumType) string {
	w.Helper()
	out, err := w.CreateMultipartUpload(w.ctx(), &s3.CreateMultipartUploadInput{Bucket: &bucket, Key: &key, ChecksumAlgorithm: algorithm, ChecksumType: kind, ContentType: aws.String("text/x")})
	if err != nil {
		w.Fatal(err)
	}
	return *out.UploadId
}

func (w *world) part(bucket, key, id string, number int, body string) types.CompletedPart {
	w.Helper()
	out, err := w.UploadPart(w.ctx(), &s3.UploadPartInput{Bucket: &bucket, Key: &key, UploadId: &id, PartNumber: aws.Int32(int32(number)), Body: strings.NewReader(body)})
	if err != nil {
		w.Fatalf("part %d: %v", number, err)
	}
	return types.CompletedPart{PartNumber: aws.Int32(int32(number)), ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32, ChecksumCRC32C: out.ChecksumCRC32C,
		ChecksumCRC64NVME: out.ChecksumCRC64NVME, ChecksumSHA1: out.ChecksumSHA1, ChecksumSHA256: out.ChecksumSHA256}
}

func (w *world) complete(bucket, key, id string, parts ...types.CompletedPart) (*s3.CompleteMultipartUploadOutput, error) {
	return w.CompleteMultipartUpload(w.ctx(), &s3.CompleteMultipartUploadInput{Bucket: &bucket, Key: &key, UploadId: &id, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
}

func digest(a algorithm, s string) string {
	h := a.new()
	io.WriteString(h, s)
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

func TestMultipart(t *testing.T) {
	t.Parallel()
	st := countBlobs(storetest.New(t))
	w := newWorldOn(t, st)
	b := w.bucketOf("alpha", "Enabled")
	one, two, three := large(minPart), large(minPart + 1)[1:], "the end"
	whole := one + two + three
	w.put(b, "k", "before")
	id := w.begin(b, "k", "", "")
	w.part(b, "k", id, 7, "never listed")
	w.part(b, "k", id, 2, "replaced")
	p3 := w.part(b, "k", id, 3, three)
	p1 := w.part(b, "k", id, 1, one)
	p2 := w.part(b, "k", id, 2, two)
	w.want(b, "k", nil, "before")
	if n := st.live(); n != 4 {
		t.Errorf("%d blobs, want 4", n)
	}
	out, err := w.complete(b, "k", id, p1, p2, p3)
	if err != nil {
		t.Fatal(err)
	}
	sum := md5.New()
	for _, p := range []string{one, two, three} {
		d := md5.Sum([]byte(p))
		sum.Write(d[:])
	}
	if want := `"` + hex.EncodeToString(sum.Sum(nil)) + `-3"`; *out.ETag != want {
		t.Errorf("ETag %s, want %s", *out.ETag, want)
	}
	crc, _ := algorithmNamed("CRC64NVME")
	if aws.ToString(out.ChecksumCRC64NVME) != digest(crc, whole) || out.ChecksumType != types.ChecksumTypeFullObject {
		t.Errorf("checksum %+v", out)
	}
	got := w.want(b, "k", nil, whole)
	if *got.ETag != *out.ETag || *got.VersionId != *out.VersionId || *got.ContentType != "text/x" {
		t.Errorf("got %+v", got)
	}
	for header, want := range map[string]string{
		"bytes=0-9": whole[:10], fmt.Sprintf("bytes=%d-%d", minPart-5, minPart+4): whole[minPart-5 : minPart+5],
		fmt.Sprintf("bytes=%d-", 2*minPart-3): whole[2*minPart-3:], "bytes=-9": whole[len(whole)-9:],
	} {
		out, err := w.GetObject(w.ctx(), &s3.GetObjectInput{Bucket: &b, Key: aws.String("k"), Range: &header})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(out.Body)
		out.Body.Close()
		if err != nil || string(got) != want {
			t.Errorf("%s: %d bytes, want %d: %v", header, len(got), len(want), err)
		}
	}
	byPart, err := w.GetObject(w.ctx(), &s3.GetObjectInput{Bucket: &b, Key: aws.String("k"), PartNumber: aws.Int32(3)})
	if err != nil {
		t.Fatal(err)
	}
	last, _ := io.ReadAll(byPart.Body)
	byPart.Body.Close()
	if string(last) != three || *byPart.PartsCount != 3 || *byPart.ContentRange != fmt.Sprintf("bytes %d-%d/%d", 2*minPart, len(whole)-1, len(whole)) {
		t.Errorf("part 3: %d bytes, %s", len(last), *byPart.ContentRange)
	}
	_, err = w.GetObject(w.ctx(), &s3.GetObjectInput{Bucket: &b, Key: aws.String("k"), PartNumber: aws.Int32(4)})
	refused(t, err, 416, "InvalidPartNumber")

	// A copy is one piece.
	if _, err := w.CopyObject(w.ctx(), &s3.CopyObjectInput{Bucket: &b, Key: aws.String("copy"), CopySource: aws.String("alpha/k")}); err != nil {
		t.Fatal(err)
	}
	w.want(b, "copy", nil, whole)

	_, err = w.complete(b, "k", id, p1, p2, p3)
	refused(t, err, 404, "NoSuchUpload")
	if n := w.count(kindUpload) + w.count(kindPart); n != 0 || st.live() != 4 {
		t.Errorf("%d records of the upload are left, and %d blobs, want 0 and 4", n, st.live())
	}
	w.delete(b, "k", out.VersionId)
	w.want(b, "k", nil, "before")
	if n := w.count(kindManifest); n != 0 || st.live() != 1 {
		t.Errorf("%d manifests and %d blobs are left, want 0 and 1", n, st.live())
	}
}

func TestMultipartRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bucketOf("alpha", "")
	id := w.begin(b, "k", "", "")
	p1, p2 := w.part(b, "k", id, 1, "small"), w.part(b, "k", id, 2, "small too")
	_, err := w.complete(b, "k", id)
	refused(t, err, 400, "MalformedXML")
	_, err = w.complete(b, "k", id, p2, p1)
	refused(t, err, 400, "InvalidPartOrder")
	_, err = w.complete(b, "k", id, p1, types.CompletedPart{PartNumber: aws.Int32(3), ETag: p1.ETag})
	refused(t, err, 400, "InvalidPart")
	_, err = w.complete(b, "k", id, types.CompletedPart{PartNumber: aws.Int32(1), ETag: p2.ETag})
	refused(t, err, 400, "InvalidPart")
	_, err = w.complete(b, "k", id, p1, p2)
	r := says(t, err, 400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
	if r.fieldNamed("ProposedSize") != "5" || r.fieldNamed("MinSizeAllowed") != "5242880" || r.fieldNamed("PartNumber") != "1" {
		t.Errorf("fields %v", r.fields)
	}
	_, err = w.CompleteMultipartUpload(w.ctx(), &s3.CompleteMultipartUploadInput{Bucket: &b, Key: aws.String("k"), UploadId: &id, MpuObjectSize: aws.Int64(9),
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{p1}}})
	refused(t, err, 400, "InvalidRequest")
	_, err = w.CompleteMultipartUpload(w.ctx(), &s3.CompleteMultipartUploadInput{Bucket: &b, Key: aws.String("k"), UploadId: &id, ChecksumCRC64NVME: aws.String("AAAAAAAAAAA="),
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{p1}}})
	refused(t, err, 400, "BadDigest")
	for _, bad := range []string{"", "x", strings.Repeat("a", 32)} {
		_, err = w.UploadPart(w.ctx(), &s3.UploadPartInput{Bucket: &b, Key: aws.String("k"), UploadId: &bad, PartNumber: aws.Int32(1), Body: strings.NewReader("x")})
		refused(t, err, 404, "NoSuchUpload")
	}
	_, err = w.UploadPart(w.ctx(), &s3.UploadPartInput{Bucket: &b, Key: aws.String("other"), UploadId: &id, PartNumber: aws.Int32(1), Body: strings.NewReader("x")})
	refused(t, err, 404, "NoSuchUpload")
	for _, number := range []int32{0, -1, 10001} {
		_, err = w.UploadPart(w.ctx(), &s3.UploadPartInput{Bucket: &b, Key: aws.String("k"), UploadId: &id, PartNumber: &number, Body: strings.NewReader("x")})
		refused(t, err, 400, "InvalidArgument")
	}
	// What was refused can be mended: the upload is still there.
	w.put(b, "k", "there")
	_, err = w.CompleteMultipartUpload(w.ctx(), &s3.CompleteMultipartUploadInput{Bucket: &b, Key: aws.String("k"), UploadId: &id, IfNoneMatch: aws.String("*"),
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{p1}}})
	refused(t, err, 412, "PreconditionFailed")
	if _, err = w.complete(b, "k", id, p2); err != nil {
		t.Fatal(err)
	}
	w.want(b, "k", nil, "small too")
}

func TestMultipartChecksums(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bucketOf("alpha", "")
	one, two := large(minPart), "tail"
	for _, c := range []struct {
		algorithm types.ChecksumAlgorithm
		kind      types.ChecksumType
	}{
		{"CRC32", ""}, {"CRC32C", "COMPOSITE"}, {"SHA1", ""}, {"SHA256", "COMPOSITE"}, {"CRC32", "FULL_OBJECT"}, {"CRC32C", "FULL_OBJECT"}, {"CRC64NVME", ""},
	} {
		name := string(c.algorithm) + " " + string(c.kind)
		a, _ := algorithmNamed(string(c.algorithm))
		id := w.begin(b, "k", c.algorithm, c.kind)
		p1, p2 := w.part(b, "k", id, 1, one), w.part(b, "k", id, 2, two)
		want := digest(a, one+two)
		if a.name != "CRC64NVME" && c.kind != "FULL_OBJECT" {
			h := a.new()
			for _, p := range []string{one, two} {
				d := a.new()
				io.WriteString(d, p)
				h.Write(d.Sum(nil))
			}
			want = base64.StdEncoding.EncodeToString(h.Sum(nil)) + "-2"
			bare := p2
			bare.ChecksumCRC32, bare.ChecksumCRC32C, bare.ChecksumSHA1, bare.ChecksumSHA256 = nil, nil, nil, nil
			_, err := w.complete(b, "k", id, p1, bare)
			refused(t, err, 400, "InvalidRequest")
		}
		if _, err := w.complete(b, "k", id, p1, p2); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out, err := w.GetObjectAttributes(w.ctx(), &s3.GetObjectAttributesInput{Bucket: &b, Key: aws.String("k"),
			ObjectAttributes: []types.ObjectAttributes{types.ObjectAttributesChecksum, types.ObjectAttributesObjectParts}})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, s := range []*string{out.Checksum.ChecksumCRC32, out.Checksum.ChecksumCRC32C, out.Checksum.ChecksumCRC64NVME, out.Checksum.ChecksumSHA1, out.Checksum.ChecksumSHA256} {
			got += aws.ToString(s)
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
		if *out.ObjectParts.TotalPartsCount != 2 || (len(out.ObjectParts.Parts) == 2) != strings.HasSuffix(want, "-2") {
			t.Errorf("%s: parts %+v", name, out.ObjectParts)
		}
	}
	for _, c := range []struct {
		algorithm types.ChecksumAlgorithm
		kind      types.ChecksumType
	}{{"SHA1", "FULL_OBJECT"}, {"CRC64NVME", "COMPOSITE"}, {"", "COMPOSITE"}, {"CRC32", "HALF"}} {
		_, err := w.CreateMultipartUpload(w.ctx(), &s3.CreateMultipartUploadInput{Bucket: &b, Key: aws.String("k"), ChecksumAlgorithm: c.algorithm, ChecksumType: c.kind})
		refused(t, err, 400, "InvalidRequest")
	}
	id := w.begin(b, "k", "SHA256", "")
	_, err := w.UploadPart(w.ctx(), &s3.UploadPartInput{Bucket: &b, Key: aws.String("k"), UploadId: &id, PartNumber: aws.Int32(1), Body: strings.NewReader("hello"), ChecksumCRC32: aws.String("NhCmhg==")})
	says(t, err, 400, "InvalidRequest", "Checksum Type mismatch occurred, expected checksum Type: sha256, actual checksum Type: crc32")
	// Without a declared algorithm a part may bring any; the object's is CRC64NVME.
	id = w.begin(b, "k", "", "")
	out, err := w.UploadPart(w.ctx(), &s3.UploadPartInput{Bucket: &b, Key: aws.String("k"), UploadId: &id, PartNumber: aws.Int32(1), Body: strings.NewReader("hello"), ChecksumCRC32: aws.String("NhCmhg==")})
	if err != nil || aws.ToString(out.ChecksumCRC32) != "NhCmhg==" {
		t.Fatalf("%+v %v", out, err)
	}
	done, err := w.complete(b, "k", id, types.CompletedPart{PartNumber: aws.Int32(1), ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32})
	if err != nil || aws.ToString(done.ChecksumCRC64NVME) != "M3eFcAZSQlc=" {
		t.Fatalf("%+v %v", done, err)
	}
}

func TestListUploadsAndParts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bucketOf("alpha", "")
	var ids []string
	for _, k := range []string{"a", "a", "b/1", "b/2", "c"} {
		w.wait(1e9)
		ids = append(ids, w.begin(b, k, "", ""))
	}
	var got []string
	in := &s3.ListMultipartUploadsInput{Bucket: &b, MaxUploads: aws.Int32(1)}
	for {
		out, err := w.ListMultipartUploads(w.ctx(), in)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range out.Uploads {
			got = append(got, *u.UploadId)
		}
		if !*out.IsTruncated {
			break
		}
		in.KeyMarker, in.UploadIdMarker = out.NextKeyMarker, out.NextUploadIdMarker
	}
	if fmt.Sprint(got) != fmt.Sprint(ids) {
		t.Errorf("uploads %v, want %v", got, ids)
	}
	rolled, err := w.ListMultipartUploads(w.ctx(), &s3.ListMultipartUploadsInput{Bucket: &b, Delimiter: aws.String("/")})
	if err != nil || len(rolled.Uploads) != 3 || len(rolled.CommonPrefixes) != 1 || *rolled.CommonPrefixes[0].Prefix != "b/" {
		t.Errorf("rolled up: %+v %v", rolled, err)
	}
	for n := range 5 {
		w.part(b, "c", ids[4], n*3+1, fmt.Sprint(n))
	}
	var numbers []int32
	lp := &s3.ListPartsInput{Bucket: &b, Key: aws.String("c"), UploadId: &ids[4], MaxParts: aws.Int32(2)}
	for {
		out, err := w.ListParts(w.ctx(), lp)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range out.Parts {
			numbers = append(numbers, *p.PartNumber)
		}
		if !*out.IsTruncated {
			break
		}
		lp.PartNumberMarker = out.NextPartNumberMarker
	}
	if fmt.Sprint(numbers) != "[1 4 7 10 13]" {
		t.Errorf("parts %v", numbers)
	}
	if _, err := w.AbortMultipartUpload(w.ctx(), &s3.AbortMultipartUploadInput{Bucket: &b, Key: aws.String("c"), UploadId: &ids[4]}); err != nil {
		t.Fatal(err)
	}
	_, err = w.ListParts(w.ctx(), &s3.ListPartsInput{Bucket: &b, Key: aws.String("c"), UploadId: &ids[4]})
	refused(t, err, 404, "NoSuchUpload")
	if n := w.count(kindPart); n != 0 {
		t.Errorf("%d parts are left", n)
	}
}

func TestUploadPartCopy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bucketOf("alpha", "")
	body := large(minPart + 100)
	w.put(b, "source", body)
	id := w.begin(b, "k", "", "")
	copyPart := func(number int32, byteRange *string) (types.CompletedPart, error) {
		out, err := w.UploadPartCopy(w.ctx(), &s3.UploadPartCopyInput{Bucket: &b, Key: aws.String("k"), UploadId: &id, PartNumber: &number, CopySource: aws.String("alpha/source"), CopySourceRange: byteRange})
		if err != nil {
			return types.CompletedPart{}, err
		}
		return types.CompletedPart{PartNumber: &number, ETag: out.CopyPartResult.ETag}, nil
	}
	p1, err := copyPart(1, nil)
	if err != nil {
		t.Fatal(err)
	}
	p2, err := copyPart(2, aws.String("bytes=10-19"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.complete(b, "k", id, p1, p2); err != nil {
		t.Fatal(err)
	}
	w.want(b, "k", nil, body+body[10:20])
	id = w.begin(b, "k", "", "")
	for _, bad := range []string{"bytes=10-", "bytes=5-1", "10-20", "bytes=0-99999999"} {
		_, err := copyPart(1, &bad)
		refused(t, err, 400, "InvalidArgument")
	}
}

// Parts that come while their upload ends are either in it or refused; no part
// and no blob is left over.
func TestRacingParts(t *testing.T) {
	t.Parallel()
	st := countBlobs(storetest.New(t))
	w, other := newWorldOn(t, st), newWorldOn(t, st)
	b := w.bucketOf("alpha", "")
	for range 10 {
		id := w.begin(b, "k", "", "")
		p := w.part(b, "k", id, 1, "one")
		var group sync.WaitGroup
		group.Go(func() {
			if _, err := w.complete(b, "k", id, p); err != nil {
				t.Errorf("complete: %v", err)
			}
		})
		for i := range 4 {
			group.Go(func() {
				_, err := other.UploadPart(w.ctx(), &s3.UploadPartInput{Bucket: &b, Key: aws.String("k"), UploadId: &id, PartNumber: aws.Int32(int32(i + 2)), Body: strings.NewReader("late")})
				if r, ok := err.(*refusal); err != nil && (!ok || r.ErrorCode() != "NoSuchUpload") {
					t.Errorf("late part: %v", err)
				}
			})
		}
		group.Wait()
		w.want(b, "k", nil, "one")
		if n := w.count(kindPart) + w.count(kindUpload); n != 0 || st.live() != 1 {
			t.Fatalf("%d records of ended uploads, %d blobs, want 0 and 1", n, st.live())
		}
	}
}
