package certificates

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"countersign/pki"
	"countersign/store"
)

// A LocalAuthority is the local root as the check of a folder compares the
// ledger with it.
type LocalAuthority struct {
	ID      string // of its ledger rows; empty: there is no local root yet
	Key     crypto.Signer
	Subject []byte // DER
}

// LocalAuthority opens the local root; unlike LocalRoot it makes none.
func (s *Service) LocalAuthority(ctx context.Context) (LocalAuthority, error) {
	got, err := s.store.Get(ctx, KindLocalRoot, localRootKey)
	if errors.Is(err, store.ErrNotFound) {
		return LocalAuthority{}, nil
	}
	if err != nil {
		return LocalAuthority{}, err
	}
	var l localRoot
	if err := json.Unmarshal(got.Value, &l); err != nil {
		return LocalAuthority{}, fmt.Errorf("decode the local root: %w", err)
	}
	root, err := s.unseal(&l)
	if err != nil {
		return LocalAuthority{}, err
	}
	return LocalAuthority{ID: l.ID, Key: root.key, Subject: root.cert.RawSubject}, nil
}

// Check proves that certificates have their keys, and that those of private
// authorities are in the ledger, byte for byte; it reports what is not so. It works
// on a store that nobody writes meanwhile, and is not an operation: only the check
// of a stopped node's folder calls it. It returns how many certificates it
// looked at. The error is for what kept it from looking.
func (s *Service) Check(ctx context.Context, report func(resource, problem string)) (int, error) {
	const page = 500
	n := 0
	local, err := s.LocalAuthority(ctx)
	if err != nil {
		return n, err
	}
	for after := ""; ; {
		list, err := s.store.List(ctx, KindCertificate, "", after, page)
		if err != nil {
			return n, err
		}
		for _, from := range list {
			after = from.Key
			r, err := decode(from)
			if err != nil {
				report("record "+from.Kind+" "+from.Key, err.Error())
				continue
			}
			if r.key() != from.Key {
				report("record "+from.Kind+" "+from.Key, "it holds the certificate "+r.arn())
				continue
			}
			n++
			if err := s.checkCertificate(ctx, r, local.ID, func(format string, a ...any) { report(r.arn(), fmt.Sprintf(format, a...)) }); err != nil {
				return n, err
			}
		}
		if len(list) < page {
			return n, nil
		}
	}
}

func (s *Service) checkCertificate(ctx context.Context, r *record, local string, bad func(format string, a ...any)) error {
	key, err := s.sealer.OpenKey(r.Key, r.arn())
	if err != nil {
		bad("its private key does not open: %v", err)
	}
	leaf, err := r.leaf()
	if err != nil {
		bad("%v", err)
		return nil
	}
	if leaf == nil {
		if r.State == issued {
			bad("it is ISSUED, but has no certificate")
		}
		return nil
	}
	if key != nil && !pki.SameKey(key.Public(), leaf.PublicKey) {
		bad("its private key is not that of its certificate")
	}
	above := leaf
	for _, der := range r.Chain {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			bad("its chain cannot be parsed: %v", err)
			return nil
		}
		if c.CheckSignature(above.SignatureAlgorithm, above.RawTBSCertificate, above.Signature) != nil {
			bad("the certificate %q was not signed by the next one of its chain, %q", pki.FormatName(above.RawSubject), pki.FormatName(c.RawSubject))
		}
		above = c
	}
	if r.Source == imported {
		return nil
	}
	authority := r.Authority[strings.LastIndex(r.Authority, "/")+1:]
	if r.Source == public {
		authority = local
	}
	var serial store.Serial
	if leaf.SerialNumber.Sign() < 0 || leaf.SerialNumber.BitLen() > 8*len(serial) {
		bad("its serial number %s is none that an authority of this node gives", pki.SerialColons(leaf.SerialNumber))
		return nil
	}
	leaf.SerialNumber.FillBytes(serial[:])
	row, err := s.store.Certificate(ctx, authority, serial)
	switch {
	case errors.Is(err, store.ErrNotFound):
		bad("the ledger of authority %s does not have it", authority)
	case err != nil:
		return err
	case !bytes.Equal(row.TBS, leaf.RawTBSCertificate):
		bad("the ledger of authority %s has another certificate under its serial number", authority)
	}
	return nil
}
