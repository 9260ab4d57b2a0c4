package authority

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"countersign/pki"
	"countersign/store"
)

// elsewhere is the template of ledger rows that came with an imported
// authority: it was another installation that issued them.
const elsewhere = ""

// Checked is what Check has looked at.
type Checked struct {
	Authorities  int `json:"authorities"`
	Certificates int `json:"certificates"`
	Unsigned     int `json:"unsigned"`   // of them: durable, to be signed when they are asked for
	Unverified   int `json:"unverified"` // of them: of an authority that is gone for good, whose key cannot be compared
	SerialOnly   int `json:"serialOnly"` // of them: came with an imported authority as no more than a number
}

// An Other is an authority of the ledger that another service keeps.
type Other struct {
	Name    string
	Key     crypto.Signer
	Subject []byte // DER
}

// A checker is one run of Check.
type checker struct {
	*Service
	report func(resource, problem string)
	done   Checked

	authorities map[string]*record // by id
	issuers     map[string]string  // SHA-256 of a public key, raw, to the id of its authority
}

// Check proves that authorities, keys, ledger and tokens agree, or reports what
// does not: one call of report for each disagreement. It works on a store that
// nobody writes meanwhile, and is not an operation: only the check of a stopped
// node's folder calls it. ledgers are the authorities that the ledger has rows
// of, others those among them that are not of this service, by id. The error is for what kept it from looking, not for what it found.
//
// Every key is unsealed and compared with the request and the certificate of
// its authority; every ledger row is put together, parsed, compared with its
// columns and verified; deterministic signatures are made again from the
// to-be-signed bytes and compared. That takes about 0.15 ms per P-256 certificate and
// memory that does not grow with the ledger.
func (s *Service) Check(ctx context.Context, ledgers []string, others map[string]Other, report func(resource, problem string)) (Checked, error) {
	c := &checker{Service: s, report: report, authorities: map[string]*record{}, issuers: map[string]string{}}
	for _, step := range []func(context.Context) error{c.readAuthorities, c.readIssuers, c.checkAuthorities, c.checkPending, c.checkTokens} {
		if err := step(ctx); err != nil {
			return c.done, err
		}
	}
	for _, id := range ledgers {
		if err := c.checkLedger(ctx, id, others[id]); err != nil {
			return c.done, err
		}
	}
	return c.done, nil
}

// each pages through the records of a kind.
func (s *Service) each(ctx context.Context, kind string, do func(store.Record)) error {
	const page = 500
	for after := ""; ; {
		list, err := s.store.List(ctx, kind, "", after, page)
		if err != nil {
			return err
		}
		for _, r := range list {
			do(r)
			after = r.Key
		}
		if len(list) < page {
			return nil
		}
	}
}

func (c *checker) readAuthorities(ctx context.Context) error {
	return c.each(ctx, KindAuthority, func(from store.Record) {
		r, err := decode(from)
		switch {
		case err != nil:
			c.report("record "+from.Kind+" "+from.Key, err.Error())
		case r.key() != from.Key:
			c.report("record "+from.Kind+" "+from.Key, "it holds the authority "+r.arn())
		default:
			c.authorities[r.ID] = r
			c.done.Authorities++
		}
	})
}

func (c *checker) readIssuers(ctx context.Context) error {
	return c.each(ctx, KindIssuer, func(from store.Record) {
		var i issuer
		if err := json.Unmarshal(from.Value, &i); err != nil || len(i.Key) != sha256.Size {
			c.report("record "+from.Kind+" "+from.Key, "it holds no hash of a public key")
			return
		}
		c.issuers[string(i.Key)] = from.Key
	})
}

