package edge

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"os"
	"slices"
	"sort"
	"sync"
)

// A file of revoked certificates, version 1, integers big-endian:
//
//	magic      8  and zeros up to a block
//	blocks        of one issuer after the other, in the order of their serials
//	directory     see below
//	footer    32  offset and length of the directory, its CRC-32C, zeros, magic
//
// A block is 4096 bytes: up to 255 serials of 16 bytes in order, at 4080 their
// number (2), at 4092 the CRC-32C of all before it and of the block's own number.
// The directory holds the file's name for itself (16), the revision it is
// complete to (8), and per issuer the key (32), how many serials (8), in how many blocks (8),
// and the first serial of each block.
//
// Opening reads the directory: 16 bytes for 255 serials. Everything else is read and
// checked when it is looked at.
const (
	fileMagic    = "CSREVOK\x01"
	blockSize    = 4096
	blockSerials = 255
	blockCount   = blockSerials * ledgerSerialBytes
	blockSum     = blockSize - 4
	footerSize   = 32

	// ledgerSerialBytes is the length of the serials in a file: those of the ledger.
	ledgerSerialBytes = 16

	maxDirectory = 1 << 30
)

// A LedgerSerial is a serial number as the ledger has it: 16 bytes, zeros first.
type LedgerSerial = [ledgerSerialBytes]byte

// A FileID names one file of revocations. It is drawn at random when the file is written.
type FileID = [16]byte

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A RevocationFile is a set of revoked certificates on disk. It never changes,
// and is safe for concurrent use. What is asked for is read from the file, whose
// blocks the system keeps in memory as far as there is any.
type RevocationFile struct {
	ID       FileID
	Revision uint64 // every revocation up to this revision of the store is in it
	Count    uint64

	file     io.ReaderAt // an *os.File is closed when the last lookup has let go of it
	segments map[[32]byte]*fileSegment
}

// A fileSegment is the part of one issuer.
type fileSegment struct {
	count uint64
	start uint64         // number of the first block
	first []LedgerSerial // of each block
}

