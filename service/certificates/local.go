package certificates

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/google/uuid"

	"countersign/call"
	"countersign/keys"
	"countersign/pki"
	"countersign/store"
)

const (
	localRootKey   = "root" // of its record
	localRootYears = 10
	publicDays     = 198 // life of a certificate with validated names, as AWS has it since February 2026

	localAlgorithm = pki.SHA256WithECDSA
	localTemplate  = "EndEntityServerAuthCertificate" // public certificates are for servers only
)

// A localRoot is the stored form of the CA that stands for Amazon's. Its
// certificate is not stored: the signature of TBS is the same every time.
type localRoot struct {
	ID  string // UUID; the authority of its ledger rows, and the installation id in its name
	Key []byte // PKCS#8, sealed for owner
	TBS []byte
}

func (l *localRoot) owner() string { return "countersign:acm:local-root/" + l.ID }

// An openRoot is a local root ready to sign.
type openRoot struct {
	id   string
	key  crypto.Signer
	cert *x509.Certificate
}

// LocalRoot answers the certificate of the local root, PEM, which clients of
// AMAZON_ISSUED certificates have to trust. The first call of an installation
// makes the root; it is durable on return.
func (s *Service) LocalRoot(ctx context.Context) (pem []byte, err error) {
	root, err := s.openRoot(ctx)
	if err != nil {
		return nil, err
	}
	return []byte(pki.EncodePEM(pki.PEMCertificate, root.cert.Raw)), nil
}

func (s *Service) openRoot(ctx context.Context) (*openRoot, error) {
	for range attempts {
		got, err := s.store.Get(ctx, KindLocalRoot, localRootKey)
		if err == nil {
			var l localRoot
			if err := json.Unmarshal(got.Value, &l); err != nil {
				return nil, fmt.Errorf("decode the local root: %w", err)
			}
			return s.unseal(&l)
		}
		if !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		b, err := s.makeRoot(ctx)
		if err != nil {
			return nil, fmt.Errorf("make the local root: %w", err)
		}
		// ErrExists: another node made it meanwhile, and its is the one.
		if _, err := s.store.Commit(ctx, b); err != nil && !errors.Is(err, store.ErrExists) {
			return nil, err
		}
	}
	return nil, errors.New("make the local root: it comes and goes")
}

