package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"countersign/store"
)

// Bounds of one transaction, and how long the writer leaves things.
const (
	groupRequests = 512
	groupBytes    = 8 << 20

	companyDelay = 300 * time.Microsecond // that a commit waits for as many others as there were last time
	lateDelay    = 20 * time.Millisecond  // that a Later waits for a Commit to travel with
	lateMax      = 1 << 16                // Later batches waiting; more are dropped
	sweepEvery   = time.Second
)

// A request is one turn of the writer: a batch, a chunk of a blob.
type request struct {
	ctx   context.Context // a request whose caller has left before its turn is skipped
	apply func(*group) error
	clean bool       // little is written, and nothing before apply refuses: it leaves nothing to undo
	size  int        // bytes to write, roughly
	done  chan error // takes one answer; nil: nobody waits

	revision store.Revision // of the commit; set before the answer
}

// submit queues a request and waits for its answer, or for ctx to end, which
// leaves the outcome unknown.
func (s *Store) submit(r *request) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	r.done = make(chan error, 1)
	if err := s.queue.push(r); err != nil {
		return err
	}
	select {
	case err := <-r.done:
		return err
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
}

// A queue holds the requests that wait for the writer, first come first served.
type queue struct {
	mu      sync.Mutex
	waiting []*request
	late    int // how many of them nobody waits for
	wanted  int // of those that somebody waits for: as many make a token for full
	closed  bool

	ready chan struct{} // holds a token when somebody waits, or the queue was closed
	later chan struct{} // holds a token when a request came that is in no hurry
	full  chan struct{} // holds a token when as many wait as gather wanted
}

func newQueue() *queue {
	return &queue{ready: make(chan struct{}, 1), later: make(chan struct{}, 1), full: make(chan struct{}, 1)}
}

var errLateFull = errors.New("too many batches wait")

// push adds r. It fails with ErrClosed, or with errLateFull when nobody waits
// for r and too many such wait already.
func (q *queue) push(r *request) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return store.ErrClosed
	}
	token := q.ready
	if r.done == nil {
		if q.late == lateMax {
			return errLateFull
		}
		q.late++
		token = q.later
	}
	q.waiting = append(q.waiting, r)
	signal(token)
	if q.wanted > 0 && len(q.waiting)-q.late >= q.wanted {
		signal(q.full)
	}
	return nil
}

// gather waits, not long, until n callers wait, when at least one does and the
// queue is not closed. Callers who come all the time come back together: with those who
// shared the last transaction this one is worth its sync.
func (q *queue) gather(n int, timer *time.Timer) {
	q.mu.Lock()
	hurried := len(q.waiting) - q.late
	if n <= 1 || hurried == 0 || hurried >= n || q.closed {
		q.mu.Unlock()
		return
	}
	q.wanted = n
	select {
	case <-q.full: // of an earlier time
	default:
	}
	q.mu.Unlock()
	timer.Reset(companyDelay)
	select {
	case <-q.full:
	case <-timer.C:
	}
	q.mu.Lock()
	q.wanted = 0
	q.mu.Unlock()
}

// take removes the requests of the next transaction: none when none wait, or
// only some that are in no hurry, unless these are overdue or the queue is closed.
func (q *queue) take(overdue bool) (group []*request, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == q.late && !overdue && !q.closed {
		if q.late > 0 {
			signal(q.later) // their token may be spent
		}
		return nil, false
	}
	n, size := 0, 0
	for n < len(q.waiting) && n < groupRequests && size < groupBytes {
		if q.waiting[n].done == nil {
			q.late--
		}
		size += q.waiting[n].size
		n++
	}
	group = q.waiting[:n:n]
	q.waiting = q.waiting[n:]
	switch {
	case len(q.waiting) == 0:
		q.waiting = nil // let the array go
	case q.late > 0:
		signal(q.later)
	}
	return group, q.closed
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	signal(q.ready)
	signal(q.full)
}

func (q *queue) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

func signal(token chan struct{}) {
	select {
	case token <- struct{}{}:
	default:
	}
}

// A writer owns the connection that writes. Its methods run on one goroutine.
type writer struct {
	s    *Store
	db   *sql.DB
	conn *sql.Conn
	writeStatements

	stood map[string]map[string]stand // kind, key; see group.check
}

func openWriter(ctx context.Context, s *Store, path string) (_ *writer, err error) {
	db, err := openPool(path, writerPragmas, 1)
	if err != nil {
		return nil, err
	}
	w := &writer{s: s, db: db, stood: map[string]map[string]stand{}}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if err = migrate(ctx, db); err != nil {
		return nil, err
	}
	if w.conn, err = db.Conn(ctx); err != nil {
		return nil, err
	}
	if err = w.prepare(ctx, w.conn); err != nil {
		return nil, err
	}
	return w, nil
}

func (w *writer) close() error {
	w.writeStatements.close()
	var err error
	if w.conn != nil {
		err = w.conn.Close()
	}
	return errors.Join(err, w.db.Close())
}

