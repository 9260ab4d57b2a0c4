package authority

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"
	"github.com/google/uuid"

	"countersign/call"
	"countersign/keys"
	"countersign/pki"
	"countersign/store"
)

// maxHistory bounds what one authority can bring, so that it fits into one commit.
const maxHistory = 200_000

// An Adoption is a certificate authority of another installation on its way
// here, with all that is known of what it did.
type Adoption struct {
	Certificate []byte // PEM, one certificate
	Chain       []byte // PEM, its issuer first, the root last; empty for a root
	Key         crypto.Signer
	ShortLived  bool
	History     []Past
	CRLs        [][]byte // DER; the newest of every scope
}

// A Past is one certificate that an authority issued before it came here.
type Past struct {
	Certificate *x509.Certificate // nil: known by number only
	Serial      *big.Int
	NotAfter    time.Time // zero: unknown
	Subject     string
	RevokedAt   time.Time // zero: not revoked, as far as its source knows
	Reason      int
	// Status says that the source knows whether it is revoked: a list of
	// certificates does not.
	Status bool
}

// Adopted is what became of an Adoption.
type Adopted struct {
	ARN     string
	Issued  int      // rows of the ledger
	Revoked int      // of them
	Notes   []string // what whoever brings it should know
}

// Adopt takes in a certificate authority with its key. It is not an operation
// of AWS Private CA, which lets no key in: node calls it on the folder of a
// stopped node only, for whoever holds that folder and its sealing key
// (docs/decisions/040-importing-a-key.md). ctx carries the call, as for an operation.
//
// The authority is ACTIVE on return and durable, in one commit with a ledger
// row for everything it issued as far as that is known, and with what its CRLs
// revoke. Nothing is taken in when anything does not match: the key is not the
// certificate's, a certificate of the history or a CRL was not signed by it, the
// history and the CRLs tell different things, or the key is here already.
func (s *Service) Adopt(ctx context.Context, in Adoption) (*Adopted, error) {
	now := s.now()
	own, chain, err := checkAdoption(in, now)
	if err != nil {
		return nil, err
	}
	r, err := s.adoptedRecord(ctx, in, own, chain)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(own.RawSubjectPublicKeyInfo)
	issuers, err := s.Issuers(ctx)
	if err != nil {
		return nil, err
	}
	for id, key := range issuers {
		if key == IssuerKey(sum) {
			return nil, fmt.Errorf("the key is that of certificate authority %s of this node already", id)
		}
	}
	out := &Adopted{ARN: r.arn()}
	rows, err := adoptedRows(r, own, in, out, now)
	if err != nil {
		return nil, err
	}

	b := &store.Batch{}
	value, err := r.encode()
	if err != nil {
		return nil, err
	}
	b.Create(KindAuthority, r.key(), value)
	if value, err = json.Marshal(issuer{Key: sum[:]}); err != nil {
		return nil, err
	}
	b.Create(KindIssuer, r.ID, value)
	for _, row := range rows {
		row.Requester = requester(ctx)
		b.Issue(row)
		out.Issued++
		if !row.RevokedAt.IsZero() {
			b.Revoke(r.ID, row.Serial, row.RevokedAt, row.Reason)
			out.Revoked++
		}
	}
	if _, err := s.store.Commit(ctx, b); err != nil {
		return nil, fmt.Errorf("record %s: %w", r.arn(), err)
	}
	s.log.InfoContext(ctx, "certificate authority imported with its key", "authority", r.arn(), "principal", requester(ctx), "issued", out.Issued, "revoked", out.Revoked)
	return out, nil
}

