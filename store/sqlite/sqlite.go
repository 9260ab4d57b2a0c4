// Package sqlite keeps a node's state in one SQLite database, in a folder that
// belongs to one process at a time. It answers for no AWS API: it implements
// store.Store, and store/DESIGN.md says how and why.
//
// It leaves out sharing between nodes (a database on a network file system is
// not supported) and giving space back to the file system: pages of deleted
// data are used again, but the file does not shrink. It runs on Unix only.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"countersign/store"

	_ "modernc.org/sqlite" // database/sql knows its drivers by name
)

// Options tune a Store. The zero value works.
type Options struct {
	Now    func() time.Time // what records and provisional blobs expire by; nil: time.Now
	Logger *slog.Logger     // trouble in the background; nil: nowhere

	// Observe, when not nil, is told of every Commit when it has ended, on its
	// caller's goroutine.
	Observe func(b *store.Batch, took time.Duration, err error)
}

// A Store is the store.Store of one folder. Make it with Open.
//
// One goroutine owns the only connection that writes; see writer.go. Reads run
// on a pool of connections beside it and never wait for a write.
type Store struct {
	now     func() time.Time
	log     *slog.Logger
	observe func(b *store.Batch, took time.Duration, err error) // nil: nobody

	lock    *os.File // held from Open to Close
	readers *sql.DB
	read    readStatements
	queue   *queue
	writer  *writer
	written chan struct{} // closed when the writer's goroutine has ended

	revisions revisions
	lastBlob  atomic.Int64 // the highest blob id given out

	closing  sync.Once
	closeErr error
}

var _ store.Store = (*Store)(nil)

// Open opens the store in the folder dir, making both when there are none, and
// brings the schema up to date. It fails with ErrLocked while another Store,
// of this process or another, has the folder open, and when a newer release
// has written it. ctx bounds the opening only. Its work does not grow with
// what is stored.
func Open(ctx context.Context, dir string, opts Options) (_ *Store, err error) {
	s := &Store{now: opts.Now, log: opts.Logger, observe: opts.Observe, queue: newQueue(), written: make(chan struct{})}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	defer func() {
		if err != nil {
			s.release()
			err = fmt.Errorf("open the store in %s: %w", dir, err)
		}
	}()

	// SQLite takes the path into a URI: make it absolute.
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	if err = makeFolder(dir); err != nil {
		return nil, err
	}
	if s.lock, err = lockFolder(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "countersign.db")
	// SQLite gives its -wal and -shm files the mode of the database.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err = errors.Join(f.Chmod(0o600), f.Close()); err != nil {
		return nil, err
	}

	if s.writer, err = openWriter(ctx, s, path); err != nil {
		return nil, err
	}
	if s.readers, err = openPool(path, readerPragmas, max(4, 2*runtime.GOMAXPROCS(0))); err != nil {
		return nil, err
	}
	if err = s.read.prepare(ctx, s.readers); err != nil {
		return nil, err
	}
	if err = s.load(ctx); err != nil {
		return nil, err
	}
	go func() {
		defer close(s.written)
		s.writer.loop()
	}()
	return s, nil
}

// Close makes what Commit and Later accepted durable, then releases the
// folder. Reads under way may fail with ErrClosed. A second Close returns what
// the first did.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.queue.close()
		<-s.written
		s.revisions.close()
		s.closeErr = s.release()
	})
	return s.closeErr
}

// release closes what has been opened, in reverse order.
func (s *Store) release() error {
	var errs []error
	if s.readers != nil {
		s.read.close()
		errs = append(errs, s.readers.Close())
	}
	if s.writer != nil {
		errs = append(errs, s.writer.close()) // the last connection: checkpoints
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

// load fills the memory of revisions and blob ids: a row per kind.
func (s *Store) load(ctx context.Context) error {
	var newest store.Revision
	if err := s.readers.QueryRowContext(ctx, `SELECT newest FROM revision`).Scan(&newest); err != nil {
		return fmt.Errorf("read the revision: %w", err)
	}
	rows, err := s.readers.QueryContext(ctx, `SELECT kind, revision FROM changed`)
	if err != nil {
		return fmt.Errorf("read the kinds: %w", err)
	}
	defer rows.Close()
	changed := map[string]store.Revision{}
	for rows.Next() {
		var kind string
		var r store.Revision
		if err := rows.Scan(&kind, &r); err != nil {
			return fmt.Errorf("read the kinds: %w", err)
		}
		changed[kind] = r
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read the kinds: %w", err)
	}
	s.revisions.publish(newest, changed)

	var last int64
	err = s.readers.QueryRowContext(ctx, `SELECT seq FROM sqlite_sequence WHERE name = 'blobs'`).Scan(&last)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("read the last blob: %w", err)
	}
	s.lastBlob.Store(last)
	return nil
}

var (
	sharedPragmas = []string{
		"busy_timeout(10000)",
		"temp_store(MEMORY)",
		"trusted_schema(OFF)",
	}
	writerPragmas = append([]string{
		"journal_mode(WAL)",
		"synchronous(FULL)", // sync the log on every commit
		"fullfsync(ON)",     // of meaning on macOS only, where fsync does not reach the disk
		"checkpoint_fullfsync(ON)",
		"wal_autocheckpoint(4000)",      // pages, 16 MB
		"journal_size_limit(134217728)", // shrink a log that a large write blew up
		"cache_size(-32000)",            // KiB
	}, sharedPragmas...)
	readerPragmas = append([]string{
		"query_only(ON)",
		"cache_size(-4000)",
	}, sharedPragmas...)
)

// openPool opens at most size connections to the database at path, and keeps them.
func openPool(path string, pragmas []string, size int) (*sql.DB, error) {
	u := url.URL{Scheme: "file", Path: path, RawQuery: url.Values{"_pragma": pragmas}.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return db, nil
}

// micro is how the database holds a time: it covers any year of an X.509
// certificate, which nanoseconds in an int64 do not.
func micro(t time.Time) int64 { return t.UnixMicro() }

func fromMicro(us int64) time.Time { return time.UnixMicro(us).UTC() }

// microOrNull is micro with NULL for the zero time.
func microOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return micro(t)
}

// notNull makes a blob of a nil slice, which the driver would bind as NULL.
func notNull(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
