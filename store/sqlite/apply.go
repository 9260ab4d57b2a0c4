package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"countersign/store"
)

// statements is where the two sets of prepared statements keep what they close.
type statements []*sql.Stmt

func (p *statements) close() {
	for _, stmt := range *p {
		_ = stmt.Close() // nothing depends on it
	}
}

// A preparer is a *sql.Conn or a *sql.DB.
type preparer interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

func (p *statements) prepare(ctx context.Context, on preparer, into **sql.Stmt, query string) error {
	stmt, err := on.PrepareContext(ctx, query)
	if err != nil {
		return fmt.Errorf("prepare %q: %w", query, err)
	}
	*into = stmt
	*p = append(*p, stmt)
	return nil
}

// live is the condition that a record has not expired; it takes the time.
const live = `(expires IS NULL OR expires > ?)`

// writeStatements are the writer's. Every change that a batch can ask for is one statement.
type writeStatements struct {
	all statements

	begin, commit, rollback        *sql.Stmt
	savepoint, rollbackTo, release *sql.Stmt
	setRevision, setChanged        *sql.Stmt

	create, put, replace, remove, removeIf, stands *sql.Stmt
	standsUntil                                    *sql.Stmt
	issue, sign, revoke, revoked                   *sql.Stmt

	newBlob, growBlob, addChunk, keepBlob, dropBlob                          *sql.Stmt
	anyDue, sweepRecords, dueBlobs, closeDueBlob, sweepChunks, forgetDueBlob *sql.Stmt
}

func (s *writeStatements) close() { s.all.close() }

func (s *writeStatements) prepare(ctx context.Context, on preparer) error {
	for _, p := range []struct {
		into  **sql.Stmt
		query string
	}{
		{&s.begin, `BEGIN IMMEDIATE`},
		{&s.commit, `COMMIT`},
		{&s.rollback, `ROLLBACK`},
		{&s.savepoint, `SAVEPOINT turn`},
		{&s.rollbackTo, `ROLLBACK TO turn`},
		{&s.release, `RELEASE turn`},
		{&s.setRevision, `UPDATE revision SET newest = ?`},
		{&s.setChanged, `INSERT INTO changed (kind, revision) VALUES (?, ?)
			ON CONFLICT DO UPDATE SET revision = excluded.revision`},

		// An expired record that has not been swept yet is none: create takes its place.
		{&s.create, `INSERT INTO records (kind, key, revision, expires, value) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET revision = excluded.revision, expires = excluded.expires, value = excluded.value
			WHERE NOT ` + live},
		{&s.put, `INSERT INTO records (kind, key, revision, expires, value) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET revision = excluded.revision, expires = excluded.expires, value = excluded.value`},
		{&s.replace, `UPDATE records SET revision = ?, expires = ?, value = ?
			WHERE kind = ? AND key = ? AND revision = ? AND ` + live},
		{&s.remove, `DELETE FROM records WHERE kind = ? AND key = ?`},
		{&s.removeIf, `DELETE FROM records WHERE kind = ? AND key = ? AND revision = ? AND ` + live},
		{&s.stands, `SELECT revision FROM records WHERE kind = ? AND key = ? AND ` + live},
		{&s.standsUntil, `SELECT revision, coalesce(expires, 9223372036854775807) FROM records WHERE kind = ? AND key = ? AND ` + live},

		{&s.issue, `INSERT INTO ledger (authority, serial, template, requester, issued_at, not_before, not_after, subject, signature, tbs)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (authority, serial) DO NOTHING`},
		{&s.sign, `UPDATE ledger SET signature = coalesce(signature, ?) WHERE authority = ? AND serial = ?`},
		{&s.revoke, `UPDATE ledger SET revoked_revision = ?, revoked_at = ?, reason = ?
			WHERE authority = ? AND serial = ? AND revoked_revision IS NULL`},
		{&s.revoked, `SELECT revoked_revision IS NOT NULL FROM ledger WHERE authority = ? AND serial = ?`},

		{&s.newBlob, `INSERT INTO blobs (id, size, chunk_size, complete, due) VALUES (?, ?, ?, ?, ?)`},
		{&s.growBlob, `UPDATE blobs SET size = ?, complete = ?, due = ? WHERE id = ? AND complete = 0 AND due > ?`},
		{&s.addChunk, `INSERT INTO chunks (blob, n, data) VALUES (?, ?, ?)`},
		{&s.keepBlob, `UPDATE blobs SET due = NULL WHERE id = ? AND complete = 1 AND (due IS NULL OR due > ?)`},
		// The sweep takes dropped blobs apart in steps: a large one would hold everybody up.
		{&s.dropBlob, `UPDATE blobs SET complete = 0, due = 0 WHERE id = ? AND due IS NOT 0`},

		{&s.anyDue, `SELECT EXISTS (SELECT 1 FROM records WHERE expires <= ?1) OR EXISTS (SELECT 1 FROM blobs WHERE due <= ?1)`},
		{&s.sweepRecords, `DELETE FROM records WHERE rowid IN (SELECT rowid FROM records WHERE expires <= ? LIMIT ?)`},
		{&s.dueBlobs, `SELECT id FROM blobs WHERE due <= ? ORDER BY due LIMIT ?`},
		{&s.closeDueBlob, `UPDATE blobs SET complete = 0, due = 0 WHERE id = ?`},
		{&s.sweepChunks, `DELETE FROM chunks WHERE rowid IN (SELECT rowid FROM chunks WHERE blob = ? LIMIT ?)`},
		{&s.forgetDueBlob, `DELETE FROM blobs WHERE id = ?`},
	} {
		if err := s.all.prepare(ctx, on, p.into, p.query); err != nil {
			return err
		}
	}
	return nil
}

