package bundle

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// Unpack writes the files of a zip of size bytes to dir, which must not exist
// yet and appears whole or not at all: the work is done beside it, in a folder
// that is renamed at the end. The tree is for everybody to read and nobody but
// its owner to write; bootstrap is made executable, as zip files made on
// Windows do not carry the bit. Where dir appears meanwhile, its maker has won
// and that is no error, so callers name dir after the content. The package is judged again:
// what lies in a store is foreign too.
func Unpack(r io.ReaderAt, size int64, dir string) error {
	b, err := parse(r, size)
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".unpack-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := b.write(tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, dir); err != nil {
		if info, statErr := os.Stat(dir); statErr == nil && info.IsDir() {
			return nil
		}
		return err
	}
	return nil
}

// write fills the empty folder dir. All access goes through an os.Root, which
// does not follow a link out of it whatever the checks before have missed.
func (b *Bundle) write(dir string) error {
	// MkdirTemp makes 0700; functions may run as another user.
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for i := range b.files {
		f := &b.files[i]
		if err := f.write(root); err != nil {
			return fmt.Errorf("unpack %q: %w", f.name, err)
		}
	}
	// The umask of the node must not decide who can read the code.
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return root.Chmod(name, 0o755)
	})
}

func (f *file) write(root *os.Root) error {
	parent := f.name
	if f.kind != fs.ModeDir {
		parent = path.Dir(f.name)
	}
	if parent != "." {
		if err := root.MkdirAll(parent, 0o755); err != nil {
			return err
		}
	}
	switch f.kind {
	case fs.ModeDir:
		return nil
	case fs.ModeSymlink:
		return root.Symlink(f.target, f.name)
	}
	mode := fs.FileMode(0o644)
	if f.executable || f.name == "bootstrap" {
		mode = 0o755
	}
	out, err := root.OpenFile(f.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if err := f.copyTo(out); err != nil {
		out.Close()
		return err
	}
	// Synced, because the renamed folder is trusted after a power cut.
	if err := errors.Join(out.Chmod(mode), out.Sync()); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