func (c *checker) checkAuthorities(ctx context.Context) error {
	for _, r := range c.authorities {
		if err := c.checkAuthority(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) checkAuthority(ctx context.Context, r *record) error {
	bad := func(format string, a ...any) { c.report(r.arn(), fmt.Sprintf(format, a...)) }
	if r.State == creating || r.State == failed {
		if r.Key != nil || r.Certificate != nil {
			bad("it is %s, yet has a key or a certificate", r.State)
		}
		if _, err := c.store.Get(ctx, KindPending, r.key()); r.State == creating && errors.Is(err, store.ErrNotFound) {
			bad("it is CREATING, but nothing is recorded that would make its key")
		}
		return nil
	}
	request, err := x509.ParseCertificateRequest(r.CSR)
	if err != nil {
		bad("its certificate request cannot be parsed: %v", err)
		return nil
	}
	if err := request.CheckSignature(); err != nil {
		bad("the signature of its certificate request is wrong")
	}
	key, err := c.sealer.OpenKey(r.Key, r.arn())
	switch {
	case err != nil:
		bad("its private key does not open: %v", err)
	case !pki.SameKey(key.Public(), request.PublicKey):
		bad("its private key is not that of its certificate request")
	}
	sum := sha256.Sum256(request.RawSubjectPublicKeyInfo)
	if c.issuers[string(sum[:])] != r.ID {
		bad("its public key is not recorded for it as an issuer")
	}
	if r.Certificate == nil {
		if r.State == active || r.State == disabled {
			bad("it is %s, but has no certificate", r.State)
		}
		return nil
	}
	path, err := r.path()
	if err != nil {
		bad("%v", err)
		return nil
	}
	own := path[0]
	if !pki.SameKey(own.PublicKey, request.PublicKey) {
		bad("its certificate is for another key")
	}
	if !bytes.Equal(own.RawSubject, request.RawSubject) {
		bad("its certificate is for %q, its request for %q", pki.FormatName(own.RawSubject), pki.FormatName(request.RawSubject))
	}
	for i, one := range path {
		above := path[min(i+1, len(path)-1)]
		if !bytes.Equal(one.RawIssuer, above.RawSubject) || above.CheckSignature(one.SignatureAlgorithm, one.RawTBSCertificate, one.Signature) != nil {
			bad("the certificate %q of its chain was not signed by %q", pki.FormatName(one.RawSubject), pki.FormatName(above.RawSubject))
		}
	}
	return c.checkOwn(ctx, r, own, path[min(1, len(path)-1)])
}

// checkOwn compares an authority's certificate with the ledger of the authority
// that signed it, where that is one of ours.
func (c *checker) checkOwn(ctx context.Context, r *record, own, signer *x509.Certificate) error {
	sum := sha256.Sum256(signer.RawSubjectPublicKeyInfo)
	id := c.issuers[string(sum[:])]
	if id == "" {
		return nil // signed elsewhere
	}
	var serial store.Serial
	if own.SerialNumber.Sign() < 0 || own.SerialNumber.BitLen() > 8*len(serial) {
		c.report(r.arn(), fmt.Sprintf("its certificate has a serial number that authority %s, whose key signed it, never gives: %s", id, pki.SerialColons(own.SerialNumber)))
		return nil
	}
	own.SerialNumber.FillBytes(serial[:])
	row, err := c.store.Certificate(ctx, id, serial)
	switch {
	case errors.Is(err, store.ErrNotFound):
		// What an authority signed before it came here is in the ledger as far as it was brought.
		if from := c.authorities[id]; from != nil && from.Imported && own.NotBefore.Before(from.CreatedAt) {
			return nil
		}
		c.report(r.arn(), fmt.Sprintf("its certificate %s was signed with the key of authority %s, whose ledger does not have it", pki.SerialColons(own.SerialNumber), id))
		return nil
	case err != nil:
		return err
	case len(row.TBS) > 0 && !bytes.Equal(row.TBS, own.RawTBSCertificate):
		c.report(r.arn(), fmt.Sprintf("its certificate is not the one that the ledger of authority %s has under the serial number %s", id, pki.SerialColons(own.SerialNumber)))
	}
	return nil
}

func (c *checker) checkPending(ctx context.Context) error {
	return c.each(ctx, KindPending, func(from store.Record) {
		id := from.Key[strings.LastIndex(from.Key, "/")+1:]
		if r := c.authorities[id]; r == nil || r.State != creating {
			c.report("record "+from.Kind+" "+from.Key, "a key is to be made for it, but there is no such authority that waits for one")
		}
	})
}

// checkTokens demands that what was promised under an idempotency token exists.
func (c *checker) checkTokens(ctx context.Context) error {
	var failed error
	err := c.each(ctx, kindToken, func(from store.Record) {
		resource := "record " + from.Kind + " " + from.Key
		var a answered
		if err := json.Unmarshal(from.Value, &a); err != nil {
			c.report(resource, "it cannot be decoded: "+err.Error())
			return
		}
		authority, digits, isCertificate := strings.Cut(a.ARN, "/certificate/")
		if !isCertificate {
			return // an authority may have been deleted since
		}
		serial, err := parseSerial(digits)
		if err == nil {
			_, err = c.store.Certificate(ctx, authority[strings.LastIndex(authority, "/")+1:], serial)
		}
		switch {
		case errors.Is(err, store.ErrNotFound):
			c.report(a.ARN, "it was answered to a request, but the ledger does not have it")
		case err != nil:
			failed = err
		}
	})
	return errors.Join(failed, err)
}

// checkLedger goes through the rows of one authority.
func (c *checker) checkLedger(ctx context.Context, id string, other Other) error {
	r := c.authorities[id]
	var hash []byte
	for sum, of := range c.issuers {
		if of == id {
			hash = []byte(sum)
		}
	}
	if r == nil && hash == nil && other.Key == nil {
		c.report("ledger of authority "+id, "there is no such authority, and there never was")
	}
	v := verifier{name: "authority " + id}
	if other.Key != nil {
		v = verifier{name: other.Name, public: other.Key.Public(), subject: other.Subject, key: other.Key}
	}
	if r != nil {
		v.name = r.arn()
		if request, err := x509.ParseCertificateRequest(r.CSR); err == nil {
			v.public, v.subject = request.PublicKey, request.RawSubject
		}
		if key, err := c.sealer.OpenKey(r.Key, r.arn()); err == nil && v.public != nil && pki.SameKey(key.Public(), v.public) {
			v.key = key
		}
	}
	const page = 500
	for after := int64(0); ; {
		rows, err := c.store.Certificates(ctx, id, after, page)
		if err != nil {
			return err
		}
		for _, row := range rows {
			c.checkRow(&v, row)
			after = row.Sequence
		}
		if len(rows) < page {
			return nil
		}
	}
}

// A verifier is what rows of one authority are compared with.
type verifier struct {
	name    string
	public  crypto.PublicKey // nil: the authority is gone, or damaged
	subject []byte
	key     crypto.Signer // nil: it does not open
}

func (c *checker) checkRow(v *verifier, row store.Certificate) {
	c.done.Certificates++
	bad := func(format string, a ...any) {
		c.report(v.name+"/certificate/"+pki.Serial(row.Serial).Hex(), fmt.Sprintf(format, a...))
	}
	if row.RevokedAt.IsZero() && row.Reason != 0 || row.Reason < 0 || row.Reason > 10 || row.Reason == 7 {
		bad("its reason for revocation is %d", row.Reason)
	}
	if row.Template == elsewhere && len(row.TBS) == 0 {
		c.done.SerialOnly++
		return
	}
	algorithm, err := pki.TBSAlgorithm(row.TBS)
	if err != nil {
		bad("its to-be-signed bytes are damaged: %v", err)
		return
	}
	signature := row.Signature
	if len(signature) == 0 {
		c.done.Unsigned++
		if v.key != nil {
			if signature, err = pki.Sign(row.TBS, algorithm, pki.WithRandom(v.key, c.rand)); err != nil {
				bad("it cannot be signed: %v", err)
				return
			}
		}
	}
	der, err := pki.Assemble(row.TBS, algorithm, signature)
	if err != nil {
		bad("it cannot be put together: %v", err)
		return
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		bad("it cannot be parsed: %v", err)
		return
	}
	for _, problem := range compare(cert, row, v.subject) {
		bad("%s", problem)
	}
	switch {
	case v.public == nil:
		c.done.Unverified++
	case len(signature) == 0: // it waits to be signed, and the key does not open, which is reported
	case (&x509.Certificate{PublicKey: v.public}).CheckSignature(cert.SignatureAlgorithm, row.TBS, signature) != nil:
		bad("its signature is not of the authority's key over its to-be-signed bytes")
	case row.Template != elsewhere && v.key != nil && isEC(v.public):
		// A PKCS#1 v1.5 signature that verifies is the only one there is, and a PSS
		// one is never the same twice; of ECDSA there are many, and we make one.
		if again, err := pki.Sign(row.TBS, algorithm, v.key); err != nil || !bytes.Equal(again, signature) {
			bad("its signature verifies, but is not the one that its to-be-signed bytes give: something else signed them with the authority's key")
		}
	}
}

// compare finds where a certificate and the columns of its row differ.
func compare(cert *x509.Certificate, row store.Certificate, issuer []byte) (problems []string) {
	differ := func(what, inBytes, inColumn string) {
		if inBytes != inColumn {
			problems = append(problems, fmt.Sprintf("its %s is %s in the certificate and %s in the ledger", what, inBytes, inColumn))
		}
	}
	second := func(t time.Time) string { return t.UTC().Truncate(time.Second).Format(time.RFC3339) }
	differ("serial number", pki.SerialColons(cert.SerialNumber), pki.SerialColons(pki.Serial(row.Serial).Int()))
	differ("start", second(cert.NotBefore), second(row.NotBefore))
	differ("end", second(cert.NotAfter), second(row.NotAfter))
	differ("subject", pki.ReversedName(cert.RawSubject), row.Subject)
	if issuer != nil && !bytes.Equal(cert.RawIssuer, issuer) {
		problems = append(problems, fmt.Sprintf("it names the issuer %q", pki.FormatName(cert.RawIssuer)))
	}
	if row.Template == elsewhere {
		return problems
	}
	t, err := pki.LookupTemplate(row.Template)
	switch {
	case err != nil:
		problems = append(problems, err.Error())
	case t.IsCA() != cert.IsCA:
		problems = append(problems, fmt.Sprintf("the template %s does not make such a certificate: CA is %t", t.Name, cert.IsCA))
	}
	return problems
}

func isEC(key crypto.PublicKey) bool {
	_, ok := key.(*ecdsa.PublicKey)
	return ok
}
