package rsasign

import (
	"encoding/binary"
	"math/bits"
)

// Numbers are written in digits of 52 bits, the lowest first, because that is
// what the multiplier takes. All of these functions take a time that depends on
// lengths alone.
const (
	digitBits = 52
	digitMask = 1<<digitBits - 1
)

// unpack writes a big-endian number into digits, as much of it as fits.
func unpack(digits []uint64, number []byte) {
	clear(digits)
	for i, b := range reversed(number) {
		at := 8 * i
		d, shift := at/digitBits, at%digitBits
		if d >= len(digits) {
			return
		}
		digits[d] |= uint64(b) << shift & digitMask
		if shift > digitBits-8 && d+1 < len(digits) {
			digits[d+1] |= uint64(b) >> (digitBits - shift)
		}
	}
}

func reversed(number []byte) func(yield func(int, byte) bool) {
	return func(yield func(int, byte) bool) {
		for i := range number {
			if !yield(i, number[len(number)-1-i]) {
				return
			}
		}
	}
}

// words turns digits into as many words of 64 bits as out has.
func words(out, digits []uint64) {
	clear(out)
	for i, d := range digits {
		at := digitBits * i
		w, shift := at/64, at%64
		if w >= len(out) {
			return
		}
		out[w] |= d << shift
		if shift > 64-digitBits && w+1 < len(out) {
			out[w+1] |= d >> (64 - shift)
		}
	}
}

// add sets r to a + b, which must fit.
func add(r, a, b []uint64) {
	var carry uint64
	for i := range r {
		sum := a[i] + b[i] + carry
		r[i], carry = sum&digitMask, sum>>digitBits
	}
}

// sub sets r to a − b and returns 1 if that is negative, else 0; r is then
// short of it by the weight of a digit more than it has.
func sub(r, a, b []uint64) (borrow uint64) {
	for i := range r {
		difference := a[i] - b[i] - borrow
		r[i], borrow = difference&digitMask, difference>>63
	}
	return borrow
}

// reduce subtracts m from r once, if r is not less. t is overwritten.
func reduce(r, m, t []uint64) {
	keep := -sub(t, r, m) // all ones when r is less
	for i := range r {
		r[i] = r[i]&keep | t[i]&^keep
	}
}

// double sets r, which is less than m, to 2r mod m. t is overwritten.
func double(r, m, t []uint64) {
	add(r, r, r)
	reduce(r, m, t)
}

// negativeInverse is −1/d modulo 2^52 of an odd d, by Newton's iteration, which
// doubles the number of right bits from the five that 3d ^ 2 has.
func negativeInverse(d uint64) uint64 {
	x := 3*d ^ 2
	for range 4 {
		x *= 2 - d*x
	}
	return -x & digitMask
}

// multiplyAdd sets r to a·b + c in words of 64 bits. r is as long as a and b
// together, and c no longer than that.
func multiplyAdd(r, a, b, c []uint64) {
	clear(r)
	copy(r, c)
	for i, x := range a {
		var carry uint64
		for j, y := range b {
			hi, lo := bits.Mul64(x, y)
			var c uint64
			lo, c = bits.Add64(lo, r[i+j], 0)
			hi += c
			lo, c = bits.Add64(lo, carry, 0)
			carry = hi + c
			r[i+j] = lo
		}
		for j := i + len(b); j < len(r); j++ {
			r[j], carry = bits.Add64(r[j], carry, 0)
		}
	}
}

// bigEndian writes words as a big-endian number.
func bigEndian(words []uint64) []byte {
	out := make([]byte, 8*len(words))
	for i, w := range words {
		binary.BigEndian.PutUint64(out[8*(len(words)-1-i):], w)
	}
	return out
}
