package edge

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
)

// Revocations is the exact set of revoked certificates, by the key of their
// issuer and their serial number. Readers take no lock; a serial that Add was
// given is seen by every handshake and request that starts after Add returned.
//
// In memory a large set costs about 20 bytes for a serial: per issuer there is a
// sorted base that never changes, and a small overlay of what was added since. Below
// both may lie a [RevocationFile], which costs a read of a block for each lookup.
type Revocations struct {
	mu      sync.Mutex // writers
	issuers sync.Map   // [32]byte → *issuerRevocations
	changes atomic.Uint64
	file    atomic.Pointer[RevocationFile] // nil: none
	held    atomic.Pointer[error]          // not nil: the set is not complete, and why
	damage  chan struct{}                  // holds a token when the file could not be read
}

// NewRevocations makes an empty set.
func NewRevocations() *Revocations { return &Revocations{damage: make(chan struct{}, 1)} }

// IssuerKey identifies the issuer that has the given certificate: the SHA-256
// of its SubjectPublicKeyInfo. A key that has several certificates (renewals,
// cross-signs) is one issuer.
func IssuerKey(issuer *x509.Certificate) [32]byte {
	return sha256.Sum256(issuer.RawSubjectPublicKeyInfo)
}

// serialBytes is what RFC 5280 allows a serial number to have. Longer ones are
// kept too, apart.
const serialBytes = 20

type serial [serialBytes]byte

// compactAt is how many added serials are merged into the base at once: large
// enough that merging millions is rare, small beside them.
const compactAt = 1 << 16

type issuerRevocations struct {
	run atomic.Pointer[revocationRun]
}

// A revocationRun is what a reader looks at in one piece.
type revocationRun struct {
	base    []serial  // by bucket, sorted in each
	bits    uint      // of the index
	index   []uint32  // index[h] … index[h+1]: the part of base in bucket h
	overlay *sync.Map // serial → struct{}
	long    *sync.Map // string → struct{}: serials of more than 20 bytes
	added   int       // in overlay; writers only
}

func emptyRun() *revocationRun {
	return &revocationRun{overlay: &sync.Map{}, long: &sync.Map{}}
}

// Add adds serial numbers, given as big-endian magnitudes, to those revoked by
// the issuer key. It is visible when it returns.
func (r *Revocations) Add(issuer [32]byte, serials ...[]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	set := r.issuer(issuer)
	run := set.run.Load()
	for _, b := range serials {
		b = bytes.TrimLeft(b, "\x00")
		if len(b) > serialBytes {
			run.long.Store(string(b), struct{}{})
			continue
		}
		if _, had := run.overlay.LoadOrStore(padSerial(b), struct{}{}); !had {
			run.added++
		}
	}
	if run.added >= compactAt {
		set.run.Store(run.compact())
	}
	r.changes.Add(1)
}

// Replace makes the given serial numbers the whole set of the issuer key: for
// filling the set at start-up, and for lists that replace each other.
func (r *Revocations) Replace(issuer [32]byte, serials iter.Seq[[]byte]) {
	run := emptyRun()
	var base []serial
	for b := range serials {
		b = bytes.TrimLeft(b, "\x00")
		if len(b) > serialBytes {
			run.long.Store(string(b), struct{}{})
			continue
		}
		base = append(base, padSerial(b))
	}
	run.setBase(base)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.issuer(issuer).run.Store(run)
	r.changes.Add(1)
}

// Hold says that the set is not complete, and why: until Release every lookup
// fails that does not find its serial.
func (r *Revocations) Hold(why error) {
	r.held.Store(&why)
	r.changes.Add(1)
}

// Release says that the set is complete.
func (r *Revocations) Release() {
	if r.held.Swap(nil) != nil {
		r.changes.Add(1)
	}
}

