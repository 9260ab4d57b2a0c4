package rsasign

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// BenchmarkTiming looks for secrets in the time that a power takes, in the way
// of dudect (Reparaz, Balasch, Verbauwhede 2017): two classes of secrets in random turns, and
// Welch's t over their times, the slowest tenth left out. A t within ±5 shows nothing;
// beyond ±10 is a leak. With math/big instead, whose times do depend on
// exponents, it says what a leak looks like. Run it on a quiet machine, long:
//
//	go test ./keys/rsasign -run - -bench Timing -benchtime 100000x
func BenchmarkTiming(b *testing.B) {
	const half = 1024
	s := newSource(rand.Uint64())
	p, q := s.odd(half), s.odd(half)
	for new(big.Int).ModInverse(q, p) == nil {
		q = s.odd(half)
	}
	inverse := new(big.Int).ModInverse(q, p)
	modulus := new(big.Int).Mul(p, q)
	random := func(n *big.Int) *big.Int { r := s.number(n.BitLen()); return r.Mod(r, n) }
	message := func(m *big.Int) []byte { return m.FillBytes(make([]byte, half/4)) }
	sparse := new(big.Int).Lsh(big.NewInt(1), half-1)
	fixed := message(random(modulus))

	kernels := portable
	if kernelFor(2*half) != nil {
		kernels = kernelFor
	}
	// One key for all, since where it lies in memory has its own small effect.
	c := crtOf(kernels, half, p, q, sparse, sparse, inverse)
	use := func(dp, dq *big.Int) {
		copy(c.exponent[0], wordsOf(fill(dp, half)))
		copy(c.exponent[1], wordsOf(fill(dq, half)))
	}
	dp, dq := random(p), random(q)

	for name, class := range map[string]func(second bool) func(){
		"exponent": func(second bool) func() {
			m, first, other := message(random(modulus)), dp, dq
			if second {
				first, other = sparse, sparse
			}
			use(first, other)
			return func() { c.power(m) }
		},
		"message": func(second bool) func() {
			m, other := fixed, message(random(modulus))
			if second {
				m = other
			}
			return func() { c.power(m) }
		},
		"multiple of p": func(second bool) func() {
			m, other := message(random(modulus)), message(new(big.Int).Mul(p, random(q)))
			if second {
				m = other
			}
			return func() { c.power(m) }
		},
		"exponent, by math-big": func(second bool) func() {
			e, m := random(p), random(modulus)
			if second {
				e = sparse
			}
			return func() { new(big.Int).Exp(m, e, p) }
		},
	} {
		b.Run(name, func(b *testing.B) {
			var times [2][]float64
			for b.Loop() {
				i := rand.IntN(2)
				f := class(i == 1)
				start := time.Now()
				f()
				times[i] = append(times[i], float64(time.Since(start)))
			}
			b.ReportMetric(welch(times), "t")
		})
	}
}

// welch is Welch's t statistic of two samples, without the slowest tenth of both together.
func welch(times [2][]float64) float64 {
	all := slices.Sorted(slices.Values(slices.Concat(times[0], times[1])))
	if len(all) < 100 {
		return 0
	}
	limit := all[len(all)*9/10]
	var mean, part [2]float64
	for i, sample := range times {
		sample = slices.DeleteFunc(slices.Clone(sample), func(t float64) bool { return t > limit })
		n := float64(len(sample))
		for _, t := range sample {
			mean[i] += t / n
		}
		for _, t := range sample {
			part[i] += (t - mean[i]) * (t - mean[i]) / (n - 1) / n
		}
	}
	return (mean[0] - mean[1]) / math.Sqrt(part[0]+part[1])
}
