package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"strings"
	"testing"
)

// rsaOf makes a key of two primes.
func rsaOf(t testing.TB, p, q *big.Int) *rsa.PrivateKey {
	t.Helper()
	one := big.NewInt(1)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	d := new(big.Int).ModInverse(big.NewInt(65537), phi)
	if d == nil {
		t.Skip("65537 divides p-1")
	}
	k := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 65537}, D: d, Primes: []*big.Int{p, q}}
	k.Precompute()
	return k
}

func primeAfter(p *big.Int) *big.Int {
	next := new(big.Int).Add(p, big.NewInt(2))
	for !next.ProbablyPrime(20) {
		next.Add(next, big.NewInt(2))
	}
	return next
}

// rocaPrime is a prime as the generator of CVE-2017-15361 makes them.
func rocaPrime(t testing.TB, bits int) *big.Int {
	t.Helper()
	m := big.NewInt(2)
	for _, p := range oddPrimes {
		if p > 701 { // the generator's product for keys of 2048 bits
			break
		}
		m.Mul(m, new(big.Int).SetUint64(p))
	}
	for {
		a, err := rand.Int(rand.Reader, m)
		if err != nil {
			t.Fatal(err)
		}
		k, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), uint(bits-m.BitLen())))
		if err != nil {
			t.Fatal(err)
		}
		k.SetBit(k, bits-m.BitLen()-1, 1)
		p := new(big.Int).Exp(big.NewInt(65537), a, m)
		if p.Add(p, k.Mul(k, m)); p.BitLen() == bits && p.Bit(bits-2) == 1 && p.ProbablyPrime(20) {
			return p
		}
	}
}

// TestWeakKeys has requests, properly signed with weak keys, refused.
func TestWeakKeys(t *testing.T) {
	t.Parallel()
	prime := func(bits int) *big.Int {
		p, err := rand.Prime(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := prime(1024)
	one, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), append(make([]byte, 31), 1))
	if err != nil {
		t.Fatal(err)
	}
	for want, key := range map[string]crypto.Signer{
		"CVE-2017-15361": rsaOf(t, rocaPrime(t, 1024), rocaPrime(t, 1024)),
		"private key 1":  one,
	} {
		raw := rawRequest(t, key, x509.CertificateRequest{Subject: pkix.Name{CommonName: "x"}})
		if _, err := ParseRequest(raw); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	// What no library signs with.
	for want, n := range map[string]*big.Int{
		"factor 2039":         new(big.Int).Mul(big.NewInt(2039), prime(2037)),
		"factor 3":            new(big.Int).Mul(big.NewInt(3), prime(2046)),
		"close to each other": new(big.Int).Mul(p, primeAfter(p)),
		"so close":            new(big.Int).Mul(p, p),
		"even":                new(big.Int).Lsh(prime(2047), 1),
		"2056 bits":           nil,
	} {
		if n == nil {
			n = new(big.Int).Lsh(prime(2048), 9)
			want = "2057 bits"
		}
		if err := CheckKey(&rsa.PublicKey{N: n, E: 65537}, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v (%d bits)", want, err, n.BitLen())
		}
	}
	off := &ecdsa.PublicKey{Curve: elliptic.P256(), X: big.NewInt(1), Y: big.NewInt(1)}
	if err := CheckKey(off, nil); err == nil || !strings.Contains(err.Error(), "curve") {
		t.Errorf("a point off the curve: %v", err)
	}
}

// TestGoodKeys is the other half: keys as everybody makes them pass.
func TestGoodKeys(t *testing.T) {
	t.Parallel()
	for range 5 {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		if err := CheckKey(k.Public(), []byte("x")); err != nil {
			t.Error(err)
		}
	}
	for _, c := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if err := CheckKey(k.Public(), []byte("x")); err != nil {
			t.Error(err)
		}
	}
}

func TestResidues(t *testing.T) {
	t.Parallel()
	n, err := rand.Prime(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	list := residues(n)
	if len(list) != 308 || len(oddPrimes) != 308 || list[307].prime != 2039 {
		t.Fatalf("%d residues; there are 308 odd primes below 2048", len(list))
	}
	for _, r := range list {
		p := new(big.Int).SetUint64(r.prime)
		if !p.ProbablyPrime(5) || new(big.Int).Mod(n, p).Uint64() != r.mod {
			t.Errorf("residue modulo %d is %d", r.prime, r.mod)
		}
	}
}

func TestMayBeSquare(t *testing.T) {
	t.Parallel()
	others := 0
	for i := int64(1); i < 3000; i++ {
		n := big.NewInt(i * i)
		if !mayBeSquare(n, new(big.Int)) {
			t.Errorf("%v is a square", n)
		}
		if mayBeSquare(n.Add(n, big.NewInt(2)), new(big.Int)) {
			others++
		}
	}
	if others > 300 {
		t.Errorf("%d of 3000 numbers that are no squares pass", others)
	}
}

func TestKeyHashes(t *testing.T) {
	t.Parallel()
	if len(compromised) < 10 {
		t.Errorf("the list that comes with the package has %d keys", len(compromised))
	}
	for _, bad := range []string{"00", "zz", strings.Repeat("0", 65) + " x", strings.Repeat("0", 63)} {
		if _, err := ParseKeyHashes([]byte("\n# comment\n" + bad + "\n")); err == nil || !strings.HasPrefix(err.Error(), "line 3:") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzKeyHashes(f *testing.F) {
	f.Add(compromisedText)
	f.Add([]byte("# x\r\n\r\n00"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if list, err := ParseKeyHashes(text); err == nil && len(list) > bytes.Count(text, []byte("\n"))+1 {
			t.Errorf("%d hashes in %d lines", len(list), bytes.Count(text, []byte("\n"))+1)
		}
	})
}

func BenchmarkCheckKey(b *testing.B) {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := CheckKey(k.Public(), spki); err != nil {
			b.Fatal(err)
		}
	}
}
