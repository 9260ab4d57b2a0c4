package node

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"countersign/edge"
	"countersign/store"
)

// kindRevocationFile has a record for the file of revoked certificates that is in
// force, its key the file's id. It ties the file to this store: a file that no record
// names, of another store or of a time that a backup does not know, is not read.
const kindRevocationFile = "node/revocation-file"

// A revocationFile is such a record.
type revocationFile struct {
	Revision store.Revision // every revocation up to this one is in the file
	Count    uint64
}

// revocationLimits say how much is done at a time.
type revocationLimits struct {
	// file is how many revocations in memory make a new file. A start reads about
	// as many from the ledger.
	file int
	// first is the same while a long ledger is read for the first time.
	first int
	// start is how many revocations are read before anything is served. If there
	// are more, the gateway refuses who has a certificate until all are read.
	start int
	// once is how many are read then between two looks at everything else.
	once int
	// page is how many are asked for.
	page int
}

var defaultRevocationLimits = revocationLimits{file: 1 << 16, first: 1 << 20, start: 200_000, once: 50_000, page: 10_000}

// A revocationLog keeps the gateway's set of revoked certificates level with the
// ledger: it reads the feed of revocations, and moves what has come together in memory into a file,
// so that no start reads the whole feed again. Its methods run on the
// publisher's goroutine.
type revocationLog struct {
	publisher *publisher
	folder    string
	random    io.Reader
	limits    revocationLimits

	read store.Revision // up to here the feed is in the set
	more bool           // the feed goes on; the set is held
	next chan writtenFile
	busy bool // a file is being written

	damaged atomic.Bool // a lookup could not read the file
}

// A writtenFile is what the goroutine that writes files hands over.
type writtenFile struct {
	file    *edge.RevocationFile
	pending map[[32]byte][]edge.LedgerSerial
	err     error
}

func (l *revocationLog) path(id string) string {
	return filepath.Join(l.folder, "revoked-"+id+".set")
}

// start opens the file and reads what came after it, or a part of that.
func (l *revocationLog) start(ctx context.Context) error {
	l.next = make(chan writtenFile, 1)
	p := l.publisher
	records, err := p.store.List(ctx, kindRevocationFile, "", "", 0)
	if err != nil {
		return fmt.Errorf("read what revocations are on file: %w", err)
	}
	for _, r := range records {
		f, err := l.open(r)
		if err != nil {
			p.log.Warn("the file of revoked certificates cannot be used; the ledger is read instead", "file", l.path(r.Key), "error", err)
			continue
		}
		p.revocations.Install(f, nil)
		l.read = store.Revision(f.Revision)
	}
	l.sweep(records)
	for rows := 0; rows < l.limits.start; {
		n, err := l.readSome(ctx)
		if err != nil || n == 0 {
			return err
		}
		rows += n
	}
	p.log.Warn("many revocations are to be read; until they are, the gateway refuses certificates")
	l.hold()
	return nil
}

// hold refuses certificates until the feed was read.
func (l *revocationLog) hold() {
	l.more = true
	l.publisher.revocations.Hold(errors.New("the ledger of revoked certificates is being read"))
}

// open opens the file of a record.
func (l *revocationLog) open(r store.Record) (*edge.RevocationFile, error) {
	var want revocationFile
	if err := json.Unmarshal(r.Value, &want); err != nil {
		return nil, err
	}
	f, err := edge.OpenRevocations(l.path(r.Key))
	if err != nil {
		return nil, err
	}
	if hex.EncodeToString(f.ID[:]) != r.Key || f.Revision != uint64(want.Revision) || f.Count != want.Count || want.Revision > l.publisher.store.Revision() {
		return nil, errors.New("it is another file than its record says")
	}
	return f, nil
}

// sweep removes the files that no record names.
func (l *revocationLog) sweep(records []store.Record) {
	known := map[string]bool{}
	for _, r := range records {
		known[l.path(r.Key)] = true
	}
	found, _ := filepath.Glob(l.path("*"))
	for _, path := range found {
		if !known[path] {
			_ = os.Remove(path) // the next start tries again
		}
	}
}

// catchUp reads on, and takes over a file that was written meanwhile.
func (l *revocationLog) catchUp(ctx context.Context) error {
	p := l.publisher
	if l.damaged.Swap(false) && p.revocations.File() != nil {
		p.log.Error("the file of revoked certificates cannot be read; the ledger is read again, and until it is, the gateway refuses certificates")
		l.hold()
		p.revocations.Install(nil, nil)
		l.read = 0
	}
	select {
	case w := <-l.next:
		l.busy = false
		l.install(ctx, w)
	default:
	}
	if p.store.Changed(store.KindRevocation) > l.read {
		for rows := 0; !l.more || rows < l.limits.once; {
			n, err := l.readSome(ctx)
			if err != nil {
				return err
			}
			if n == 0 {
				break
			}
			rows += n
		}
	}
	if l.more && p.store.Changed(store.KindRevocation) <= l.read {
		l.more = false
		p.revocations.Release()
		p.log.Info("all revocations are read; the gateway looks at certificates again")
	}
	l.write(ctx)
	return nil
}

