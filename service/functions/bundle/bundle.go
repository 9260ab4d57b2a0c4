// Package bundle checks and unpacks deployment packages: the zip files that
// hold a function's code. It is the gate between bytes that anybody may upload
// and files on this machine's disk, so everything about a package is judged
// before its first byte is written. It answers for no AWS API of its own; the
// Lambda API of service/functions is built on it. Container images and layers
// are not handled.
package bundle

import (
	"archive/zip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// Limits of one package. The first two are Lambda's ("Lambda quotas" in its
// developer guide); the others bound the work that a hostile file can cause.
const (
	MaxUpload   = 50 << 20  // bytes of a zip file sent inside a request
	MaxUnpacked = 262144000 // bytes of all files after unpacking, and of a zip file taken from S3
	MaxEntries  = 20000     // files, directories and links
	maxPath     = 1024      // bytes of one entry's path
	maxLink     = 1024      // bytes of one symbolic link's target
	// maxDirectory bounds the part of the file that the zip reader turns into
	// memory before anything can be counted: some hundred bytes for each 46.
	maxDirectory = 8 << 20
)

// ErrTooLarge is wrapped by the errors that are about size; compare with errors.Is.
var ErrTooLarge = errors.New("package too large")

// A Bundle is a package that passed Check. It is safe for concurrent use as
// far as the reader beneath it is.
type Bundle struct {
	files    []file
	unpacked int64
}

// A file is one entry, its name cleaned and its kind decided.
type file struct {
	name       string // slash-separated, local, never empty
	zip        *zip.File
	kind       fs.FileMode // 0, fs.ModeDir or fs.ModeSymlink
	executable bool
	target     string // of a symlink
}

// Size is the number of bytes that the files take unpacked.
func (b *Bundle) Size() int64 { return b.unpacked }

// Check reads a whole zip file of size bytes, decompressing every entry against
// its checksum, and says what is wrong with it. A package that passes holds
// only regular files, directories, and symbolic links that stay inside; no name
// leaves its root, none occurs twice, and none lies below a file or a link. The errors are
// for people; those about size wrap ErrTooLarge. Memory stays small whatever the file says of itself.
func Check(r io.ReaderAt, size int64) (*Bundle, error) {
	b, err := parse(r, size)
	if err != nil {
		return nil, err
	}
	for i := range b.files {
		f := &b.files[i]
		if f.kind != 0 {
			continue
		}
		if err := f.copyTo(io.Discard); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// parse judges everything but the contents of regular files.
func parse(r io.ReaderAt, size int64) (*Bundle, error) {
	if size > MaxUnpacked {
		return nil, fmt.Errorf("%w: the zip file has %d bytes, the limit is %d", ErrTooLarge, size, MaxUnpacked)
	}
	if err := checkDirectory(r, size); err != nil {
		return nil, err
	}
	z, err := zip.NewReader(r, size)
	// Insecure paths are refused below with a message that names them.
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, fmt.Errorf("not a zip file: %w", err)
	}
	if len(z.File) == 0 {
		return nil, errors.New("the zip file is empty")
	}
	if len(z.File) > MaxEntries {
		return nil, fmt.Errorf("%w: %d entries, the limit is %d", ErrTooLarge, len(z.File), MaxEntries)
	}
	b := &Bundle{files: make([]file, 0, len(z.File))}
	kinds := make(map[string]fs.FileMode, len(z.File))
	for _, e := range z.File {
		f, err := judge(e)
		if err != nil {
			return nil, err
		}
		if f.name == "." {
			continue // the root itself, as "./"
		}
		if had, dup := kinds[f.name]; dup && (had != fs.ModeDir || f.kind != fs.ModeDir) {
			return nil, fmt.Errorf("entry %q occurs twice", f.name)
		} else if dup {
			continue
		}
		kinds[f.name] = f.kind
		// The declared sizes are added here, and copyTo holds every entry to its own.
		if f.kind == 0 {
			if e.UncompressedSize64 > uint64(MaxUnpacked-b.unpacked) {
				return nil, fmt.Errorf("%w: unpacked it would have more than %d bytes", ErrTooLarge, MaxUnpacked)
			}
			b.unpacked += int64(e.UncompressedSize64)
		}
		b.files = append(b.files, f)
	}
	for _, f := range b.files {
		for dir := path.Dir(f.name); dir != "."; dir = path.Dir(dir) {
			if kind, known := kinds[dir]; known && kind != fs.ModeDir {
				return nil, fmt.Errorf("entry %q lies below %q, which is not a directory", f.name, dir)
			}
		}
	}
	return b, nil
}

// checkDirectory finds the end-of-central-directory record and bounds the
// directory that it points at. zip.NewReader makes an object of every header
// it meets, and believes a count that is modulo 65,536, so this is the only
// point where a file full of directory headers can be stopped.
func checkDirectory(r io.ReaderAt, size int64) error {
	const length, signature = 22, "PK\x05\x06"
	if size < length {
		return errors.New("not a zip file: too short")
	}
	tail := make([]byte, min(size, length+0xffff))
	if n, err := r.ReadAt(tail, size-int64(len(tail))); err != nil && (err != io.EOF || n != len(tail)) {
		return fmt.Errorf("read the zip file: %w", err)
	}
	at := -1
	for i := len(tail) - length; i >= 0; i-- {
		if string(tail[i:i+4]) == signature && i+length+int(binary.LittleEndian.Uint16(tail[i+20:])) <= len(tail) {
			at = i
			break
		}
	}
	if at < 0 {
		return errors.New("not a zip file: no end of central directory")
	}
	directory := int64(binary.LittleEndian.Uint32(tail[at+12:]))
	offset := int64(binary.LittleEndian.Uint32(tail[at+16:]))
	if offset == 0xffffffff || directory == 0xffffffff || binary.LittleEndian.Uint16(tail[at+10:]) == 0xffff {
		return errors.New("a zip64 directory is not accepted")
	}
	end := size - int64(len(tail)) + int64(at)
	// The reader starts either at offset or, where something was put in front
	// of the archive, at the directory's length before its end.
	if directory > maxDirectory || end-offset > maxDirectory+directory {
		return fmt.Errorf("%w: its directory has more than %d bytes", ErrTooLarge, maxDirectory)
	}
	return nil
}

// judge decides on one entry from its header; of a symlink it reads the target.
func judge(e *zip.File) (file, error) {
	f := file{zip: e}
	switch {
	case len(e.Name) > maxPath:
		return f, fmt.Errorf("entry %.64q…: its path has more than %d bytes", e.Name, maxPath)
	case !utf8.ValidString(e.Name) || strings.ContainsRune(e.Name, 0):
		return f, fmt.Errorf("entry %q: its path is not valid UTF-8", e.Name)
	case strings.Contains(e.Name, `\`):
		return f, fmt.Errorf("entry %q: its path has a backslash; separate directories with /", e.Name)
	case strings.HasPrefix(e.Name, "/"):
		return f, fmt.Errorf("entry %q: its path is absolute", e.Name)
	case e.Flags&1 != 0:
		return f, fmt.Errorf("entry %q is encrypted", e.Name)
	case e.Method != zip.Store && e.Method != zip.Deflate:
		return f, fmt.Errorf("entry %q: compression method %d is not supported", e.Name, e.Method)
	}
	for part := range strings.SplitSeq(e.Name, "/") {
		if part == ".." {
			return f, fmt.Errorf("entry %q: its path leaves the package", e.Name)
		}
		if len(part) > 255 {
			return f, fmt.Errorf("entry %.64q…: a part of its path has more than 255 bytes", e.Name)
		}
	}
	f.name = path.Clean(e.Name)
	if !filepath.IsLocal(filepath.FromSlash(f.name)) {
		return f, fmt.Errorf("entry %q: its path is not accepted", e.Name)
	}
	mode := e.Mode()
	f.kind = mode.Type()
	f.executable = mode&0o111 != 0
	switch f.kind {
	case 0:
	case fs.ModeDir:
	case fs.ModeSymlink:
		target, err := f.readTarget()
		if err != nil {
			return f, err
		}
		f.target = target
	default:
		return f, fmt.Errorf("entry %q is neither a file, a directory nor a symbolic link", e.Name)
	}
	return f, nil
}

// readTarget reads where a symlink points and demands that it stays inside.
// ".." may only lead: behind the name of another link it would be resolved from
// where that link points, and what reads as staying inside could leave. Leading ones start from
// a true directory, since no entry lies below a link, so counting them is exact.
func (f *file) readTarget() (string, error) {
	if f.zip.UncompressedSize64 > maxLink {
		return "", fmt.Errorf("entry %q: the link's target has more than %d bytes", f.name, maxLink)
	}
	var b strings.Builder
	if err := f.copyTo(&b); err != nil {
		return "", err
	}
	target := b.String()
	if target == "" || !utf8.ValidString(target) || strings.ContainsAny(target, "\x00\\") || strings.HasPrefix(target, "/") {
		return "", fmt.Errorf("entry %q: a link to %q is not accepted", f.name, target)
	}
	depth, descended := strings.Count(f.name, "/"), false
	for part := range strings.SplitSeq(target, "/") {
		switch part {
		case "", ".":
		case "..":
			if depth--; depth < 0 || descended {
				return "", fmt.Errorf("entry %q: a link to %q may leave the package", f.name, target)
			}
		default:
			descended = true
		}
	}
	return target, nil
}

// copyTo writes the entry's bytes, at most as many as its header declared; the
// zip reader verifies length and checksum.
func (f *file) copyTo(w io.Writer) error {
	r, err := f.zip.Open()
	if err != nil {
		return fmt.Errorf("entry %q: %w", f.name, err)
	}
	defer r.Close()
	declared := int64(f.zip.UncompressedSize64)
	n, err := io.Copy(w, io.LimitReader(r, declared+1))
	if err != nil {
		return fmt.Errorf("entry %q: %w", f.name, err)
	}
	if n != declared {
		return fmt.Errorf("entry %q has another length than it declares", f.name)
	}
	return nil
}
