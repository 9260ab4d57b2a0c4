package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestTablesAreCurrent regenerates every table and compares it with the file.
func TestTablesAreCurrent(t *testing.T) {
	t.Chdir("..")
	check := func(file string, src []byte, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		have, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(src, have) {
			t.Errorf("%s is not what the models say; run go generate ./wire/shape", file)
		}
	}
	files := map[string]bool{"zz_services.go": true}
	for _, s := range services {
		m, err := load(s)
		if err != nil {
			t.Fatal(err)
		}
		src, err := table(s, m)
		file := "zz_" + s.goPackage() + ".go"
		check(file, src, err)
		files[file] = true
	}
	src, err := index()
	check("zz_services.go", src, err)
	found, err := filepath.Glob("zz_*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		if !files[f] {
			t.Errorf("%s belongs to no service in the list", f)
		}
	}
}
