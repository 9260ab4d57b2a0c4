package deploy

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tree makes files below a new folder.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLocalPathsAreReplacedAndNothingElse(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ file, text, want string }{
		"YAML": {"template.yaml", `# a comment: stays
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {CodeUri: code} # shared
Resources:
  A:
    Type: AWS::Serverless::Function
    Properties: {Handler: x}
  B:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: "./code"   # quoted
  C:
    Type: AWS::Lambda::Function
    Properties:
      Code: 'code'
  D: {Type: AWS::Serverless::Function, Properties: {CodeUri: s3://elsewhere/x}}
  E: {Type: AWS::Serverless::HttpApi, Properties: {DefinitionUri: api.json}}
  F: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: inner.yaml}}
`, `# a comment: stays
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {CodeUri: "s3://b/0"} # shared
Resources:
  A:
    Type: AWS::Serverless::Function
    Properties: {Handler: x}
  B:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: "s3://b/1"   # quoted
  C:
    Type: AWS::Lambda::Function
    Properties:
      Code: {"S3Bucket": "b", "S3Key": "2"}
  D: {Type: AWS::Serverless::Function, Properties: {CodeUri: s3://elsewhere/x}}
  E: {Type: AWS::Serverless::HttpApi, Properties: {DefinitionUri: "s3://b/3"}}
  F: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: "http://node:1/b/4"}}
`},
		"JSON": {"template.json", `{"Resources": {"é": {"Type": "AWS::Lambda::Function", "Properties": {"Code": "code", "Description": "code"}}}}`,
			`{"Resources": {"é": {"Type": "AWS::Lambda::Function", "Properties": {"Code": {"S3Bucket": "b", "S3Key": "0"}, "Description": "code"}}}}`},
	} {
		dir := tree(t, map[string]string{tt.file: tt.text, "code/x.txt": "x", "api.json": "{}", "inner.yaml": "Resources: {A: {Type: X}}"})
		f, err := Open(dir)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for i, a := range f.artifacts {
			a.location = location{"b", string(rune('0' + i))}
		}
		got, err := f.rewritten("http://node:1")
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: %v\n%s\nwant:\n%s", name, err, got, tt.want)
		}
	}
}

func TestFoldersThatCannotBeDeployed(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		files map[string]string
		want  string
	}{
		"no template":        {map[string]string{"x": ""}, "has no template.yaml, template.yml, template.json"},
		"no YAML":            {map[string]string{"template.yaml": "a: [\n"}, "is neither YAML nor JSON"},
		"no template at all": {map[string]string{"template.yaml": "a: b\n"}, "it has no Resources"},
		"missing path":       {map[string]string{"template.yaml": "Resources:\n  A:\n    Type: AWS::Lambda::Function\n    Properties:\n      Code: gone\n"}, "template.yaml:5: Code of A is gone: there is no such file or folder"},
		"nests itself":       {map[string]string{"template.yaml": "Resources:\n  A: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: template.yaml}}\n"}, "nests itself"},
		"many lines":         {map[string]string{"x/y": "", "template.yaml": "Resources:\n  A:\n    Type: AWS::Lambda::Function\n    Properties:\n      Code: >-\n        x\n"}, "write the path on one line"},
		"shared": {map[string]string{"x/y": "", "template.yaml": "Globals: {Function: {CodeUri: x}}\nResources:\n  A: {Type: AWS::Serverless::Function, Properties: {Runtime: a}}\n  B: {Type: AWS::Serverless::Function, Properties: {Runtime: b}}\n"},
			"A and B share the CodeUri of Globals"},
	} {
		f, err := Open(tree(t, tt.files))
		if err == nil {
			_, err = f.rewritten("")
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

func TestPackagesOfTheSameContentAreTheSame(t *testing.T) {
	t.Parallel()
	files := map[string]string{"b/deep.txt": "deep", "a.sh": "#!/bin/sh\n"}
	var packed [2][]byte
	for i := range packed {
		dir := tree(t, files)
		if err := os.Chmod(filepath.Join(dir, "a.sh"), 0o700); err != nil {
			t.Fatal(err)
		}
		var err error
		if packed[i], err = zipFolder(dir); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(packed[0], packed[1]) {
		t.Error("the same folder was packed in two ways")
	}
	r, err := zip.NewReader(bytes.NewReader(packed[0]), int64(len(packed[0])))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		name, text string
		mode       os.FileMode
	}{{"a.sh", "#!/bin/sh\n", 0o755}, {"b/deep.txt", "deep", 0o644}} {
		f, err := r.File[i].Open()
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(f)
		if r.File[i].Name != want.name || string(text) != want.text || r.File[i].Mode().Perm() != want.mode {
			t.Errorf("file %d: %s %q %v, want %v", i, r.File[i].Name, text, r.File[i].Mode(), want)
		}
	}
}

func TestLinksOutOfTheFolderAreNotFollowed(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"a": "a"})
	secret := filepath.Join(tree(t, map[string]string{"secret": "s"}), "secret")
	if err := os.Symlink(secret, filepath.Join(dir, "link")); err != nil {
		t.Skip(err)
	}
	if _, err := zipFolder(dir); err == nil {
		t.Error("a file outside of the folder was packed")
	}
}

