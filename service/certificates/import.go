package certificates

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/netip"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"
	"github.com/google/uuid"

	"countersign/call"
	"countersign/keys"
	"countersign/pki"
	"countersign/store"
)

// Limits of ImportCertificate, in bytes and certificates.
const (
	maxImportCertificate = 32768
	maxImportKey         = 5120
	maxImportChain       = 2 << 20
	maxImportChainLength = 100
	maxOCSPURL           = 1000
)

// A parcel is what ImportCertificate brings, checked.
type parcel struct {
	leaf      *x509.Certificate
	key       crypto.Signer
	chain     [][]byte
	algorithm keys.Algorithm
	names     []string
}

// ImportCertificate takes a certificate with its key. With CertificateArn it
// replaces one that was imported before, and what uses that one goes on with the
// new one.
func (s *Service) ImportCertificate(ctx context.Context, in *acm.ImportCertificateInput) (*acm.ImportCertificateOutput, error) {
	p, err := s.unpack(in)
	if err != nil {
		return nil, err
	}
	if in.CertificateArn != nil {
		return s.reimport(ctx, in, p)
	}
	c := call.From(ctx)
	id, err := uuid.NewRandomFromReader(s.rand)
	if err != nil {
		return nil, err
	}
	now := s.now()
	r := &record{ID: id.String(), Account: c.Account, Region: c.Region, Source: imported, State: issued, CreatedAt: now}
	if r.Tags, err = parseTags(ctx, in.Tags); err != nil {
		return nil, err
	}
	if err := s.put(r, p); err != nil {
		return nil, err
	}
	value, err := r.encode()
	if err != nil {
		return nil, err
	}
	if _, err := s.store.Commit(ctx, (&store.Batch{}).Create(KindCertificate, r.key(), value)); err != nil {
		return nil, err
	}
	return &acm.ImportCertificateOutput{CertificateArn: aws.String(r.arn())}, nil
}

// put fills r with what was brought.
func (s *Service) put(r *record, p *parcel) (err error) {
	if r.Key, err = s.sealer.SealKey(s.rand, p.key, r.arn()); err != nil {
		return err
	}
	r.Certificate, r.Chain, r.Algorithm, r.Names, r.ImportedAt = p.leaf.Raw, p.chain, p.algorithm, p.names, s.now()
	if r.Domain = p.leaf.Subject.CommonName; r.Domain == "" {
		r.Domain = p.names[0]
	}
	return nil
}

func (s *Service) reimport(ctx context.Context, in *acm.ImportCertificateInput, p *parcel) (*acm.ImportCertificateOutput, error) {
	if len(in.Tags) > 0 {
		return nil, validationFailed("tags cannot be given when a certificate is imported again; use AddTagsToCertificate")
	}
	err := s.update(ctx, in.CertificateArn, func(r *record, _ *store.Batch) error {
		if r.Source != imported {
			return validationFailed("Certificate %s was not imported; only an imported certificate can be imported again", r.arn())
		}
		if r.Algorithm != p.algorithm {
			return validationFailed("the key of certificate %s is %s, that of the new one %s; key type and size cannot change", r.arn(), r.Algorithm, p.algorithm)
		}
		old, err := r.leaf()
		if err != nil {
			return err
		}
		if err := checkUsages(old, p.leaf, p.algorithm); err != nil {
			return err
		}
		return s.put(r, p)
	})
	if err != nil {
		return nil, err
	}
	return &acm.ImportCertificateOutput{CertificateArn: in.CertificateArn}, nil
}

// checkUsages keeps a re-import from taking usages away, but for those that AWS
// lets go: clientAuth, and keyEncipherment of ECDSA keys.
func checkUsages(old, renewed *x509.Certificate, algorithm keys.Algorithm) error {
	now := keyUsages(renewed)
	for _, u := range keyUsages(old) {
		if u == types.KeyUsageNameKeyEncipherment && algorithm.Family() == keys.EC {
			continue
		}
		// No extension at all allows everything.
		if renewed.KeyUsage != 0 && !slices.Contains(now, u) {
			return validationFailed("the new certificate lacks the key usage %s of the one it replaces", u)
		}
	}
	extended := extendedKeyUsages(renewed)
	for _, u := range extendedKeyUsages(old) {
		if u.Name == types.ExtendedKeyUsageNameTlsWebClientAuthentication || len(extended) == 0 {
			continue
		}
		if !slices.ContainsFunc(extended, func(have types.ExtendedKeyUsage) bool { return *have.OID == *u.OID }) {
			return validationFailed("the new certificate lacks the extended key usage %s of the one it replaces", u.Name)
		}
	}
	return nil
}

