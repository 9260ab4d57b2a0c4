package objects

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"countersign/store"
)

// errGone says that the bytes of a version were dropped since it was looked up.
var errGone = errors.New("the version was removed while it was being read")

// open reads length bytes of a version from offset; the range must lie within it.
func (s *Service) open(ctx context.Context, bucket string, v *version, offset, length int64) (io.ReadCloser, error) {
	switch {
	case length == 0:
		return io.NopCloser(bytes.NewReader(nil)), nil
	case v.Blob != "":
		return s.openBlob(ctx, v.Blob, offset, length)
	case v.Parts > 0:
		parts, err := s.manifest(ctx, bucket, v)
		if err != nil {
			return nil, err
		}
		return s.openParts(ctx, parts, offset, length)
	}
	r, err := s.store.Get(ctx, kindInline, versionKey(bucket, v.Key, v.Sequence))
	if errors.Is(err, store.ErrNotFound) {
		return nil, errGone
	}
	if err != nil {
		return nil, fmt.Errorf("read bytes of %s/%s: %w", bucket, v.Key, err)
	}
	if int64(len(r.Value)) != v.Size {
		return nil, fmt.Errorf("read bytes of %s/%s: %d where %d were written", bucket, v.Key, len(r.Value), v.Size)
	}
	return io.NopCloser(bytes.NewReader(r.Value[offset : offset+length])), nil
}

// openBlob opens a blob and fetches its first chunk: bytes that are gone by now
// can still be answered with the version that replaced them, later they cannot.
func (s *Service) openBlob(ctx context.Context, id store.BlobID, offset, length int64) (io.ReadCloser, error) {
	r, err := s.store.OpenBlob(ctx, id, offset, length)
	if err == nil {
		ahead := bufio.NewReader(r)
		if _, err = ahead.Peek(1); err == nil {
			return struct {
				io.Reader
				io.Closer
			}{ahead, r}, nil
		}
		r.Close()
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, errGone
	}
	return nil, fmt.Errorf("open blob %s: %w", id, err)
}

// manifest reads the parts of a version that was uploaded in parts.
func (s *Service) manifest(ctx context.Context, bucket string, v *version) ([]part, error) {
	r, err := s.store.Get(ctx, kindManifest, versionKey(bucket, v.Key, v.Sequence))
	if errors.Is(err, store.ErrNotFound) {
		return nil, errGone
	}
	if err != nil {
		return nil, fmt.Errorf("read manifest of %s/%s: %w", bucket, v.Key, err)
	}
	var parts []part
	if err := json.Unmarshal(r.Value, &parts); err != nil {
		return nil, fmt.Errorf("decode manifest of %s/%s: %w", bucket, v.Key, err)
	}
	return parts, nil
}

// openParts reads across parts, opening one at a time.
func (s *Service) openParts(ctx context.Context, parts []part, offset, length int64) (io.ReadCloser, error) {
	for len(parts) > 0 && offset >= parts[0].Size {
		offset -= parts[0].Size
		parts = parts[1:]
	}
	r := &partsReader{open: func(p part, offset, length int64) (io.ReadCloser, error) {
		return s.openBlob(ctx, p.Blob, offset, length)
	},
		parts: parts, offset: offset, left: length}
	// Open the first now: that it is gone can still be answered, later it cannot.
	if err := r.next(); err != nil {
		return nil, err
	}
	return r, nil
}

type partsReader struct {
	open   func(p part, offset, length int64) (io.ReadCloser, error)
	parts  []part // not opened yet
	offset int64  // into parts[0]
	left   int64  // bytes to deliver in all
	now    io.ReadCloser
}

func (r *partsReader) next() error {
	if len(r.parts) == 0 {
		return io.ErrUnexpectedEOF
	}
	p := r.parts[0]
	length := min(p.Size-r.offset, r.left)
	now, err := r.open(p, r.offset, length)
	if err != nil {
		return err
	}
	r.now, r.parts, r.offset = now, r.parts[1:], 0
	return nil
}

func (r *partsReader) Read(b []byte) (int, error) {
	for {
		if r.left == 0 {
			return 0, io.EOF
		}
		if r.now == nil {
			if err := r.next(); err != nil {
				return 0, err
			}
		}
		n, err := r.now.Read(b)
		r.left -= int64(n)
		if err == io.EOF {
			err = r.now.Close()
			r.now = nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (r *partsReader) Close() error {
	if r.now == nil {
		return nil
	}
	return r.now.Close()
}

// drop adds to b the removal of a version with all it holds.
func (s *Service) drop(ctx context.Context, b *store.Batch, bucket string, v *version) error {
	at := versionKey(bucket, v.Key, v.Sequence)
	b.Delete(kindVersion, at)
	switch {
	case v.Blob != "":
		b.DropBlob(v.Blob)
	case v.Parts > 0:
		parts, err := s.manifest(ctx, bucket, v)
		if errors.Is(err, errGone) {
			return errStale
		}
		if err != nil {
			return err
		}
		for _, p := range parts {
			if p.Blob != "" {
				b.DropBlob(p.Blob)
			}
		}
		b.Delete(kindManifest, at)
	case v.Size > 0:
		b.Delete(kindInline, at)
	}
	return nil
}
