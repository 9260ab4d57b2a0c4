package objects

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzRange(f *testing.F) {
	for _, s := range []string{"bytes=0-1", "bytes=-5", "bytes=5-", "bytes=9999999999999999999999-", "bytes=--", "bytes=1-0", "", "bytes=0-0,2-3"} {
		f.Add(s, int64(10))
	}
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			size = -(size + 1)
		}
		s, partial, err := parseRange(header, size)
		if err == nil && (s.offset < 0 || s.length < 0 || s.offset > size || s.length > size-s.offset || partial && s.length == 0) {
			t.Errorf("%q of %d bytes: %+v %v", header, size, s, partial)
		}
		if s, err := parseCopyRange(header, size); err == nil && (s.offset < 0 || s.length < 1 || s.length > size-s.offset) {
			t.Errorf("copy %q of %d bytes: %+v", header, size, s)
		}
	})
}

func FuzzToken(f *testing.F) {
	f.Add(sealToken("position", "a", "b"), "a", "b")
	f.Add("", "", "")
	f.Add("AAAA", "x", "")
	f.Fuzz(func(t *testing.T, token, one, two string) {
		position, err := openToken(token, one, two)
		if err == nil && sealToken(position, one, two) != token {
			t.Errorf("%q opens to %q, which seals to %q", token, position, sealToken(position, one, two))
		}
		if got, err := openToken(sealToken(token, one, two), one, two); err != nil || got != token {
			t.Errorf("%q comes back as %q: %v", token, got, err)
		}
	})
}

func FuzzPolicy(f *testing.F) {
	for _, s := range []string{
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b"}]}`,
		`{"Statement":{"Effect":"Deny","NotPrincipal":{"AWS":["*","1"]},"NotAction":["s3:a"],"NotResource":["arn:aws:s3:::b/*"],"Condition":{"a":{"b":[1,true,"x"]}}}}`,
		`{"Statement":[null]}`, `{"Statement":[{"Principal":{"AWS":null}}]}`, strings.Repeat(`{"Statement":[`, 500),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, document string) {
		p, err := parsePolicy(document, "b")
		if err != nil {
			refused(t, err, 400, "MalformedPolicy")
			return
		}
		public(p)
	})
}

func FuzzCopySource(f *testing.F) {
	for _, s := range []string{"b/k", "/b/k?versionId=x", "b/%2F", "b/k%00", "arn:aws:s3:x", "b", "b/k?", "%", "b/k?versionId=%zz"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		src, err := parseSource(header)
		if err == nil && (src.bucket == "" || src.key == "" || len(src.key) > maxKey || !utf8.ValidString(src.key) || strings.Contains(src.bucket, "/")) {
			t.Errorf("%q: %+v", header, src)
		}
	})
}

func FuzzTagging(f *testing.F) {
	for _, s := range []string{"a=b", "a=b&c", "%zz", "&&", "a=%ff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		tags, err := parseTagging(&header)
		if err == nil && len(tags) > maxObjectTags {
			t.Errorf("%q: %d tags", header, len(tags))
		}
	})
}

// Record keys order as the keys they are for, whatever bytes those hold.
func FuzzKeyOrder(f *testing.F) {
	f.Add("a", "a\x00", uint64(1), uint64(2))
	f.Add("a\x00b", "a", uint64(5), uint64(5))
	f.Add("a\x00", "a\x01", uint64(9), uint64(1))
	f.Fuzz(func(t *testing.T, a, b string, sa, sb uint64) {
		if !utf8.ValidString(a) || !utf8.ValidString(b) {
			return
		}
		want := strings.Compare(a, b)
		if got := strings.Compare(headKey("bucket", a), headKey("bucket", b)); got != want {
			t.Errorf("heads of %q and %q: %d, want %d", a, b, got, want)
		}
		if want == 0 && sa != sb {
			if want = 1; sa > sb { // the newer first
				want = -1
			}
		} else if want == 0 {
			return
		}
		if got := strings.Compare(versionKey("bucket", a, sa), versionKey("bucket", b, sb)); got != want {
			t.Errorf("versions %d of %q and %d of %q: %d, want %d", sa, a, sb, b, got, want)
		}
		if strings.HasPrefix(a, b) != strings.HasPrefix(headKey("bucket", a), headKey("bucket", b)) {
			t.Errorf("prefix %q of %q is lost", b, a)
		}
	})
}
