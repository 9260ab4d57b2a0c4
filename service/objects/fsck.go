package objects

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"countersign/store"
)

// Checked is what Check has looked at.
type Checked struct {
	Buckets  int   `json:"buckets"`
	Versions int   `json:"versions"` // of objects, delete markers among them
	Bytes    int64 `json:"bytes"`    // read and hashed
}

// Check proves that every version of every object has the bytes that were
// uploaded, judged by their size, ETag and checksum, that every key's head is
// its newest version, and that nothing lies in a bucket that is not there; it reports
// what is not so. uses is told every blob that something refers to. It works on a
// store that nobody writes meanwhile, and is not an operation: only the check of a
// stopped node's folder calls it. The error is for what kept it from looking.
func (s *Service) Check(ctx context.Context, report func(resource, problem string), uses func(store.BlobID)) (Checked, error) {
	c := &checker{Service: s, report: report, uses: uses, buckets: map[string]bool{}}
	for _, step := range []struct {
		kind string
		do   func(context.Context, store.Record) error
	}{
		{kindBucket, c.checkBucket}, {kindVersion, c.checkVersion}, {kindHead, c.checkHead},
		{kindInline, c.checkOwned}, {kindManifest, c.checkOwned}, {kindUpload, c.checkUpload}, {kindPart, c.checkPart},
	} {
		const page = 200
		for after := ""; ; {
			list, err := s.store.List(ctx, step.kind, "", after, page)
			if err != nil {
				return c.done, err
			}
			for _, r := range list {
				after = r.Key
				if err := step.do(ctx, r); err != nil {
					return c.done, err
				}
			}
			if len(list) < page {
				break
			}
		}
	}
	return c.done, nil
}

type checker struct {
	*Service
	report  func(resource, problem string)
	uses    func(store.BlobID)
	done    Checked
	buckets map[string]bool
}

func bucketOf(key string) string {
	name, _, _ := strings.Cut(key, "\x00")
	return name
}

func (c *checker) checkBucket(_ context.Context, r store.Record) error {
	b, err := decode[bucket](r)
	if err != nil {
		c.report("bucket "+r.Key, err.Error())
	} else if b.Name != r.Key {
		c.report("bucket "+r.Key, "its record is that of bucket "+b.Name)
	}
	c.buckets[r.Key] = true
	c.done.Buckets++
	return nil
}

func (c *checker) checkVersion(ctx context.Context, r store.Record) error {
	v, err := decode[version](r)
	if err != nil {
		c.report("object version "+printable(r.Key), err.Error())
		return nil
	}
	name := bucketOf(r.Key)
	resource := "s3://" + name + "/" + v.Key + " version " + v.ID
	bad := func(format string, a ...any) { c.report(resource, fmt.Sprintf(format, a...)) }
	if versionKey(name, v.Key, v.Sequence) != r.Key {
		bad("its record is stored as that of another version")
		return nil
	}
	if !c.buckets[name] {
		bad("there is no bucket %s", name)
	}
	c.done.Versions++
	h, err := c.head(ctx, name, v.Key)
	if err != nil {
		bad("%v", err)
	} else if h == nil {
		bad("its key has no head, so that no request finds it")
	} else if v.Sequence > h.Current.Sequence {
		bad("it is newer than the current version")
	}
	if v.Marker {
		return nil
	}
	if v.Parts > 0 {
		return c.checkParts(ctx, name, v, bad)
	}
	if v.Blob != "" {
		c.uses(v.Blob)
	}
	body, err := c.open(ctx, name, v, 0, v.Size)
	if err != nil {
		return c.unreadable(ctx, err, bad)
	}
	sum := md5.New()
	also := hasher(v.Checksum)
	if err := c.read(ctx, body, v.Size, io.MultiWriter(sum, also), bad); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != v.ETag {
		bad("its bytes have the ETag %s, not %s", got, v.ETag)
	}
	c.compare(v.Checksum, also, bad)
	return nil
}

// checkParts reads an object that was uploaded in parts: each by its own ETag.
func (c *checker) checkParts(ctx context.Context, name string, v *version, bad func(string, ...any)) error {
	parts, err := c.manifest(ctx, name, v)
	if err != nil {
		return c.unreadable(ctx, err, bad)
	}
	if len(parts) != v.Parts {
		bad("its manifest has %d parts, not %d", len(parts), v.Parts)
	}
	whole := hasher(v.Checksum)
	all := md5.New()
	var size int64
	for _, p := range parts {
		size += p.Size
		sum, err := c.checkBlob(ctx, p, whole, func(format string, a ...any) { bad("part %d: "+format, append([]any{p.Number}, a...)...) })
		if err != nil {
			return err
		}
		all.Write(sum)
	}
	if size != v.Size {
		bad("its parts have %d bytes, not %d", size, v.Size)
	}
	if got := hex.EncodeToString(all.Sum(nil)) + "-" + decimal(len(parts)); got != v.ETag {
		bad("its parts have the ETag %s, not %s", got, v.ETag)
	}
	if v.Checksum.Type == fullObject {
		c.compare(v.Checksum, whole, bad)
	}
	return nil
}

