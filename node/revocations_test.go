package node

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/edge"
	"countersign/service/authority"
	"countersign/store"
	"countersign/store/sqlite"
	"countersign/store/storetest"
)

// A logRig is a store with revocations, and a publisher over it that can be started again.
type logRig struct {
	*testing.T
	store  store.Store
	folder string
	key    authority.IssuerKey
	limits revocationLimits
	n      int // revoked so far
}

func newLogRig(t *testing.T) *logRig {
	r := &logRig{T: t, store: storetest.New(t), folder: t.TempDir(), limits: revocationLimits{file: 100, first: 300, start: 200, once: 50, page: 20}}
	copy(r.key[:], bytes.Repeat([]byte{7}, len(r.key)))
	record, err := json.Marshal(struct{ Key []byte }{r.key[:]})
	if err != nil {
		t.Fatal(err)
	}
	r.commit(new(store.Batch).Create(authority.KindIssuer, "ca", record))
	return r
}

func (r *logRig) commit(b *store.Batch) {
	r.Helper()
	if _, err := r.store.Commit(r.Context(), b); err != nil {
		r.Fatal(err)
	}
}

// serial is that of the certificate that was revoked as the i-th.
func serial(i int) (s store.Serial) {
	binary.BigEndian.PutUint64(s[:], uint64(i+1)*0x9E3779B97F4A7C15>>1)
	s[15] = byte(i)
	return s
}

// revoke revokes n more certificates, several in one batch.
func (r *logRig) revoke(n int) {
	r.Helper()
	for n > 0 {
		b := new(store.Batch)
		for range min(n, 7) {
			s := serial(r.n)
			b.Issue(store.Certificate{Authority: "ca", Serial: s, TBS: []byte{1}, IssuedAt: time.Unix(1, 0), NotBefore: time.Unix(1, 0), NotAfter: time.Unix(2, 0)}).
				Revoke("ca", s, time.Unix(1, 0), 0)
			r.n++
			n--
		}
		r.commit(b)
	}
}

// start makes a publisher and starts it, as a node does.
func (r *logRig) start() *publisher {
	r.Helper()
	p := &publisher{store: r.store, revocations: edge.NewRevocations(), log: slog.New(slog.DiscardHandler),
		authority: authority.New(authority.Config{Store: r.store, Now: time.Now, Rand: rand.Reader})}
	p.revoked = &revocationLog{publisher: p, folder: r.folder, random: rand.Reader, limits: r.limits}
	if err := p.start(r.Context()); err != nil {
		r.Fatal(err)
	}
	return p
}

// run runs a publisher until its set holds all that was revoked, and until, if not nil, holds.
func (r *logRig) run(p *publisher, until func() bool) {
	r.Helper()
	ctx, cancel := context.WithCancel(r.Context())
	done := make(chan struct{})
	go func() { defer close(done); p.run(ctx) }()
	defer func() { cancel(); <-done }()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if (until == nil || until()) && r.complete(p) {
			return
		}
		if time.Now().After(end) {
			r.Fatalf("after 20 seconds the set has %d of %d revocations", p.revocations.Len(r.key), r.n)
		}
	}
}

// complete reports whether exactly what was revoked is in the set.
func (r *logRig) complete(p *publisher) bool {
	for i := range r.n {
		if s := serial(i); !p.revocations.Contains(r.key, s[:]) {
			return false
		}
	}
	for i := r.n; i < r.n+50; i++ {
		if s := serial(i); p.revocations.Contains(r.key, s[:]) {
			return false // not released yet
		}
	}
	return true
}

// files are those in the folder.
func (r *logRig) files() []string {
	found, err := filepath.Glob(filepath.Join(r.folder, "revoked-*.set"))
	if err != nil {
		r.Fatal(err)
	}
	return found
}

func inFile(p *publisher, n uint64) func() bool {
	return func() bool { f := p.revocations.File(); return f != nil && f.Count >= n }
}

func TestRevocationsMoveToAFile(t *testing.T) {
	t.Parallel()
	r := newLogRig(t)
	p := r.start()
	r.revoke(99)
	r.run(p, nil)
	if len(r.files()) != 0 {
		t.Error("a file was written before there was enough for one")
	}

	r.revoke(30)
	p = r.start()
	r.run(p, inFile(p, 100))
	first := r.files()
	r.revoke(101)
	p = r.start()
	if !r.complete(p) {
		t.Error("after a start something is missing")
	}
	r.run(p, inFile(p, 201))
	if second := r.files(); len(first) != 1 || len(second) != 1 || first[0] == second[0] {
		t.Errorf("files were %v, then %v; want one each time, another one", first, second)
	}

	// A start reads what came after the file, and nothing else.
	r.revoke(5)
	p = r.start()
	if !r.complete(p) {
		t.Error("after a start something is missing")
	}
	if n, covered := memory(p), int(p.revocations.File().Count); n+covered < r.n || n > r.n-covered+7 {
		t.Errorf("%d revocations in memory above a file of %d; there are %d", n, covered, r.n)
	}
}

// memory counts what is not in the file.
func memory(p *publisher) (n int) {
	for _, list := range p.revocations.Pending(0) {
		n += len(list)
	}
	return n
}