// loop writes until the queue is closed and empty.
func (w *writer) loop() {
	q := w.s.queue
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	timer := time.NewTimer(0)
	last := 0        // callers who shared the last transaction
	overdue := false // requests in no hurry have waited long enough
	more := true     // something may be left to sweep from the last run
	for {
		// With every core busy, let those go first who are ready to run: what they
		// commit shares this transaction and its sync.
		runtime.Gosched()
		q.gather(last, timer)
		group, closed := q.take(overdue)
		last, overdue = callers(group), false
		switch {
		case len(group) > 0:
			w.write(group)
		case closed:
			return
		case !more:
			select {
			case <-q.ready:
				continue
			case <-q.later:
				// Wait for company: a sync of its own is what Later is to avoid.
				timer.Reset(lateDelay)
				select {
				case <-q.ready:
				case <-timer.C:
					overdue = true
				}
				continue
			case <-sweep.C:
				more = true
			}
		}
		select {
		case <-sweep.C:
			more = true
		default:
		}
		if more {
			more = w.sweep()
		}
	}
}

// callers counts the requests that somebody waits for.
func callers(requests []*request) (n int) {
	for _, r := range requests {
		if r.done != nil {
			n++
		}
	}
	return n
}

// A group is one transaction on its way.
type group struct {
	*writer
	now      int64          // micro
	revision store.Revision // the newest given out
	changed  map[string]store.Revision
	dirty    bool // something was written

	// What the request whose turn it is has done:
	wrote bool
	kinds []string
}

// next is the revision that the batch whose turn it is writes with.
func (g *group) next() store.Revision { return g.revision + 1 }

// write runs the requests in one transaction and answers each.
func (w *writer) write(requests []*request) {
	g := &group{writer: w, now: micro(w.s.now()), revision: w.s.Revision(), changed: map[string]store.Revision{}}
	errs, err := w.transaction(g, requests)
	if err != nil {
		// Everybody gets the same answer, those whose batch was refused as well:
		// what they were refused for may be a neighbour's write that is now gone.
		w.s.log.Error("commit failed", "requests", len(requests), "error", err)
		for i := range errs {
			errs[i] = fmt.Errorf("commit: %w", err)
		}
	} else if g.revision > w.s.Revision() {
		w.s.revisions.publish(g.revision, g.changed)
	}
	for i, r := range requests {
		switch {
		case r.done != nil:
			r.done <- errs[i]
		case errs[i] != nil:
			w.s.log.Debug("a deferred batch was dropped", "error", errs[i])
		}
	}
}

// transaction applies the requests and commits. It returns what each request
// failed with, and what the transaction as a whole failed with.
func (w *writer) transaction(g *group, requests []*request) ([]error, error) {
	errs := make([]error, len(requests))
	if _, err := w.begin.Exec(); err != nil {
		w.abandon()
		return errs, fmt.Errorf("begin: %w", err)
	}
	for i, r := range requests {
		if errs[i] = r.ctx.Err(); errs[i] != nil {
			continue
		}
		var err error
		if errs[i], err = g.turn(r); err != nil {
			w.abandon()
			return errs, err
		}
	}
	if !g.dirty {
		w.abandon()
		return errs, nil
	}
	if err := g.finish(); err != nil {
		w.abandon()
		return errs, err
	}
	return errs, nil
}

// turn applies one request. A request that fails leaves nothing behind; the
// second error says that this could not be made sure.
func (g *group) turn(r *request) (refused, broken error) {
	g.wrote, g.kinds = false, g.kinds[:0]
	if !r.clean {
		if _, err := g.savepoint.Exec(); err != nil {
			return nil, fmt.Errorf("set a savepoint: %w", err)
		}
	}
	err := r.apply(g)
	if r.clean && err != nil {
		if !store.Refused(err) {
			return nil, err // the transaction may be gone
		}
		return err, nil
	}
	if err != nil {
		clear(g.stood)
		// SQLite ends the whole transaction by itself on some errors, a full
		// disk for one; then this fails too.
		if _, back := g.rollbackTo.Exec(); back != nil {
			return nil, errors.Join(err, back)
		}
	}
	if !r.clean {
		if _, release := g.release.Exec(); release != nil {
			return nil, errors.Join(err, release)
		}
	}
	if err != nil {
		return err, nil
	}
	if g.wrote {
		g.revision = g.next()
		for _, kind := range g.kinds {
			g.changed[kind] = g.revision
		}
	}
	r.revision = g.revision
	return nil, nil
}

// finish writes down the revisions and commits.
func (g *group) finish() error {
	if g.revision > g.s.Revision() {
		if _, err := g.setRevision.Exec(int64(g.revision)); err != nil {
			return fmt.Errorf("write the revision: %w", err)
		}
		for kind, revision := range g.changed {
			if _, err := g.setChanged.Exec(kind, int64(revision)); err != nil {
				return fmt.Errorf("write the revision of %s: %w", kind, err)
			}
		}
	}
	if _, err := g.commit.Exec(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// abandon ends a transaction that is not to be, or that SQLite has ended
// already: the error says no more than that.
func (w *writer) abandon() {
	clear(w.stood)
	_, _ = w.rollback.Exec()
}