// checkBlob reads a part and returns the MD5 of its bytes.
func (c *checker) checkBlob(ctx context.Context, p part, also io.Writer, bad func(string, ...any)) ([]byte, error) {
	sum := md5.New()
	if p.Blob == "" && p.Size == 0 {
		return sum.Sum(nil), nil
	}
	c.uses(p.Blob)
	body, err := c.openBlob(ctx, p.Blob, 0, p.Size)
	if err != nil {
		return sum.Sum(nil), c.unreadable(ctx, err, bad)
	}
	if err := c.read(ctx, body, p.Size, io.MultiWriter(sum, also), bad); err != nil {
		return nil, err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != p.ETag {
		bad("its bytes have the ETag %s, not %s", got, p.ETag)
	}
	return sum.Sum(nil), nil
}

// unreadable reports what cannot be opened; only an interruption ends the check.
func (c *checker) unreadable(ctx context.Context, err error, bad func(string, ...any)) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, errGone) {
		err = errors.New("its bytes are not in the store")
	}
	bad("%v", err)
	return nil
}

func (c *checker) read(ctx context.Context, body io.ReadCloser, want int64, into io.Writer, bad func(string, ...any)) error {
	defer body.Close()
	n, err := io.Copy(into, body)
	c.done.Bytes += n
	if err != nil {
		return c.unreadable(ctx, err, bad)
	}
	if n != want {
		bad("it has %d bytes, not %d", n, want)
	}
	return nil
}

// hasher is the hash that a checksum over the whole content is of, or one that
// nobody asks.
func hasher(c checksum) hash.Hash {
	if a, ok := algorithmNamed(c.Algorithm); ok {
		return a.new()
	}
	return md5.New()
}

func (c *checker) compare(want checksum, h hash.Hash, bad func(string, ...any)) {
	if want.Value == "" || want.Type == composite {
		return
	}
	if got := base64.StdEncoding.EncodeToString(h.Sum(nil)); got != want.Value {
		bad("its bytes have the %s checksum %s, not %s", want.Algorithm, got, want.Value)
	}
}

func (c *checker) checkHead(ctx context.Context, r store.Record) error {
	h, err := decode[head](r)
	if err != nil {
		c.report("object "+printable(r.Key), err.Error())
		return nil
	}
	name := bucketOf(r.Key)
	resource := "s3://" + name + "/" + h.Current.Key
	if headKey(name, h.Current.Key) != r.Key {
		c.report(resource, "its head is stored as that of another key")
		return nil
	}
	current, err := c.version(ctx, name, h.Current.Key, h.Current.Sequence)
	switch {
	case err != nil:
		c.report(resource, err.Error())
	case current == nil:
		c.report(resource, "its current version "+h.Current.ID+" is not recorded")
	case current.ID != h.Current.ID || current.ETag != h.Current.ETag || current.Blob != h.Current.Blob || current.Size != h.Current.Size || current.Marker != h.Current.Marker:
		c.report(resource, "its head and its current version "+h.Current.ID+" differ")
	}
	return nil
}

// checkOwned demands that bytes and manifests belong to a version.
func (c *checker) checkOwned(ctx context.Context, r store.Record) error {
	_, err := c.store.Get(ctx, kindVersion, r.Key)
	if errors.Is(err, store.ErrNotFound) {
		c.report("record "+r.Kind+" "+printable(r.Key), "it belongs to no version of an object")
		return nil
	}
	return err
}

func (c *checker) checkUpload(_ context.Context, r store.Record) error {
	u, err := decode[upload](r)
	if err != nil {
		c.report("multipart upload "+printable(r.Key), err.Error())
	} else if name := bucketOf(r.Key); !c.buckets[name] {
		c.report("multipart upload "+u.ID, "there is no bucket "+name)
	}
	return nil
}

func (c *checker) checkPart(ctx context.Context, r store.Record) error {
	var p part
	id, _, _ := strings.Cut(r.Key, "\x00")
	resource := "multipart upload " + id
	if err := json.Unmarshal(r.Value, &p); err != nil {
		c.report(resource, "a part cannot be decoded: "+err.Error())
		return nil
	}
	_, err := c.checkBlob(ctx, p, io.Discard, func(format string, a ...any) {
		c.report(resource, fmt.Sprintf("part %d: "+format, append([]any{p.Number}, a...)...))
	})
	return err
}

// printable makes a record key readable.
func printable(key string) string { return strings.Trim(fmt.Sprintf("%q", key), `"`) }