// Commit implements store.Store.
func (s *Store) Commit(ctx context.Context, b *store.Batch) (store.Revision, error) {
	r := batchRequest(ctx, b)
	var began time.Time
	if s.observe != nil {
		began = s.now()
	}
	err := s.submit(r)
	if s.observe != nil {
		s.observe(b, s.now().Sub(began), err)
	}
	if err != nil {
		return 0, err
	}
	return r.revision, nil
}

// Later implements store.Store. The batch takes its place in the queue, and its
// turn at the next commit, a moment later, or when the store closes. With
// tens of thousands waiting it is dropped.
func (s *Store) Later(b *store.Batch) {
	if err := s.queue.push(batchRequest(context.Background(), b)); err != nil {
		s.log.Warn("a deferred batch was dropped", "error", err)
	}
}

func batchRequest(ctx context.Context, b *store.Batch) *request {
	size := 0
	for _, op := range b.Ops {
		switch op := op.(type) {
		case store.PutOp:
			size += len(op.Value)
		case store.IssueOp:
			size += len(op.Certificate.TBS)
		}
	}
	return &request{
		ctx:   ctx,
		clean: size < 1<<20 && refusedClean(b.Ops),
		size:  size,
		apply: func(g *group) error {
			for _, op := range b.Ops {
				if err := g.apply(op); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// refusedClean reports whether a batch, where it is refused, has not written
// anything yet: at most its first write may be.
func refusedClean(ops []store.Op) bool {
	written := false
	for _, op := range ops {
		writes, refusable := true, true
		switch op := op.(type) {
		case store.PutOp:
			refusable = op.Create || op.Was != 0
		case store.DeleteOp:
			refusable = op.Was != 0
		case store.CheckOp:
			writes = false
		}
		if written && refusable {
			return false
		}
		written = written || writes
	}
	return true
}

// touch notes that the batch has written to the kinds.
func (g *group) touch(kinds ...string) {
	g.wrote, g.dirty = true, true
	for _, kind := range kinds {
		if !slices.Contains(g.kinds, kind) {
			g.kinds = append(g.kinds, kind)
		}
		delete(g.stood, kind)
	}
}

// exec runs a statement that writes, and says whether it changed anything.
func (g *group) exec(stmt *sql.Stmt, args ...any) (bool, error) {
	result, err := stmt.Exec(args...)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

func (g *group) apply(op store.Op) error {
	switch op := op.(type) {
	case store.PutOp:
		return g.applyPut(op)
	case store.DeleteOp:
		return g.applyDelete(op)
	case store.CheckOp:
		return g.check(op.Kind, op.Key, op.Was)
	case store.IssueOp:
		return g.applyIssue(op.Certificate)
	case store.SignOp:
		ok, err := g.exec(g.sign, notNull(op.Signature), op.Authority, op.Serial[:])
		if err != nil {
			return fmt.Errorf("record the signature of %s: %w", certificate(op.Authority, op.Serial), err)
		}
		if !ok {
			return fmt.Errorf("%s: %w", certificate(op.Authority, op.Serial), store.ErrNotFound)
		}
		g.touch(store.KindCertificate)
		return nil
	case store.RevokeOp:
		return g.applyRevoke(op)
	case store.BlobOp:
		return g.applyBlob(op)
	}
	return fmt.Errorf("a batch holds an unknown operation %T", op)
}

func (g *group) applyPut(op store.PutOp) error {
	var ok bool
	var err error
	key, value, next := []byte(op.Key), notNull(op.Value), int64(g.next())
	switch {
	case op.Create:
		ok, err = g.exec(g.create, op.Kind, key, next, microOrNull(op.Expires), value, g.now)
	case op.Was != 0:
		ok, err = g.exec(g.replace, next, microOrNull(op.Expires), value, op.Kind, key, int64(op.Was), g.now)
	default:
		ok, err = g.exec(g.put, op.Kind, key, next, microOrNull(op.Expires), value)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", record(op.Kind, op.Key), err)
	}
	if !ok && op.Create {
		return fmt.Errorf("%s: %w", record(op.Kind, op.Key), store.ErrExists)
	}
	if !ok {
		return g.miss(op.Kind, op.Key)
	}
	g.touch(op.Kind)
	return nil
}

func (g *group) applyDelete(op store.DeleteOp) error {
	var ok bool
	var err error
	if op.Was == 0 {
		ok, err = g.exec(g.remove, op.Kind, []byte(op.Key))
	} else {
		ok, err = g.exec(g.removeIf, op.Kind, []byte(op.Key), int64(op.Was), g.now)
	}
	if err != nil {
		return fmt.Errorf("delete %s: %w", record(op.Kind, op.Key), err)
	}
	if !ok && op.Was != 0 {
		return g.miss(op.Kind, op.Key)
	}
	if ok {
		g.touch(op.Kind)
	}
	return nil
}

// at is the revision that a record stands at, zero for none.
func (g *group) at(kind, key string) (store.Revision, error) {
	var r store.Revision
	err := g.stands.QueryRow(kind, []byte(key), g.now).Scan(&r)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("read %s: %w", record(kind, key), err)
	}
	return r, nil
}

// miss says why a record did not stand at the revision it was to stand at.
func (g *group) miss(kind, key string) error {
	at, err := g.at(kind, key)
	switch {
	case err != nil:
		return err
	case at == 0:
		return fmt.Errorf("%s: %w", record(kind, key), store.ErrNotFound)
	}
	return fmt.Errorf("%s: %w", record(kind, key), store.ErrConflict)
}

// check looks the record up once and remembers what it found until somebody
// writes to the kind: every certificate is issued under a check of its authority.
func (g *group) check(kind, key string, was store.Revision) error {
	if s, ok := g.stood[kind][key]; ok && s.at == was && g.now < s.until {
		return nil
	}
	var s stand // of none
	err := g.standsUntil.QueryRow(kind, []byte(key), g.now).Scan(&s.at, &s.until)
	switch {
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("read %s: %w", record(kind, key), err)
	case s.at != was:
		return fmt.Errorf("%s: %w", record(kind, key), store.ErrConflict)
	case was != 0:
		if g.stood[kind] == nil || len(g.stood[kind]) >= maxStood {
			g.stood[kind] = map[string]stand{}
		}
		g.stood[kind][key] = s
	}
	return nil
}

// A stand is the revision that a record stands at, and the time it ends.
type stand struct {
	at    store.Revision
	until int64 // micro
}

// maxStood bounds the stands kept of a kind.
const maxStood = 1024

func (g *group) applyIssue(c store.Certificate) error {
	var signature any // NULL until there is one
	if len(c.Signature) > 0 {
		signature = c.Signature
	}
	ok, err := g.exec(g.issue, c.Authority, c.Serial[:], c.Template, c.Requester,
		micro(c.IssuedAt), micro(c.NotBefore), micro(c.NotAfter), c.Subject, signature, notNull(c.TBS))
	if err != nil {
		return fmt.Errorf("record %s: %w", certificate(c.Authority, c.Serial), err)
	}
	if !ok {
		return fmt.Errorf("%s: %w", certificate(c.Authority, c.Serial), store.ErrExists)
	}
	g.touch(store.KindCertificate)
	return nil
}

func (g *group) applyRevoke(op store.RevokeOp) error {
	ok, err := g.exec(g.revoke, int64(g.next()), micro(op.At), op.Reason, op.Authority, op.Serial[:])
	if err != nil {
		return fmt.Errorf("revoke %s: %w", certificate(op.Authority, op.Serial), err)
	}
	if ok {
		g.touch(store.KindCertificate, store.KindRevocation)
		return nil
	}
	var revoked bool
	switch err := g.revoked.QueryRow(op.Authority, op.Serial[:]).Scan(&revoked); {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%s: %w", certificate(op.Authority, op.Serial), store.ErrNotFound)
	case err != nil:
		return fmt.Errorf("read %s: %w", certificate(op.Authority, op.Serial), err)
	}
	return fmt.Errorf("%s: %w", certificate(op.Authority, op.Serial), store.ErrRevoked)
}

func (g *group) applyBlob(op store.BlobOp) error {
	id, valid := parseBlobID(op.ID)
	var ok bool
	var err error
	switch {
	case !valid:
	case op.Drop:
		ok, err = g.exec(g.dropBlob, id)
	default:
		ok, err = g.exec(g.keepBlob, id, g.now)
	}
	if err != nil {
		return fmt.Errorf("mark blob %s: %w", op.ID, err)
	}
	if !ok && !op.Drop {
		return fmt.Errorf("blob %s: %w", op.ID, store.ErrNotFound)
	}
	if ok {
		g.touch()
	}
	return nil
}

// How errors name things.
func record(kind, key string) string { return fmt.Sprintf("%s %q", kind, key) }

func certificate(authority string, serial store.Serial) string {
	return fmt.Sprintf("certificate %x of authority %s", serial[:], authority)
}
