package rsasign

import (
	"crypto/rsa"
	"math/big"
	"sync"
)

const (
	windowBits = 5               // of an exponent at a time
	entries    = 1 << windowBits // powers in a table; gen knows it too

	maxWords = 40 // of a number, in memory
)

// A kernel multiplies two pairs of numbers of one length at once, those of one
// modulus with those of another. A number takes words of memory: its digits, then
// zeros. A pair is two numbers in a row.
type kernel struct {
	digits int
	words  int

	// multiply is Montgomery's almost: it sets r to a·b/R modulo m, R being
	// 2^(52·digits), for any a and b below R: less than m + a·b/R, so maybe not less than
	// m. k is −1/m modulo 2^52. r may be a or b. All digits must be, and are, below 2^52.
	multiply func(r, a, b, m *uint64, k *[2]uint64)
	// pick sets r to the first number of entry i of a table and the second
	// of entry j. It reads all of the table.
	pick func(r, table *uint64, i, j uint64)
}

// A crt is an RSA key prepared for signing: RFC 8017's second representation
// in the numbers of a kernel. It never changes.
type crt struct {
	*kernel
	half int // bits of a prime

	primes   pair      // p and q
	twiceP   []uint64  // 2p
	k        [2]uint64 // as the kernel wants it
	square   pair      // R² modulo p and q
	cube     pair      // R³
	inverse  pair      // R/q modulo p, and 0
	exponent [2][]uint64
	q        []uint64 // words of 64 bits
}

// A pair holds a number for p and one for q.
type pair [2 * maxWords]uint64

// newCRT prepares a key; nil: its kind or size is not known here.
func newCRT(key *rsa.PrivateKey, kernels func(bits int) *kernel) *crt {
	bits := key.N.BitLen()
	kernel := kernels(bits)
	if kernel == nil || len(key.Primes) != 2 || key.Precomputed.Dp == nil {
		return nil
	}
	// Two primes of the same length: what every library makes. Others would
	// break the bounds that power relies on.
	c := &crt{kernel: kernel, half: bits / 2}
	for i, prime := range key.Primes {
		if prime.BitLen() != c.half {
			return nil
		}
		unpack(c.of(&c.primes, i), fill(prime, c.half))
		c.k[i] = negativeInverse(c.of(&c.primes, i)[0])
		c.exponent[i] = make([]uint64, c.half/64+1) // and a word of zeros, for the last window
		exponent := fill([]*big.Int{key.Precomputed.Dp, key.Precomputed.Dq}[i], c.half)
		copy(c.exponent[i], wordsOf(exponent))
	}
	p := c.of(&c.primes, 0)
	c.twiceP = make([]uint64, c.digits)
	add(c.twiceP, p, p)
	c.q = wordsOf(fill(key.Primes[1], c.half))

	// R² = 2^n·R, and 2^i·R squared is 2^2i·R.
	var t [maxWords]uint64
	squarings := 0
	n := digitBits * c.digits
	for n%2 == 0 && n > 64 {
		n, squarings = n/2, squarings+1
	}
	for i := range 2 {
		m, r := c.of(&c.primes, i), c.of(&c.square, i)
		r[(c.half-1)/digitBits] = 1 << ((c.half - 1) % digitBits) // 2^(half-1), which is less than a prime
		for range digitBits*c.digits - (c.half - 1) + n {
			double(r, m, t[:c.digits])
		}
	}
	for range squarings {
		c.times(&c.square, &c.square, &c.square)
	}
	c.times(&c.cube, &c.square, &c.square)
	unpack(c.of(&c.inverse, 0), fill(key.Precomputed.Qinv, c.half))
	c.times(&c.inverse, &c.inverse, &c.square)
	return c
}

// fill writes a number of at most bits as big-endian bytes.
func fill(n *big.Int, bits int) []byte { return n.FillBytes(make([]byte, bits/8)) }

