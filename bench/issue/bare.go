package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"syscall"
	"time"
)

// bare measures, in this process, what nobody who issues can do without: the
// check of a CSR's signature, and the signature on the certificate.
func bare(rounds int) (check, sign, rsaSign time.Duration, err error) {
	text, err := newCSR("client.bench.example")
	if err != nil {
		return 0, 0, 0, err
	}
	block, _ := pem.Decode(text)
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return 0, 0, 0, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return 0, 0, 0, err
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return 0, 0, 0, err
	}
	digest := sha256.Sum256(text)
	signWith := func(key crypto.Signer) func() error {
		return func() error { _, err := key.Sign(rand.Reader, digest[:], crypto.SHA256); return err }
	}
	for _, m := range []struct {
		into  *time.Duration
		count int
		work  func() error
	}{
		{&check, 2000, csr.CheckSignature},
		{&sign, 4000, signWith(key)},
		{&rsaSign, 300, signWith(rsaKey)},
	} {
		var costs []time.Duration
		for range rounds {
			before, err := ownTime()
			if err != nil {
				return 0, 0, 0, err
			}
			for range m.count {
				if err := m.work(); err != nil {
					return 0, 0, 0, err
				}
			}
			after, err := ownTime()
			if err != nil {
				return 0, 0, 0, err
			}
			costs = append(costs, (after-before)/time.Duration(m.count))
		}
		*m.into = middle(costs)
	}
	return check, sign, rsaSign, nil
}

// ownTime is the CPU time of this process, which is doing nothing else.
func ownTime() (time.Duration, error) {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0, err
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()), nil
}