func TestGoProgramsAreCompiled(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{
		"template.yaml": `
Parameters: {Machine: {Type: String, Default: arm64}}
Resources:
  F: {Type: AWS::Serverless::Function, Properties: {CodeUri: program, Runtime: provided.al2023, Architectures: [!Ref Machine]}}
`,
		"program/main.go": "package main\n\nfunc main() {}\n", "program/go.mod": "module program\n\ngo 1.26\n", "program/x_test.go": "package main\n",
	})
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for arguments, want := range map[string]string{"": "arm64", "x86_64": "amd64"} {
		given := map[string]string{}
		if arguments != "" {
			given["Machine"] = arguments
		}
		if got, err := f.architecture(f.artifacts[0], given); err != nil || got != want {
			t.Errorf("architecture with %q: %s, %v; want %s", arguments, got, err, want)
		}
	}
	if _, err := f.architecture(f.artifacts[0], map[string]string{"Machine": "vax"}); err == nil {
		t.Error("a function for a vax")
	}
	var packed [2][]byte
	for i := range packed {
		data, how, err := pack(t.Context(), f.artifacts[0], "arm64")
		if err != nil || how != "compiled for arm64" {
			t.Fatalf("pack: %s, %v", how, err)
		}
		packed[i] = data
	}
	if !bytes.Equal(packed[0], packed[1]) {
		t.Error("the same source was built in two ways")
	}
	r, err := zip.NewReader(bytes.NewReader(packed[0]), int64(len(packed[0])))
	if err != nil || len(r.File) != 1 || r.File[0].Name != "bootstrap" || r.File[0].Mode().Perm()&0o111 == 0 {
		t.Errorf("package: %v, %v", r, err)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	template := filepath.Join(tree(t, map[string]string{"template.yaml": "Resources: {A: {Type: X}}"}), "template.yaml")
	none, err := ReadSettings(template)
	if err != nil || none.Stack != "" {
		t.Errorf("without a file: %+v, %v", none, err)
	}
	s := Settings{Stack: "api", Parameters: map[string]string{"A": "1: 2"}}
	if _, err := s.Write(template); err != nil {
		t.Fatal(err)
	}
	got, err := ReadSettings(template)
	if err != nil || got.Stack != "api" || got.Parameters["A"] != "1: 2" {
		t.Errorf("read back: %+v, %v", got, err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(template), SettingsFile), []byte("stak: x\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadSettings(template); err == nil || !strings.Contains(err.Error(), "stak") {
		t.Errorf("a misspelt setting: %v", err)
	}
}
