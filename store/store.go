// Package store is what a Countersign node remembers: records with revisions,
// the ledger of issued certificates, and blobs in chunks. It answers for no AWS
// API. The interface is small on purpose; store/sqlite implements it, and
// store/storetest is its contract as a test suite.
package store

import (
	"context"
	"errors"
	"io"
	"time"
)

// A Revision counts committed batches: each that writes something takes the
// next one, so no two batches share a revision. It only rises, and survives
// restarts. Zero means "never written".
type Revision uint64

// Conditions that a caller branches on. They come back wrapped with the kind
// and key; compare with errors.Is.
var (
	ErrNotFound = errors.New("not found")         // Get, Certificate, Replace, Revoke, OpenBlob: no such thing
	ErrExists   = errors.New("already exists")    // Create, Issue: there is one
	ErrConflict = errors.New("revision conflict") // Replace, DeleteIf, Check: it was written since
	ErrRevoked  = errors.New("already revoked")   // Revoke: it is
	ErrClosed   = errors.New("the store is closed")
)

// Refused reports whether err says that a batch's conditions do not hold: nothing
// of it was applied, and nothing is wrong with the store.
func Refused(err error) bool {
	return errors.Is(err, ErrNotFound) || errors.Is(err, ErrExists) || errors.Is(err, ErrConflict) || errors.Is(err, ErrRevoked)
}

// A Record is one thing that a service keeps. Kind names the sort of thing
// ("acm-pca/authority"); Key is unique within the kind and ordered bytewise, so
// a service chooses keys that list well ("<account>/<region>/<id>"). Value is
// the service's own encoding, JSON by custom.
type Record struct {
	Kind     string
	Key      string
	Value    []byte
	Revision Revision // of the commit that wrote it last
}

// A Serial is a certificate's serial number: 16 bytes, the first 1 to 127.
type Serial [16]byte

// A Certificate is one row of the ledger: what a certificate authority of this
// installation was asked to sign. The to-be-signed bytes are durable before the
// key is used. Signature is empty until it has been recorded as well; it can be
// made again from TBS: most algorithms are deterministic, and of the others no
// certificate leaves before its signature is recorded.
type Certificate struct {
	Authority string // certificate authority id (a UUID)
	Serial    Serial
	TBS       []byte // DER of the TBSCertificate
	Signature []byte // signature value (the BIT STRING's bytes); nil: not recorded yet
	Template  string // template ARN
	Requester string // principal ARN
	IssuedAt  time.Time
	NotBefore time.Time
	NotAfter  time.Time
	Subject   string // for people; RFC 4514-like

	// Set by the store, ignored by Issue:
	Sequence  int64     // rises per ledger row, for paging
	RevokedAt time.Time // zero: not revoked
	Reason    int       // CRL reason code (RFC 5280 section 5.3.1)
}

// A Revocation is one entry of the feed that data planes follow.
type Revocation struct {
	Authority string
	Serial    Serial
	At        time.Time
	Reason    int
	Revision  Revision
}

// A BlobID names bytes kept in chunks.
type BlobID string

// A Revoked is a revoked ledger row, as much of it as a CRL needs.
type Revoked struct {
	Serial   Serial
	At       time.Time
	Reason   int
	NotAfter time.Time
}

// Well-known kinds whose last revision Changed reports beside those of records.
const (
	KindCertificate = "ledger/certificate"
	KindRevocation  = "ledger/revocation"
)

// A Store is safe for concurrent use.
type Store interface {
	// Get reads one record; ErrNotFound if there is none, or it has expired.
	Get(ctx context.Context, kind, key string) (Record, error)

	// List returns up to limit records (limit ≤ 0: all) of a kind whose keys start with prefix and
	// sort after the key after ("" for the first), in key order.
	List(ctx context.Context, kind, prefix, after string, limit int) ([]Record, error)

	// Commit applies b whole or not at all. When it returns without error the
	// batch is durable (synced to disk) and visible to every later read; the
	// revision is the commit's, or the newest one when the batch had nothing to
	// write. When it fails with one of this package's errors nothing was applied.
	// Any other error leaves the outcome unknown: read before trying again.
	// So does the end of ctx, which Commit returns at once with ctx.Err(); the
	// store may then still be reading b. Concurrent commits share one
	// transaction and sync; one that is refused does not harm the others.
	Commit(ctx context.Context, b *Batch) (Revision, error)

	// Later applies b some time after every Commit that began before it, without waiting.
	// It is for what can be made again: a failure is dropped, a crash may lose it.
	Later(b *Batch)

	// Revision is the newest committed revision.
	Revision() Revision

	// Changed is the newest revision that wrote or deleted a record of the
	// kind (or a ledger row, for KindCertificate; or revoked one, for
	// KindRevocation). That a record expires changes nothing.
	Changed(kind string) Revision

	// Wait returns as soon as the revision is above after, with the newest one.
	Wait(ctx context.Context, after Revision) (Revision, error)

	// Certificate reads one ledger row.
	Certificate(ctx context.Context, authority string, serial Serial) (Certificate, error)

	// Certificates pages through an authority's ledger rows in Sequence order.
	Certificates(ctx context.Context, authority string, after int64, limit int) ([]Certificate, error)

	// Revocations pages through all revocations in revision order: those of
	// revisions above after, at least one whole revision at a time (a result may
	// exceed limit to complete a revision).
	Revocations(ctx context.Context, after Revision, limit int) ([]Revocation, error)

	// Revoked pages through an authority's revoked ledger rows in the order of
	// their serials: up to limit (limit ≤ 0: all) of those above after and not above through.
	Revoked(ctx context.Context, authority string, after, through Serial, limit int) ([]Revoked, error)

	// NewBlob starts a blob. Its bytes become durable chunk by chunk, but it
	// stays provisional, and is swept a day after the last write, until a Batch
	// keeps it. ctx bounds the writing too.
	NewBlob(ctx context.Context) (BlobWriter, error)

	// OpenBlob reads length bytes of a blob from offset (length < 0: to its end),
	// or as many as there are. It needs a blob that its writer has closed. Reading
	// fails with ErrNotFound when the blob is dropped meanwhile. ctx bounds the reading too.
	OpenBlob(ctx context.Context, id BlobID, offset, length int64) (io.ReadCloser, error)

	// Close waits for commits under way, Later's among them, then closes. Later
	// calls fail with ErrClosed, and so do Waits under way.
	Close() error
}

// A BlobWriter takes a blob's bytes. One of Close and Abort ends it.
type BlobWriter interface {
	io.Writer
	ID() BlobID
	// Close flushes; on return the bytes are durable (and still provisional).
	Close() error
	// Abort drops what was written. After Close it does nothing, so it can be deferred.
	Abort()
}
