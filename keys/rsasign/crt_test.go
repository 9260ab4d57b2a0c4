package rsasign

import (
	"encoding/json"
	"math/big"
	"os"
	"testing"
)

type vector struct {
	Name               string
	Half               int
	P, Q, DP, DQ, Qinv string
	Powers             []struct{ Message, Power string }
}

func hex(t *testing.T, digits string) *big.Int {
	t.Helper()
	n, ok := new(big.Int).SetString(digits, 16)
	if !ok {
		t.Fatalf("%q is not a number", digits)
	}
	return n
}

func TestPowerAgreesWithTheVectors(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/power.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	for name, kernels := range kernels() {
		n := 0
		for _, v := range vectors {
			c := crtOf(kernels, v.Half, hex(t, v.P), hex(t, v.Q), hex(t, v.DP), hex(t, v.DQ), hex(t, v.Qinv))
			for _, row := range v.Powers {
				got := c.power(hex(t, row.Message).FillBytes(make([]byte, v.Half/4)))
				if want := hex(t, row.Power); new(big.Int).SetBytes(got).Cmp(want) != 0 {
					t.Errorf("%s: %s: %s to the power is %x, want %x", name, v.Name, row.Message, got, want)
				}
				n++
			}
		}
		if n < 100 {
			t.Errorf("%d vectors, want more", n)
		}
	}
}

func TestPowerAgreesWithTheTextbook(t *testing.T) {
	t.Parallel()
	rounds := 40
	if testing.Short() {
		rounds = 4
	}
	for name, kernels := range kernels() {
		for _, bits := range []int{2048, 3072, 4096} {
			s := newSource(uint64(bits) + 1)
			for range rounds {
				checkPower(t, name, kernels, bits, s, nil)
			}
		}
	}
}

// checkPower compares the power of a message, by numbers from s, with the textbook's.
func checkPower(t *testing.T, name string, kernels func(int) *kernel, bits int, s source, message []byte) {
	t.Helper()
	p, q := s.odd(bits/2), s.odd(bits/2)
	inverse := new(big.Int).ModInverse(q, p)
	if inverse == nil {
		return
	}
	n := new(big.Int).Mul(p, q)
	dp, dq, m := s.number(bits/2), s.number(bits/2), s.number(bits)
	if message != nil {
		m.SetBytes(message)
	}
	m.Mod(m, n)
	got := crtOf(kernels, bits/2, p, q, dp, dq, inverse).power(m.FillBytes(make([]byte, bits/8)))
	if want := textbook(p, q, dp, dq, m); new(big.Int).SetBytes(got).Cmp(want) != 0 {
		t.Fatalf("%s: p %x, q %x, dp %x, dq %x: power of %x is %x, want %x", name, p, q, dp, dq, m, got, want)
	}
}

func FuzzPower(f *testing.F) {
	f.Add(uint64(1), []byte{1})
	f.Add(uint64(2), []byte(nil))
	f.Add(uint64(3), []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, seed uint64, message []byte) {
		if len(message) > 512 {
			return
		}
		if message == nil {
			message = []byte{}
		}
		for name, kernels := range kernels() {
			checkPower(t, name, kernels, []int{2048, 3072, 4096}[seed%3], newSource(seed), message)
		}
	})
}
