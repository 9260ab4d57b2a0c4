package pki

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
)

// PEM types.
const (
	PEMCertificate  = "CERTIFICATE"
	PEMRequest      = "CERTIFICATE REQUEST"
	PEMPrivateKey   = "PRIVATE KEY"
	PEMEncryptedKey = "ENCRYPTED PRIVATE KEY"
	PEMCRL          = "X509 CRL"
)

// EncodePEM writes one block in 64 columns with a newline at its end, as ACM
// and the events of API Gateway have it.
func EncodePEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// EncodePEMBare is EncodePEM without the newline at the end, as ACM Private CA
// answers.
func EncodePEMBare(kind string, der []byte) string {
	text := EncodePEM(kind, der)
	return text[:len(text)-1]
}

// EncodeChain writes certificates one block after the other, a newline after each.
func EncodeChain(chain []*x509.Certificate) string {
	var b bytes.Buffer
	for _, c := range chain {
		b.WriteString(EncodePEM(PEMCertificate, c.Raw))
	}
	return b.String()
}

// EncodeChainBare is EncodeChain without the newline at the very end.
func EncodeChainBare(chain []*x509.Certificate) string {
	text := EncodeChain(chain)
	if text == "" {
		return ""
	}
	return text[:len(text)-1]
}
