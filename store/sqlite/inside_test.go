package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign/store"
)

// These tests look at what the contract does not show: files, plans, space.

func openInside(t *testing.T, dir string, now func() time.Time) *Store {
	t.Helper()
	s, err := Open(t.Context(), dir, Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func batch() *store.Batch { return new(store.Batch) }

// TestNothingIsLeftRunning is not parallel: it counts the goroutines of the whole process.
func TestNothingIsLeftRunning(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 3 {
		dir := t.TempDir()
		s, err := Open(t.Context(), dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), dir, Options{}); !errors.Is(err, ErrLocked) {
			t.Fatalf("second Open: %v", err)
		}
		for range 10 {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Microsecond)
			_, _ = s.Commit(ctx, batch().Put("k", "a", nil)) // may or may not make it
			_, _ = s.Get(ctx, "k", "a")
			cancel()
		}
		s.Later(batch().Put("k", "b", nil))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var after int
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if after = runtime.NumGoroutine(); after <= before {
			return
		}
	}
	stacks := make([]byte, 1<<20)
	t.Errorf("%d goroutines before, %d after Close:\n%s", before, after, stacks[:runtime.Stack(stacks, true)])
}

func TestFilesAreTheOwnersOnly(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "data")
	s := openInside(t, dir, nil)
	if _, err := s.Commit(t.Context(), batch().Put("k", "a", nil)); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v, want 0700", info.Mode(), err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		names[e.Name()] = true
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, want 0600", e.Name(), info.Mode())
		}
	}
	for _, name := range []string{"lock", "countersign.db", "countersign.db-wal", "countersign.db-shm"} {
		if !names[name] {
			t.Errorf("there is no %s among %v", name, names)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	s := openInside(t, t.TempDir(), nil)
	for _, p := range []struct{ name, writer, reader string }{
		{"journal_mode", "wal", "wal"},
		{"synchronous", "2", ""}, // FULL
		{"query_only", "0", "1"},
		{"trusted_schema", "0", "0"},
		{"wal_autocheckpoint", "4000", ""},
	} {
		var writer, reader string
		if err := s.writer.conn.QueryRowContext(t.Context(), "PRAGMA "+p.name).Scan(&writer); err != nil || writer != p.writer {
			t.Errorf("%s of the writer: got %q, %v, want %q", p.name, writer, err, p.writer)
		}
		if err := s.readers.QueryRowContext(t.Context(), "PRAGMA "+p.name).Scan(&reader); err != nil || p.reader != "" && reader != p.reader {
			t.Errorf("%s of a reader: got %q, %v, want %q", p.name, reader, err, p.reader)
		}
	}
}

func TestOpenRefusesNewerAndForeignFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openInside(t, dir, nil)
	if _, err := s.writer.conn.ExecContext(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)`); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir, Options{}); err == nil || !strings.Contains(err.Error(), "newer release") {
		t.Errorf("a newer schema: got %v", err)
	}

	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "countersign.db"), bytes.Repeat([]byte("not a database. "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir, Options{}); err == nil || !strings.Contains(err.Error(), "not a database") {
		t.Errorf("a foreign file: got %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "countersign.db")); err != nil {
		t.Fatal(err)
	}
	openInside(t, dir, nil) // a failed Open has let go of the lock
}

// recorder notes what is prepared.
type recorder struct {
	preparer
	queries *[]string
}

func (r recorder) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	*r.queries = append(*r.queries, query)
	return r.preparer.PrepareContext(ctx, query)
}

// TestEveryStatementUsesAnIndex asks SQLite how it would run each statement:
// none may grow with what is stored but does not concern it.
func TestEveryStatementUsesAnIndex(t *testing.T) {
	t.Parallel()
	s := openInside(t, t.TempDir(), nil)
	var queries []string
	var w writeStatements
	var r readStatements
	if err := errors.Join(w.prepare(t.Context(), recorder{s.writer.conn, &queries}), r.prepare(t.Context(), recorder{s.writer.conn, &queries})); err != nil {
		t.Fatal(err)
	}
	defer w.close()
	defer r.close()
	explained := 0
	for _, query := range queries {
		if strings.HasPrefix(query, "UPDATE revision ") {
			continue // a table of one row
		}
		switch word, _, _ := strings.Cut(query, " "); word {
		case "SELECT", "INSERT", "UPDATE", "DELETE":
		default:
			continue
		}
		var args []any
		for range strings.Count(query, "?") {
			args = append(args, 1)
		}
		if strings.Contains(query, "?1") {
			args = args[:1]
		}
		rows, err := s.writer.conn.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, args...)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		var plan []string
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, detail)
		}
		rows.Close()
		explained++
		for _, step := range plan {
			if strings.HasPrefix(step, "SCAN ") && step != "SCAN CONSTANT ROW" || strings.Contains(step, "TEMP B-TREE") {
				t.Errorf("%s\nplan: %q", query, plan)
			}
		}
		if strings.Contains(query, "revoked_revision > ?") && !strings.Contains(plan[0], "COVERING INDEX ledger_revocations") {
			t.Errorf("the feed of revocations reads more than its index: %q", plan)
		}
	}
	if explained < 30 {
		t.Errorf("%d statements explained, want all of them", explained)
	}
}

// TestFullDisk bounds the database file, and looks at who is harmed.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	s := openInside(t, t.TempDir(), nil)
	at, err := s.Commit(t.Context(), batch().Put("k", "a", []byte("before")))
	if err != nil {
		t.Fatal(err)
	}
	limit := func(pages string) {
		t.Helper()
		if _, err := s.writer.conn.ExecContext(t.Context(), "PRAGMA max_page_count = "+pages); err != nil {
			t.Fatal(err)
		}
	}
	large := make([]byte, 900<<10)
	for name, b := range map[string]*store.Batch{
		"one statement":   batch().Put("k", "large", large),
		"many statements": batch().Put("k", "a", []byte("after")).Put("k", "large", large),
	} {
		limit("1") // SQLite makes it the present size
		_, err := s.Commit(t.Context(), b)
		if err == nil || store.Refused(err) || errors.Is(err, store.ErrClosed) || !strings.Contains(err.Error(), "full") {
			t.Fatalf("%s: Commit on a full disk: got %v", name, err)
		}
		if r, err := s.Get(t.Context(), "k", "a"); err != nil || string(r.Value) != "before" || s.Revision() != at || s.Changed("k") != at {
			t.Fatalf("%s: after the failure: %q, %v, revision %d, want everything as before", name, r.Value, err, s.Revision())
		}
		limit("1000000")
		next, err := s.Commit(t.Context(), batch().Put("k", "b", nil))
		if err != nil || next <= at {
			t.Fatalf("%s: Commit when there is space again: %d, %v", name, next, err)
		}
		at = next
	}

	// Neighbours of a batch that fills the disk either succeed or fail; none is told a lie.
	limit("1")
	var wg sync.WaitGroup
	var told sync.Map
	for i := range 32 {
		wg.Go(func() {
			key := fmt.Sprint("neighbour-", i)
			b := batch().Put("n", key, nil)
			if i%4 == 0 {
				b.Put("n", "large", large)
			}
			_, err := s.Commit(t.Context(), b)
			told.Store(key, err == nil)
		})
	}
	wg.Wait()
	limit("1000000")
	told.Range(func(key, ok any) bool {
		_, err := s.Get(t.Context(), "n", key.(string))
		if there := err == nil; there != ok.(bool) {
			t.Errorf("%s: Commit succeeded: %v, but it is there: %v", key, ok, there)
		}
		return true
	})
}

// TestSweepGivesSpaceBack expires more than one step can delete.
func TestSweepGivesSpaceBack(t *testing.T) {
	t.Parallel()
	var now atomic.Int64
	now.Store(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro())
	s := openInside(t, t.TempDir(), func() time.Time { return time.UnixMicro(now.Load()) })
	count := func(table string) (n int) {
		t.Helper()
		if err := s.readers.QueryRowContext(t.Context(), `SELECT count(*) FROM `+table).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	empty := func(tables ...string) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			left := 0
			for _, table := range tables {
				left += count(table)
			}
			if left == 0 {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d rows of %v are never swept", left, tables)
			}
		}
	}
	b := batch()
	for i := range 3*stepRecords + 1 {
		b.CreateUntil("token", fmt.Sprint(i), nil, s.now().Add(time.Hour))
	}
	if _, err := s.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	write := func(size int) store.BlobID {
		t.Helper()
		w, err := s.NewBlob(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return w.ID()
	}
	dropped := batch().DropBlob(write((stepChunks + 1) * chunkSize))
	for range stepBlobs + 2 {
		dropped.DropBlob(write(10))
	}
	write(3 * chunkSize) // forgotten
	before := s.Revision()
	if _, err := s.Commit(t.Context(), dropped); err != nil {
		t.Fatal(err)
	}
	aborted, err := s.NewBlob(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := aborted.Write(make([]byte, 2*chunkSize)); err != nil {
		t.Fatal(err)
	}
	aborted.Abort()
	for deadline := time.Now().Add(20 * time.Second); count("blobs") != 1; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d blobs are left, want the forgotten one only", count("blobs"))
		}
	}
	if n := count("chunks"); n != 3 {
		t.Errorf("%d chunks are left, want the 3 of the forgotten blob", n)
	}
	if n := count("records"); n != 3*stepRecords+1 {
		t.Errorf("%d records, want all that have not expired", n)
	}
	now.Add((25 * time.Hour).Microseconds())
	empty("records", "blobs", "chunks")
	if s.Revision() != before+1 {
		t.Errorf("sweeping moved the revision from %d to %d", before+1, s.Revision())
	}
}

// What is in no hurry waits for others, or until it is overdue or the queue closes.
func TestQueueTakesWhatIsDue(t *testing.T) {
	t.Parallel()
	q := newQueue()
	push := func(hurried bool) {
		r := &request{ctx: t.Context()}
		if hurried {
			r.done = make(chan error, 1)
		}
		if err := q.push(r); err != nil {
			t.Fatal(err)
		}
	}
	takes := func(overdue bool, want int) {
		t.Helper()
		if group, _ := q.take(overdue); len(group) != want {
			t.Fatalf("take(%v) gave %d requests, want %d", overdue, len(group), want)
		}
	}
	push(false)
	<-q.later
	takes(false, 0)
	<-q.later // the token is there again
	takes(true, 1)
	push(false)
	push(true)
	takes(false, 2)
	push(false)
	q.close()
	takes(false, 1)
}

func TestQueueGathersCompany(t *testing.T) {
	t.Parallel()
	q := newQueue()
	timer := time.NewTimer(0)
	push := func() {
		if err := q.push(&request{ctx: t.Context(), done: make(chan error, 1)}); err != nil {
			t.Error(err)
		}
	}
	q.gather(9, timer) // nobody waits: it must not either
	push()
	q.gather(1, timer) // one was enough
	start := time.Now()
	q.gather(2, timer)
	if waited := time.Since(start); waited < companyDelay {
		t.Errorf("it waited %v for a second one, want %v", waited, companyDelay)
	}
	go func() { push(); push() }()
	for range 1000 { // the others may come late; then it waits again
		q.gather(3, timer)
		if q.mu.Lock(); len(q.waiting) == 3 {
			q.mu.Unlock()
			return
		}
		q.mu.Unlock()
	}
	t.Error("three waited, and it did not notice")
}
