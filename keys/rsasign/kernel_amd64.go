//go:build amd64 && !purego

package rsasign

import "golang.org/x/sys/cpu"

// kernelFor is the kernel for a modulus of so many bits, or nil.
func kernelFor(bits int) *kernel {
	if !cpu.X86.HasAVX512F || !cpu.X86.HasAVX512DQ || !cpu.X86.HasAVX512IFMA || !cpu.X86.HasBMI2 {
		return nil
	}
	switch bits {
	case 2048:
		return &kernel{20, 24, amm20, pick20}
	case 3072:
		return &kernel{30, 32, amm30, pick30}
	case 4096:
		return &kernel{40, 40, amm40, pick40}
	}
	return nil
}

//go:noescape
func amm20(r, a, b, m *uint64, k *[2]uint64)

//go:noescape
func amm30(r, a, b, m *uint64, k *[2]uint64)

//go:noescape
func amm40(r, a, b, m *uint64, k *[2]uint64)

//go:noescape
func pick20(r, table *uint64, i, j uint64)

//go:noescape
func pick30(r, table *uint64, i, j uint64)

//go:noescape
func pick40(r, table *uint64, i, j uint64)