// Files that are lost, damaged, of another store, or of no record, are not read:
// the ledger is, and nobody gets in before it was.
func TestRevocationFilesThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(r *logRig, path string){
		"lost": func(r *logRig, path string) { os.Remove(path) },
		"empty": func(r *logRig, path string) {
			if err := os.Truncate(path, 0); err != nil {
				r.Fatal(err)
			}
		},
		"another's": func(r *logRig, path string) {
			if err := edge.WriteRevocations(path, edge.FileID{9}, 1, nil); err != nil {
				r.Fatal(err)
			}
		},
		"without a record": func(r *logRig, path string) {
			list, err := r.store.List(r.Context(), kindRevocationFile, "", "", 0)
			if err != nil || len(list) != 1 {
				r.Fatal(list, err)
			}
			r.commit(new(store.Batch).Delete(kindRevocationFile, list[0].Key))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newLogRig(t)
			r.revoke(150)
			p := r.start()
			r.run(p, inFile(p, 150))
			old := r.files()[0]
			spoil(r, old)
			r.revoke(700) // more than a start waits for
			p = r.start()
			if p.revocations.File() != nil {
				t.Error("the file was opened all the same")
			}
			if !p.revocations.Contains(r.key, []byte{42}) {
				t.Error("certificates are let in before all revocations were read")
			}
			r.run(p, inFile(p, 700))
			if found := r.files(); slices.Contains(found, old) {
				t.Errorf("files are %v now, the old one among them", found)
			}
		})
	}
}

// Damage is noticed when it is met: those concerned are refused, and the file is
// made again.
func TestDamagedRevocationFileIsMadeAgain(t *testing.T) {
	t.Parallel()
	r := newLogRig(t)
	r.revoke(400)
	p := r.start()
	r.run(p, inFile(p, 300))
	path := r.files()[0]
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text[4096+50] ^= 1
	if err := os.WriteFile(path, text, 0o600); err != nil { // the same file, which is open
		t.Fatal(err)
	}
	whole := p.revocations.File()
	r.run(p, func() bool {
		r.complete(p) // meets the damage
		f := p.revocations.File()
		return f != nil && f != whole
	})
	if found := r.files(); slices.Contains(found, path) {
		t.Errorf("files are %v now, the damaged one among them", found)
	}
	p = r.start() // which sweeps away what was being written at the end of the run
	r.run(p, inFile(p, 300))
	if found := r.files(); len(found) != 1 {
		t.Errorf("files are %v in the end", found)
	}
}

// A file that cannot be written is no harm.
func TestRevocationsStayInMemoryWithoutADisk(t *testing.T) {
	t.Parallel()
	r := newLogRig(t)
	r.folder = filepath.Join(r.folder, "gone")
	r.revoke(150)
	p := r.start()
	r.revoke(50)
	r.run(p, nil)
	if p.revocations.File() != nil || memory(p) != r.n {
		t.Errorf("%d of %d in memory", memory(p), r.n)
	}
}

// fsck compares the file with the ledger, both ways.
func TestCheckComparesTheFileOfRevocations(t *testing.T) {
	t.Parallel()
	p := populate(t)
	st, err := sqlite.Open(t.Context(), p.dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	issuers, err := authority.New(authority.Config{Store: st, Now: time.Now, Rand: rand.Reader}).Issuers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rows, err := st.Revocations(t.Context(), 0, 0)
	if err != nil || len(rows) == 0 {
		t.Fatalf("%d revocations, %v; the test needs one", len(rows), err)
	}
	key, revoked := issuers[rows[0].Authority], edge.LedgerSerial(rows[0].Serial)
	newest := st.Revision()
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		serials []edge.LedgerSerial
		want    string
	}{
		"right":   {[]edge.LedgerSerial{revoked}, ""},
		"missing": {nil, "it lacks 1 revoked"},
		"more":    {[]edge.LedgerSerial{{1}, revoked}, "it has 1 certificates that are not revoked"},
	} {
		id := edge.FileID{1}
		l := &revocationLog{folder: p.dir}
		path := l.path(hex.EncodeToString(id[:]))
		if err := edge.WriteRevocations(path, id, uint64(newest), map[[32]byte]iter.Seq2[edge.LedgerSerial, error]{key: inTime(t.Context(), c.serials)}); err != nil {
			t.Fatal(err)
		}
		value, err := json.Marshal(revocationFile{newest, uint64(len(c.serials))})
		if err != nil {
			t.Fatal(err)
		}
		st, err := sqlite.Open(t.Context(), p.dir, sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = st.Commit(t.Context(), new(store.Batch).Put(kindRevocationFile, hex.EncodeToString(id[:]), value))
		if err := errors.Join(err, st.Close()); err != nil {
			t.Fatal(err)
		}
		var findings []Finding
		if _, err := Check(t.Context(), testConfig(p.dir), func(f Finding) { findings = append(findings, f) }); err != nil {
			t.Fatal(err)
		}
		switch {
		case c.want == "" && len(findings) > 0:
			t.Errorf("%s: %v", name, findings)
		case c.want != "" && (len(findings) != 1 || !strings.Contains(findings[0].Problem, c.want)):
			t.Errorf("%s: %v, want %q", name, findings, c.want)
		}
	}
}
