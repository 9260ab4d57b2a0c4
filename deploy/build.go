package deploy

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// MaxCode bounds the unpacked size of a function's code, as Lambda does.
const MaxCode = 250 << 20

// pack makes what is uploaded of an artifact.
func pack(ctx context.Context, a *artifact, arch string) (data []byte, how string, err error) {
	info, err := os.Stat(a.path)
	if err != nil {
		return nil, "", err
	}
	switch {
	case a.kind != codeOfFunction:
		data, err = readBounded(a.path, MaxTemplate)
		return data, "read", err
	case !info.IsDir():
		data, err = readBounded(a.path, MaxCode)
		return data, "read", err
	case strings.HasPrefix(a.runtime, "provided.") && isProgram(a.path):
		data, err = compile(ctx, a.path, arch)
		return data, "compiled for " + arch, err
	}
	data, err = zipFolder(a.path)
	return data, "zipped", err
}

// isProgram reports whether a folder holds the source of a Go program.
func isProgram(dir string) bool {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, e := range entries {
		if e.IsDir() || !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, e.Name()), nil, parser.PackageClauseOnly)
		if err == nil && file.Name.Name == "main" {
			return true
		}
	}
	return false
}

// compile makes a function's package of a Go program: a static executable named
// bootstrap, the same for the same source and toolchain.
func compile(ctx context.Context, dir, arch string) ([]byte, error) {
	tool, err := exec.LookPath("go")
	if err != nil {
		return nil, errors.New("the function is a Go program and no go command was found: install Go from https://go.dev/dl/, or point CodeUri at a built package")
	}
	work, err := os.MkdirTemp("", "countersign-deploy-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	out := filepath.Join(work, "bootstrap")
	cmd := exec.CommandContext(ctx, tool, "build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-ldflags", "-s -w -buildid=", "-o", out, ".")
	cmd.Dir = dir
	// Interrupted early, the go command leaves its temporary files: they are ours to remove.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOTMPDIR="+work)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	if said, err := cmd.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("go build in %s: %w\n%s", dir, err, bytes.TrimSpace(said))
	}
	binary, err := os.ReadFile(out)
	if err != nil {
		return nil, err
	}
	return zipFiles([]file{{name: "bootstrap", mode: 0o755, data: binary}})
}

type file struct {
	name string
	mode fs.FileMode
	data []byte
}

// zipFolder packs a folder, its files in the order of their names and without
// their times, so that the same content is the same package.
func zipFolder(dir string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var files []file
	var total int64
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		info, err := os.Stat(path) // through symbolic links, whose targets must lie in the folder: Open sees to that
		if err != nil {
			return err
		}
		if info.IsDir() {
			return fmt.Errorf("%s is a link to a folder: put the folder itself there", path)
		}
		if total += info.Size(); total > MaxCode {
			return fmt.Errorf("%s holds more than %d MiB", dir, MaxCode>>20)
		}
		f, err := root.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		data, err := io.ReadAll(io.LimitReader(f, MaxCode))
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if info.Mode()&0o111 != 0 {
			mode = 0o755
		}
		files = append(files, file{filepath.ToSlash(name), mode, data})
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s is empty", dir)
	}
	return zipFiles(files)
}

func zipFiles(files []file) ([]byte, error) {
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range files {
		header := &zip.FileHeader{Name: f.name, Method: zip.Deflate}
		header.SetMode(f.mode)
		to, err := w.CreateHeader(header)
		if err != nil {
			return nil, err
		}
		if _, err := to.Write(f.data); err != nil {
			return nil, err
		}
	}
	err := w.Close() // it writes the directory, so it comes before Bytes
	return out.Bytes(), err
}

func firstRune(b []byte) (rune, int) { return utf8.DecodeRune(b) }
