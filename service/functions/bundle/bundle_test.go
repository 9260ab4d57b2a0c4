package bundle_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"countersign/service/functions/bundle"
	"countersign/service/functions/runner/runnertest"
)

type file = runnertest.File

func check(b []byte) error {
	_, err := bundle.Check(bytes.NewReader(b), int64(len(b)))
	return err
}

func TestUnpack(t *testing.T) {
	t.Parallel()
	b := runnertest.Zip(t,
		file{Name: "./"},
		file{Name: "bootstrap", Body: []byte("#!/bin/sh\n")}, // no mode, as from Windows
		file{Name: "lib/"},
		file{Name: "lib/tool", Mode: 0o4755, Body: []byte("tool")},
		file{Name: "lib/data.json", Mode: 0o600, Body: []byte("{}")},
		file{Name: "a/b/c", Body: nil},
		file{Name: "a/link", Mode: fs.ModeSymlink | 0o777, Body: []byte("../lib/tool")},
		file{Name: "current", Mode: fs.ModeSymlink | 0o777, Body: []byte("lib")},
		file{Name: "dot..dot/...", Body: []byte("fine")},
	)
	dir := filepath.Join(t.TempDir(), "tree")
	checked, err := bundle.Check(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if checked.Size() != int64(len("#!/bin/sh\n")+len("tool")+len("{}")+len("fine")) {
		t.Errorf("size %d", checked.Size())
	}
	for range 2 { // the second time it is there already
		if err := bundle.Unpack(bytes.NewReader(b), int64(len(b)), dir); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"": "drwxr-xr-x", "bootstrap": "-rwxr-xr-x", "lib": "drwxr-xr-x", "lib/tool": "-rwxr-xr-x", "lib/data.json": "-rw-r--r--",
		"a/b": "drwxr-xr-x", "a/b/c": "-rw-r--r--", "dot..dot/...": "-rw-r--r--",
	} {
		if info, err := os.Lstat(filepath.Join(dir, name)); err != nil || info.Mode().String() != want {
			t.Errorf("%s: %v %v, want %s", name, info, err, want)
		}
	}
	for _, name := range []string{"a/link", "current/tool"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != "tool" {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
	left, err := os.ReadDir(filepath.Dir(dir))
	if err != nil || len(left) != 1 {
		t.Errorf("beside the tree: %v %v", left, err)
	}
}

// raw makes a zip whose headers need not be true.
func raw(t *testing.T, change func(*zip.FileHeader), body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	h := &zip.FileHeader{Name: "x", Method: zip.Store, UncompressedSize64: uint64(len(body)), CompressedSize64: uint64(len(body))}
	change(h)
	e, err := w.CreateRaw(h)
	if err == nil {
		_, err = e.Write(body)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func link(name, target string) file {
	return file{Name: name, Mode: fs.ModeSymlink | 0o777, Body: []byte(target)}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	zipped := func(files ...file) []byte { return runnertest.Zip(t, files...) }
	good := zipped(file{Name: "bootstrap", Body: bytes.Repeat([]byte("code"), 1000)})
	flipped := bytes.Clone(good)
	flipped[52] ^= 0x55
	var many []file
	for i := range bundle.MaxEntries + 1 {
		many = append(many, file{Name: fmt.Sprint(i)})
	}
	var longer []file
	for i := range 9000 {
		longer = append(longer, file{Name: fmt.Sprintf("%s/%d", strings.Repeat(strings.Repeat("d", 200)+"/", 5), i)[:1000] + fmt.Sprint(i)})
	}
	zip64 := bytes.Clone(good)
	binary.LittleEndian.PutUint32(zip64[len(zip64)-6:], 0xffffffff)

	for name, c := range map[string]struct {
		b     []byte
		want  string
		large bool
	}{
		"nothing":           {nil, "too short", false},
		"text":              {[]byte("this is not a zip file, whatever its name says"), "no end of central directory", false},
		"no entries":        {zipped(), "empty", false},
		"truncated":         {good[:len(good)/2], "not a zip file", false},
		"directory only":    {good[len(good)-60:], "zip", false},
		"bit flipped":       {flipped, "bootstrap", false},
		"absolute":          {zipped(file{Name: "/etc/passwd"}), "absolute", false},
		"parent":            {zipped(file{Name: "../x"}), "leaves the package", false},
		"parent in between": {zipped(file{Name: "a/../../x"}), "leaves the package", false},
		"only parent":       {zipped(file{Name: ".."}), "leaves the package", false},
		"backslash":         {zipped(file{Name: `a\..\b`}), "backslash", false},
		"NUL":               {zipped(file{Name: "a\x00b"}), "UTF-8", false},
		"long name":         {zipped(file{Name: strings.Repeat("a", 300)}), "255", false},
		"long path":         {zipped(file{Name: strings.Repeat("a/", 600) + "b"}), "1024", false},
		"twice":             {zipped(file{Name: "a", Body: []byte("1")}, file{Name: "a", Body: []byte("2")}), "twice", false},
		"twice, cleaned":    {zipped(file{Name: "a"}, file{Name: "./a"}), "twice", false},
		"below a file":      {zipped(file{Name: "a", Body: []byte("1")}, file{Name: "a/b"}), "not a directory", false},
		"below a link":      {zipped(link("a", "d"), file{Name: "d/"}, file{Name: "a/b"}), "not a directory", false},
		"link before":       {zipped(file{Name: "a/b/c"}, link("a", "d")), "not a directory", false},
		"link outside":      {zipped(link("a", "../x")), "may leave", false},
		"link absolute":     {zipped(link("a", "/etc/passwd")), "not accepted", false},
		"link deep":         {zipped(link("a/b/c", "../../../x")), "may leave", false},
		"link by a link":    {zipped(link("s/b", ".."), link("s/a", "b/../..")), "may leave", false},
		"link to nothing":   {zipped(link("a", "")), "not accepted", false},
		"link too long":     {zipped(link("a", strings.Repeat("x/", 600))), "1024", false},
		"device":            {zipped(file{Name: "null", Mode: fs.ModeDevice | fs.ModeCharDevice | 0o666}), "neither", false},
		"pipe":              {zipped(file{Name: "pipe", Mode: fs.ModeNamedPipe | 0o666}), "neither", false},
		"encrypted":         {raw(t, func(h *zip.FileHeader) { h.Flags |= 1 }, []byte("x")), "encrypted", false},
		"method":            {raw(t, func(h *zip.FileHeader) { h.Method = 12 }, []byte("x")), "method 12", false},
		"too many":          {zipped(many...), "entries", true},
		"too long a list":   {zipped(longer...), "directory has more", true},
		"zip64":             {zip64, "zip64", false},
		"declared too much": {raw(t, func(h *zip.FileHeader) { h.UncompressedSize64 = bundle.MaxUnpacked + 1 }, []byte("x")), "unpacked", true},
		"declared wrongly":  {raw(t, func(h *zip.FileHeader) { h.UncompressedSize64, h.CRC32 = 5, 0x8cdc1683 }, []byte("x")), "x", false},
	} {
		err := check(c.b)
		if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, bundle.ErrTooLarge) != c.large {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
		dir := filepath.Join(t.TempDir(), "tree")
		if err := bundle.Unpack(bytes.NewReader(c.b), int64(len(c.b)), dir); err == nil {
			t.Errorf("%s: Unpack did it", name)
		}
		if left, _ := os.ReadDir(filepath.Dir(dir)); len(left) > 0 {
			t.Errorf("%s: left behind %v", name, left)
		}
	}
}

// declare rewrites what the directory of a zip with one entry says of its unpacked size.
func declare(b []byte, size uint32) []byte {
	binary.LittleEndian.PutUint32(b[bytes.LastIndex(b, []byte("PK\x01\x02"))+24:], size)
	return b
}

// Bombs: one that says so, and one whose directory declares 1,000 bytes of four million.
func TestBomb(t *testing.T) {
	t.Parallel()
	b := runnertest.Zip(t, file{Name: "zeros", Body: make([]byte, 4<<20)})
	if err := check(declare(b, bundle.MaxUnpacked+1)); !errors.Is(err, bundle.ErrTooLarge) {
		t.Errorf("honest bomb: %v", err)
	}
	if err := check(declare(b, 1000)); err == nil || !strings.Contains(err.Error(), "zeros") {
		t.Errorf("lying bomb: %v", err)
	}
}

func FuzzCheck(f *testing.F) {
	f.Add(runnertest.Zip(f, file{Name: "bootstrap", Body: []byte("x")}, link("l", "bootstrap"), file{Name: "d/"}))
	f.Add(runnertest.Zip(f, file{Name: "../x"}))
	f.Add(runnertest.Zip(f, link("a/b", "../c"), file{Name: "c", Mode: 0o755, Body: bytes.Repeat([]byte("y"), 100)}))
	f.Add(runnertest.Zip(f))
	f.Add([]byte("PK\x05\x06"))
	f.Fuzz(func(t *testing.T, b []byte) {
		checked, err := bundle.Check(bytes.NewReader(b), int64(len(b)))
		if err != nil || checked.Size() > 1<<20 {
			return
		}
		dir := t.TempDir()
		if err := bundle.Unpack(bytes.NewReader(b), int64(len(b)), filepath.Join(dir, "tree")); err != nil {
			if strings.Contains(err.Error(), "file name too long") || strings.Contains(err.Error(), "invalid argument") {
				return
			}
			t.Fatalf("Check accepts what Unpack does not: %v", err)
		}
		// Nothing beside the tree, no link that leads out of it, and the size that was said.
		var size int64
		err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			switch {
			case err != nil:
				return err
			case path != dir && !strings.HasPrefix(path+"/", filepath.Join(dir, "tree")+"/"):
				t.Errorf("%s is outside", path)
			case d.Type() == fs.ModeSymlink:
				if to, err := filepath.EvalSymlinks(path); err == nil && !strings.HasPrefix(to+"/", filepath.Join(dir, "tree")+"/") {
					t.Errorf("%s leads to %s", path, to)
				}
			case d.Type().IsRegular():
				size += info.Size()
			}
			return nil
		})
		if err != nil || size != checked.Size() {
			t.Errorf("%d bytes where %d were expected; %v", size, checked.Size(), err)
		}
	})
}
