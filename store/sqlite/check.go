package sqlite

import (
	"context"
	"math"

	"countersign/store"
)

// What is here serves the check of a stopped node's folder (countersign fsck);
// a running node needs none of it.

// Check asks SQLite whether the database is sound, tables and indexes, and
// returns what it names: nothing when all is well. It reads the whole file.
func (s *Store) Check(ctx context.Context) ([]string, error) {
	rows, err := s.readers.QueryContext(ctx, `PRAGMA integrity_check`)
	if err != nil {
		return nil, s.failed("check the database", err)
	}
	defer rows.Close()
	var found []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, s.failed("check the database", err)
		}
		if text != "ok" {
			found = append(found, text)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, s.failed("check the database", err)
	}
	return found, nil
}

// Ledgers lists the authorities that the ledger has rows of.
func (s *Store) Ledgers(ctx context.Context) ([]string, error) {
	var ids []string
	for after := ""; ; {
		// One step into the index per authority, however many rows it has.
		var id *string
		if err := s.readers.QueryRowContext(ctx, `SELECT min(authority) FROM ledger WHERE authority > ?`, after).Scan(&id); err != nil {
			return nil, s.failed("list the ledger's authorities", err)
		}
		if id == nil {
			return ids, nil
		}
		ids, after = append(ids, *id), *id
	}
}

// KeptBlobs calls each with every blob that a batch has kept, and its size.
func (s *Store) KeptBlobs(ctx context.Context, each func(id store.BlobID, size int64)) error {
	const page = 1000
	for after := int64(math.MinInt64); ; {
		rows, err := s.readers.QueryContext(ctx, `SELECT id, size FROM blobs WHERE due IS NULL AND id > ? ORDER BY id LIMIT ?`, after, page)
		if err != nil {
			return s.failed("list blobs", err)
		}
		n := 0
		for ; rows.Next(); n++ {
			var size int64
			if err := rows.Scan(&after, &size); err != nil {
				rows.Close()
				return s.failed("list blobs", err)
			}
			each(blobID(after), size)
		}
		if err := rows.Close(); err != nil {
			return s.failed("list blobs", err)
		}
		if err := rows.Err(); err != nil {
			return s.failed("list blobs", err)
		}
		if n < page {
			return nil
		}
	}
}
