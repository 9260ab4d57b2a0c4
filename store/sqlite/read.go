package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"countersign/store"
)

// readStatements run on the pool: database/sql prepares them on each connection as needed.
type readStatements struct {
	all statements

	get, list, listToEnd      *sql.Stmt
	certificate, certificates *sql.Stmt
	revocations, revoked      *sql.Stmt
	openBlob, readAt          *sql.Stmt
}

func (s *readStatements) close() { s.all.close() }

const ledgerColumns = `sequence, authority, serial, template, requester, issued_at, not_before, not_after, subject,
	revoked_at, reason, signature, tbs`

func (s *readStatements) prepare(ctx context.Context, on preparer) error {
	for _, p := range []struct {
		into  **sql.Stmt
		query string
	}{
		{&s.get, `SELECT value, revision FROM records WHERE kind = ? AND key = ? AND ` + live},
		{&s.list, `SELECT key, value, revision FROM records WHERE kind = ? AND key >= ? AND key < ? AND ` + live + ` ORDER BY key LIMIT ?`},
		{&s.listToEnd, `SELECT key, value, revision FROM records WHERE kind = ? AND key >= ? AND ` + live + ` ORDER BY key LIMIT ?`},
		{&s.certificate, `SELECT ` + ledgerColumns + ` FROM ledger WHERE authority = ? AND serial = ?`},
		{&s.certificates, `SELECT ` + ledgerColumns + ` FROM ledger WHERE authority = ? AND sequence > ? ORDER BY sequence LIMIT ?`},
		{&s.revocations, `SELECT revoked_revision, authority, serial, revoked_at, reason FROM ledger
			WHERE revoked_revision > ? ORDER BY revoked_revision, authority, serial`},
		{&s.revoked, `SELECT serial, revoked_at, reason, not_after FROM ledger INDEXED BY ledger_revoked
			WHERE authority = ? AND serial > ? AND serial <= ? AND revoked_revision IS NOT NULL ORDER BY serial LIMIT ?`},
		{&s.openBlob, `SELECT size, chunk_size FROM blobs WHERE id = ? AND complete = 1 AND (due IS NULL OR due > ?)`},
		{&s.readAt, `SELECT data FROM chunks WHERE blob = ? AND n = ?`},
	} {
		if err := s.all.prepare(ctx, on, p.into, p.query); err != nil {
			return err
		}
	}
	return nil
}

// failed says what a read failed with: ErrClosed once the store is closed,
// whatever database/sql makes of that.
func (s *Store) failed(doing string, err error) error {
	if s.queue.isClosed() {
		return store.ErrClosed
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, kind, key string) (store.Record, error) {
	r := store.Record{Kind: kind, Key: key}
	err := s.read.get.QueryRowContext(ctx, kind, []byte(key), micro(s.now())).Scan(&r.Value, &r.Revision)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return store.Record{}, fmt.Errorf("%s: %w", record(kind, key), store.ErrNotFound)
	case err != nil:
		return store.Record{}, s.failed("read "+record(kind, key), err)
	}
	return r, nil
}

// List implements store.Store.
func (s *Store) List(ctx context.Context, kind, prefix, after string, limit int) ([]store.Record, error) {
	from := prefix
	if after != "" {
		from = max(prefix, after+"\x00") // the first key that sorts after after
	}
	var rows *sql.Rows
	var err error
	if end, bounded := prefixEnd(prefix); bounded {
		rows, err = s.read.list.QueryContext(ctx, kind, []byte(from), []byte(end), micro(s.now()), sqlLimit(limit))
	} else {
		rows, err = s.read.listToEnd.QueryContext(ctx, kind, []byte(from), micro(s.now()), sqlLimit(limit))
	}
	if err != nil {
		return nil, s.failed("list "+kind, err)
	}
	defer rows.Close()
	var list []store.Record
	for rows.Next() {
		r := store.Record{Kind: kind}
		if err := rows.Scan(&r.Key, &r.Value, &r.Revision); err != nil {
			return nil, s.failed("list "+kind, err)
		}
		list = append(list, r)
	}
	if err := rows.Err(); err != nil {
		return nil, s.failed("list "+kind, err)
	}
	return list, nil
}

// prefixEnd is the first key that sorts after every key with the prefix; there
// is none when the prefix is all 0xff.
func prefixEnd(prefix string) (string, bool) {
	for last := len(prefix) - 1; last >= 0; last-- {
		if prefix[last] != 0xff {
			return prefix[:last] + string([]byte{prefix[last] + 1}), true
		}
	}
	return "", false
}

