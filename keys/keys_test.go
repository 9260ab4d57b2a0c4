package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestGenerateMakesTheAlgorithmAskedFor(t *testing.T) {
	t.Parallel()
	for _, a := range []Algorithm{RSA2048, RSA3072, RSA4096, P256, P384, P521} {
		t.Run(string(a), func(t *testing.T) {
			t.Parallel()
			if a == RSA4096 && testing.Short() {
				t.Skip("slow")
			}
			key, err := Generate(a, rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			if got, ok := AlgorithmOf(key.Public()); !ok || got != a {
				t.Errorf("AlgorithmOf = %q, %v; want %q", got, ok, a)
			}
			der, err := Marshal(key)
			if err != nil {
				t.Fatal(err)
			}
			again, err := Parse(der)
			if err != nil {
				t.Fatal(err)
			}
			if !again.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(key.Public()) {
				t.Error("Parse gave another key than Marshal was given")
			}
		})
	}
}

func TestGenerateRefusesWhatItCannotMake(t *testing.T) {
	t.Parallel()
	for _, a := range []Algorithm{RSA1024, "ML_DSA_44", "SM2", ""} {
		if key, err := Generate(a, rand.Reader); err == nil {
			t.Errorf("Generate(%q) = %T, want an error", a, key)
		}
	}
}

func TestAlgorithmOfKnowsOnlyItsOwn(t *testing.T) {
	t.Parallel()
	edPub, edKey, _ := ed25519.GenerateKey(rand.Reader)
	p224, _ := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	odd, err := rsa.GenerateKey(rand.Reader, 2056)
	if err != nil {
		t.Fatal(err)
	}
	for _, pub := range []crypto.PublicKey{edPub, p224.Public(), odd.Public(), nil} {
		if a, ok := AlgorithmOf(pub); ok {
			t.Errorf("AlgorithmOf(%T) = %q, want none", pub, a)
		}
	}
	der, err := Marshal(edKey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(der); err == nil {
		t.Error("Parse took an Ed25519 key, which no algorithm here names")
	}
}

func newSealer(t testing.TB) *Sealer {
	t.Helper()
	m, _, err := NewMaster(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return NewSealer(m)
}

func TestSealedKeysOpenForTheirOwnerOnly(t *testing.T) {
	t.Parallel()
	s := newSealer(t)
	key, err := Generate(P256, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const owner = "arn:aws:acm-pca:eu-west-1:000000000000:certificate-authority/a"
	sealed, err := s.SealKey(rand.Reader, key, owner)
	if err != nil {
		t.Fatal(err)
	}
	der, _ := Marshal(key)
	if bytes.Contains(sealed, der[len(der)-32:]) {
		t.Error("the sealed form shows the key")
	}
	opened, err := s.OpenKey(sealed, owner)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte("x"))
	sig, err := opened.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil || !ecdsa.VerifyASN1(key.Public().(*ecdsa.PublicKey), digest[:], sig) {
		t.Errorf("the opened key does not sign as the sealed one: %v", err)
	}

	if _, err := s.OpenKey(sealed, owner+"b"); !errors.Is(err, ErrSealed) {
		t.Errorf("opening for another owner: %v, want ErrSealed", err)
	}
	if _, err := newSealer(t).OpenKey(sealed, owner); !errors.Is(err, ErrMaster) {
		t.Errorf("opening with another master key: %v, want ErrMaster", err)
	}
	again, err := s.SealKey(rand.Reader, key, owner)
	if err != nil || bytes.Equal(again, sealed) {
		t.Errorf("sealing twice gave the same bytes (%v)", err)
	}
}

func TestOpenNoticesEveryChangedByte(t *testing.T) {
	t.Parallel()
	s := newSealer(t)
	sealed, err := s.Seal(rand.Reader, []byte("secret"), "owner")
	if err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if plain, err := s.Open(bad, "owner"); err == nil {
			t.Fatalf("byte %d of %d changed, yet it opened as %q", i, len(sealed), plain)
		}
	}
	for n := range sealed {
		if _, err := s.Open(sealed[:n], "owner"); !errors.Is(err, ErrSealed) {
			t.Fatalf("cut to %d bytes: %v, want ErrSealed", n, err)
		}
	}
}

func TestDeriveSeparatesPurposes(t *testing.T) {
	t.Parallel()
	s := newSealer(t)
	a, b := s.Derive("a", 32), s.Derive("b", 32)
	if !bytes.Equal(a, s.Derive("a", 32)) {
		t.Error("one purpose gave two keys")
	}
	if bytes.Equal(a, b) || len(a) != 32 {
		t.Errorf("purposes share a key: %x %x", a, b)
	}
}

func TestMasterKeyText(t *testing.T) {
	t.Parallel()
	m, text, err := NewMaster(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	hexText := fmt.Sprintf("  %x\r\n", m.key)
	for _, s := range []string{string(text), strings.TrimRight(string(text), "=\n"), hexText, strings.ToUpper(hexText)} {
		got, err := ParseMaster([]byte(s))
		if err != nil || got.key != m.key {
			t.Errorf("ParseMaster of a good text of %d characters: %v", len(s), err)
		}
	}
	for _, s := range []string{"", " \n", "c2hvcnQ=", strings.Repeat("zz", 32), string(text) + "AAAA"} {
		_, err := ParseMaster([]byte(s))
		if err == nil {
			t.Errorf("ParseMaster(%q) took it", s)
		} else if trimmed := strings.TrimSpace(s); trimmed != "" && strings.Contains(err.Error(), trimmed) {
			t.Errorf("the error repeats the key: %v", err)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if out := fmt.Sprintf(verb, m); strings.Contains(out, fmt.Sprint(m.key[0], " ", m.key[1])) || len(out) > 20 {
			t.Errorf("%s prints %q", verb, out)
		}
	}
}

func TestPoolHandsOutEachKeyOnce(t *testing.T) {
	t.Parallel()
	p := NewPool(2, rand.Reader)
	seen := make(map[string]bool)
	for range 5 {
		key, err := p.Generate(RSA2048)
		if err != nil {
			t.Fatal(err)
		}
		n := key.Public().(*rsa.PublicKey).N.String()
		if seen[n] {
			t.Fatal("a key was handed out twice")
		}
		seen[n] = true
	}
	ec, err := p.Generate(P384)
	if a, _ := AlgorithmOf(ec.Public()); err != nil || a != P384 {
		t.Errorf("Generate(P384) = %v, %v", a, err)
	}
	p.Close()
	p.Close()
	select {
	case <-p.done:
	case <-time.After(time.Second):
		t.Fatal("Close returned before the filling ended")
	}
	if _, err := p.Generate(RSA2048); err != nil {
		t.Errorf("Generate after Close: %v", err)
	}
}

func TestPoolOfNoSizeStillMakesKeys(t *testing.T) {
	t.Parallel()
	p := NewPool(0, rand.Reader)
	defer p.Close()
	if _, err := p.Generate(RSA2048); err != nil {
		t.Fatal(err)
	}
}

func FuzzOpen(f *testing.F) {
	s := newSealer(f)
	good, err := s.Seal(rand.Reader, []byte("secret"), "owner")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:headerSize])
	f.Add([]byte(sealMagic))
	f.Fuzz(func(t *testing.T, sealed []byte) {
		plain, err := s.Open(sealed, "owner")
		if err == nil && string(plain) != "secret" {
			t.Errorf("opened %x as %q", sealed, plain)
		}
	})
}

func FuzzParseMaster(f *testing.F) {
	f.Add([]byte(strings.Repeat("0", 64)))
	f.Add([]byte("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := ParseMaster(text)
		if err != nil && m != (Master{}) {
			t.Error("an error came with a key")
		}
	})
}
