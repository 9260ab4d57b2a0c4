//go:build !amd64 || purego

package rsasign

// kernelFor is nil: this processor has no multiplier that would beat crypto/rsa.
func kernelFor(int) *kernel { return nil }