// Install lays a file below what is in memory, in place of the one before, and
// takes out of memory what the file was made of besides that one: what Pending
// returned. A nil file takes the one before away.
func (r *Revocations) Install(f *RevocationFile, pending map[[32]byte][]LedgerSerial) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.file.Store(f) // before anything leaves memory
	for issuer, serials := range pending {
		r.issuer(issuer).forget(serials)
	}
	r.changes.Add(1)
}

// File is the file below; nil for none.
func (r *Revocations) File() *RevocationFile { return r.file.Load() }

// Damaged gets a token when the file could not be read. Until another is
// installed, what cannot be looked up is refused.
func (r *Revocations) Damaged() <-chan struct{} { return r.damage }

// Pending returns what is in memory and fits into a file, per issuer in the
// order of the serials, each once. It is nil below min serials.
func (r *Revocations) Pending(min int) map[[32]byte][]LedgerSerial {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	r.issuers.Range(func(_, set any) bool {
		run := set.(*issuerRevocations).run.Load()
		n += len(run.base) + run.added
		return true
	})
	if n < min {
		return nil
	}
	pending := map[[32]byte][]LedgerSerial{}
	r.issuers.Range(func(issuer, set any) bool {
		var list []LedgerSerial
		for s := range set.(*issuerRevocations).run.Load().all() {
			if short, ok := s.ledger(); ok {
				list = append(list, short)
			}
		}
		slices.SortFunc(list, compareLedgerSerials)
		pending[issuer.([32]byte)] = slices.Compact(list)
		return true
	})
	return pending
}

// Contains reports whether the issuer key has revoked the serial number, given
// as a big-endian magnitude. When that cannot be told it is true.
func (r *Revocations) Contains(issuer [32]byte, number []byte) bool {
	revoked, err := r.lookup(issuer, number)
	return revoked || err != nil
}

// lookup is Contains that says why it cannot tell.
func (r *Revocations) lookup(issuer [32]byte, number []byte) (revoked bool, err error) {
	number = bytes.TrimLeft(number, "\x00")
	if found, ok := r.issuers.Load(issuer); ok {
		run := found.(*issuerRevocations).run.Load()
		if len(number) > serialBytes {
			_, revoked = run.long.Load(string(number))
		} else {
			revoked = run.contains(padSerial(number))
		}
	}
	// Memory first, then the file: what moves is in the file before it leaves memory.
	if held := r.held.Load(); held != nil && !revoked {
		return false, *held
	}
	f := r.file.Load()
	if revoked || f == nil || len(number) > ledgerSerialBytes {
		return revoked, nil
	}
	var short LedgerSerial
	copy(short[ledgerSerialBytes-len(number):], number)
	revoked, err = f.Contains(issuer, short)
	if err != nil {
		select {
		case r.damage <- struct{}{}:
		default:
		}
	}
	return revoked, err
}

// Len is the number of revoked serials of the issuer key, for metrics and
// tests; it may count a serial twice that was added after it was in the base.
func (r *Revocations) Len(issuer [32]byte) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	run := r.issuer(issuer).run.Load()
	n := len(run.base) + run.added
	run.long.Range(func(any, any) bool { n++; return true })
	if f := r.file.Load(); f != nil && f.segments[issuer] != nil {
		n += int(f.segments[issuer].count)
	}
	return n
}

// Changes rises with every Add and Replace. Who saw a value before looking
// serials up need not look again while it is the same.
func (r *Revocations) Changes() uint64 { return r.changes.Load() }

// issuer finds or makes the set of an issuer key. The caller holds mu.
func (r *Revocations) issuer(key [32]byte) *issuerRevocations {
	if found, ok := r.issuers.Load(key); ok {
		return found.(*issuerRevocations)
	}
	set := &issuerRevocations{}
	set.run.Store(emptyRun())
	r.issuers.Store(key, set)
	return set
}

func padSerial(b []byte) (s serial) {
	copy(s[serialBytes-len(b):], b)
	return s
}

