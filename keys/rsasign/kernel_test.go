package rsasign

import (
	"encoding/binary"
	"math/big"
	"math/rand/v2"
	"testing"
)

// source makes numbers out of a seed.
type source struct{ *rand.Rand }

func newSource(seed uint64) source { return source{rand.New(rand.NewPCG(seed, 50))} }

// number is below 2^bits. One in four has digits that are mostly zeros or ones,
// which is where carries go wrong.
func (s source) number(bits int) *big.Int {
	raw := make([]byte, (bits+63)/64*8)
	shape := s.IntN(8)
	for i := 0; i < len(raw); i += 8 {
		w := s.Uint64()
		switch {
		case shape == 0 && s.IntN(4) > 0:
			w = 0
		case shape == 1 && s.IntN(4) > 0:
			w = ^uint64(0)
		}
		binary.BigEndian.PutUint64(raw[i:], w)
	}
	n := new(big.Int).SetBytes(raw)
	return n.Rsh(n, uint(len(raw)*8-bits))
}

// odd has exactly so many bits.
func (s source) odd(bits int) *big.Int {
	n := s.number(bits)
	return n.SetBit(n.SetBit(n, 0, 1), bits-1, 1)
}

func TestMultiplyIsMontgomerys(t *testing.T) {
	t.Parallel()
	for name, kernels := range kernels() {
		for _, bits := range []int{2048, 3072, 4096} {
			s := newSource(uint64(bits))
			for range 1000 {
				checkMultiply(t, name, kernels(bits), bits/2, s)
			}
		}
	}
}

func checkMultiply(t *testing.T, name string, k *kernel, half int, s source) {
	t.Helper()
	var r, a, b, m pair
	var minus [2]uint64
	var want [2]*big.Int
	digits := digitBits * k.digits
	radix := new(big.Int).Lsh(big.NewInt(1), uint(digits))
	c := &crt{kernel: k}
	for x := range 2 {
		mod := s.odd(half)
		na, nb := s.number(half+2), s.number(half+2) // as large as power ever has them
		switch s.IntN(4) {
		case 0: // as large as they may be
			na, nb = new(big.Int).Sub(radix, big.NewInt(1)), new(big.Int).Set(mod)
		case 1:
			na = new(big.Int).Sub(mod, big.NewInt(int64(s.IntN(3))))
		}
		set(c.of(&m, x), mod)
		set(c.of(&a, x), na)
		set(c.of(&b, x), nb)
		minus[x] = negativeInverse(c.of(&m, x)[0])
		want[x] = new(big.Int).Mul(na, nb)
		want[x].Mul(want[x], new(big.Int).ModInverse(radix, mod)).Mod(want[x], mod)
	}
	k.multiply(&r[0], &a[0], &b[0], &m[0], &minus)
	for x := range 2 {
		for i, d := range r[x*k.words : (x+1)*k.words] {
			if d > digitMask || i >= k.digits && d != 0 {
				t.Fatalf("%s, %d bits: digit %d of the product is %#x", name, half, i, d)
			}
		}
		got, mod := value(c.of(&r, x)), value(c.of(&m, x))
		bound := new(big.Int).Mul(value(c.of(&a, x)), value(c.of(&b, x)))
		bound.Rsh(bound, uint(digits)).Add(bound, mod)
		if got.Cmp(bound) > 0 {
			t.Fatalf("%s, %d bits: the product %x is over m + ab/R", name, half, got)
		}
		if got.Mod(got, mod).Cmp(want[x]) != 0 {
			t.Fatalf("%s, %d bits: %x · %x / R mod %x = %x, want %x", name, half, value(c.of(&a, x)), value(c.of(&b, x)), mod, got, want[x])
		}
	}
	// The result may take the place of a factor.
	again := a
	k.multiply(&again[0], &again[0], &b[0], &m[0], &minus)
	if again != r {
		t.Fatalf("%s, %d bits: another product in place of the first factor", name, half)
	}
	again = b
	k.multiply(&again[0], &a[0], &again[0], &m[0], &minus)
	if again != r {
		t.Fatalf("%s, %d bits: another product in place of the second factor", name, half)
	}
}

func TestPickTakesTheEntriesNamed(t *testing.T) {
	t.Parallel()
	for name, kernels := range kernels() {
		for _, bits := range []int{2048, 3072, 4096} {
			k := kernels(bits)
			table := make([]uint64, entries*2*k.words)
			for i := range table {
				table[i] = uint64(i)<<32 | uint64(i)
			}
			for i := range entries {
				for j := range entries {
					var r pair
					k.pick(&r[0], &table[0], uint64(i), uint64(j))
					for w := range k.words {
						if r[w] != table[i*2*k.words+w] || r[k.words+w] != table[(j*2+1)*k.words+w] {
							t.Fatalf("%s, %d bits: word %d of entries %d and %d is wrong", name, bits, w, i, j)
						}
					}
				}
			}
		}
	}
}

func FuzzMultiply(f *testing.F) {
	f.Add(uint64(0))
	f.Add(uint64(1) << 63)
	f.Fuzz(func(t *testing.T, seed uint64) {
		for name, kernels := range kernels() {
			for _, bits := range []int{2048, 3072, 4096} {
				checkMultiply(t, name, kernels(bits), bits/2, newSource(seed))
			}
		}
	})
}

func TestDigitsComeAndGo(t *testing.T) {
	t.Parallel()
	s := newSource(7)
	for range 1000 {
		n := s.number(1040)
		digits := make([]uint64, 20)
		unpack(digits, n.FillBytes(make([]byte, 130)))
		if got := value(digits); got.Cmp(n) != 0 {
			t.Fatalf("unpack(%x) = %x", n, got)
		}
		out := make([]uint64, 17)
		words(out, digits)
		if got := new(big.Int).SetBytes(bigEndian(out)); got.Cmp(n) != 0 {
			t.Fatalf("words of %x = %x", n, got)
		}
		a, b, c := s.number(1024), s.number(1024), s.number(1024)
		product := make([]uint64, 32)
		read := func(n *big.Int) []uint64 { return wordsOf(n.FillBytes(make([]byte, 128))) }
		multiplyAdd(product, read(a), read(b), read(c))
		if want := new(big.Int).Add(new(big.Int).Mul(a, b), c); new(big.Int).SetBytes(bigEndian(product)).Cmp(want) != 0 {
			t.Fatalf("%x · %x + %x = %x", a, b, c, bigEndian(product))
		}
		d := s.Uint64() | 1
		if negativeInverse(d)*d&digitMask != digitMask {
			t.Fatalf("negativeInverse(%x) = %x", d, negativeInverse(d))
		}
	}
}
