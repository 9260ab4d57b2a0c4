package objects

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"countersign/store"
)

// Kinds of record. Keys order as S3 lists: bytewise by bucket and key, then the
// newest version first.
//
//	kind              key                                     value
//	objects/bucket    BUCKET                                  bucket
//	objects/head      BUCKET \0 esc(KEY)                      head: the current version, and what the next write needs
//	objects/version   BUCKET \0 esc(KEY) \0\x01 ^SEQUENCE     version: every version, the current one too
//	objects/inline    as objects/version                      the bytes of a small object
//	objects/manifest  as objects/version                      []part: the blobs of an object uploaded in parts
//	objects/upload    BUCKET \0 esc(KEY) \0\x01 TIME ID       upload: a multipart upload under way
//	objects/part      UPLOAD-ID \0 NUMBER                     part
//
// A bucket's key holds no account: bucket names are one namespace for all
// accounts, and a request by name must find the owner. ^SEQUENCE is the
// complement of the sequence in 16 hex digits. esc keeps the order of keys that
// hold NUL.
//
// Who writes what under which check:
//   - every write to a key replaces (or creates) its head at the revision it was read, so writes of one key are one after the other, and a condition holds at the commit or the commit fails;
//   - every write in a bucket checks the bucket's revision (see hold), so it sees the versioning state it is subject to, and never lands in a bucket that is gone;
//   - every write to a multipart upload replaces its upload record.
const (
	kindBucket   = "s3/bucket"
	kindHead     = "s3/head"
	kindVersion  = "s3/version"
	kindInline   = "s3/inline"
	kindManifest = "s3/manifest"
	kindUpload   = "s3/upload"
	kindPart     = "s3/part"
)

// A bucket is a bucket with its configuration. Nil and empty: not configured.
type bucket struct {
	Name    string
	Account string
	Region  string
	Created time.Time

	// Versioning is "" until it is set for the first time, then Enabled or Suspended.
	Versioning string `json:",omitempty"`
	// Used says that a write may have come since DeleteBucket last looked
	// whether the bucket is empty; see hold.
	Used bool `json:",omitempty"`

	Policy       string        `json:",omitempty"`
	PublicAccess *publicAccess `json:",omitempty"`
	Ownership    string        `json:",omitempty"`
	Encryption   *encryption   `json:",omitempty"`
	Tags         []tag         `json:",omitempty"`
	Lifecycle    *lifecycle    `json:",omitempty"`

	rev store.Revision
}

type publicAccess struct {
	BlockACLs, IgnoreACLs, BlockPolicy, Restrict bool
}

// encryption is what new objects of a bucket, or one object, are labelled with.
type encryption struct {
	Algorithm string   `json:",omitempty"` // AES256, aws:kms, aws:kms:dsse
	Key       string   `json:",omitempty"` // KMS key as given
	BucketKey bool     `json:",omitempty"`
	Blocked   []string `json:",omitempty"` // of a bucket: encryption types its owner blocks
}

type tag struct{ Key, Value string }

// A head says where a key stands. It exists as long as the key has a version.
type head struct {
	Sequence uint64 // of the newest write; only rises
	Null     uint64 `json:",omitempty"` // sequence of the null version; 0: there is none
	Current  version

	rev store.Revision
}

// A version is one version of an object, or a delete marker.
type version struct {
	Key      string
	Sequence uint64
	ID       string // 32 characters, or "null"
	Marker   bool   `json:",omitempty"`
	Modified time.Time

	Size     int64        `json:",omitempty"`
	ETag     string       `json:",omitempty"` // without quotes
	Blob     store.BlobID `json:",omitempty"` // one blob; with none, and Parts 0, the bytes are inline
	Parts    int          `json:",omitempty"` // parts in the manifest; 0: not uploaded in parts
	Checksum checksum     `json:",omitzero"`

	Public     bool              `json:",omitempty"` // its ACL lets everybody read it, where the bucket honours ACLs
	Headers    headers           `json:",omitzero"`
	Metadata   map[string]string `json:",omitempty"`
	Tags       []tag             `json:",omitempty"`
	Encryption encryption        `json:",omitzero"`
	Class      string            `json:",omitempty"` // storage class; "": STANDARD
}

// headers are the representation headers that a client stores with an object.
type headers struct {
	ContentType        string    `json:",omitempty"`
	CacheControl       string    `json:",omitempty"`
	ContentDisposition string    `json:",omitempty"`
	ContentEncoding    string    `json:",omitempty"`
	ContentLanguage    string    `json:",omitempty"`
	Expires            time.Time `json:",omitzero"`
	Redirect           string    `json:",omitempty"`
}