// wordsOf reads a big-endian number into words of 64 bits.
func wordsOf(number []byte) []uint64 {
	out := make([]uint64, len(number)/8)
	for i, b := range reversed(number) {
		out[i/8] |= uint64(b) << (i % 8 * 8)
	}
	return out
}

// of is the number of a pair that belongs to p (0) or q (1).
func (c *crt) of(n *pair, i int) []uint64 { return n[i*c.words:][:c.digits] }

func (c *crt) times(r, a, b *pair) {
	c.multiply(&r[0], &a[0], &b[0], &c.primes[0], &c.k)
}

// scratch is what one signature needs. It holds secrets: it is cleared before
// somebody else gets it.
type scratch struct {
	table                 [entries * 2 * maxWords]uint64
	base, high, acc, term pair
	message               [2 * maxWords]uint64
	words                 [3][maxWords]uint64
	product               [2 * maxWords]uint64
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// power is the private operation, RSASP1: message, a big-endian number below
// the modulus and as long, to the power of the private exponent.
func (c *crt) power(message []byte) []byte {
	s := scratches.Get().(*scratch)
	defer func() {
		clear(s.table[:])
		*s = scratch{}
		scratches.Put(s)
	}()

	// The message modulo either prime, in Montgomery's form: of its lower and upper
	// digits L + R·H, L·R²/R + H·R³/R = (L + R·H)·R. Each is less than 2m.
	digits := s.message[:2*c.digits]
	unpack(digits, message)
	for i := range 2 {
		copy(c.of(&s.base, i), digits[:c.digits])
		copy(c.of(&s.high, i), digits[c.digits:])
	}
	c.times(&s.base, &s.base, &c.square)
	c.times(&s.high, &s.high, &c.cube)
	for i := range 2 {
		add(c.of(&s.base, i), c.of(&s.base, i), c.of(&s.high, i))
	}

	// Powers 0 to 31.
	one := &s.high
	*one = pair{}
	c.of(one, 0)[0], c.of(one, 1)[0] = 1, 1
	c.times(&s.acc, one, &c.square)
	for i := range entries {
		if i > 0 {
			c.times(&s.acc, &s.acc, &s.base)
		}
		copy(s.table[i*2*c.words:], s.acc[:2*c.words])
	}

	// Windows from the top. What a window holds is secret, where it is is not.
	top := (c.half - 1) / windowBits * windowBits
	for at := top; at >= 0; at -= windowBits {
		i, j := window(c.exponent[0], at), window(c.exponent[1], at)
		if at == top {
			c.pick(&s.acc[0], &s.table[0], i, j)
			continue
		}
		for range windowBits {
			c.times(&s.acc, &s.acc, &s.acc)
		}
		c.pick(&s.term[0], &s.table[0], i, j)
		c.times(&s.acc, &s.acc, &s.term)
	}
	c.times(&s.acc, &s.acc, one) // at most m now
	p, mp, mq := c.of(&c.primes, 0), c.of(&s.acc, 0), c.of(&s.acc, 1)
	t := s.words[0][:c.digits]
	reduce(mp, p, t)
	reduce(mq, c.of(&c.primes, 1), t)

	// Garner: h = (mp − mq)/q mod p, and the power is mq + h·q. Since q < 2p,
	// mp + 2p − mq is not negative.
	s.base, s.high = pair{}, pair{}
	d := c.of(&s.base, 0)
	add(d, mp, c.twiceP)
	sub(d, d, mq)
	c.times(&s.high, &s.base, &c.inverse)
	h := c.of(&s.high, 0)
	reduce(h, p, t)

	n := c.half / 64
	hw, mw := s.words[1][:n], s.words[2][:n]
	words(hw, h)
	words(mw, mq)
	product := s.product[:2*n]
	multiplyAdd(product, hw, c.q, mw)
	return bigEndian(product)
}

// window reads windowBits of an exponent from bit at on.
func window(exponent []uint64, at int) uint64 {
	i, shift := at/64, at%64
	w := exponent[i] >> shift
	if shift > 64-windowBits {
		w |= exponent[i+1] << (64 - shift)
	}
	return w & (entries - 1)
}
