package template

import (
	"math/big"
	"math/bits"
	"net/netip"
	"strconv"
)

// maxCidrs is how many blocks Fn::Cidr gives at most.
const maxCidrs = 256

// evalCidr cuts blocks out of an IPv4 or IPv6 block. The third parameter is how many bits of an address remain for
// hosts: 8 makes /24 of IPv4, 64 makes /64 of IPv6. Without it the blocks are as large as their count lets them be.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference-cidr.html
func evalCidr(e *evaluator, arg any, path []string) (any, error) {
	args := arg.([]any)
	texts := make([]string, len(args))
	for i, a := range args {
		text, unknown, err := e.text(a, append(path, strconv.Itoa(i)), "Template error: every parameter of Fn::Cidr must be a string or a number.")
		if err != nil || unknown {
			return Unknown{}, err
		}
		texts[i] = text
	}
	block, err := netip.ParsePrefix(texts[0])
	if err != nil || block.Addr().Is4In6() {
		return nil, e.refuse(append(path, "0"), "Template error: Fn::Cidr: %q is not an IP address block", texts[0])
	}
	count, err := strconv.Atoi(texts[1])
	if err != nil || count < 1 || count > maxCidrs {
		return nil, e.refuse(append(path, "1"), "Template error: Fn::Cidr: the count must be a number from 1 to %d", maxCidrs)
	}
	width := block.Addr().BitLen()
	host := width - block.Bits() - bits.Len(uint(count-1))
	if len(texts) == 3 {
		if host, err = strconv.Atoi(texts[2]); err != nil || host < 1 || host > width {
			return nil, e.refuse(append(path, "2"), "Template error: Fn::Cidr: the number of subnet bits must be from 1 to %d", width)
		}
	}
	// As many blocks fit as the bits between the two masks can count.
	if room := width - block.Bits() - host; host < 0 || room < 0 || room < 9 && count > 1<<room {
		return nil, e.refuse(path, "Template error: Fn::Cidr: %d blocks of %d bits do not fit into %s", count, max(host, 0), block)
	}
	if err := e.spend(path, count*64); err != nil {
		return nil, err
	}
	list := make([]any, count)
	at := new(big.Int).SetBytes(block.Masked().Addr().AsSlice())
	step := new(big.Int).Lsh(big.NewInt(1), uint(host))
	for i := range list {
		addr, _ := netip.AddrFromSlice(at.FillBytes(make([]byte, width/8)))
		list[i] = netip.PrefixFrom(addr, width-host).String()
		at.Add(at, step)
	}
	return list, nil
}
