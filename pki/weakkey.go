package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
)

// CheckKey judges a public key that a certificate is asked for: RSA of 2048 to
// 8192 bits, or a point on P-256, P-384 or P-521; no key whose private half
// everybody has, or can compute from the public one in an afternoon (small
// factors, factors close to each other, the prime generator of CVE-2017-15361).
// spki is the key's SubjectPublicKeyInfo. The error is a *[RequestError].
func CheckKey(pub crypto.PublicKey, spki []byte) error {
	if err := checkKeyForm(pub); err != nil {
		return err
	}
	if where, ok := compromised.Lookup(spki); ok {
		return &RequestError{fmt.Sprintf("the private key of this public key is known to everybody (%s): make a new key", where)}
	}
	return nil
}

func checkKeyForm(pub crypto.PublicKey) error {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		return checkRSA(k)
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256(), elliptic.P384(), elliptic.P521():
		default:
			return &RequestError{fmt.Sprintf("the elliptic curve %s is not supported: use P-256, P-384 or P-521", k.Curve.Params().Name)}
		}
		if _, err := k.Bytes(); err != nil { // which refuses points that are not on the curve
			return &RequestError{"the public key is not a point on its curve"}
		}
		return nil
	case nil:
		return &RequestError{"the algorithm of the public key is not supported: use RSA or EC"}
	}
	return &RequestError{fmt.Sprintf("a public key of type %T is not supported: use RSA or EC", pub)}
}

func checkRSA(k *rsa.PublicKey) error {
	if bits := k.N.BitLen(); bits < 2048 || bits > 8192 || bits%8 != 0 {
		return &RequestError{fmt.Sprintf("an RSA key of %d bits is not supported: use 2048 to 4096", bits)}
	}
	if k.E < 3 || k.E%2 == 0 {
		return &RequestError{fmt.Sprintf("the RSA public exponent %d is not supported: use 65537", k.E)}
	}
	if k.N.Bit(0) == 0 {
		return &RequestError{"the RSA modulus is even: make a new key"}
	}
	roca := true
	for _, r := range residues(k.N) {
		if r.mod == 0 {
			return &RequestError{fmt.Sprintf("the RSA modulus has the factor %d: make a new key", r.prime)}
		}
		roca = roca && (r.prime > lastROCAPrime || isPowerOf65537(r.mod, r.prime))
	}
	if roca {
		return &RequestError{"the RSA key was made by a generator whose keys can be factored (CVE-2017-15361): make a new key elsewhere"}
	}
	if closeFactors(k.N) {
		return &RequestError{"the factors of the RSA modulus are so close to each other that it can be factored: make a new key"}
	}
	return nil
}

type residue struct{ prime, mod uint64 }

// residues are those of n modulo every odd prime below 2048. Primes are taken
// together as long as their product fits a word: dividing n is what costs.
func residues(n *big.Int) []residue {
	list := make([]residue, 0, 310)
	product, rest, divisor := uint64(1), new(big.Int), new(big.Int)
	start := 0
	flush := func() {
		word := rest.Mod(n, divisor.SetUint64(product)).Uint64()
		for i := start; i < len(list); i++ {
			list[i].mod = word % list[i].prime
		}
		product, start = 1, len(list)
	}
	for _, p := range oddPrimes {
		if product > ^uint64(0)/p {
			flush()
		}
		product *= p
		list = append(list, residue{prime: p})
	}
	flush()
	return list
}

// oddPrimes are those below 2048. They are never written.
var oddPrimes = func() []uint64 {
	var list []uint64
	for n := uint64(3); n < 2048; n += 2 {
		if !slices.ContainsFunc(list, func(p uint64) bool { return n%p == 0 }) {
			list = append(list, n)
		}
	}
	return list
}()

// lastROCAPrime ends the primes that the primes of the flawed generator are
// related to at every size of key ("The Return of Coppersmith's Attack", 2017):
// each is k·M + (65537^a mod M), M being the product of the first primes. So the
// modulus is a power of 65537 modulo each of them, which happens to other keys
// less than once in 2^27.
const lastROCAPrime = 167

func isPowerOf65537(x, p uint64) bool {
	for power, first := uint64(1), true; first || power != 1; first = false {
		if power == x {
			return true
		}
		power = power * 65537 % p
	}
	return false
}

// fermatRounds bounds Fermat's method: it finds factors that are closer than
// about the fourth root of the modulus at once, and after that gets nowhere.
const fermatRounds = 100

// closeFactors looks for n = a² - b².
func closeFactors(n *big.Int) bool {
	a := new(big.Int).Sqrt(n)
	square := new(big.Int).Mul(a, a)
	if square.Cmp(n) == 0 {
		return true
	}
	a.Add(a, big.NewInt(1))
	b2 := square.Mul(a, a)
	b2.Sub(b2, n)
	step := new(big.Int).Lsh(a, 1)
	step.Add(step, big.NewInt(1)) // (a+1)² - a²
	two, root := big.NewInt(2), new(big.Int)
	for range fermatRounds {
		if mayBeSquare(b2, root) && root.Mul(root.Sqrt(b2), root).Cmp(b2) == 0 {
			return true
		}
		b2.Add(b2, step)
		step.Add(step, two)
	}
	return false
}

// mayBeSquare spares nearly all square roots: it looks at residues only, of
// which squares have few. scratch is overwritten.
func mayBeSquare(n, scratch *big.Int) bool {
	switch n.Bits()[0] & 15 {
	case 0, 1, 4, 9:
	default:
		return false
	}
	word := scratch.Mod(n, big.NewInt(63*65*11)).Uint64()
	for _, m := range [...]uint64{63, 65, 11} {
		found := false
		for i := uint64(0); i <= m/2 && !found; i++ {
			found = i*i%m == word%m
		}
		if !found {
			return false
		}
	}
	return true
}

//go:embed compromised.txt
var compromisedText []byte

// compromised is the list that comes with this package. It is never written.
var compromised = func() KeyHashes {
	list, err := ParseKeyHashes(compromisedText)
	if err != nil {
		panic(err) // a test reads it first
	}
	return list
}()

// KeyHashes are SHA-256 hashes of SubjectPublicKeyInfos, each with a remark.
type KeyHashes map[[sha256.Size]byte]string

// ParseKeyHashes reads one hash a line, in hexadecimal, and a remark after a
// space. Empty lines and those that begin with # are skipped.
func ParseKeyHashes(text []byte) (KeyHashes, error) {
	list := make(KeyHashes)
	n := 0
	for line := range bytes.Lines(text) {
		n++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		digits, remark, _ := bytes.Cut(line, []byte(" "))
		var hash [sha256.Size]byte
		if got, err := hex.Decode(hash[:], digits[:min(len(digits), 2*len(hash))]); err != nil || got != len(hash) || len(digits) != 2*len(hash) {
			return nil, fmt.Errorf("line %d: want the 64 hexadecimal digits of a SHA-256 hash", n)
		}
		list[hash] = string(remark)
	}
	return list, nil
}

// Lookup finds a key by its SubjectPublicKeyInfo and returns the remark.
func (l KeyHashes) Lookup(spki []byte) (remark string, ok bool) {
	remark, ok = l[sha256.Sum256(spki)]
	return remark, ok
}