// unpack applies the checks of ImportCertificate to what comes with it.
func (s *Service) unpack(in *acm.ImportCertificateInput) (*parcel, error) {
	leaf, err := parseLeaf(in.Certificate)
	if err != nil {
		return nil, err
	}
	p := &parcel{leaf: leaf}
	if p.key, err = parseKey(in.PrivateKey); err != nil {
		return nil, err
	}
	var known bool
	if p.algorithm, known = keys.AlgorithmOf(leaf.PublicKey); !known {
		return nil, validationFailed("The key of the certificate is of an algorithm that cannot be imported; use RSA of 1024, 2048, 3072 or 4096 bits, or EC on P-256, P-384 or P-521.")
	}
	if !pki.SameKey(leaf.PublicKey, p.key.Public()) {
		return nil, validationFailed("The private key does not match the certificate.")
	}
	now := s.now()
	if now.After(leaf.NotAfter) {
		return nil, validationFailed("The certificate has expired, is not valid.")
	}
	if now.Before(leaf.NotBefore) {
		return nil, validationFailed("The certificate is not in effect yet, is not valid.")
	}
	if leaf.Version != 3 {
		return nil, validationFailed("The certificate is of X.509 version %d; it must be 3.", leaf.Version)
	}
	if len(leaf.Issuer.Names) == 0 {
		return nil, validationFailed("The certificate has no issuer.")
	}
	for _, url := range leaf.OCSPServer {
		if len(url) > maxOCSPURL {
			return nil, validationFailed("The certificate has an OCSP URL of more than %d characters.", maxOCSPURL)
		}
	}
	if p.names = namesOf(leaf); len(p.names) == 0 {
		return nil, validationFailed("The certificate has neither a host name nor an IP address.")
	}
	if p.chain, err = parseChain(in.CertificateChain, leaf); err != nil {
		return nil, err
	}
	return p, nil
}

// namesOf lists what a certificate is for: its alternative names, or else its
// common name if that is a host name or an address.
func namesOf(c *x509.Certificate) []string {
	names := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		cn := c.Subject.CommonName
		if _, err := netip.ParseAddr(cn); err == nil || checkDomain(cn) == nil {
			names = []string{cn}
		}
	}
	return names
}

func parseLeaf(text []byte) (*x509.Certificate, error) {
	bad := validationFailed("The certificate is not PEM-encoded or is not valid.")
	if len(text) > maxImportCertificate {
		return nil, bad
	}
	block, rest := pem.Decode(text)
	if block == nil || block.Type != pki.PEMCertificate {
		return nil, bad
	}
	if more, _ := pem.Decode(rest); more != nil {
		return nil, validationFailed("The certificate field must hold one certificate; those above it belong into the certificate chain.")
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, bad
	}
	return leaf, nil
}

// parseKey reads an unencrypted private key: PKCS#8, or the older forms of RSA
// and EC, where OpenSSL puts a block with the curve's name in front.
func parseKey(text []byte) (crypto.Signer, error) {
	bad := validationFailed("The private key is not PEM-encoded or is not valid.")
	if len(text) > maxImportKey {
		return nil, bad
	}
	block, rest := pem.Decode(text)
	if block != nil && block.Type == "EC PARAMETERS" {
		block, rest = pem.Decode(rest)
	}
	if block == nil {
		return nil, bad
	}
	if more, _ := pem.Decode(rest); more != nil {
		return nil, validationFailed("The private key field must hold one private key.")
	}
	var key any
	err := errors.New("unknown form")
	switch block.Type {
	case pki.PEMEncryptedKey:
		return nil, validationFailed("The private key is encrypted; it must not be.")
	case pki.PEMPrivateKey:
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		if block.Headers["DEK-Info"] != "" {
			return nil, validationFailed("The private key is encrypted; it must not be.")
		}
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	}
	signer, ok := key.(crypto.Signer)
	if err != nil || !ok {
		return nil, bad
	}
	return signer, nil
}

// parseChain reads the certificates above leaf: each signs the one before. The
// root may be left out.
func parseChain(text []byte, leaf *x509.Certificate) ([][]byte, error) {
	bad := validationFailed("The certificate chain is not PEM-encoded or is not valid.")
	if len(text) > maxImportChain {
		return nil, bad
	}
	var chain [][]byte
	below := leaf
	for rest := bytes.TrimSpace(text); len(rest) > 0; {
		block, more := pem.Decode(rest)
		if block == nil || block.Type != pki.PEMCertificate || len(chain) == maxImportChainLength {
			return nil, bad
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, bad
		}
		if c.Equal(leaf) {
			return nil, validationFailed("The certificate chain must not hold the certificate itself.")
		}
		if !bytes.Equal(below.RawIssuer, c.RawSubject) || below.CheckSignatureFrom(c) != nil {
			return nil, validationFailed("Certificate %d of the chain did not sign the one before it; the order is the issuer of the certificate first, the root last.", len(chain)+1)
		}
		chain, below, rest = append(chain, c.Raw), c, bytes.TrimSpace(more)
	}
	return chain, nil
}
