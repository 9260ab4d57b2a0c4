package ceremony

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"strings"
	"time"

	"countersign/keys"
	"countersign/pki"
)

// maxClockError is how far the machine's clock may be from the plan's moment:
// ceremonies start late, but not on another day.
const maxClockError = 24 * time.Hour

// minPassphrase is the shortest passphrase, in characters, that protects a root's key.
const minPassphrase = 12

// A Config is what a ceremony takes from the world.
type Config struct {
	Now     time.Time // of the machine's clock
	Rand    io.Reader
	Program string // what runs it, for the transcript: name and version

	// Read reads a file that the plan names.
	Read func(name string) ([]byte, error)
	// Key opens the key file of a root that there is already.
	Key func(name string) (crypto.Signer, error)
	// Passphrase protects a new root's key. It is not asked for in a rehearsal.
	Passphrase func() ([]byte, error)

	// Rehearsal does everything with a key that is thrown away, and says so in the
	// name of the root: nothing that comes out can be taken for the real thing.
	Rehearsal bool
}

// A File is one result.
type File struct {
	Name string
	Data []byte
	Mode fs.FileMode
}

// A performance is one ceremony under way.
type performance struct {
	plan       *Plan
	config     Config
	transcript transcript
	files      []File

	key       crypto.Signer
	algorithm pki.Algorithm
	root      *x509.Certificate
	signed    []*x509.Certificate
}

// Run performs a plan and returns the files to keep: certificates, CRLs, the
// encrypted key of a new root, the plan, the transcript and the checksums of
// all. data is the plan's text, which the transcript quotes. Nothing is returned
// unless all of it was made, and verified from its bytes.
func (p *Plan) Run(data []byte, c Config) ([]File, error) {
	if d := c.Now.Sub(p.At).Abs(); !c.Rehearsal && d > maxClockError {
		return nil, fmt.Errorf("the plan is for %s and the clock of this machine says %s: set the clock, or review the plan with a new date", p.At.Format(time.RFC3339), c.Now.UTC().Format(time.RFC3339))
	}
	f := &performance{plan: p, config: c}
	f.transcript.open(p, data, c)
	for _, step := range []func() error{f.prepareRoot, f.signAll, f.signLists, f.verify} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	f.add("plan.yaml", data, 0o644)
	f.transcript.close(p, f.files)
	f.add("transcript.txt", f.transcript.text.Bytes(), 0o644)
	var sums bytes.Buffer
	for _, file := range f.files {
		fmt.Fprintf(&sums, "%s  %s\n", digest(file.Data), file.Name)
	}
	f.add("SHA256SUMS", sums.Bytes(), 0o644)
	return f.files, nil
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func (f *performance) add(name string, data []byte, mode fs.FileMode) {
	f.files = append(f.files, File{name, data, mode})
}

// usual is the signature algorithm that goes with a key.
func usual(key crypto.PublicKey) (pki.Algorithm, error) {
	a, ok := keys.AlgorithmOf(key)
	switch {
	case !ok || a == keys.RSA1024:
		return "", errors.New("the root's key is of no kind that a root may have")
	case a == keys.P384:
		return pki.SHA384WithECDSA, nil
	case a == keys.P521:
		return pki.SHA512WithECDSA, nil
	case a.Family() == keys.RSA:
		return pki.SHA256WithRSA, nil
	}
	return pki.SHA256WithECDSA, nil
}

func (f *performance) prepareRoot() error {
	r := f.plan.Root
	if r.Certificate != "" {
		return f.openRoot()
	}
	f.transcript.step("Make the key of the root: %s", r.Key)
	var err error
	if f.key, err = keys.Generate(r.Key, f.config.Rand); err != nil {
		return err
	}
	if f.algorithm, err = usual(f.key.Public()); err != nil {
		return err
	}
	spki, err := x509.MarshalPKIXPublicKey(f.key.Public())
	if err != nil {
		return err
	}
	f.transcript.fact("public key, SHA-256", digest(spki))
	if f.config.Rehearsal {
		f.transcript.note("rehearsal: the key is kept in memory only")
	} else if err := f.sealKey(); err != nil {
		return err
	}

	f.transcript.step("Sign the root's own certificate with %s", f.algorithm)
	subject := r.Subject
	if f.config.Rehearsal {
		subject.CommonName = "REHEARSAL " + subject.CommonName
	}
	csr, err := pki.NewRequest(subject.attributes(), f.algorithm, f.key)
	if err != nil {
		return err
	}
	f.root, err = f.issue("RootCACertificate", csr, r.Years)
	if err != nil {
		return fmt.Errorf("the root's certificate: %w", err)
	}
	f.add("root.pem", []byte(pki.EncodePEM(pki.PEMCertificate, f.root.Raw)), 0o644)
	f.transcript.certificate(f.root, "root.pem")
	return nil
}

// sealKey adds the encrypted key of a new root to the files.
func (f *performance) sealKey() error {
	passphrase, err := f.config.Passphrase()
	if err != nil {
		return err
	}
	if len([]rune(string(passphrase))) < minPassphrase {
		return fmt.Errorf("the passphrase is too short for the key of a root: use at least %d characters, better six words", minPassphrase)
	}
	der, err := keys.Marshal(f.key)
	if err != nil {
		return err
	}
	defer clear(der)
	sealed, err := seal(der, passphrase, f.config.Rand)
	if err != nil {
		return err
	}
	f.add("root.key", pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: sealed}), 0o600)
	f.transcript.note("the key is kept in root.key, encrypted: PBES2, PBKDF2 with HMAC-SHA256 and %d rounds, AES-256-CBC", sealRounds)
	return nil
}

