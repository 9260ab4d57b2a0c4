package runner

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"countersign/service/functions/bundle"
)

// trees holds unpacked code, each package in a folder named after the hash of
// its zip file. A tree is made once and never changed.
type trees struct {
	dir string

	mu      sync.Mutex
	pending map[[32]byte]*pendingTree // being unpacked
}

type pendingTree struct {
	done chan struct{}
	err  error
}

// get returns the folder of a package, unpacking it if need be, once however many ask.
func (t *trees) get(ctx context.Context, c *Code) (string, error) {
	dir := filepath.Join(t.dir, hex.EncodeToString(c.SHA256[:]))
	t.mu.Lock()
	if p := t.pending[c.SHA256]; p != nil {
		t.mu.Unlock()
		select {
		case <-p.done:
			return dir, p.err
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	if _, err := os.Stat(dir); err == nil {
		t.mu.Unlock()
		return dir, nil
	}
	p := &pendingTree{done: make(chan struct{})}
	if t.pending == nil {
		t.pending = make(map[[32]byte]*pendingTree)
	}
	t.pending[c.SHA256] = p
	t.mu.Unlock()

	p.err = t.unpack(ctx, c, dir)
	t.mu.Lock()
	delete(t.pending, c.SHA256)
	t.mu.Unlock()
	close(p.done)
	return dir, p.err
}

// unpack copies the zip file to disk, since unzipping needs random access,
// checks that it is the one that was recorded, and unpacks it.
func (t *trees) unpack(ctx context.Context, c *Code, dir string) error {
	in, err := c.Open(ctx)
	if err != nil {
		return err
	}
	defer in.Close()
	spool, err := os.CreateTemp(t.dir, ".zip-")
	if err != nil {
		return err
	}
	defer os.Remove(spool.Name())
	defer spool.Close()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(spool, sum), io.LimitReader(in, c.Size+1))
	if err != nil {
		return err
	}
	if n != c.Size || [32]byte(sum.Sum(nil)) != c.SHA256 {
		return fmt.Errorf("the stored package %x has been altered", c.SHA256)
	}
	return bundle.Unpack(spool, n, dir)
}

// keep removes every tree that wanted does not want, and what broken attempts have left.
func (t *trees) keep(wanted func(sum string) bool) error {
	entries, err := os.ReadDir(t.dir)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range entries {
		partial := strings.HasPrefix(e.Name(), ".")
		if len(t.pending) > 0 && partial || !partial && wanted(e.Name()) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(t.dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// machines is what an executable for each of Lambda's architectures says of itself.
var machines = map[string]elf.Machine{"x86_64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}

// checkEntrypoint looks for a bootstrap that this architecture can run. What
// is not an ELF file may be a script, and is left to the system.
func checkEntrypoint(tree, architecture string) error {
	path := filepath.Join(tree, "bootstrap")
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return &entrypointError{"Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"}
	} else if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var magic [4]byte
	if _, err := io.ReadFull(f, magic[:]); err != nil || !bytes.Equal(magic[:], []byte(elf.ELFMAG)) {
		return nil
	}
	if runtime.GOOS != "linux" {
		return &entrypointError{"bootstrap is a Linux executable and this node runs on " + runtime.GOOS + "; build it with GOOS=" + runtime.GOOS}
	}
	program, err := elf.NewFile(f)
	if err != nil {
		return &entrypointError{"bootstrap is not a valid ELF executable"}
	}
	if program.Machine != machines[architecture] {
		return &entrypointError{fmt.Sprintf("bootstrap is built for %s and the function's architecture is %s; build it with GOARCH=%s or change Architectures",
			strings.ToLower(strings.TrimPrefix(program.Machine.String(), "EM_")), architecture, goarch(architecture))}
	}
	return nil
}

func goarch(architecture string) string {
	if architecture == "x86_64" {
		return "amd64"
	}
	return architecture
}
