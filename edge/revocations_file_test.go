package edge

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

func ledgerSerials(seed uint64, n int) []LedgerSerial {
	var list []LedgerSerial
	for b := range randomSerials(seed, n) {
		list = append(list, LedgerSerial(b))
	}
	slices.SortFunc(list, compareLedgerSerials)
	return list
}

func sequence(list []LedgerSerial) iter.Seq2[LedgerSerial, error] {
	return func(yield func(LedgerSerial, error) bool) {
		for _, s := range list {
			if !yield(s, nil) {
				return
			}
		}
	}
}

func writeFile(t testing.TB, issuers map[[32]byte][]LedgerSerial) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "revoked.set")
	parts := map[[32]byte]iter.Seq2[LedgerSerial, error]{}
	for issuer, list := range issuers {
		parts[issuer] = sequence(list)
	}
	if err := WriteRevocations(path, FileID{1, 2, 3}, 77, parts); err != nil {
		t.Fatal(err)
	}
	return path
}

func collect(t testing.TB, serials iter.Seq2[LedgerSerial, error]) []LedgerSerial {
	t.Helper()
	var list []LedgerSerial
	for s, err := range serials {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, s)
	}
	return list
}

func TestRevocationFileHoldsWhatWasWritten(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 254, 255, 256, 510, 511, 20_000} {
		want := map[[32]byte][]LedgerSerial{issuerOf(1): ledgerSerials(1, n), issuerOf(2): ledgerSerials(2, 300), issuerOf(3): {{}, {15: 1}, {15: 2}}}
		f, err := OpenRevocations(writeFile(t, want))
		if err != nil {
			t.Fatal(err)
		}
		if f.ID != (FileID{1, 2, 3}) || f.Revision != 77 || f.Count != uint64(n)+303 || len(f.Issuers()) != 3 {
			t.Errorf("opened %v, revision %d, %d serials of %d issuers", f.ID, f.Revision, f.Count, len(f.Issuers()))
		}
		for issuer, list := range want {
			if got := collect(t, f.Serials(issuer)); !slices.Equal(got, list) {
				t.Errorf("%d serials: read back %d of them, others or in another order", len(list), len(got))
			}
			for _, s := range list {
				if hit, err := f.Contains(issuer, s); !hit || err != nil {
					t.Fatalf("%x is missing (%v)", s, err)
				}
				if hit, err := f.Contains(issuerOf(9), s); hit || err != nil {
					t.Fatalf("%x is revoked by somebody else (%v)", s, err)
				}
			}
			for _, s := range ledgerSerials(99, 1000) {
				if hit, err := f.Contains(issuer, s); hit || err != nil {
					t.Fatalf("%x is revoked (%v)", s, err)
				}
			}
		}
	}
}

func TestRevocationFileRefusesDisorder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "revoked.set")
	for name, list := range map[string][]LedgerSerial{"twice": {{1}, {1}}, "back": {{2}, {1}}} {
		if err := WriteRevocations(path, FileID{}, 1, map[[32]byte]iter.Seq2[LedgerSerial, error]{issuerOf(1): sequence(list)}); err == nil {
			t.Errorf("%s: written", name)
		}
	}
	broken := errors.New("broken")
	failing := func(yield func(LedgerSerial, error) bool) { yield(LedgerSerial{}, broken) }
	if err := WriteRevocations(path, FileID{}, 1, map[[32]byte]iter.Seq2[LedgerSerial, error]{issuerOf(1): failing}); !errors.Is(err, broken) {
		t.Errorf("a source that fails: %v", err)
	}
}

