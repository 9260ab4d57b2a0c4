package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// host is the domain that both servers serve.
const host = "mtls.bench.example"

// writeMaterial makes, with one kind of key, a server certificate under its
// own root, and client certificates below root and subordinate, which are the
// trust store. Files: server.pem, server.key, server-root.pem, trust.pem,
// client.pem, client.key, and firsts.pem with one more certificate for each of
// many clients, all for the key in client.key.
func writeMaterial(dir, keys string, firsts int) error {
	dir = filepath.Join(dir, keys)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	serial := int64(0)
	var problem error
	key := func() crypto.Signer {
		var k crypto.Signer
		var err error
		if keys == "rsa" {
			k, err = rsa.GenerateKey(rand.Reader, 2048)
		} else {
			k, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		}
		if err != nil {
			problem = err
		}
		return k
	}
	now := time.Now()
	issue := func(name string, pub crypto.PublicKey, parent *x509.Certificate, signer crypto.Signer, change func(*x509.Certificate)) *x509.Certificate {
		if problem != nil {
			return nil
		}
		serial++
		template := &x509.Certificate{SerialNumber: big.NewInt(serial<<32 + 77), Subject: pkix.Name{Organization: []string{"Bench"}, CommonName: name},
			NotBefore: now.Add(-time.Hour), NotAfter: now.Add(48 * time.Hour)}
		change(template)
		if parent == nil {
			parent = template
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, signer)
		if err != nil {
			problem = err
			return nil
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			problem = err
		}
		return cert
	}
	ca := func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	}
	client := func(c *x509.Certificate) {
		c.KeyUsage, c.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	serverRootKey, serverKey, rootKey, subKey, clientKey := key(), key(), key(), key(), key()
	if problem != nil {
		return problem
	}
	serverRoot := issue("Server Root", serverRootKey.Public(), nil, serverRootKey, ca)
	serverCert := issue(host, serverKey.Public(), serverRoot, serverRootKey, func(c *x509.Certificate) {
		c.KeyUsage, c.ExtKeyUsage, c.DNSNames = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, []string{host}
	})
	root := issue("Client Root", rootKey.Public(), nil, rootKey, ca)
	sub := issue("Client Sub", subKey.Public(), root, rootKey, ca)
	clientCert := issue("client", clientKey.Public(), sub, subKey, client)
	files := map[string][]*x509.Certificate{
		"server.pem": {serverCert}, "server-root.pem": {serverRoot}, "trust.pem": {root, sub}, "client.pem": {clientCert}, "firsts.pem": nil,
	}
	for i := range firsts {
		files["firsts.pem"] = append(files["firsts.pem"], issue(fmt.Sprint("client ", i), clientKey.Public(), sub, subKey, client))
	}
	if problem != nil {
		return problem
	}
	for name, certs := range files {
		var out []byte
		for _, c := range certs {
			out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
		}
		if err := os.WriteFile(filepath.Join(dir, name), out, 0o644); err != nil {
			return err
		}
	}
	for name, k := range map[string]crypto.Signer{"server.key": serverKey, "client.key": clientKey} {
		der, err := x509.MarshalPKCS8PrivateKey(k)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// readPair reads a certificate with its key.
func readPair(dir, keys, name string) (*tls.Certificate, error) {
	c, err := tls.LoadX509KeyPair(filepath.Join(dir, keys, name+".pem"), filepath.Join(dir, keys, name+".key"))
	return &c, err
}

// readFirsts reads the certificates of clients that come for the first time.
func readFirsts(dir, keys string) ([]*tls.Certificate, error) {
	pair, err := readPair(dir, keys, "client")
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, keys, "firsts.pem"))
	if err != nil {
		return nil, err
	}
	var all []*tls.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return all, nil
		}
		leaf, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, &tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: pair.PrivateKey, Leaf: leaf})
	}
}