// checkAdoption judges the certificate with its key and its chain, by the rules
// of ImportCertificateAuthorityCertificate.
func checkAdoption(in Adoption, now time.Time) (*x509.Certificate, []*x509.Certificate, error) {
	if a, ok := keys.AlgorithmOf(in.Key.Public()); !ok || a == keys.RSA1024 {
		return nil, nil, errors.New("the private key is of no kind that a certificate authority here can have: RSA of 2048, 3072 or 4096 bits, or EC P-256, P-384 or P-521")
	}
	// Which subject and type the certificate must have is for the certificate to say.
	list, err := parseCertificates(in.Certificate)
	if err != nil {
		return nil, nil, fmt.Errorf("the certificate: %w", err)
	}
	own := list[0]
	own, chain, err := pki.CheckImport(pki.Import{
		Root: bytes.Equal(own.RawSubject, own.RawIssuer), Key: in.Key.Public(), Subject: own.RawSubject, Certificate: in.Certificate, Chain: in.Chain, At: now,
	})
	var bad *pki.ImportError
	if errors.As(err, &bad) && bad.Fault == pki.ImportMismatch && !pki.SameKey(list[0].PublicKey, in.Key.Public()) {
		return nil, nil, errors.New("the private key is not that of the certificate")
	}
	return own, chain, err
}

// adoptedRecord is the authority as it will be stored. Its request is made with
// the certificate's subject, octet by octet, so that a renewed certificate fits.
func (s *Service) adoptedRecord(ctx context.Context, in Adoption, own *x509.Certificate, chain []*x509.Certificate) (*record, error) {
	c := call.From(ctx)
	id, err := uuid.NewRandomFromReader(s.rand)
	if err != nil {
		return nil, err
	}
	now := s.now()
	r := &record{
		ID: id.String(), Account: c.Account, Region: c.Region,
		Root: len(chain) == 0, ShortLived: in.ShortLived, Storage: string(types.KeyStorageSecurityStandardFips1402Level3OrHigher), Imported: true,
		State: active, CreatedAt: now, ChangedAt: now, Certificate: own.Raw,
	}
	r.Algorithm, _ = keys.AlgorithmOf(in.Key.Public())
	var signing x509.SignatureAlgorithm
	r.Signing, signing = string(pki.SHA256WithECDSA), x509.ECDSAWithSHA256
	switch r.Algorithm {
	case keys.P384:
		r.Signing, signing = string(pki.SHA384WithECDSA), x509.ECDSAWithSHA384
	case keys.P521:
		r.Signing, signing = string(pki.SHA512WithECDSA), x509.ECDSAWithSHA512
	}
	if r.Algorithm.Family() == keys.RSA {
		r.Signing, signing = string(pki.SHA256WithRSA), x509.SHA256WithRSA
	}
	for _, ca := range chain {
		r.Chain = append(r.Chain, ca.Raw)
	}
	if r.Subject.Attributes, err = pki.AttributesOf(own.RawSubject); err != nil {
		return nil, fmt.Errorf("the subject of the certificate: %w", err)
	}
	r.Subject.Custom = !inStandardOrder(r.Subject.Attributes)
	constraints, err := asn1.Marshal(struct{ CA bool }{true})
	if err != nil {
		return nil, err
	}
	if r.CSR, err = x509.CreateCertificateRequest(s.rand, &x509.CertificateRequest{
		RawSubject: own.RawSubject, SignatureAlgorithm: signing,
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 19}, Critical: true, Value: constraints}},
	}, in.Key); err != nil {
		return nil, fmt.Errorf("make the certificate request of %s: %w", r.arn(), err)
	}
	if r.Key, err = s.sealer.SealKey(s.rand, in.Key, r.arn()); err != nil {
		return nil, err
	}
	return r, nil
}

// inStandardOrder reports whether ASN1Subject's members, each at most once, say
// all of a subject; if not, it is shown as custom attributes.
func inStandardOrder(list []pki.Attribute) bool {
	at := 0
	for _, a := range list {
		for at < len(standard) && standard[at].oid != a.OID {
			at++
		}
		if at == len(standard) {
			return false
		}
		at++
	}
	return true
}

