// Package runnertest builds the function that tests of the runner and of the Lambda API run. It
// answers for no AWS API; only tests import it.
package runnertest

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

var build = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "handler")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	bin := filepath.Join(dir, "bootstrap")
	cmd := exec.Command("go", "build", "-o", bin, "-ldflags=-s -w", "countersign/service/functions/runner/runnertest/handler")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return os.ReadFile(bin)
})

// Handler returns the executable of ./handler, built once per test run.
func Handler(tb testing.TB) []byte {
	tb.Helper()
	b, err := build()
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// HandlerZip returns it as a deployment package. Packages with different names differ.
func HandlerZip(tb testing.TB, name string) []byte {
	tb.Helper()
	return Zip(tb, File{Name: "bootstrap", Mode: 0o755, Body: Handler(tb)}, File{Name: "NAME", Body: []byte(name)})
}

// A File is an entry of a zip file.
type File struct {
	Name string
	Mode fs.FileMode // zero: none recorded
	Body []byte
}

// Zip makes a zip file of the entries, in their order.
func Zip(tb testing.TB, files ...File) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	w.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) { return flate.NewWriter(out, flate.BestSpeed) })
	for _, f := range files {
		h := &zip.FileHeader{Name: f.Name, Method: zip.Deflate, Modified: time.Unix(1e9, 0)}
		// Stored where compression takes long and shows nothing: thousands of tiny
		// entries, and the handler, which every test packs, under the race detector.
		if len(f.Body) < 100 || f.Name == "bootstrap" {
			h.Method = zip.Store
		}
		if f.Mode != 0 {
			h.SetMode(f.Mode)
		}
		e, err := w.CreateHeader(h)
		if err == nil {
			_, err = e.Write(f.Body)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}
