package edge

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"countersign/pki"
)

func issuerOf(n byte) (key [32]byte) { key[0] = n; return key }

// randomSerials makes n serial numbers of 16 bytes, the same for a seed.
func randomSerials(seed uint64, n int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		g := rand.New(rand.NewPCG(seed, 0))
		var b [16]byte
		for range n {
			binary.BigEndian.PutUint64(b[:8], g.Uint64())
			binary.BigEndian.PutUint64(b[8:], g.Uint64())
			if !yield(b[:]) {
				return
			}
		}
	}
}

func countingSerials(n int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		var b [4]byte
		for i := range n {
			binary.BigEndian.PutUint32(b[:], uint32(i)+1)
			if !yield(b[:]) {
				return
			}
		}
	}
}

func TestRevocationsExact(t *testing.T) {
	t.Parallel()
	for name, fill := range map[string]iter.Seq[[]byte]{"random": randomSerials(1, 100_000), "counting": countingSerials(100_000)} {
		r := NewRevocations()
		r.Replace(issuerOf(1), fill)
		if n := r.Len(issuerOf(1)); n != 100_000 {
			t.Errorf("%s: %d serials", name, n)
		}
		for b := range fill {
			if !r.Contains(issuerOf(1), b) {
				t.Fatalf("%s: %x is missing", name, b)
			}
			if r.Contains(issuerOf(2), b) {
				t.Fatalf("%s: %x is revoked for another issuer", name, b)
			}
		}
		for b := range randomSerials(2, 10_000) {
			if r.Contains(issuerOf(1), b) {
				t.Fatalf("%s: %x is not revoked", name, b)
			}
		}
	}
}

func TestRevocationsForms(t *testing.T) {
	t.Parallel()
	r := NewRevocations()
	long := make([]byte, 25)
	long[0], long[24] = 1, 7
	before := r.Changes()
	r.Add(issuerOf(1), []byte{0, 0, 5}, long, []byte{5}, nil)
	if r.Changes() == before {
		t.Error("Add left Changes as it was")
	}
	for _, c := range []struct {
		b    []byte
		want bool
	}{
		{[]byte{5}, true}, {[]byte{0, 5}, true}, {[]byte{5, 0}, false}, {long, true}, {append([]byte{0}, long...), true},
		{long[:24], false}, {[]byte{0}, true}, {nil, true}, {[]byte{7}, false},
	} {
		if got := r.Contains(issuerOf(1), c.b); got != c.want {
			t.Errorf("%x: %v", c.b, got)
		}
	}
	if n := r.Len(issuerOf(1)); n != 3 {
		t.Errorf("%d serials, want 3", n)
	}
	r.Replace(issuerOf(1), func(func([]byte) bool) {})
	if r.Contains(issuerOf(1), []byte{5}) || r.Contains(issuerOf(1), long) {
		t.Error("Replace left serials behind")
	}
}

// Merging the overlay into the base loses nothing and invents nothing.
func TestRevocationsCompact(t *testing.T) {
	t.Parallel()
	r := NewRevocations()
	r.Replace(issuerOf(1), countingSerials(1000))
	n := compactAt + 100
	for b := range randomSerials(3, n) {
		r.Add(issuerOf(1), b)
	}
	run := r.issuer(issuerOf(1)).run.Load()
	if len(run.base) != 1000+compactAt || run.added != 100 {
		t.Errorf("%d in the base and %d over it", len(run.base), run.added)
	}
	for b := range randomSerials(3, n) {
		if !r.Contains(issuerOf(1), b) {
			t.Fatalf("%x is missing", b)
		}
	}
	for b := range countingSerials(1000) {
		if !r.Contains(issuerOf(1), b) {
			t.Fatalf("%x is missing", b)
		}
	}
	if r.Contains(issuerOf(1), []byte{0xff, 0xff}) {
		t.Error("a serial that was not added")
	}
}

// Readers and writers at once, for the race detector; what Add returned for is seen.
func TestRevocationsConcurrently(t *testing.T) {
	t.Parallel()
	r := NewRevocations()
	r.Replace(issuerOf(1), randomSerials(9, 1000))
	var wait sync.WaitGroup
	for w := range 4 {
		wait.Go(func() {
			for b := range randomSerials(uint64(100+w), 2000) {
				r.Add(issuerOf(1), b)
				if !r.Contains(issuerOf(1), b) {
					t.Errorf("%x is not seen by who added it", b)
					return
				}
			}
		})
	}
	wait.Wait()
	if n := r.Len(issuerOf(1)); n != 9000 {
		t.Errorf("%d serials", n)
	}
}

// A million serials stay near 20 bytes each, so ten million fit in 250 MB.
func TestRevocationsMemory(t *testing.T) {
	const n = 1_000_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r := NewRevocations()
	r.Replace(issuerOf(1), randomSerials(4, n))
	runtime.GC()
	runtime.ReadMemStats(&after)
	if perSerial := float64(after.HeapAlloc-before.HeapAlloc) / n; perSerial > 25 {
		t.Errorf("%.1f bytes for a serial", perSerial)
	}
	if r.Len(issuerOf(1)) != n {
		t.Error("serials are missing")
	}
}

func BenchmarkRevocationsContains(b *testing.B) {
	r := NewRevocations()
	r.Replace(issuerOf(1), randomSerials(4, 1_000_000))
	var probes [][]byte
	for s := range randomSerials(5, 1024) {
		probes = append(probes, append([]byte(nil), s...))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if r.Contains(issuerOf(1), probes[i&1023]) {
			b.Fatal("hit")
		}
	}
}

// The cache of verified chains is bounded, and what falls out is judged again.
func TestVerifiedChainsBounded(t *testing.T) {
	t.Parallel()
	anchor := root(t, "Root")
	w := newWorld(t, func(c *Config) { c.Limits.VerifiedChains = 32 })
	d := w.domain("a.example.com", store(anchor))
	w.publish(snapshotOf(d))
	trust := w.edge.view.Load().exact["a.example.com"].trust
	for i := range 100 {
		chain := []*goCertificate{anchor.client(t, fmt.Sprint(i)).cert}
		for range 2 {
			if _, reason, detail := trust.judge(chain, start, w.edge.revocations); reason != pki.Valid {
				t.Fatal(reason, detail)
			}
		}
	}
	n := 0
	for i := range trust.shards {
		n += len(trust.shards[i].chains)
	}
	if n > 32 || n < 16 {
		t.Errorf("%d chains are remembered, the limit is 32", n)
	}
}
