package template

import (
	"math/big"
	"net/netip"
	"strconv"
)

const maxSubnets = 256

// cidr is Fn::Cidr: count blocks of a network, with so many bits for hosts (8 unless given).
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-cidr.html
func cidr(arg []any) (any, error) {
	fail := func(why string) (any, error) { return nil, problem("Template error: Fn::Cidr %s", why) }
	block, err := text(arg[0])
	if err != nil {
		return fail("requires an IP block as its first element")
	}
	network, err := netip.ParsePrefix(block)
	if err != nil {
		return fail("requires an IP block as its first element, such as 10.0.0.0/16, not " + strconv.Quote(block))
	}
	number := func(v any) (int, bool) {
		s, err := text(v)
		if err != nil {
			return 0, false
		}
		n, err := strconv.Atoi(s)
		return n, err == nil
	}
	count, ok := number(arg[1])
	if !ok || count < 1 || count > maxSubnets {
		return fail("requires a count of 1 to 256 as its second element")
	}
	bits := 8
	if len(arg) == 3 {
		if bits, ok = number(arg[2]); !ok {
			return fail("requires a number of bits as its third element")
		}
	}
	width := network.Addr().BitLen()
	size := width - bits
	if bits < 1 || size < network.Bits() || size > width {
		return fail("cannot make blocks of " + strconv.Itoa(bits) + " host bits of " + block)
	}
	if room := size - network.Bits(); room < 9 && count > 1<<room {
		return fail("cannot make " + strconv.Itoa(count) + " blocks of " + block + " with " + strconv.Itoa(bits) + " host bits")
	}
	at := new(big.Int).SetBytes(network.Masked().Addr().AsSlice())
	step := new(big.Int).Lsh(big.NewInt(1), uint(bits))
	var out []any
	for range count {
		raw := at.FillBytes(make([]byte, width/8))
		addr, _ := netip.AddrFromSlice(raw)
		out = append(out, netip.PrefixFrom(addr, size).String())
		at.Add(at, step)
	}
	return out, nil
}
