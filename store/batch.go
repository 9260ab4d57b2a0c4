package store

import "time"

// A Batch is a set of writes that Commit applies together. Build it with its
// methods; the order of the calls is the order of application. A Batch is used
// once, by one goroutine.
type Batch struct {
	Ops []Op
}

// An Op is one write or check in a Batch. Backends switch on its type.
type Op interface{ op() }

// The kinds of Op.
type (
	// PutOp writes a record. With Create it must not exist; with Was it must stand at that revision; with neither, anything goes.
	PutOp struct {
		Kind, Key string
		Value     []byte
		Create    bool
		Was       Revision
		Expires   time.Time // zero: never. After it the record is as good as deleted, and is swept.
	}
	// DeleteOp removes a record. With Was it must stand at that revision; without, absence is fine.
	DeleteOp struct {
		Kind, Key string
		Was       Revision
	}
	// CheckOp demands that a record stands at Was (zero: that there is none).
	CheckOp struct {
		Kind, Key string
		Was       Revision
	}
	// IssueOp adds a ledger row; ErrExists when the authority used the serial before.
	IssueOp struct{ Certificate Certificate }
	// SignOp fills in a ledger row's signature, unless it has one.
	SignOp struct {
		Authority string
		Serial    Serial
		Signature []byte
	}
	// RevokeOp marks a ledger row revoked; ErrNotFound, ErrRevoked.
	RevokeOp struct {
		Authority string
		Serial    Serial
		At        time.Time
		Reason    int
	}
	// BlobOp keeps a provisional blob, or drops a blob with its chunks.
	BlobOp struct {
		ID   BlobID
		Drop bool
	}
)

func (PutOp) op()    {}
func (DeleteOp) op() {}
func (CheckOp) op()  {}
func (IssueOp) op()  {}
func (SignOp) op()   {}
func (RevokeOp) op() {}
func (BlobOp) op()   {}

func (b *Batch) add(o Op) *Batch { b.Ops = append(b.Ops, o); return b }

// Create writes a record that must not exist yet (ErrExists).
func (b *Batch) Create(kind, key string, value []byte) *Batch {
	return b.add(PutOp{Kind: kind, Key: key, Value: value, Create: true})
}

// Put writes a record whatever was there.
func (b *Batch) Put(kind, key string, value []byte) *Batch {
	return b.add(PutOp{Kind: kind, Key: key, Value: value})
}

// Replace writes a record that must stand at revision was (ErrConflict, or ErrNotFound when it is gone).
// A record that was given an end loses it. With zero, "never written", the record must not exist (ErrConflict).
func (b *Batch) Replace(kind, key string, value []byte, was Revision) *Batch {
	return b.ReplaceUntil(kind, key, value, was, time.Time{})
}

// ReplaceUntil is Replace for a record that ends at expires: renewing a lease.
func (b *Batch) ReplaceUntil(kind, key string, value []byte, was Revision, expires time.Time) *Batch {
	if was == 0 {
		return b.Check(kind, key, 0).CreateUntil(kind, key, value, expires)
	}
	return b.add(PutOp{Kind: kind, Key: key, Value: value, Was: was, Expires: expires})
}

// CreateUntil is Create for a record that ends at expires: an idempotency token, a lease.
func (b *Batch) CreateUntil(kind, key string, value []byte, expires time.Time) *Batch {
	return b.add(PutOp{Kind: kind, Key: key, Value: value, Create: true, Expires: expires})
}

// Delete removes a record; absence is fine.
func (b *Batch) Delete(kind, key string) *Batch { return b.add(DeleteOp{Kind: kind, Key: key}) }

// DeleteIf removes a record that must stand at revision was (ErrConflict, ErrNotFound).
// With zero, "never written", the record must not exist (ErrConflict) and nothing is deleted.
func (b *Batch) DeleteIf(kind, key string, was Revision) *Batch {
	if was == 0 {
		return b.Check(kind, key, 0)
	}
	return b.add(DeleteOp{Kind: kind, Key: key, Was: was})
}

// Check demands that a record stands at revision was; zero demands its absence. ErrConflict otherwise.
func (b *Batch) Check(kind, key string, was Revision) *Batch {
	return b.add(CheckOp{Kind: kind, Key: key, Was: was})
}

// Issue adds a row to the ledger (ErrExists).
func (b *Batch) Issue(c Certificate) *Batch { return b.add(IssueOp{c}) }

// Sign records the signature of a ledger row (ErrNotFound). A row that has one
// keeps it: of two signatures, the first that is recorded counts.
func (b *Batch) Sign(authority string, serial Serial, signature []byte) *Batch {
	return b.add(SignOp{authority, serial, signature})
}

// Revoke marks a ledger row revoked (ErrNotFound, ErrRevoked).
func (b *Batch) Revoke(authority string, serial Serial, at time.Time, reason int) *Batch {
	return b.add(RevokeOp{authority, serial, at, reason})
}

// KeepBlob makes a provisional blob permanent. ErrNotFound when there is none, its
// writer has not closed it, or it was swept. Keeping a kept blob is fine.
func (b *Batch) KeepBlob(id BlobID) *Batch { return b.add(BlobOp{ID: id}) }

// DropBlob deletes a blob; absence is fine.
func (b *Batch) DropBlob(id BlobID) *Batch { return b.add(BlobOp{ID: id, Drop: true}) }
