package objects

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"countersign/store"
	"countersign/store/storetest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// lines shows a page: keys, and common prefixes with a bar behind.
func lines(contents []types.Object, prefixes []types.CommonPrefix) []string {
	var out []string
	for _, o := range contents {
		out = append(out, *o.Key)
	}
	for _, p := range prefixes {
		out = append(out, *p.Prefix+"|")
	}
	slices.Sort(out)
	return out
}

// reference lists keys the slow way.
func reference(keys []string, prefix, delimiter, after string) []string {
	var out []string
	for _, k := range keys {
		if !strings.HasPrefix(k, prefix) || k <= after {
			continue
		}
		if delimiter != "" {
			if i := strings.Index(k[len(prefix):], delimiter); i >= 0 {
				p := k[:len(prefix)+i+len(delimiter)]
				if p == after {
					continue
				}
				k = p + "|"
			}
		}
		if !slices.Contains(out, k) {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}

var listed = []string{
	"a", "a/", "a/b", "a/b/c", "a/b/d", "a/c", "a0", "b", "b\x00", "b\x00/x", "b\x01", "c/1", "c/2", "c//3", "d e", "d+e", "d%e", "ü/1", "ü/2", "z/y/x/w", "\U0001F600",
}

func TestListing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bucketOf("alpha", "Enabled")
	other := w.bucketOf("alpha2", "")
	w.put(other, "a", "")
	for _, k := range listed {
		w.put(b, k, "x")
		w.put(b, k, "xy")
	}
	w.put(b, "hidden/1", "")
	w.delete(b, "hidden/1", nil)
	for _, prefix := range []string{"", "a", "a/", "a/b", "b\x00", "c/", "ü", "nothing", "\xff"} {
		for _, delimiter := range []string{"", "/", "b", "//"} {
			for _, after := range []string{"", "a", "a/", "a/b", "a/b/", "b", "b\x00/", "c/", "c/1", "zz", "\xff"} {
				want := reference(listed, prefix, delimiter, after)
				for _, most := range []int32{1, 2, 3, 1000} {
					name := fmt.Sprintf("prefix %q delimiter %q after %q by %d", prefix, delimiter, after, most)
					var v2, v1 []string
					in := &s3.ListObjectsV2Input{Bucket: &b, Prefix: &prefix, Delimiter: &delimiter, StartAfter: &after, MaxKeys: &most}
					for page := 0; ; page++ {
						out, err := w.ListObjectsV2(w.ctx(), in)
						if err != nil {
							t.Fatalf("%s: %v", name, err)
						}
						got := lines(out.Contents, out.CommonPrefixes)
						if len(got) > int(most) || int(*out.KeyCount) != len(got) || *out.IsTruncated != (out.NextContinuationToken != nil) || page > 100 {
							t.Fatalf("%s: page %d has %d lines, says %d, truncated %v", name, page, len(got), *out.KeyCount, *out.IsTruncated)
						}
						v2 = append(v2, got...)
						if in.ContinuationToken = out.NextContinuationToken; in.ContinuationToken == nil {
							break
						}
					}
					if !slices.Equal(v2, want) {
						t.Fatalf("%s: got %q, want %q", name, v2, want)
					}
					if delimiter == "" {
						continue
					}
					in1 := &s3.ListObjectsInput{Bucket: &b, Prefix: &prefix, Delimiter: &delimiter, Marker: &after, MaxKeys: &most}
					for {
						out, err := w.ListObjects(w.ctx(), in1)
						if err != nil {
							t.Fatalf("%s: %v", name, err)
						}
						v1 = append(v1, lines(out.Contents, out.CommonPrefixes)...)
						if !*out.IsTruncated {
							break
						}
						in1.Marker = out.NextMarker
					}
					if !slices.Equal(v1, want) {
						t.Fatalf("%s, first version: got %q, want %q", name, v1, want)
					}
				}
			}
		}
	}
}

func TestListingDetails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bucketOf("alpha", "")
	w.put(b, "d e+f/g", "hello")
	out, err := w.ListObjectsV2(w.ctx(), &s3.ListObjectsV2Input{Bucket: &b, EncodingType: types.EncodingTypeUrl, FetchOwner: aws.Bool(true), Prefix: aws.String("d e")})
	if err != nil {
		t.Fatal(err)
	}
	o := out.Contents[0]
	if *o.Key != "d+e%2Bf/g" || *out.Prefix != "d+e" || *o.Size != 5 || *o.ETag != `"5d41402abc4b2a76b9719d911017c592"` || len(*o.Owner.ID) != 64 ||
		o.StorageClass != types.ObjectStorageClassStandard || o.ChecksumAlgorithm[0] != types.ChecksumAlgorithmCrc64nvme {
		t.Errorf("object %+v of %+v", o, out)
	}
	plain, err := w.ListObjectsV2(w.ctx(), &s3.ListObjectsV2Input{Bucket: &b})
	if err != nil || plain.Contents[0].Owner != nil || *plain.MaxKeys != 1000 {
		t.Errorf("plain: %+v %v", plain, err)
	}
	none, err := w.ListObjectsV2(w.ctx(), &s3.ListObjectsV2Input{Bucket: &b, MaxKeys: aws.Int32(0)})
	if err != nil || *none.IsTruncated || len(none.Contents) != 0 {
		t.Errorf("none: %+v %v", none, err)
	}
	_, err = w.ListObjectsV2(w.ctx(), &s3.ListObjectsV2Input{Bucket: &b, MaxKeys: aws.Int32(-1)})
	refused(t, err, 400, "InvalidArgument")
	_, err = w.ListObjectsV2(w.ctx(), &s3.ListObjectsV2Input{Bucket: &b, EncodingType: "rot13"})
	refused(t, err, 400, "InvalidArgument")
	_, err = w.ListObjectVersions(w.ctx(), &s3.ListObjectVersionsInput{Bucket: &b, VersionIdMarker: aws.String("x")})
	says(t, err, 400, "InvalidArgument", "A version-id marker cannot be specified without a key marker.")
}

func TestTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bucketOf("alpha", "")
	for _, k := range []string{"a", "b", "c"} {
		w.put(b, k, "")
	}
	list := func(token, prefix *string) (*s3.ListObjectsV2Output, error) {
		return w.ListObjectsV2(w.ctx(), &s3.ListObjectsV2Input{Bucket: &b, MaxKeys: aws.Int32(1), ContinuationToken: token, Prefix: prefix})
	}
	first, err := list(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	token := *first.NextContinuationToken
	if second, err := list(&token, nil); err != nil || *second.Contents[0].Key != "b" {
		t.Fatalf("second page: %v", err)
	}
	_, err = list(&token, aws.String("b"))
	says(t, err, 400, "InvalidArgument", "The continuation token provided is incorrect")
	for i := range token {
		changed := []byte(token)
		changed[i] ^= 1
		_, err := list(aws.String(string(changed)), nil)
		refused(t, err, 400, "InvalidArgument")
	}
	for _, bad := range []string{"", "x", token[:8], token + token} {
		_, err := list(&bad, nil)
		refused(t, err, 400, "InvalidArgument")
	}
}

func TestListVersions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bucketOf("alpha", "")
	w.put(b, "a", "null")
	w.put(b, "b/1", "")
	w.versioning(b, "Enabled")
	for range 3 {
		w.put(b, "a", "")
		w.put(b, "b/1", "")
		w.put(b, "b/2", "")
		w.put(b, "c", "")
		w.put(b, "c\x00d", "")
	}
	w.delete(b, "c", nil)
	type row struct{ key, id string }
	for _, most := range []int32{1, 2, 3, 5, 1000} {
		var got []row
		latest := map[string]int{}
		in := &s3.ListObjectVersionsInput{Bucket: &b, MaxKeys: &most}
		for {
			out, err := w.ListObjectVersions(w.ctx(), in)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range out.Versions {
				got = append(got, row{*v.Key, *v.VersionId})
				if *v.IsLatest {
					latest[*v.Key]++
				}
			}
			for _, m := range out.DeleteMarkers {
				got = append(got, row{*m.Key, *m.VersionId})
				if *m.IsLatest {
					latest[*m.Key+"!"]++
				}
			}
			if len(out.Versions)+len(out.DeleteMarkers) > int(most) {
				t.Fatalf("%d entries on a page of %d", len(out.Versions), most)
			}
			if !*out.IsTruncated {
				break
			}
			in.KeyMarker, in.VersionIdMarker = out.NextKeyMarker, out.NextVersionIdMarker
		}
		if len(got) != 4+4+3+4+3 {
			t.Fatalf("by %d: %d entries", most, len(got))
		}
		seen := map[row]bool{}
		for _, r := range got {
			if seen[r] {
				t.Errorf("by %d: %v twice", most, r)
			}
			seen[r] = true
		}
		if want := (map[string]int{"a": 1, "b/1": 1, "b/2": 1, "c!": 1, "c\x00d": 1}); fmt.Sprint(latest) != fmt.Sprint(want) {
			t.Errorf("by %d: latest %v, want %v", most, latest, want)
		}
	}
	out, err := w.ListObjectVersions(w.ctx(), &s3.ListObjectVersionsInput{Bucket: &b, Delimiter: aws.String("/"), KeyMarker: aws.String("a")})
	if err != nil || len(out.CommonPrefixes) != 1 || *out.CommonPrefixes[0].Prefix != "b/" || len(out.Versions) != 6 || len(out.DeleteMarkers) != 1 {
		t.Errorf("with a delimiter: %+v %v", out, err)
	}
	// The marker's version may be gone, even the null version.
	_, err = w.ListObjectVersions(w.ctx(), &s3.ListObjectVersionsInput{Bucket: &b, KeyMarker: aws.String("b/2"), VersionIdMarker: aws.String(nullID)})
	if err != nil {
		t.Error(err)
	}
	_, err = w.ListObjectVersions(w.ctx(), &s3.ListObjectVersionsInput{Bucket: &b, KeyMarker: aws.String("a"), VersionIdMarker: aws.String("x")})
	refused(t, err, 400, "InvalidArgument")
}