// adoptedRows are the ledger rows of an authority's past: what the history says,
// with the revocations of its CRLs.
func adoptedRows(r *record, own *x509.Certificate, in Adoption, out *Adopted, now time.Time) ([]store.Certificate, error) {
	byNumber := map[store.Serial]*store.Certificate{}
	known := map[store.Serial]bool{} // whether the history says if it is revoked
	for _, p := range in.History {
		row, err := pastRow(r, own, p)
		if err != nil {
			return nil, err
		}
		if row == nil {
			continue
		}
		before := byNumber[row.Serial]
		switch {
		case before == nil:
			byNumber[row.Serial] = row
		case len(before.TBS) > 0 && len(row.TBS) > 0 && !bytes.Equal(before.TBS, row.TBS):
			return nil, fmt.Errorf("the history has two certificates with the serial number %s: no authority may use one twice", pki.Serial(row.Serial).Colons())
		default:
			merge(before, row)
		}
		known[row.Serial] = known[row.Serial] || p.Status
	}
	revoked, err := revokedBy(own, in.CRLs, out, now)
	if err != nil {
		return nil, err
	}
	for serial, by := range revoked {
		row := byNumber[serial]
		switch {
		case row == nil:
			row = &store.Certificate{Authority: r.ID, Serial: serial, IssuedAt: own.NotBefore, NotBefore: own.NotBefore, NotAfter: own.NotAfter}
			byNumber[serial] = row
		case known[serial] && row.RevokedAt.IsZero():
			return nil, fmt.Errorf("the CRL revokes %s, but the history says that it is valid: bring the history as it is now", pki.Serial(serial).Colons())
		}
		row.RevokedAt, row.Reason = by.RevocationTime.UTC(), by.ReasonCode
	}
	if len(byNumber) > maxHistory {
		return nil, fmt.Errorf("the history has %d certificates: at most %d can be imported; leave out those that have ended", len(byNumber), maxHistory)
	}
	rows := make([]store.Certificate, 0, len(byNumber))
	for _, row := range byNumber {
		if _, listed := revoked[row.Serial]; len(in.CRLs) > 0 && !row.RevokedAt.IsZero() && !listed && now.Before(row.NotAfter) {
			return nil, fmt.Errorf("the history says that %s is revoked, but no CRL lists it: bring the last CRL", pki.Serial(row.Serial).Colons())
		}
		rows = append(rows, *row)
	}
	// Sequence follows: the order in which they were issued, as far as known.
	slices.SortFunc(rows, func(a, b store.Certificate) int {
		if n := a.IssuedAt.Compare(b.IssuedAt); n != 0 {
			return n
		}
		return bytes.Compare(a.Serial[:], b.Serial[:])
	})
	if len(in.History) == 0 {
		out.Notes = append(out.Notes, "no history was given: what the authority issued before can be revoked only if its CRL listed it")
	}
	if len(in.CRLs) == 0 {
		out.Notes = append(out.Notes, "no CRL was given: nothing is revoked but what the history says")
	}
	return rows, nil
}

// pastRow checks one certificate of the history. It is nil for the authority's
// own, which is no certificate that it could revoke.
func pastRow(r *record, own *x509.Certificate, p Past) (*store.Certificate, error) {
	serial, err := adoptedSerial(p.Serial)
	if err != nil {
		return nil, err
	}
	row := &store.Certificate{
		Authority: r.ID, Serial: serial, Template: elsewhere, Subject: p.Subject,
		IssuedAt: own.NotBefore, NotBefore: own.NotBefore, NotAfter: own.NotAfter, RevokedAt: p.RevokedAt, Reason: p.Reason,
	}
	if !p.NotAfter.IsZero() {
		row.NotAfter = p.NotAfter
	}
	c := p.Certificate
	if c == nil {
		return row, nil
	}
	if bytes.Equal(c.Raw, own.Raw) {
		return nil, nil
	}
	name := fmt.Sprintf("the certificate %s (%s) of the history", pki.SerialColons(c.SerialNumber), pki.FormatName(c.RawSubject))
	if !bytes.Equal(c.RawIssuer, own.RawSubject) || own.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) != nil {
		return nil, fmt.Errorf("%s was not signed by this authority", name)
	}
	// It is put together from its parts again when somebody asks for it.
	algorithm, err := pki.TBSAlgorithm(c.RawTBSCertificate)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if again, err := pki.Assemble(c.RawTBSCertificate, algorithm, c.Signature); err != nil || !bytes.Equal(again, c.Raw) {
		return nil, fmt.Errorf("%s is encoded in a way that cannot be kept: its two algorithm fields differ", name)
	}
	row.TBS, row.Signature, row.Subject = c.RawTBSCertificate, c.Signature, pki.ReversedName(c.RawSubject)
	row.IssuedAt, row.NotBefore, row.NotAfter = c.NotBefore, c.NotBefore, c.NotAfter
	return row, nil
}

