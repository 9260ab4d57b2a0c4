package rsasign

import (
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"math/bits"
	"sync"
	"testing"
	"unsafe"
)

// portable is a kernel in plain Go. It is slower than crypto/rsa, so only the tests
// have it: what is built on kernels is tested on every machine.
func portable(modulusBits int) *kernel {
	k := map[int]*kernel{2048: {digits: 20, words: 24}, 3072: {digits: 30, words: 32}, 4096: {digits: 40, words: 40}}[modulusBits]
	if k == nil {
		return nil
	}
	slice := func(p *uint64, n int) []uint64 { return unsafe.Slice(p, n) }
	k.multiply = func(r, a, b, m *uint64, minus *[2]uint64) {
		var out [2 * maxWords]uint64
		for x := range 2 {
			at := x * k.words
			a, b, m := slice(a, 2*k.words)[at:], slice(b, 2*k.words)[at:], slice(m, 2*k.words)[at:]
			sum := make([]uint64, k.digits+1)
			for i := range k.digits {
				quotient := (sum[0] + a[0]*b[i]) * minus[x] & digitMask
				var carry uint64
				for j := range k.digits {
					h, l := bits.Mul64(a[j], b[i])
					h2, l2 := bits.Mul64(m[j], quotient)
					l, c := bits.Add64(l, l2, 0)
					h += h2 + c
					l, c = bits.Add64(l, sum[j], 0)
					h += c
					l, c = bits.Add64(l, carry, 0)
					h += c
					if j > 0 {
						sum[j-1] = l & digitMask
					}
					carry = h<<(64-digitBits) | l>>digitBits
				}
				carry += sum[k.digits]
				sum[k.digits-1], sum[k.digits] = carry&digitMask, carry>>digitBits
			}
			if sum[k.digits] != 0 {
				panic("the product does not fit")
			}
			copy(out[at:], sum[:k.digits])
		}
		copy(slice(r, 2*k.words), out[:])
	}
	k.pick = func(r, table *uint64, i, j uint64) {
		t := slice(table, entries*2*k.words)
		copy(slice(r, 2*k.words), t[i*2*uint64(k.words):][:k.words])
		copy(slice(r, 2*k.words)[k.words:], t[(j*2+1)*uint64(k.words):][:k.words])
	}
	return k
}

// kernels are those of this machine, by name.
func kernels() map[string]func(int) *kernel {
	all := map[string]func(int) *kernel{"portable": portable}
	if kernelFor(2048) != nil {
		all["processor"] = kernelFor
	}
	return all
}

// crtOf prepares numbers that need not be a key.
func crtOf(kernels func(int) *kernel, half int, p, q, dp, dq, qinv *big.Int) *crt {
	modulus := new(big.Int).Lsh(big.NewInt(1), uint(2*half-1)) // of the right length
	return newCRT(&rsa.PrivateKey{PublicKey: rsa.PublicKey{N: modulus}, Primes: []*big.Int{p, q},
		Precomputed: rsa.PrecomputedValues{Dp: dp, Dq: dq, Qinv: qinv}}, kernels)
}

// textbook is what power must be.
func textbook(p, q, dp, dq, c *big.Int) *big.Int {
	mp := new(big.Int).Exp(new(big.Int).Mod(c, p), dp, p)
	mq := new(big.Int).Exp(new(big.Int).Mod(c, q), dq, q)
	h := new(big.Int).Sub(mp, mq)
	h.Mul(h, new(big.Int).ModInverse(q, p)).Mod(h, p)
	return h.Mul(h, q).Add(h, mq)
}

func set(digits []uint64, n *big.Int) { unpack(digits, n.Bytes()) }

func value(digits []uint64) *big.Int {
	n := new(big.Int)
	for i := len(digits) - 1; i >= 0; i-- {
		n.Lsh(n, digitBits).Or(n, new(big.Int).SetUint64(digits[i]))
	}
	return n
}

// keys2048 are a few keys that tests share.
var keys2048 = sync.OnceValue(func() []*rsa.PrivateKey {
	keys := make([]*rsa.PrivateKey, 4)
	var group sync.WaitGroup
	for i := range keys {
		group.Go(func() { keys[i], _ = rsa.GenerateKey(rand.Reader, 2048) })
	}
	group.Wait()
	return keys
})

func keyOf(tb testing.TB, bits int) *rsa.PrivateKey {
	tb.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}
