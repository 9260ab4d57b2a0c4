package main

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite"
)

// perRevision is how many of the revocations share a batch, as an import's do.
const perRevision = 100

// fill writes n revoked certificates of an authority into the ledger of a node
// that is stopped, as the store would have. It returns the size of the database.
func fill(ctx context.Context, data, authority string, n int) (size int64, err error) {
	path := filepath.Join(data, "countersign.db")
	// Nobody else has it open, and what breaks here is thrown away: no journal.
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(OFF)&_pragma=synchronous(OFF)&_pragma=cache_size(-400000)&_pragma=locking_mode(EXCLUSIVE)")
	if err != nil {
		return 0, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	var revision int64
	if err := db.QueryRowContext(ctx, `SELECT newest FROM revision`).Scan(&revision); err != nil {
		return 0, err
	}
	now := time.Now().UnixMicro()
	const part = 100_000
	for at := 0; at < n; at += part {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return 0, err
		}
		insert, err := tx.PrepareContext(ctx, `INSERT INTO ledger
			(authority, serial, template, requester, issued_at, not_before, not_after, subject, revoked_revision, revoked_at, reason, tbs)
			VALUES (?, ?, 'EndEntityCertificate', 'bench', ?, ?, ?, 'CN=bench', ?, ?, 0, x'3000')`)
		if err != nil {
			return 0, err
		}
		for i := at; i < min(at+part, n); i++ {
			if i%perRevision == 0 {
				revision++
			}
			if _, err := insert.ExecContext(ctx, authority, serialOf(i, n), now, now, now+int64(365*24*time.Hour/time.Microsecond), revision, now); err != nil {
				return 0, err
			}
		}
		if err := tx.Commit(); err != nil {
			return 0, err
		}
	}
	for _, kind := range []string{"ledger/certificate", "ledger/revocation"} {
		if _, err := db.ExecContext(ctx, `INSERT INTO changed (kind, revision) VALUES (?, ?) ON CONFLICT DO UPDATE SET revision = excluded.revision`, kind, revision); err != nil {
			return 0, err
		}
	}
	if _, err := db.ExecContext(ctx, `UPDATE revision SET newest = ?`, revision); err != nil {
		return 0, err
	}
	if _, err := db.ExecContext(ctx, `PRAGMA journal_mode(WAL)`); err != nil {
		return 0, err
	}
	if err := db.Close(); err != nil {
		return 0, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// serialOf spreads serials evenly, in rising order, so that the indexes grow at their ends.
func serialOf(i, n int) []byte {
	s := make([]byte, 16)
	binary.BigEndian.PutUint64(s, uint64(i+1)*(1<<62/uint64(n))|1<<56)
	binary.BigEndian.PutUint64(s[8:], uint64(i)*0x9E3779B97F4A7C15)
	return s
}

// settled waits until a node's file of revocations holds all but what a start may read.
func settled(ctx context.Context, data string, n int) error {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(data, "countersign.db")+"?_pragma=query_only(ON)&_pragma=busy_timeout(10000)")
	if err != nil {
		return err
	}
	defer db.Close()
	for end := time.Now().Add(5 * time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		var value []byte
		var file struct{ Count int }
		if err := db.QueryRowContext(ctx, `SELECT value FROM records WHERE kind = 'node/revocation-file'`).Scan(&value); err != nil {
			continue // not yet
		}
		if err := json.Unmarshal(value, &file); err != nil {
			return err
		}
		if file.Count > n-1<<16 {
			return nil
		}
	}
	return fmt.Errorf("the node wrote no file of %d revocations", n)
}