// readCounter counts the records that listings read.
type readCounter struct {
	store.Store
	read atomic.Int64
}

func (c *readCounter) List(ctx context.Context, kind, prefix, after string, limit int) ([]store.Record, error) {
	r, err := c.Store.List(ctx, kind, prefix, after, limit)
	c.read.Add(int64(len(r)))
	return r, err
}

// A delimiter skips over what it rolls up instead of reading it.
func TestDelimiterSkips(t *testing.T) {
	t.Parallel()
	st := &readCounter{Store: storetest.New(t)}
	w := newWorldOn(t, st)
	b := w.bucketOf("alpha", "")
	batch := new(store.Batch)
	for d := range 5 {
		for i := range 2000 {
			key := fmt.Sprintf("dir%d/%04d", d, i)
			batch.Create(kindHead, headKey(b, key), encode(head{Sequence: 1, Null: 1, Current: version{Key: key, Sequence: 1, ID: nullID}}))
		}
	}
	if _, err := st.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	out, err := w.ListObjectsV2(w.ctx(), &s3.ListObjectsV2Input{Bucket: &b, Delimiter: aws.String("/")})
	if err != nil || len(out.CommonPrefixes) != 5 || *out.IsTruncated {
		t.Fatalf("%+v %v", out, err)
	}
	if n := st.read.Load(); n > 200 {
		t.Errorf("%d records were read to list 5 common prefixes", n)
	}
}