// bucket spreads serials over the index. Serials are random or they count up:
// multiplying the low eight bytes suits both.
func (s serial) bucket(bits uint) uint32 {
	return uint32(binary.BigEndian.Uint64(s[serialBytes-8:]) * 0x9E3779B97F4A7C15 >> (64 - bits))
}

// setBase makes the serials the base, each once, and builds the index: about
// 32 serials for each entry of it. They are counted into their buckets first,
// which leaves only small parts to sort.
func (run *revocationRun) setBase(all []serial) {
	bits := indexBits(len(all))
	index := make([]uint32, 1<<bits+1)
	for _, s := range all {
		index[s.bucket(bits)+1]++
	}
	for i := 1; i < len(index); i++ {
		index[i] += index[i-1]
	}
	base := make([]serial, len(all))
	next := slices.Clone(index)
	for _, s := range all {
		b := s.bucket(bits)
		base[next[b]] = s
		next[b]++
	}
	kept := uint32(0)
	for b := range len(index) - 1 {
		part := base[index[b]:index[b+1]]
		slices.SortFunc(part, compareSerials)
		part = slices.Compact(part)
		index[b] = kept
		kept += uint32(copy(base[kept:], part))
	}
	index[len(index)-1] = kept
	run.base, run.bits, run.index = base[:kept], bits, index
}

func indexBits(n int) uint {
	bits := uint(1)
	for n>>bits > 32 {
		bits++
	}
	return bits
}

func compareSerials(a, b serial) int { return bytes.Compare(a[:], b[:]) }

func (run *revocationRun) contains(s serial) bool {
	if len(run.base) > 0 {
		b := s.bucket(run.bits)
		part := run.base[run.index[b]:run.index[b+1]]
		if _, hit := slices.BinarySearchFunc(part, s, compareSerials); hit {
			return true
		}
	}
	_, hit := run.overlay.Load(s)
	return hit
}

// all goes through base and overlay.
func (run *revocationRun) all() iter.Seq[serial] {
	return func(yield func(serial) bool) {
		for _, s := range run.base {
			if !yield(s) {
				return
			}
		}
		run.overlay.Range(func(k, _ any) bool { return yield(k.(serial)) })
	}
}

// compact makes a run whose base has what the overlay had.
func (run *revocationRun) compact() *revocationRun {
	all := slices.AppendSeq(make([]serial, 0, len(run.base)+run.added), run.all())
	next := &revocationRun{overlay: &sync.Map{}, long: run.long}
	next.setBase(all)
	return next
}

// forget takes serials, in their order, out of memory. The caller holds mu.
func (set *issuerRevocations) forget(serials []LedgerSerial) {
	run := set.run.Load()
	var left []serial
	for s := range run.all() {
		short, ok := s.ledger()
		if ok {
			_, ok = slices.BinarySearchFunc(serials, short, compareLedgerSerials)
		}
		if !ok {
			left = append(left, s)
		}
	}
	next := &revocationRun{overlay: &sync.Map{}, long: run.long}
	next.setBase(left)
	set.run.Store(next)
}

// ledger is the serial in the ledger's length, if it fits.
func (s serial) ledger() (LedgerSerial, bool) {
	const more = serialBytes - ledgerSerialBytes
	return LedgerSerial(s[more:]), [more]byte(s[:more]) == [more]byte{}
}

// A certificateID is what a certificate is looked up by in Revocations.
type certificateID struct {
	issuer [32]byte
	number []byte
}

// identify lists what must not be revoked of a path: every certificate, by the
// key that issued it. For an anchor that is its own key, which matters when a
// self-signed client certificate is in the trust store itself.
func identify(path []*x509.Certificate) []certificateID {
	ids := make([]certificateID, len(path))
	for i, c := range path {
		issuer := path[min(i+1, len(path)-1)]
		ids[i] = certificateID{IssuerKey(issuer), c.SerialNumber.Bytes()}
	}
	return ids
}