func (s *Service) unseal(l *localRoot) (*openRoot, error) {
	key, err := s.sealer.OpenKey(l.Key, l.owner())
	if err != nil {
		return nil, err
	}
	der, err := complete(l.TBS, key)
	if err != nil {
		return nil, fmt.Errorf("sign the local root: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("parse the local root: %w", err)
	}
	return &openRoot{l.ID, key, cert}, nil
}

// complete signs to-be-signed bytes with the local root's algorithm.
func complete(tbs []byte, key crypto.Signer) ([]byte, error) {
	signature, err := pki.Sign(tbs, localAlgorithm, key)
	if err != nil {
		return nil, err
	}
	return pki.Assemble(tbs, localAlgorithm, signature)
}

// makeRoot prepares the commit that brings a local root into being: the
// record, and a row of the ledger as for every certificate.
func (s *Service) makeRoot(ctx context.Context) (*store.Batch, error) {
	id, err := uuid.NewRandomFromReader(s.rand)
	if err != nil {
		return nil, err
	}
	l := &localRoot{ID: id.String()}
	key, err := keys.Generate(keys.P256, s.rand)
	if err != nil {
		return nil, err
	}
	csr, err := pki.NewRequest([]pki.Attribute{{OID: pki.CommonName, Value: "Countersign local root " + l.ID}}, localAlgorithm, key)
	if err != nil {
		return nil, err
	}
	row, err := s.row(ctx, &openRoot{id: l.ID}, "RootCACertificate", csr, pki.Validity{Type: pki.Years, Value: localRootYears})
	if err != nil {
		return nil, err
	}
	l.TBS = row.TBS
	if l.Key, err = s.sealer.SealKey(s.rand, key, l.owner()); err != nil {
		return nil, err
	}
	value, err := json.Marshal(l)
	if err != nil {
		return nil, err
	}
	return (&store.Batch{}).Create(KindLocalRoot, localRootKey, value).Issue(row), nil
}

// row prepares a certificate of the local root for the ledger.
func (s *Service) row(ctx context.Context, root *openRoot, template string, csr []byte, validity pki.Validity) (store.Certificate, error) {
	none := store.Certificate{}
	t, err := pki.LookupTemplate(template)
	if err != nil {
		return none, err
	}
	request, err := pki.ParseRequest(csr)
	if err != nil {
		return none, err
	}
	now := s.now()
	from, to, err := pki.Window(now, validity, nil)
	if err != nil {
		return none, err
	}
	if root.cert != nil && to.After(root.cert.NotAfter) {
		if to = root.cert.NotAfter; !to.After(now) {
			return none, fmt.Errorf("the local root expired at %s", to.Format(time.RFC3339))
		}
	}
	serial, err := pki.NewSerial(s.rand)
	if err != nil {
		return none, err
	}
	issuance := pki.Issuance{Template: t, Request: request, Issuer: root.cert, Algorithm: localAlgorithm,
		Serial: serial, NotBefore: from, NotAfter: to}
	tbs, err := issuance.TBS()
	if err != nil {
		return none, err
	}
	var chain []*x509.Certificate // of the issuer; the root itself has none
	if root.cert != nil {
		chain = append(chain, root.cert)
	}
	if err := issuance.Lint(tbs, chain); err != nil {
		return none, err
	}
	return store.Certificate{
		Authority: root.id, Serial: store.Serial(serial), TBS: tbs, Template: t.ARN("aws"),
		Requester: requester(ctx), IssuedAt: now, NotBefore: from, NotAfter: to, Subject: pki.ReversedName(request.Subject),
	}, nil
}

// requester is who the ledger says asked for a certificate.
func requester(ctx context.Context) string {
	if p := call.From(ctx).Principal; p.Service == "" && p.ARN != "" {
		return p.ARN
	}
	return servicePrincipal
}

// issueLocally has the local root sign a request. Serial number and
// to-be-signed bytes are durable before the key is used.
func (s *Service) issueLocally(ctx context.Context, csr []byte) (leaf []byte, root *openRoot, err error) {
	if root, err = s.openRoot(ctx); err != nil {
		return nil, nil, err
	}
	for range attempts {
		row, err := s.row(ctx, root, localTemplate, csr, pki.Validity{Type: pki.Days, Value: publicDays})
		if err != nil {
			return nil, nil, fmt.Errorf("issue from the local root: %w", err)
		}
		_, err = s.store.Commit(ctx, (&store.Batch{}).Issue(row))
		if errors.Is(err, store.ErrExists) {
			continue // the serial number was used before
		}
		if err != nil {
			return nil, nil, err
		}
		signature, err := pki.Sign(row.TBS, localAlgorithm, root.key)
		if err != nil {
			return nil, nil, fmt.Errorf("issue from the local root: %w", err)
		}
		s.store.Later((&store.Batch{}).Sign(row.Authority, row.Serial, signature))
		leaf, err = pki.Assemble(row.TBS, localAlgorithm, signature)
		return leaf, root, err
	}
	return nil, nil, errors.New("issue from the local root: every serial number was used before")
}

// IssueLocal issues a server certificate of the local root for this node's own
// endpoints: names are host names, wildcards among them, and IP addresses. Its
// key is EC P-256 and is kept nowhere. It lasts 198 days; ask for another before.
func (s *Service) IssueLocal(ctx context.Context, names []string) (tls.Certificate, error) {
	key, err := s.generate(keys.P256)
	if err != nil {
		return tls.Certificate{}, err
	}
	csr, err := s.request(key, names)
	if err != nil {
		return tls.Certificate{}, err
	}
	der, _, err := s.issueLocally(ctx, csr)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// maxCommonName is the limit of RFC 5280's ub-common-name.
const maxCommonName = 64

// request makes the request of a certificate for names: the first is the
// common name, if it is short enough to be one.
func (s *Service) request(key crypto.Signer, names []string) ([]byte, error) {
	if len(names) == 0 {
		return nil, errors.New("a certificate needs a name")
	}
	t := &x509.CertificateRequest{}
	for _, name := range names {
		if ip, err := netip.ParseAddr(name); err == nil {
			t.IPAddresses = append(t.IPAddresses, ip.AsSlice())
		} else {
			t.DNSNames = append(t.DNSNames, name)
		}
	}
	if len(names[0]) <= maxCommonName {
		// crypto/x509 would write a PrintableString; AWS has UTF8String.
		subject, err := pki.EncodeName([]pki.Attribute{{OID: pki.CommonName, Value: names[0]}})
		if err != nil {
			return nil, err
		}
		t.RawSubject = subject
	}
	der, err := x509.CreateCertificateRequest(s.rand, t, key)
	if err != nil {
		return nil, fmt.Errorf("make the request of a certificate for %s: %w", names[0], err)
	}
	return der, nil
}
