package pki

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func pkcs8Key(t testing.TB) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestDecryptWhatEncryptMade(t *testing.T) {
	t.Parallel()
	der := pkcs8Key(t)
	sealed, err := EncryptPKCS8(der, []byte("correct horse\n"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecryptPKCS8(sealed, []byte("correct horse\n"))
	if err != nil || !bytes.Equal(got, der) {
		t.Fatalf("got %x, %v; want the key back", got, err)
	}
	// The passphrase counts byte for byte.
	if _, err := DecryptPKCS8(sealed, []byte("correct horse")); !errors.Is(err, ErrPassphrase) {
		t.Errorf("a trimmed passphrase gave %v, want ErrPassphrase", err)
	}
	for n := range sealed {
		if _, err := DecryptPKCS8(sealed[:n], []byte("correct horse\n")); err == nil {
			t.Fatalf("the first %d of %d bytes opened", n, len(sealed))
		}
	}
}

func TestDecryptWhatOpenSSLMade(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	der := pkcs8Key(t)
	in := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(in, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, prf := range []string{"hmacWithSHA1", "hmacWithSHA256"} {
		out, err := exec.Command("openssl", "pkcs8", "-topk8", "-v2", "aes-256-cbc", "-v2prf", prf, "-passout", "pass:secret", "-in", in, "-outform", "DER").Output()
		if err != nil {
			t.Fatalf("openssl: %v", err)
		}
		if got, err := DecryptPKCS8(out, []byte("secret")); err != nil || !bytes.Equal(got, der) {
			t.Errorf("%s: got %x, %v", prf, got, err)
		}
	}
}

func FuzzDecryptPKCS8(f *testing.F) {
	der := pkcs8Key(f)
	sealed, err := EncryptPKCS8(der, []byte("secret"), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add([]byte{0x30, 0x80})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 2000 {
			return // what is slow is only the iterations, and they are bounded
		}
		if got, err := DecryptPKCS8(data, []byte("secret")); err == nil && len(got) == 0 {
			t.Error("an empty key without an error")
		}
	})
}