// OpenRevocations opens a file. The error says that it is damaged, or what the system says.
func OpenRevocations(path string) (_ *RevocationFile, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	r, err := readRevocations(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return r, nil
}

var errDamaged = errors.New("the file of revoked certificates is damaged")

func readRevocations(f io.ReaderAt, size int64) (*RevocationFile, error) {
	var head [len(fileMagic)]byte
	var foot [footerSize]byte
	if size < blockSize+footerSize {
		return nil, errDamaged
	}
	if _, err := f.ReadAt(head[:], 0); err != nil {
		return nil, err
	}
	if _, err := f.ReadAt(foot[:], size-footerSize); err != nil {
		return nil, err
	}
	at, length := binary.BigEndian.Uint64(foot[:]), binary.BigEndian.Uint64(foot[8:])
	if string(head[:]) != fileMagic || string(foot[footerSize-len(fileMagic):]) != fileMagic ||
		length > maxDirectory || at%blockSize != 0 || at < blockSize || at+length != uint64(size)-footerSize {
		return nil, errDamaged
	}
	directory := make([]byte, length)
	if _, err := f.ReadAt(directory, int64(at)); err != nil {
		return nil, err
	}
	if crc32.Checksum(directory, castagnoli) != binary.BigEndian.Uint32(foot[16:]) {
		return nil, errDamaged
	}
	r := &RevocationFile{file: f, segments: map[[32]byte]*fileSegment{}}
	if !r.parse(directory, at/blockSize) {
		return nil, errDamaged
	}
	return r, nil
}

// parse takes the directory of a file whose blocks end before the one of number end.
func (r *RevocationFile) parse(b []byte, end uint64) bool {
	take := func(n int) (part []byte) {
		part, b = b[:n], b[n:]
		return part
	}
	const head = len(FileID{}) + 8
	if len(b) < head {
		return false
	}
	r.ID = FileID(take(len(r.ID)))
	r.Revision = binary.BigEndian.Uint64(take(8))
	next := uint64(1)
	for len(b) > 0 {
		if len(b) < 48 {
			return false
		}
		key := [32]byte(take(32))
		s := &fileSegment{count: binary.BigEndian.Uint64(take(8)), start: next}
		blocks := binary.BigEndian.Uint64(take(8))
		if blocks > uint64(len(b))/ledgerSerialBytes || r.segments[key] != nil || s.count > blocks*blockSerials || s.count < blocks {
			return false
		}
		s.first = make([]LedgerSerial, blocks)
		for i := range s.first {
			s.first[i] = LedgerSerial(take(ledgerSerialBytes))
			if i > 0 && bytes.Compare(s.first[i-1][:], s.first[i][:]) >= 0 {
				return false
			}
		}
		next += blocks
		r.Count += s.count
		r.segments[key] = s
	}
	return next == end
}

// blocks are the buffers that lookups read into.
var blocks = sync.Pool{New: func() any { return new([blockSize]byte) }}

// block reads a block of a segment, by its number there, and returns how many
// serials it has.
func (r *RevocationFile) block(buffer *[blockSize]byte, s *fileSegment, n int) (int, error) {
	number := s.start + uint64(n)
	if _, err := r.file.ReadAt(buffer[:], int64(number)*blockSize); err != nil {
		return 0, fmt.Errorf("read revoked certificates: %w", err)
	}
	count := int(binary.BigEndian.Uint16(buffer[blockCount:]))
	if blockChecksum(buffer, number) != binary.BigEndian.Uint32(buffer[blockSum:]) || count == 0 || count > blockSerials ||
		serialIn(buffer, 0) != s.first[n] {
		return 0, errDamaged
	}
	return count, nil
}

func serialIn(block *[blockSize]byte, n int) LedgerSerial {
	return LedgerSerial(block[n*ledgerSerialBytes:][:ledgerSerialBytes])
}

func blockChecksum(block *[blockSize]byte, number uint64) uint32 {
	var own [8]byte
	binary.BigEndian.PutUint64(own[:], number)
	return crc32.Update(crc32.Checksum(block[:blockSum], castagnoli), castagnoli, own[:])
}

// Contains reports whether the issuer key has revoked the serial. It reads one
// block at most.
func (r *RevocationFile) Contains(issuer [32]byte, serial LedgerSerial) (bool, error) {
	s := r.segments[issuer]
	if s == nil {
		return false, nil
	}
	n, found := slices.BinarySearchFunc(s.first, serial, compareLedgerSerials)
	if found {
		return true, nil
	}
	if n == 0 {
		return false, nil
	}
	buffer := blocks.Get().(*[blockSize]byte)
	defer blocks.Put(buffer)
	count, err := r.block(buffer, s, n-1)
	if err != nil {
		return false, err
	}
	i := sort.Search(count, func(i int) bool {
		at := serialIn(buffer, i)
		return compareLedgerSerials(at, serial) >= 0
	})
	return i < count && serialIn(buffer, i) == serial, nil
}

func compareLedgerSerials(a, b LedgerSerial) int { return bytes.Compare(a[:], b[:]) }

// Issuers are the keys of the issuers in the file.
func (r *RevocationFile) Issuers() [][32]byte {
	var keys [][32]byte
	for key := range r.segments {
		keys = append(keys, key)
	}
	return keys
}

// Serials goes through those of an issuer in their order. An error ends it.
func (r *RevocationFile) Serials(issuer [32]byte) iter.Seq2[LedgerSerial, error] {
	return func(yield func(LedgerSerial, error) bool) {
		s := r.segments[issuer]
		if s == nil {
			return
		}
		var buffer [blockSize]byte
		seen := uint64(0)
		last := LedgerSerial{}
		for n := range s.first {
			count, err := r.block(&buffer, s, n)
			for i := 0; i < count && err == nil; i++ {
				serial := serialIn(&buffer, i)
				if seen > 0 && compareLedgerSerials(last, serial) >= 0 {
					err = errDamaged
				} else if !yield(serial, nil) {
					return
				}
				last = serial
				seen++
			}
			if err != nil {
				yield(LedgerSerial{}, err)
				return
			}
		}
		if seen != s.count {
			yield(LedgerSerial{}, errDamaged)
		}
	}
}

// WriteRevocations writes a file: for each issuer its serials, which must come
// in their order, each once. It is durable when WriteRevocations returns, but for the entry
// in its folder. It holds 16 bytes for 255 serials in memory. After an error
// there may be a part of a file.
func WriteRevocations(path string, id FileID, revision uint64, issuers map[[32]byte]iter.Seq2[LedgerSerial, error]) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	w := &fileWriter{to: bufio.NewWriterSize(f, 1<<20), number: 1}
	directory := append(id[:0:0], id[:]...)
	directory = binary.BigEndian.AppendUint64(directory, revision)
	copy(w.block[:], fileMagic)
	w.write(w.block[:])
	for issuer, serials := range issuers {
		if err = w.segment(serials); err != nil {
			break
		}
		directory = append(directory, issuer[:]...)
		directory = binary.BigEndian.AppendUint64(directory, w.count)
		directory = binary.BigEndian.AppendUint64(directory, uint64(len(w.first)))
		for _, first := range w.first {
			directory = append(directory, first[:]...)
		}
	}
	var foot [footerSize]byte
	binary.BigEndian.PutUint64(foot[:], w.number*blockSize)
	binary.BigEndian.PutUint64(foot[8:], uint64(len(directory)))
	binary.BigEndian.PutUint32(foot[16:], crc32.Checksum(directory, castagnoli))
	copy(foot[footerSize-len(fileMagic):], fileMagic)
	w.write(directory)
	w.write(foot[:])
	if err == nil {
		err = errors.Join(w.err, w.to.Flush())
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// A fileWriter writes blocks.
type fileWriter struct {
	to     *bufio.Writer
	err    error
	block  [blockSize]byte
	number uint64 // of the next block

	// Of the segment.
	count uint64
	first []LedgerSerial
}

func (w *fileWriter) write(b []byte) {
	if w.err == nil {
		_, w.err = w.to.Write(b)
	}
}

func (w *fileWriter) segment(serials iter.Seq2[LedgerSerial, error]) error {
	w.count, w.first = 0, nil
	last := LedgerSerial{}
	n := 0 // in the block
	for serial, err := range serials {
		if err != nil {
			return err
		}
		if w.count > 0 && compareLedgerSerials(last, serial) >= 0 {
			return fmt.Errorf("revoked serials out of order: %x after %x", serial, last)
		}
		if n == blockSerials {
			w.flush(n)
			n = 0
		}
		if n == 0 {
			w.first = append(w.first, serial)
		}
		copy(w.block[n*ledgerSerialBytes:], serial[:])
		last = serial
		w.count++
		n++
	}
	if n > 0 {
		w.flush(n)
	}
	return w.err
}

// flush writes a block of n serials.
func (w *fileWriter) flush(n int) {
	clear(w.block[n*ledgerSerialBytes:])
	binary.BigEndian.PutUint16(w.block[blockCount:], uint16(n))
	binary.BigEndian.PutUint32(w.block[blockSum:], blockChecksum(&w.block, w.number))
	w.write(w.block[:])
	w.number++
}

// MergeSerials goes through several ordered sequences as one, each serial once.
func MergeSerials(parts ...iter.Seq2[LedgerSerial, error]) iter.Seq2[LedgerSerial, error] {
	if len(parts) == 1 {
		return parts[0]
	}
	return func(yield func(LedgerSerial, error) bool) {
		type head struct {
			serial LedgerSerial
			next   func() (LedgerSerial, error, bool)
		}
		var heads []*head
		advance := func(h *head) (more bool, err error) {
			h.serial, err, more = h.next()
			return more, err
		}
		for _, part := range parts {
			next, stop := iter.Pull2(part)
			defer stop()
			h := &head{next: next}
			more, err := advance(h)
			if err != nil {
				yield(LedgerSerial{}, err)
				return
			}
			if more {
				heads = append(heads, h)
			}
		}
		for len(heads) > 0 {
			least := heads[0].serial
			for _, h := range heads[1:] {
				if compareLedgerSerials(h.serial, least) < 0 {
					least = h.serial
				}
			}
			if !yield(least, nil) {
				return
			}
			for i := 0; i < len(heads); {
				if heads[i].serial != least {
					i++
					continue
				}
				more, err := advance(heads[i])
				if err != nil {
					yield(LedgerSerial{}, err)
					return
				}
				if !more {
					heads = slices.Delete(heads, i, i+1)
				}
			}
		}
	}
}
