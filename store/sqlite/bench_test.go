package sqlite_test

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"countersign/store"
)

// benchValue is about what a service keeps of a certificate.
var benchValue = make([]byte, 700)

// BenchmarkCommit is the time of one durable commit of one record, with so
// many goroutines committing at once.
func BenchmarkCommit(b *testing.B) {
	benchmarkCommits(b, func(n uint64) *store.Batch {
		return new(store.Batch).Create("bench/record", fmt.Sprintf("000000000000/eu-west-1/%016x", n), benchValue)
	})
}

// BenchmarkIssue is the time of what recording one certificate takes: a ledger row, and its signature later.
func BenchmarkIssue(b *testing.B) {
	benchmarkCommits(b, func(n uint64) *store.Batch {
		sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, n)) // as scattered as real serials
		return new(store.Batch).Issue(store.Certificate{
			Authority: "6d0e1b0c-54b5-4c0c-9e0f-1c1f3e0a9f10", Serial: store.Serial(sum[:16]), TBS: benchValue,
			Template: "arn:aws:acm-pca:::template/EndEntityCertificate/V1", Requester: "arn:aws:iam::000000000000:root",
			IssuedAt: time.Unix(1, 0), NotBefore: time.Unix(1, 0), NotAfter: time.Unix(2, 0), Subject: "CN=client",
		})
	})
}

func benchmarkCommits(b *testing.B, batch func(n uint64) *store.Batch) {
	for _, goroutines := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("goroutines=%d", goroutines), func(b *testing.B) {
			s := open(b, b.TempDir())
			var n atomic.Uint64
			done := make(chan error, goroutines)
			b.ResetTimer()
			for range goroutines {
				go func() {
					for {
						i := n.Add(1)
						if i > uint64(b.N) {
							done <- nil
							return
						}
						if _, err := s.Commit(b.Context(), batch(i)); err != nil {
							done <- err
							return
						}
					}
				}()
			}
			for range goroutines {
				if err := <-done; err != nil {
					b.Error(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
		})
	}
}

// BenchmarkGet is the time of one read.
func BenchmarkGet(b *testing.B) {
	s := open(b, b.TempDir())
	if _, err := s.Commit(b.Context(), new(store.Batch).Create("bench/record", "a", benchValue)); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Get(b.Context(), "bench/record", "a"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBlob is the throughput of writing and reading 16 MiB.
func BenchmarkBlob(b *testing.B) {
	s := open(b, b.TempDir())
	data := make([]byte, 16<<20)
	b.Run("write", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			w, err := s.NewBlob(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			if _, err := w.Write(data); err != nil {
				b.Fatal(err)
			}
			if err := w.Close(); err != nil {
				b.Fatal(err)
			}
			if _, err := s.Commit(b.Context(), new(store.Batch).DropBlob(w.ID())); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("read", func(b *testing.B) {
		w, err := s.NewBlob(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			b.Fatal(err)
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			r, err := s.OpenBlob(b.Context(), w.ID(), 0, -1)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, r); err != nil {
				b.Fatal(err)
			}
			r.Close()
		}
	})
}