// Whatever single byte changes, and wherever the file ends: it does not open, or
// a lookup says that it cannot tell, or the answers are the right ones.
func TestRevocationFileNoticesDamage(t *testing.T) {
	t.Parallel()
	list := ledgerSerials(5, 700)
	whole, err := os.ReadFile(writeFile(t, map[[32]byte][]LedgerSerial{issuerOf(1): list}))
	if err != nil {
		t.Fatal(err)
	}
	absent := ledgerSerials(6, 20)
	check := func(what string, text []byte) (noticed bool) {
		f, err := readRevocations(bytes.NewReader(text), int64(len(text)))
		if err != nil {
			return true
		}
		for i := 0; i < len(list); i += 41 {
			if hit, err := f.Contains(issuerOf(1), list[i]); err != nil {
				noticed = true
			} else if !hit {
				t.Fatalf("%s: a revoked serial passes", what)
			}
		}
		for _, s := range absent {
			if hit, err := f.Contains(issuerOf(1), s); err != nil {
				noticed = true
			} else if hit {
				t.Fatalf("%s: a serial is revoked that is not", what)
			}
		}
		for _, err := range f.Serials(issuerOf(1)) {
			noticed = noticed || err != nil
		}
		return noticed
	}
	if check("nothing", whole) {
		t.Fatal("a good file is refused")
	}
	random := rand.New(rand.NewPCG(1, 1))
	for range 3000 {
		text := bytes.Clone(whole)
		at := random.IntN(len(text))
		text[at] ^= 1 << random.IntN(8)
		if noticed := check(fmt.Sprintf("byte %d", at), text); !noticed && at >= blockSize && at < len(whole)-footerSize {
			t.Fatalf("byte %d changed, and nobody noticed", at)
		}
	}
	for range 200 {
		if n := random.IntN(len(whole)); !check("cut", whole[:n]) {
			t.Fatalf("cut to %d of %d bytes, and nobody noticed", n, len(whole))
		}
	}
	// Two blocks change places.
	text := bytes.Clone(whole)
	copy(text[blockSize:], whole[2*blockSize:3*blockSize])
	copy(text[2*blockSize:], whole[blockSize:2*blockSize])
	if !check("swapped", text) {
		t.Error("blocks changed places, and nobody noticed")
	}
}

func FuzzRevocationFile(f *testing.F) {
	for _, n := range []int{0, 1, 300} {
		whole, err := os.ReadFile(writeFile(f, map[[32]byte][]LedgerSerial{issuerOf(1): ledgerSerials(5, n)}))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(whole)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := readRevocations(bytes.NewReader(text), int64(len(text)))
		if err != nil {
			return
		}
		for _, issuer := range file.Issuers() {
			for s, err := range file.Serials(issuer) {
				if err != nil {
					break
				}
				if hit, err := file.Contains(issuer, s); err == nil && !hit {
					t.Fatalf("%x is listed and not found", s)
				}
			}
		}
	})
}

func TestMergeSerials(t *testing.T) {
	t.Parallel()
	a, b, c := ledgerSerials(1, 500), ledgerSerials(2, 300), ledgerSerials(1, 100) // c is a part of a
	want := slices.Concat(a, b)
	slices.SortFunc(want, compareLedgerSerials)
	if got := collect(t, MergeSerials(sequence(a), sequence(b), sequence(c), sequence(nil))); !slices.Equal(got, want) {
		t.Errorf("merged %d, want %d", len(got), len(want))
	}
	if got := collect(t, MergeSerials(sequence(a))); !slices.Equal(got, a) {
		t.Error("one sequence became another")
	}
	broken := errors.New("broken")
	failing := func(yield func(LedgerSerial, error) bool) {
		_ = yield(LedgerSerial{}, nil) && yield(LedgerSerial{}, broken)
	}
	var last error
	for _, err := range MergeSerials(sequence(a), failing) {
		last = err
	}
	if !errors.Is(last, broken) {
		t.Errorf("a sequence that fails: %v", last)
	}
	for range MergeSerials(sequence(a), sequence(b)) {
		break // leaves nothing running
	}
}