// merge completes what one source knows of a certificate by another.
func merge(into, from *store.Certificate) {
	if len(into.TBS) == 0 && len(from.TBS) > 0 {
		revokedAt, reason := into.RevokedAt, into.Reason
		*into = *from
		into.RevokedAt, into.Reason = revokedAt, reason
	}
	if into.RevokedAt.IsZero() {
		into.RevokedAt, into.Reason = from.RevokedAt, from.Reason
	}
}

// adoptedSerial is a serial number as the ledger keeps it.
func adoptedSerial(n *big.Int) (store.Serial, error) {
	var serial store.Serial
	switch {
	case n == nil || n.Sign() <= 0:
		return serial, fmt.Errorf("the history has the serial number %v: they are positive", n)
	case n.BitLen() > 8*len(serial):
		return serial, fmt.Errorf("the history has the serial number %s of more than 16 octets, which the ledger of this version cannot keep", pki.SerialColons(n))
	}
	n.FillBytes(serial[:])
	return serial, nil
}

// revokedBy reads what CRLs revoke. CRLs published here are numbered by the
// clock, in milliseconds: a list with a higher number would be newer for ever.
func revokedBy(own *x509.Certificate, lists [][]byte, out *Adopted, now time.Time) (map[store.Serial]x509.RevocationListEntry, error) {
	revoked := map[store.Serial]x509.RevocationListEntry{}
	for i, der := range lists {
		name := fmt.Sprintf("CRL %d", i+1)
		strict, err := pki.ParseCRL(der) // refuses what crypto/x509 lets pass: duplicates, unknown critical entries
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if err := strict.CheckSignature(own); err != nil {
			return nil, fmt.Errorf("%s was not signed by this authority: %w", name, err)
		}
		list, err := x509.ParseRevocationList(der)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		switch {
		case slices.ContainsFunc(list.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 27}) }):
			return nil, fmt.Errorf("%s is a delta: bring the whole list", name)
		case list.ThisUpdate.After(now):
			return nil, fmt.Errorf("%s is of %s, which is still to come: is the clock right?", name, list.ThisUpdate.UTC().Format(time.RFC3339))
		case list.Number != nil && list.Number.Cmp(big.NewInt(now.UnixMilli())) >= 0:
			return nil, fmt.Errorf("%s has the number %s: lists published here are numbered by the time in milliseconds, %d now, and would never be newer", name, list.Number, now.UnixMilli())
		case !list.NextUpdate.IsZero() && now.After(list.NextUpdate):
			out.Notes = append(out.Notes, fmt.Sprintf("%s should have been followed by another at %s: make sure that it is the last", name, list.NextUpdate.UTC().Format(time.RFC3339)))
		}
		for _, e := range list.RevokedCertificateEntries {
			serial, err := adoptedSerial(e.SerialNumber)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if e.ReasonCode == 6 {
				out.Notes = append(out.Notes, pki.Serial(serial).Colons()+" was on hold (certificateHold): here it is revoked for good")
			}
			if e.ReasonCode < 0 || e.ReasonCode > 10 || e.ReasonCode == 7 || e.ReasonCode == 8 {
				return nil, fmt.Errorf("%s revokes %s with the reason %d, which has no meaning in a whole list", name, pki.Serial(serial).Colons(), e.ReasonCode)
			}
			revoked[serial] = e
		}
	}
	return revoked, nil
}