// An upload is a multipart upload under way. Template carries what
// CreateMultipartUpload said of the object to be.
type upload struct {
	ID        string
	Initiated time.Time
	Initiator string  // principal ARN
	Algorithm string  `json:",omitempty"` // "": none was declared
	Type      string  `json:",omitempty"`
	Template  version // Key, headers, tags
	rev       store.Revision
	at        string // record key
}

// A part is one uploaded part, and one entry of a manifest.
type part struct {
	Number   int
	Size     int64
	ETag     string       // MD5 in hex
	Blob     store.BlobID `json:",omitempty"`
	Modified time.Time
	Checksum checksum `json:",omitzero"`
}

// nullID is the id of versions written while versioning is not enabled.
const nullID = "null"

// escape keeps the bytewise order of keys in record keys where more follows.
// NUL becomes \0\xff; the end of the key, where something follows, is \0\x01.
// No UTF-8 text holds \xff, so appending it to an escaped prefix gives a
// position behind everything with that prefix.
func escape(key string) string { return strings.ReplaceAll(key, "\x00", "\x00\xff") }

func keyPrefix(bucket string) string { return bucket + "\x00" }

func headKey(bucket, key string) string { return keyPrefix(bucket) + escape(key) }

// versionPrefix starts the record keys of all versions (or uploads) of one key.
func versionPrefix(bucket, key string) string { return headKey(bucket, key) + "\x00\x01" }

func versionKey(bucket, key string, sequence uint64) string {
	return versionPrefix(bucket, key) + fmt.Sprintf("%016x", ^sequence)
}

func uploadKey(bucket, key, id string, initiated uint64) string {
	return versionPrefix(bucket, key) + fmt.Sprintf("%016x", initiated) + id
}

func partKey(upload string, number int) string { return fmt.Sprintf("%s\x00%05d", upload, number) }

// alphabet is base64 without characters that a URL, a command line or a file
// name would mind.
var alphabet = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._").WithPadding(base64.NoPadding)

const idLength = 32

// newID makes an id of 32 characters that nobody can guess and that leads back
// to n without an index: 16 random bytes, and n masked with their hash.
func (s *Service) newID(n uint64) (string, error) {
	var raw [24]byte
	if _, err := io.ReadFull(s.rand, raw[8:]); err != nil {
		return "", fmt.Errorf("draw an id: %w", err)
	}
	mask := sha256.Sum256(raw[8:])
	binary.BigEndian.PutUint64(raw[:8], n^binary.BigEndian.Uint64(mask[:8]))
	return alphabet.EncodeToString(raw[:]), nil
}

// idNumber is the number that newID put into an id. Any text of the right form
// gives some number: whoever looks it up compares the whole id.
func idNumber(id string) (uint64, bool) {
	if len(id) != idLength {
		return 0, false
	}
	raw, err := alphabet.DecodeString(id)
	if err != nil || len(raw) != 24 {
		return 0, false
	}
	mask := sha256.Sum256(raw[8:])
	return binary.BigEndian.Uint64(raw[:8]) ^ binary.BigEndian.Uint64(mask[:8]), true
}

// encode is the stored form of a record's value.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", v, err)) // plain structs of strings and numbers always encode
	}
	return b
}

func decode[T any](r store.Record) (*T, error) {
	v := new(T)
	if err := json.Unmarshal(r.Value, v); err != nil {
		return nil, fmt.Errorf("decode %s %q: %w", r.Kind, r.Key, err)
	}
	return v, nil
}

// head reads where a key stands; nil when it has no version.
func (s *Service) head(ctx context.Context, bucket, key string) (*head, error) {
	r, err := s.store.Get(ctx, kindHead, headKey(bucket, key))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read head of %s/%s: %w", bucket, key, err)
	}
	h, err := decode[head](r)
	if err != nil {
		return nil, err
	}
	h.rev = r.Revision
	return h, nil
}

// version reads one version by its sequence; nil when there is none.
func (s *Service) version(ctx context.Context, bucket, key string, sequence uint64) (*version, error) {
	r, err := s.store.Get(ctx, kindVersion, versionKey(bucket, key, sequence))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read version of %s/%s: %w", bucket, key, err)
	}
	return decode[version](r)
}

// hold makes b fail if the bucket is no longer as bk says. It also keeps
// DeleteBucket honest: a bucket can only be deleted at a revision at which Used
// is false, and the first write after that sets it.
func hold(b *store.Batch, bk *bucket) {
	if bk.Used {
		b.Check(kindBucket, bk.Name, bk.rev)
		return
	}
	used := *bk
	used.Used = true
	b.Replace(kindBucket, bk.Name, encode(used), bk.rev)
}