// sqlLimit is limit as SQLite counts: -1 for all.
func sqlLimit(limit int) int {
	if limit <= 0 {
		return -1
	}
	return limit
}

// Certificate implements store.Store.
func (s *Store) Certificate(ctx context.Context, authority string, serial store.Serial) (store.Certificate, error) {
	c, err := scanCertificate(s.read.certificate.QueryRowContext(ctx, authority, serial[:]))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return store.Certificate{}, fmt.Errorf("%s: %w", certificate(authority, serial), store.ErrNotFound)
	case err != nil:
		return store.Certificate{}, s.failed("read "+certificate(authority, serial), err)
	}
	return c, nil
}

// Certificates implements store.Store.
func (s *Store) Certificates(ctx context.Context, authority string, after int64, limit int) ([]store.Certificate, error) {
	doing := "list certificates of authority " + authority
	rows, err := s.read.certificates.QueryContext(ctx, authority, after, sqlLimit(limit))
	if err != nil {
		return nil, s.failed(doing, err)
	}
	defer rows.Close()
	var list []store.Certificate
	for rows.Next() {
		c, err := scanCertificate(rows)
		if err != nil {
			return nil, s.failed(doing, err)
		}
		list = append(list, c)
	}
	if err := rows.Err(); err != nil {
		return nil, s.failed(doing, err)
	}
	return list, nil
}

// scanCertificate reads ledgerColumns.
func scanCertificate(row interface{ Scan(...any) error }) (store.Certificate, error) {
	var c store.Certificate
	var serial []byte
	var issued, notBefore, notAfter int64
	var revoked sql.NullInt64
	err := row.Scan(&c.Sequence, &c.Authority, &serial, &c.Template, &c.Requester, &issued, &notBefore, &notAfter, &c.Subject,
		&revoked, &c.Reason, &c.Signature, &c.TBS)
	if err != nil {
		return store.Certificate{}, err
	}
	copy(c.Serial[:], serial)
	c.IssuedAt, c.NotBefore, c.NotAfter = fromMicro(issued), fromMicro(notBefore), fromMicro(notAfter)
	if revoked.Valid {
		c.RevokedAt = fromMicro(revoked.Int64)
	}
	return c, nil
}

// Revocations implements store.Store.
func (s *Store) Revocations(ctx context.Context, after store.Revision, limit int) ([]store.Revocation, error) {
	// SQLite steps through the index as rows are asked for, so that no LIMIT is
	// needed to stop early.
	rows, err := s.read.revocations.QueryContext(ctx, int64(after))
	if err != nil {
		return nil, s.failed("list revocations", err)
	}
	defer rows.Close()
	var list []store.Revocation
	for rows.Next() {
		var r store.Revocation
		var serial []byte
		var at int64
		if err := rows.Scan(&r.Revision, &r.Authority, &serial, &at, &r.Reason); err != nil {
			return nil, s.failed("list revocations", err)
		}
		if limit > 0 && len(list) >= limit && r.Revision != list[len(list)-1].Revision {
			return list, nil
		}
		copy(r.Serial[:], serial)
		r.At = fromMicro(at)
		list = append(list, r)
	}
	if err := rows.Err(); err != nil {
		return nil, s.failed("list revocations", err)
	}
	return list, nil
}

// Revoked implements store.Store.
func (s *Store) Revoked(ctx context.Context, authority string, after, through store.Serial, limit int) ([]store.Revoked, error) {
	doing := "list revoked certificates of authority " + authority
	rows, err := s.read.revoked.QueryContext(ctx, authority, after[:], through[:], sqlLimit(limit))
	if err != nil {
		return nil, s.failed(doing, err)
	}
	defer rows.Close()
	var list []store.Revoked
	for rows.Next() {
		var r store.Revoked
		var serial sql.RawBytes // a million rows: no copy for each
		var at, notAfter int64
		if err := rows.Scan(&serial, &at, &r.Reason, &notAfter); err != nil {
			return nil, s.failed(doing, err)
		}
		copy(r.Serial[:], serial)
		r.At, r.NotAfter = fromMicro(at), fromMicro(notAfter)
		list = append(list, r)
	}
	if err := rows.Err(); err != nil {
		return nil, s.failed(doing, err)
	}
	return list, nil
}
