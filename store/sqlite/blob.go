package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strconv"

	"countersign/store"
)

// chunkSize is what new blobs are cut into. A blob remembers its own, so it may change.
const chunkSize = 512 << 10

func blobID(id int64) store.BlobID { return store.BlobID(strconv.FormatInt(id, 10)) }

// parseBlobID says no to an id that this store cannot have given out.
func parseBlobID(id store.BlobID) (int64, bool) {
	n, err := strconv.ParseInt(string(id), 10, 64)
	return n, err == nil && n > 0 && blobID(n) == id
}

// NewBlob implements store.Store. It touches no disk: the blob comes into
// being with its first chunk, and an id that nothing was written to before a
// restart is given out again.
func (s *Store) NewBlob(ctx context.Context) (store.BlobWriter, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.queue.isClosed() {
		return nil, store.ErrClosed
	}
	return &blobWriter{s: s, ctx: ctx, id: s.lastBlob.Add(1)}, nil
}

// A blobWriter belongs to one goroutine.
type blobWriter struct {
	s   *Store
	ctx context.Context // of NewBlob: io.Writer has no place for one
	id  int64

	buf    []byte // the chunk being filled
	chunks int64  // durable ones
	size   int64  // bytes in them
	ended  bool
	err    error // what a write failed with: nothing can follow it
}

var errBlobEnded = errors.New("the blob is closed")

func (w *blobWriter) ID() store.BlobID { return blobID(w.id) }

// Write implements io.Writer. The bytes are durable when a chunk is full.
func (w *blobWriter) Write(p []byte) (n int, err error) {
	if w.ended {
		return 0, errBlobEnded
	}
	for len(p) > 0 {
		if w.err != nil {
			return n, w.err
		}
		take := min(len(p), chunkSize-len(w.buf))
		w.buf = append(w.buf, p[:take]...)
		p, n = p[take:], n+take
		if len(w.buf) == chunkSize {
			w.flush(false)
		}
	}
	return n, w.err
}

// Close writes the last chunk and marks the blob complete, in one step.
func (w *blobWriter) Close() error {
	if w.ended {
		return w.err
	}
	w.ended = true
	if w.err == nil {
		w.flush(true)
	}
	w.buf = nil
	return w.err
}

// Abort leaves the blob to the sweep, without waiting.
func (w *blobWriter) Abort() {
	if w.ended {
		return
	}
	w.ended, w.buf = true, nil
	if w.chunks == 0 && w.err == nil {
		return // nothing has been written
	}
	// Not a batch: nobody could see the blob, so it is worth no revision. When
	// this is dropped, the sweep comes a day later.
	_ = w.s.queue.push(&request{ctx: context.Background(), clean: true, apply: func(g *group) error {
		g.dirty = true
		_, err := g.exec(g.dropBlob, w.id)
		return err
	}})
}

// flush makes the buffer a durable chunk.
func (w *blobWriter) flush(complete bool) {
	// The writer may read what it is given even after this has returned, when ctx ended.
	chunk, id, n, size := w.buf, w.id, w.chunks, w.size+int64(len(w.buf))
	w.buf = nil
	r := &request{ctx: w.ctx, size: len(chunk), apply: func(g *group) error {
		return g.writeChunk(id, n, chunk, size, complete)
	}}
	if err := w.s.submit(r); err != nil {
		w.err = fmt.Errorf("write blob %d: %w", w.id, err)
		return
	}
	w.chunks++
	w.size = size
	if !complete {
		w.buf = chunk[:0]
	}
}

// writeChunk adds the nth chunk to a blob, which is size bytes long with it.
func (g *group) writeChunk(id, n int64, chunk []byte, size int64, complete bool) error {
	g.dirty = true
	due := micro(g.s.now().Add(blobGrace))
	if n == 0 {
		if _, err := g.exec(g.newBlob, id, size, chunkSize, complete, due); err != nil {
			return err
		}
	} else {
		ok, err := g.exec(g.growBlob, size, complete, due, id, g.now)
		if err != nil {
			return err
		}
		if !ok { // a day passed between two writes
			return store.ErrNotFound
		}
	}
	if len(chunk) == 0 {
		return nil
	}
	_, err := g.exec(g.addChunk, id, n, chunk)
	return err
}

// OpenBlob implements store.Store. Every chunk is read on its own, so that a
// slow reader holds no transaction open.
func (s *Store) OpenBlob(ctx context.Context, id store.BlobID, offset, length int64) (io.ReadCloser, error) {
	if offset < 0 {
		return nil, fmt.Errorf("read blob %s: offset %d is negative", id, offset)
	}
	r := &blobReader{s: s, ctx: ctx}
	var size int64
	var ok bool
	if r.id, ok = parseBlobID(id); !ok {
		return nil, fmt.Errorf("blob %q: %w", id, store.ErrNotFound)
	}
	err := s.read.openBlob.QueryRowContext(ctx, r.id, micro(s.now())).Scan(&size, &r.chunkSize)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, fmt.Errorf("blob %s: %w", id, store.ErrNotFound)
	case err != nil:
		return nil, s.failed("open blob "+string(id), err)
	}
	r.offset = min(offset, size)
	r.left = size - r.offset
	if length >= 0 {
		r.left = min(r.left, length)
	}
	return r, nil
}

// A blobReader belongs to one goroutine.
type blobReader struct {
	s         *Store
	ctx       context.Context // of OpenBlob
	id        int64
	chunkSize int64
	offset    int64 // in the blob, of the next byte that is not in chunk
	left      int64 // bytes from offset to the end of what was asked for
	chunk     []byte
	closed    bool
}

func (r *blobReader) Read(p []byte) (int, error) {
	if r.closed {
		return 0, errBlobEnded
	}
	if len(p) == 0 {
		return 0, nil
	}
	if len(r.chunk) == 0 {
		if r.left == 0 {
			return 0, io.EOF
		}
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.chunk)
	r.chunk = r.chunk[n:]
	return n, nil
}

// next reads the chunk that holds offset.
func (r *blobReader) next() error {
	var data []byte
	err := r.s.read.readAt.QueryRowContext(r.ctx, r.id, r.offset/r.chunkSize).Scan(&data)
	skip := r.offset % r.chunkSize
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("blob %d was dropped while it was read: %w", r.id, store.ErrNotFound)
	case err != nil:
		return r.s.failed(fmt.Sprintf("read blob %d", r.id), err)
	case int64(len(data)) <= skip:
		return fmt.Errorf("read blob %d: the chunk at %d has %d bytes only", r.id, r.offset, len(data))
	}
	r.chunk = data[skip:]
	r.chunk = r.chunk[:min(int64(len(r.chunk)), r.left)]
	r.offset += int64(len(r.chunk))
	r.left -= int64(len(r.chunk))
	return nil
}

func (r *blobReader) Close() error {
	r.closed, r.chunk = true, nil
	return nil
}