// readSome adds the next revocations of the feed to the set, and says how many
// there were. One whose issuer cannot be found is an error, and is looked at again the
// next time; those after it are added all the same.
func (l *revocationLog) readSome(ctx context.Context) (int, error) {
	var unknown error
	p := l.publisher
	for after := l.read; ; {
		rows, err := p.store.Revocations(ctx, after, l.limits.page)
		if err != nil {
			return 0, fmt.Errorf("read revocations: %w", err)
		}
		if len(rows) == 0 {
			return 0, unknown
		}
		byIssuer := map[[32]byte][][]byte{}
		for _, r := range rows {
			key, err := p.issuer(ctx, r.Authority)
			if err != nil {
				unknown = err
				continue
			}
			byIssuer[key] = append(byIssuer[key], r.Serial[:])
		}
		for key, serials := range byIssuer {
			p.revocations.Add(key, serials...)
		}
		after = rows[len(rows)-1].Revision
		if unknown == nil {
			l.read = after
			return len(rows), nil
		}
	}
}

// write begins a new file when enough has come together.
func (l *revocationLog) write(ctx context.Context) {
	if l.busy {
		return
	}
	enough := l.limits.file
	if l.more {
		enough = l.limits.first
	}
	pending := l.publisher.revocations.Pending(enough)
	if pending == nil {
		return
	}
	l.busy = true
	below, revision := l.publisher.revocations.File(), l.read
	l.publisher.writing.Go(func() {
		f, err := l.writeFile(ctx, below, pending, revision)
		l.next <- writtenFile{f, pending, err}
		l.publisher.interrupt()
	})
}

// writeFile writes what the file below and memory have together.
func (l *revocationLog) writeFile(ctx context.Context, below *edge.RevocationFile, pending map[[32]byte][]edge.LedgerSerial, revision store.Revision) (*edge.RevocationFile, error) {
	var id edge.FileID
	if _, err := io.ReadFull(l.random, id[:]); err != nil {
		return nil, err
	}
	parts := map[[32]byte]iter.Seq2[edge.LedgerSerial, error]{}
	for issuer, serials := range pending {
		parts[issuer] = inTime(ctx, serials)
	}
	if below != nil {
		for _, issuer := range below.Issuers() {
			parts[issuer] = edge.MergeSerials(below.Serials(issuer), inTime(ctx, pending[issuer]))
		}
	}
	path := l.path(hex.EncodeToString(id[:]))
	if err := edge.WriteRevocations(path, id, uint64(revision), parts); err != nil {
		_ = os.Remove(path)
		return nil, err
	}
	if err := syncFolder(l.folder); err != nil {
		return nil, err
	}
	return edge.OpenRevocations(path)
}

// inTime is a sequence that ends with an error when ctx has ended.
func inTime(ctx context.Context, serials []edge.LedgerSerial) iter.Seq2[edge.LedgerSerial, error] {
	return func(yield func(edge.LedgerSerial, error) bool) {
		for _, s := range serials {
			if !yield(s, ctx.Err()) {
				return
			}
		}
	}
}

// install records a file and puts it in force. Until its record is durable the
// one before is: what goes wrong here costs a longer start.
func (l *revocationLog) install(ctx context.Context, w writtenFile) {
	p := l.publisher
	if w.err != nil {
		if ctx.Err() == nil {
			p.log.Error("revocations could not be written to a file; they stay in memory", "error", w.err)
		}
		return
	}
	id := hex.EncodeToString(w.file.ID[:])
	value, err := json.Marshal(revocationFile{store.Revision(w.file.Revision), w.file.Count})
	if err != nil {
		return
	}
	before, err := p.store.List(ctx, kindRevocationFile, "", "", 0)
	if err != nil {
		p.log.Error("the new file of revoked certificates is not recorded", "error", err)
		return
	}
	b := new(store.Batch).Create(kindRevocationFile, id, value)
	for _, r := range before {
		b.Delete(kindRevocationFile, r.Key)
	}
	if _, err := p.store.Commit(ctx, b); err != nil {
		p.log.Error("the new file of revoked certificates is not recorded", "error", err)
		return
	}
	p.revocations.Install(w.file, w.pending)
	for _, r := range before {
		_ = os.Remove(l.path(r.Key)) // who still reads it has it open
	}
	p.log.Debug("revocations moved to a file", "file", strings.TrimPrefix(l.path(id), l.folder), "revision", w.file.Revision, "revoked", w.file.Count)
}
