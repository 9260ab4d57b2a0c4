// Package rsasign makes RSA signatures in a third to a quarter of the time
// that crypto/rsa takes, on processors with AVX-512 IFMA. Everywhere else, and
// for every key and option that it does not know, crypto/rsa signs. It answers for no AWS API.
//
// It does the one thing that costs: the two exponentiations of the Chinese
// remainder theorem (RFC 8017, section 5.1.2), for moduli of 2048, 3072 and 4096
// bits. crypto/rsa still makes and checks keys, decrypts, and verifies: no
// signature leaves before crypto/rsa has verified it with the public key, so neither a
// fault of the machine nor a mistake in here can give a key away (Boneh, DeMillo,
// Lipton 1997).
//
// Nothing here branches on, or reads memory at an address that depends on, a
// secret. Like crypto/rsa since Go 1.20 it does not blind. docs/decisions/050
// has the reasons and the risks.
//
// It leaves out blinding, keys with more than two primes, PSS with other salts
// than one as long as the hash, and hashes outside of SHA-2.
package rsasign

//go:generate go run ./gen