// openRoot takes up a root that an earlier ceremony made. A rehearsal stands
// another in for it, with the same name and a key to throw away.
func (f *performance) openRoot() error {
	r := f.plan.Root
	f.transcript.step("Take up the root of %s", r.Certificate)
	data, err := f.config.Read(r.Certificate)
	if err != nil {
		return err
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != pki.PEMCertificate {
		return fmt.Errorf("%s holds no PEM certificate", r.Certificate)
	}
	if f.root, err = x509.ParseCertificate(block.Bytes); err != nil {
		return fmt.Errorf("%s: %w", r.Certificate, err)
	}
	if !bytes.Equal(f.root.RawSubject, f.root.RawIssuer) || !f.root.IsCA || f.root.CheckSignatureFrom(f.root) != nil {
		return fmt.Errorf("%s is not the certificate of a root", r.Certificate)
	}
	f.transcript.certificate(f.root, r.Certificate)
	if f.config.Rehearsal {
		return f.standIn()
	}
	if f.key, err = f.config.Key(r.KeyFile); err != nil {
		return err
	}
	if !pki.SameKey(f.key.Public(), f.root.PublicKey) {
		return fmt.Errorf("the key of %s is not that of %s", r.KeyFile, r.Certificate)
	}
	if f.algorithm, err = usual(f.key.Public()); err != nil {
		return err
	}
	f.transcript.note("the key of %s is that of the certificate", r.KeyFile)
	return nil
}

func (f *performance) standIn() error {
	a, _ := keys.AlgorithmOf(f.root.PublicKey)
	var err error
	if f.key, err = keys.Generate(a, f.config.Rand); err != nil {
		return err
	}
	if f.algorithm, err = usual(f.key.Public()); err != nil {
		return err
	}
	csr, err := pki.NewRequest([]pki.Attribute{{OID: pki.CommonName, Value: "REHEARSAL " + f.root.Subject.CommonName}}, f.algorithm, f.key)
	if err != nil {
		return err
	}
	years := max(1, f.root.NotAfter.Year()-f.plan.At.Year())
	if f.root, err = f.issue("RootCACertificate", csr, years); err != nil {
		return err
	}
	f.transcript.note("rehearsal: a root with a key in memory only stands in for it")
	f.add("root.pem", []byte(pki.EncodePEM(pki.PEMCertificate, f.root.Raw)), 0o644)
	return nil
}

// issue makes one certificate: by a template, linted before it is signed.
func (f *performance) issue(template string, csr []byte, years int) (*x509.Certificate, error) {
	t, err := pki.LookupTemplate(template)
	if err != nil {
		return nil, err
	}
	request, err := pki.ParseRequest(csr)
	if err != nil {
		return nil, err
	}
	i := pki.Issuance{Template: t, Request: request, Algorithm: f.algorithm}
	if i.NotBefore, i.NotAfter, err = pki.Window(f.plan.At, pki.Validity{Type: pki.Years, Value: int64(years)}, nil); err != nil {
		return nil, err
	}
	var path []*x509.Certificate
	if !t.IsRoot() {
		path = []*x509.Certificate{f.root}
		i.Issuer = f.root
		if f.plan.CRLs != nil {
			i.CRLURL = f.plan.CRLs.URL
		}
		if err := errors.Join(pki.CheckWindow(t, f.root, f.plan.At, i.NotAfter, false), pki.CheckIssuer(t, path)); err != nil {
			return nil, err
		}
	}
	if i.Serial, err = pki.NewSerial(f.config.Rand); err != nil {
		return nil, err
	}
	tbs, err := i.TBS()
	if err != nil {
		return nil, err
	}
	if err := i.Lint(tbs, path); err != nil {
		return nil, err
	}
	signature, err := pki.Sign(tbs, f.algorithm, f.key)
	if err != nil {
		return nil, err
	}
	der, err := pki.Assemble(tbs, f.algorithm, signature)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func (f *performance) signAll() error {
	for _, s := range f.plan.Sign {
		f.transcript.step("Sign %s by the template %s", s.CSR, s.Template)
		csr, err := f.config.Read(s.CSR)
		if err != nil {
			return err
		}
		sum := digest(csr)
		f.transcript.fact("request, SHA-256", sum)
		if s.SHA256 != "" && !strings.EqualFold(s.SHA256, sum) {
			return fmt.Errorf("%s is not the request of the plan: its SHA-256 is %s, not %s", s.CSR, sum, s.SHA256)
		}
		if s.SHA256 == "" {
			f.transcript.note("the plan does not say which request it is: compare the SHA-256 with what its owner says")
		}
		c, err := f.issue(s.Template, csr, s.Years)
		if err != nil {
			return fmt.Errorf("%s: %w", s.CSR, err)
		}
		f.signed = append(f.signed, c)
		f.add(s.Name+".pem", []byte(pki.EncodePEM(pki.PEMCertificate, c.Raw)), 0o644)
		f.transcript.certificate(c, s.Name+".pem")
	}
	return nil
}

// signLists signs the CRLs. Their numbers are their times in milliseconds, as
// those of a node are, so that numbers rise over ceremonies without a memory.
func (f *performance) signLists() error {
	c := f.plan.CRLs
	if c == nil {
		return nil
	}
	f.transcript.step("Sign %d CRLs ahead, one for every %d days", c.Count, c.EveryDays)
	for _, r := range c.Revoked {
		f.transcript.note("revoked: %s at %s, %s", r.number.Colons(), r.At.UTC().Format(time.RFC3339), r.Reason)
	}
	for n := range c.Count {
		from := f.plan.At.AddDate(0, 0, n*c.EveryDays)
		to := from.AddDate(0, 0, c.EveryDays+c.OverlapDays)
		if to.After(f.root.NotAfter) {
			return fmt.Errorf("CRL %d of %d would hold until %s, and the root ends at %s: sign fewer", n+1, c.Count, to.Format(time.RFC3339), f.root.NotAfter.Format(time.RFC3339))
		}
		e, err := pki.NewCRLEncoder(pki.CRLTemplate{Issuer: f.root, Algorithm: f.algorithm, Number: big.NewInt(from.UnixMilli()), ThisUpdate: from, NextUpdate: to})
		if err != nil {
			return err
		}
		for _, r := range c.Revoked {
			e.Add(r.number, r.At, r.code)
		}
		list, err := e.Sign(f.key)
		if err != nil {
			return err
		}
		der, err := io.ReadAll(list.NewReader())
		if err != nil {
			return err
		}
		name := "crl-" + from.Format(time.DateOnly) + ".crl"
		f.add(name, der, 0o644)
		f.transcript.fact(name, fmt.Sprintf("publish on %s, holds until %s", from.Format(time.DateOnly), to.Format(time.DateOnly)))
	}
	f.transcript.note("after a revocation that these lists do not have, destroy those not published yet and sign new ones: a list signed ahead would take the revocation back")
	return nil
}

// verify judges everything from its bytes, by other code than made it.
func (f *performance) verify() error {
	f.transcript.step("Verify what was made, with other code than made it")
	roots := x509.NewCertPool()
	roots.AddCert(f.root)
	if err := f.root.CheckSignatureFrom(f.root); err != nil {
		return fmt.Errorf("the root does not verify: %w", err)
	}
	for _, c := range f.signed {
		if _, err := c.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: f.plan.At, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
			return fmt.Errorf("%s does not verify: %w", pki.FormatName(c.RawSubject), err)
		}
	}
	lists := 0
	for _, file := range f.files {
		if !strings.HasSuffix(file.Name, ".crl") {
			continue
		}
		list, err := x509.ParseRevocationList(file.Data)
		if err == nil {
			err = list.CheckSignatureFrom(f.root)
		}
		if err == nil && len(list.RevokedCertificateEntries) != len(f.plan.CRLs.Revoked) {
			err = errors.New("it does not list what the plan revokes")
		}
		if err != nil {
			return fmt.Errorf("%s does not verify: %w", file.Name, err)
		}
		lists++
	}
	f.transcript.note("the root, %d certificates below it and %d CRLs verify", len(f.signed), lists)
	return nil
}