// While serials move from memory into a file and more are added, every
// one that was added is found.
func TestRevocationsMoveIntoAFile(t *testing.T) {
	t.Parallel()
	r := NewRevocations()
	var mu sync.Mutex
	var added [][]byte
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				mu.Lock()
				list := added
				mu.Unlock()
				for i := 0; i < len(list); i += 97 {
					if hit, err := r.lookup(issuerOf(1), list[i]); !hit || err != nil {
						t.Errorf("serial %d of %d is missing (%v)", i, len(list), err)
						return
					}
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	long := append([]byte{1}, make([]byte, 18)...) // fits into no file
	r.Add(issuerOf(1), long)
	for round := range 6 {
		var batch [][]byte
		for b := range randomSerials(uint64(round), 3000) {
			batch = append(batch, bytes.Clone(b))
		}
		r.Add(issuerOf(1), batch...)
		mu.Lock()
		added = append(added, batch...)
		mu.Unlock()
		if p := r.Pending(1 << 20); p != nil {
			t.Fatal("Pending gives less than was asked for")
		}
		pending := r.Pending(1)
		late := []byte{byte(round), 0xee}
		r.Add(issuerOf(1), late) // between
		parts := map[[32]byte]iter.Seq2[LedgerSerial, error]{}
		for issuer, list := range pending {
			parts[issuer] = sequence(list)
			if below := r.File(); below != nil {
				parts[issuer] = MergeSerials(below.Serials(issuer), sequence(list))
			}
		}
		path := filepath.Join(t.TempDir(), "revoked.set")
		if err := WriteRevocations(path, FileID{byte(round)}, uint64(round), parts); err != nil {
			t.Fatal(err)
		}
		f, err := OpenRevocations(path)
		if err != nil {
			t.Fatal(err)
		}
		r.Install(f, pending)
		for _, s := range [][]byte{late, long} {
			if !r.Contains(issuerOf(1), s) {
				t.Fatalf("%x is missing after round %d", s, round)
			}
		}
		if n, want := r.Len(issuerOf(1)), 3000*(round+1)+round+1+1; n != want {
			t.Errorf("round %d: %d serials, want %d", round, n, want)
		}
	}
	close(stop)
	readers.Wait()
	if left := slices.Collect(maps.Values(r.Pending(0))); len(left) != 1 || len(left[0]) != 1 {
		t.Errorf("in memory is %x, want the last late one", left)
	}
}

func TestRevocationsThatCannotBeReadRefuse(t *testing.T) {
	t.Parallel()
	r := NewRevocations()
	path := writeFile(t, map[[32]byte][]LedgerSerial{issuerOf(1): ledgerSerials(1, 600)})
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text[2*blockSize+100] ^= 1
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := OpenRevocations(path)
	if err != nil {
		t.Fatal(err)
	}
	why := errors.New("being read")
	before := r.Changes()
	r.Hold(why)
	if hit, err := r.lookup(issuerOf(1), []byte{1}); hit || !errors.Is(err, why) || !r.Contains(issuerOf(1), []byte{1}) {
		t.Errorf("held: %v, %v", hit, err)
	}
	r.Add(issuerOf(1), []byte{1})
	if hit, err := r.lookup(issuerOf(1), []byte{1}); !hit || err != nil {
		t.Errorf("held, but known to be revoked: %v, %v", hit, err)
	}
	r.Install(f, nil)
	r.Release()
	if r.Changes() < before+3 {
		t.Error("holding, installing and releasing are no changes")
	}
	list := ledgerSerials(1, 600)
	if hit, err := r.lookup(issuerOf(1), list[10][:]); !hit || err != nil {
		t.Errorf("a good block: %v, %v", hit, err)
	}
	if hit, err := r.lookup(issuerOf(1), list[300][:]); hit || err == nil || !r.Contains(issuerOf(1), list[300][:]) {
		t.Errorf("a damaged block: %v, %v", hit, err)
	}
	select {
	case <-r.Damaged():
	default:
		t.Error("nobody was told of the damage")
	}
}

func BenchmarkRevocationsFile(b *testing.B) {
	f, err := OpenRevocations(writeFile(b, map[[32]byte][]LedgerSerial{issuerOf(1): ledgerSerials(1, 1_000_000)}))
	if err != nil {
		b.Fatal(err)
	}
	r := NewRevocations()
	r.Install(f, nil)
	b.ReportAllocs()
	for b.Loop() {
		for s := range randomSerials(7, 1) {
			if r.Contains(issuerOf(1), s) {
				b.Fatal("hit")
			}
		}
	}
}
