package authority

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"
)

func TestIssuedCertificateSaysWhatItsTemplateSays(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ca := b.root(t, createInput(types.CertificateAuthorityTypeRoot, "Root"))
	for name, usages := range map[string][]x509.ExtKeyUsage{
		"":                               {x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		"EndEntityCertificate":           {x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		"EndEntityClientAuthCertificate": {x509.ExtKeyUsageClientAuth},
		"EndEntityServerAuthCertificate": {x509.ExtKeyUsageServerAuth},
	} {
		in := leafInput(ca, leafCSR(t, "client", "a.example.com", "b.example.com"))
		if name != "" {
			in.TemplateArn = template1(name)
		}
		arn := b.issue(t, in)
		cert, _ := b.get(t, ca, arn)
		c := parsePEM(t, cert)
		if fmt.Sprint(c.ExtKeyUsage) != fmt.Sprint(usages) || c.KeyUsage != x509.KeyUsageDigitalSignature|x509.KeyUsageKeyEncipherment || c.IsCA {
			t.Errorf("%q: key usage %v, extended %v, CA %v", name, c.KeyUsage, c.ExtKeyUsage, c.IsCA)
		}
		if c.Subject.CommonName != "client" || fmt.Sprint(c.DNSNames) != "[a.example.com b.example.com]" {
			t.Errorf("%q: subject %s, names %v", name, c.Subject, c.DNSNames)
		}
		for _, e := range c.Extensions {
			if e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 19}) && (e.Critical || !bytes.Equal(e.Value, []byte{0x30, 0})) {
				t.Errorf("%q: basicConstraints = %x, critical %v; AWS writes an empty one that is not", name, e.Value, e.Critical)
			}
		}
		if want := fmt.Sprintf("%s/certificate/%032x", ca, c.SerialNumber); arn != want {
			t.Errorf("ARN = %s, want %s", arn, want)
		}
		rows, err := b.store.Certificates(t.Context(), ca[len(ca)-36:], 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		row := rows[len(rows)-1]
		if row.Requester != "arn:aws:iam::"+testAccount+":root" || row.Subject != "CN=client" || !row.IssuedAt.Equal(b.clock.Now()) ||
			!strings.HasPrefix(row.Template, "arn:aws:acm-pca:::template/EndEntity") || !row.NotAfter.Equal(c.NotAfter) {
			t.Errorf("%q: ledger row %+v", name, row)
		}
	}
}

func TestValidity(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ca := b.root(t, createInput(types.CertificateAuthorityTypeRoot, "Root"))
	now := b.clock.Now()
	day := now.Add(24 * time.Hour)
	number := func(layout string) *int64 {
		n, err := strconv.ParseInt(day.Format(layout), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return &n
	}
	for name, c := range map[string]struct {
		validity types.Validity
		want     time.Time
	}{
		"days":             {types.Validity{Type: types.ValidityPeriodTypeDays, Value: aws.Int64(1)}, day},
		"months":           {types.Validity{Type: types.ValidityPeriodTypeMonths, Value: aws.Int64(2)}, now.AddDate(0, 2, 0)},
		"years":            {types.Validity{Type: types.ValidityPeriodTypeYears, Value: aws.Int64(1)}, now.AddDate(1, 0, 0)},
		"absolute":         {types.Validity{Type: types.ValidityPeriodTypeAbsolute, Value: aws.Int64(day.Unix())}, day},
		"utc time":         {types.Validity{Type: types.ValidityPeriodTypeEndDate, Value: number("060102150405")}, day},
		"generalized time": {types.Validity{Type: types.ValidityPeriodTypeEndDate, Value: number("20060102150405")}, day},
	} {
		in := leafInput(ca, leafCSR(t, "client"))
		in.Validity = &c.validity
		cert, _ := b.get(t, ca, b.issue(t, in))
		if got := parsePEM(t, cert).NotAfter; !got.Equal(c.want) {
			t.Errorf("%s: NotAfter = %v, want %v", name, got, c.want)
		}
	}

	in := leafInput(ca, leafCSR(t, "client"))
	in.ValidityNotBefore = &types.Validity{Type: types.ValidityPeriodTypeAbsolute, Value: aws.Int64(day.Unix())}
	cert, _ := b.get(t, ca, b.issue(t, in))
	if c := parsePEM(t, cert); !c.NotBefore.Equal(day) || !c.NotAfter.Equal(now.AddDate(0, 0, 30)) {
		t.Errorf("with ValidityNotBefore: %v to %v", c.NotBefore, c.NotAfter)
	}

	for name, v := range map[string]*types.Validity{
		"zero days":         days(0),
		"beyond the CA":     years(11),
		"in the past":       {Type: types.ValidityPeriodTypeAbsolute, Value: aws.Int64(now.Unix() - 1)},
		"no date":           {Type: types.ValidityPeriodTypeEndDate, Value: aws.Int64(991399000000)},
		"beyond all bounds": years(1 << 60),
		"none":              nil,
	} {
		in := leafInput(ca, leafCSR(t, "client"))
		in.Validity = v
		_, err := b.IssueCertificate(caller(t.Context()), in)
		t.Run(name, func(t *testing.T) { wantError(t, err, "ValidationException", "") })
	}
	in = leafInput(ca, leafCSR(t, "client"))
	in.ValidityNotBefore = days(1)
	_, err := b.IssueCertificate(caller(t.Context()), in)
	wantError(t, err, "ValidationException", "ABSOLUTE")

	// A leaf may end with its CA, to the second.
	in = leafInput(ca, leafCSR(t, "client"))
	in.Validity = &types.Validity{Type: types.ValidityPeriodTypeAbsolute, Value: aws.Int64(b.describe1(t, ca).NotAfter.Unix())}
	b.issue(t, in)
}

func TestShortLivedAuthorities(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	root := createInput(types.CertificateAuthorityTypeRoot, "Root")
	root.UsageMode = types.CertificateAuthorityUsageModeShortLivedCertificate
	ca := b.root(t, root) // its own certificate lasts ten years
	in := leafInput(ca, leafCSR(t, "client"))
	in.Validity = days(7)
	b.issue(t, in)
	in.Validity = days(8)
	_, err := b.IssueCertificate(caller(t.Context()), in)
	wantError(t, err, "ValidationException", "7 days")
}

func TestIssueRefuses(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	root := b.root(t, createInput(types.CertificateAuthorityTypeRoot, "Root"))
	sub := b.subordinate(t, root, createInput(types.CertificateAuthorityTypeSubordinate, "Sub"), "SubordinateCACertificate_PathLen0")
	waiting := b.create(t, createInput(types.CertificateAuthorityTypeSubordinate, "Waiting"))
	waitingRoot := b.create(t, createInput(types.CertificateAuthorityTypeRoot, "Waiting root"))
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	broken := leafCSR(t, "client")
	block, _ := pem.Decode(broken)
	block.Bytes[len(block.Bytes)-1] ^= 1
	broken = pem.EncodeToMemory(block)

	for name, c := range map[string]struct {
		change     func(*acmpca.IssueCertificateInput)
		code, text string
	}{
		"unknown template":     {func(in *acmpca.IssueCertificateInput) { in.TemplateArn = template1("Nonsense") }, "InvalidArgsException", "Nonsense"},
		"template without ARN": {func(in *acmpca.IssueCertificateInput) { in.TemplateArn = aws.String("EndEntityCertificate/V1") }, "InvalidArgsException", "not the ARN"},
		"template that AWS has not": {func(in *acmpca.IssueCertificateInput) {
			in.TemplateArn = template1("RootCACertificate_CSRPassthrough")
		}, "InvalidArgsException", "RootCACertificate_CSRPassthrough"},
		"other family":     {func(in *acmpca.IssueCertificateInput) { in.SigningAlgorithm = types.SigningAlgorithmSha256withrsa }, "InvalidArgsException", "SHA256WITHRSA"},
		"ml-dsa":           {func(in *acmpca.IssueCertificateInput) { in.SigningAlgorithm = types.SigningAlgorithmMlDsa44 }, "InvalidArgsException", "not supported in this Region"},
		"pss of an EC key": {func(in *acmpca.IssueCertificateInput) { in.SigningAlgorithm = types.SigningAlgorithmSha256withrsaPss }, "InvalidArgsException", "does not fit"},
		"garbage":          {func(in *acmpca.IssueCertificateInput) { in.Csr = []byte("garbage") }, "MalformedCSRException", ""},
		"broken signature": {func(in *acmpca.IssueCertificateInput) { in.Csr = broken }, "MalformedCSRException", "signature"},
		"curve": {func(in *acmpca.IssueCertificateInput) {
			in.Csr = requestOf(t, p224, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "x"}})
		}, "MalformedCSRException", "P-224"},
		"no name": {func(in *acmpca.IssueCertificateInput) { in.Csr = requestOf(t, key, &x509.CertificateRequest{}) }, "MalformedCSRException", "neither a subject nor"},
		"root template for leaf": {func(in *acmpca.IssueCertificateInput) {
			in.CertificateAuthorityArn = &root
			in.TemplateArn = template1("RootCACertificate")
		}, "InvalidArgsException", "own certificate signing request"},
		"root template at sub": {func(in *acmpca.IssueCertificateInput) { in.TemplateArn = template1("RootCACertificate") }, "InvalidArgsException", "subordinate"},
		"CA below path length 0": {func(in *acmpca.IssueCertificateInput) {
			in.TemplateArn = template1("SubordinateCACertificate_PathLen0")
			in.Csr = b.csr(t, waiting)
		}, "ValidationException", "path length"},
		"pending subordinate":    {func(in *acmpca.IssueCertificateInput) { in.CertificateAuthorityArn = &waiting }, "InvalidStateException", "not in a valid state for issuing"},
		"leaf of a pending root": {func(in *acmpca.IssueCertificateInput) { in.CertificateAuthorityArn = &waitingRoot }, "InvalidStateException", "not in a valid state for issuing"},
		"pending root, foreign CSR": {func(in *acmpca.IssueCertificateInput) {
			in.CertificateAuthorityArn, in.TemplateArn = &waitingRoot, template1("RootCACertificate")
		}, "InvalidArgsException", "own certificate signing request"},
		"no such authority": {func(in *acmpca.IssueCertificateInput) {
			in.CertificateAuthorityArn = aws.String(root[:len(root)-36] + "00000000-0000-4000-8000-000000000000")
		}, "ResourceNotFoundException", "00000000"},
		"not an ARN": {func(in *acmpca.IssueCertificateInput) { in.CertificateAuthorityArn = aws.String("sub") }, "InvalidArnException", "sub"},
	} {
		in := leafInput(sub, leafCSR(t, "client"))
		c.change(in)
		t.Run(name, func(t *testing.T) {
			_, err := b.IssueCertificate(caller(t.Context()), in)
			wantError(t, err, c.code, c.text)
		})
	}
	if rows, err := b.store.Certificates(t.Context(), sub[len(sub)-36:], 0, 0); err != nil || len(rows) != 0 {
		t.Errorf("refused requests left %d rows in the ledger, %v", len(rows), err)
	}
}

func TestHierarchiesHaveFiveLevels(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	parent := b.root(t, createInput(types.CertificateAuthorityTypeRoot, "Level 1"))
	for level := 2; level <= 5; level++ {
		// Each must also end before the one above it.
		ca := b.create(t, createInput(types.CertificateAuthorityTypeSubordinate, fmt.Sprint("Level ", level)))
		cert, chain := b.get(t, parent, b.issue(t, &acmpca.IssueCertificateInput{CertificateAuthorityArn: &parent, Csr: b.csr(t, ca), Validity: years(int64(8 - level)),
			SigningAlgorithm: types.SigningAlgorithmSha256withecdsa, TemplateArn: template1(fmt.Sprintf("SubordinateCACertificate_PathLen%d", 5-level))}))
		b.install(t, ca, cert, chain)
		parent = ca
	}
	_, chain := b.get(t, parent, b.issue(t, leafInput(parent, leafCSR(t, "client"))))
	if n := len(parseAll(t, chain)); n != 5 {
		t.Errorf("chain of %d, want 5", n)
	}
	sixth := b.create(t, createInput(types.CertificateAuthorityTypeSubordinate, "Level 6"))
	in := leafInput(parent, b.csr(t, sixth))
	in.TemplateArn = template1("SubordinateCACertificate_PathLen0")
	_, err := b.IssueCertificate(caller(t.Context()), in)
	wantError(t, err, "ValidationException", "")
}

func TestIssueTokenIsGoodForFiveMinutes(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ca := b.root(t, createInput(types.CertificateAuthorityTypeRoot, "Root"))
	in := leafInput(ca, leafCSR(t, "client"))
	in.IdempotencyToken = aws.String("token / with \t odd bytes \xff")
	first := b.issue(t, in)
	b.clock.Add(5*time.Minute - time.Second)
	b.setStatus(t, ca, types.CertificateAuthorityStatusDisabled)
	if again := b.issue(t, in); again != first {
		t.Errorf("the same token gave %s, then %s", first, again)
	}
	b.setStatus(t, ca, types.CertificateAuthorityStatusActive)
	other := leafInput(ca, leafCSR(t, "other"))
	other.IdempotencyToken = in.IdempotencyToken
	_, err := b.IssueCertificate(caller(t.Context()), other)
	wantError(t, err, "InvalidArgsException", "other parameters")
	elsewhere := b.root(t, createInput(types.CertificateAuthorityTypeRoot, "Another"))
	other.CertificateAuthorityArn = &elsewhere
	b.issue(t, other) // the token is the other authority's own
	b.clock.Add(time.Second)
	if late := b.issue(t, in); late == first {
		t.Error("the token still counts after five minutes")
	}
}

func TestGetCertificateRefuses(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ca := b.root(t, createInput(types.CertificateAuthorityTypeRoot, "Root"))
	other := b.root(t, createInput(types.CertificateAuthorityTypeRoot, "Other"))
	arn := b.issue(t, leafInput(ca, leafCSR(t, "client")))
	get := func(ca, arn string) error {
		_, err := b.GetCertificate(caller(t.Context()), &acmpca.GetCertificateInput{CertificateAuthorityArn: &ca, CertificateArn: &arn})
		return err
	}
	wantError(t, get(other, arn), "ResourceNotFoundException", "not of certificate authority")
	wantError(t, get(ca, ca), "InvalidArnException", "")
	wantError(t, get(ca, ca+"/certificate/xyz"), "InvalidArnException", "")
	wantError(t, get(ca, strings.ToUpper(arn)), "InvalidArnException", "")
	wantError(t, get(ca, ca+"/certificate/"+strings.Repeat("01", 16)), "ResourceNotFoundException", "")
	b.create(t, createInput(types.CertificateAuthorityTypeRoot, "Pending"))
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx := caller(t.Context())
	ca := b.root(t, createInput(types.CertificateAuthorityTypeRoot, "Root"))
	revoke := func(serial string, why types.RevocationReason) error {
		_, err := b.RevokeCertificate(ctx, &acmpca.RevokeCertificateInput{CertificateAuthorityArn: &ca, CertificateSerial: &serial, RevocationReason: why})
		return err
	}
	serialOf := func(arn string) string { return arn[len(arn)-32:] }
	colons := func(s string) string {
		var pairs []string
		for i := 0; i < len(s); i += 2 {
			pairs = append(pairs, s[i:i+2])
		}
		return strings.Join(pairs, ":")
	}
	for i, why := range types.RevocationReasonUnspecified.Values() {
		arn := b.issue(t, leafInput(ca, leafCSR(t, "client")))
		s := serialOf(arn)
		form := []string{s, strings.ToUpper(s), colons(s), strings.ToUpper(colons(s)), "00:" + colons(s)}[i%5]
		if err := revoke(form, why); err != nil {
			t.Fatalf("%s %s: %v", form, why, err)
		}
		row := ledgerRow(t, b, ca, arn)
		if code, _ := reasonCode(why); !row.RevokedAt.Equal(b.clock.Now()) || row.Reason != code {
			t.Errorf("%s: revoked at %v for %d", why, row.RevokedAt, row.Reason)
		}
		wantError(t, revoke(s, why), "RequestAlreadyProcessedException", "already been revoked")
		b.get(t, ca, arn) // still there to be read
	}
	feed, err := b.store.Revocations(t.Context(), 0, 100)
	if err != nil || len(feed) != 8 {
		t.Fatalf("%d revocations in the feed, want 8 (%v)", len(feed), err)
	}
	issuers, err := b.Issuers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	own, err := b.GetCertificateAuthorityCertificate(ctx, &acmpca.GetCertificateAuthorityCertificateInput{CertificateAuthorityArn: &ca})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := issuers[feed[0].Authority], sha256.Sum256(parsePEM(t, *own.Certificate).RawSubjectPublicKeyInfo); got != want {
		t.Errorf("the issuer of a revocation is %x, want %x", got, want)
	}

	wantError(t, revoke("01", types.RevocationReasonSuperseded), "ResourceNotFoundException", "01")
	wantError(t, revoke(strings.Repeat("11", 20), types.RevocationReasonSuperseded), "ResourceNotFoundException", "")
	wantError(t, revoke("hello", types.RevocationReasonSuperseded), "InvalidRequestException", "hello")
	wantError(t, revoke(serialOf(b.issue(t, leafInput(ca, leafCSR(t, "x")))), "CERTIFICATE_HOLD"), "InvalidRequestException", "CERTIFICATE_HOLD")
	wantError(t, revoke(*b.describe1(t, ca).Serial, types.RevocationReasonKeyCompromise), "InvalidRequestException", "self-signed")

	b.setStatus(t, ca, types.CertificateAuthorityStatusActive)
	disabled := b.issue(t, leafInput(ca, leafCSR(t, "client")))
	b.setStatus(t, ca, types.CertificateAuthorityStatusDisabled)
	if err := revoke(serialOf(disabled), types.RevocationReasonKeyCompromise); err != nil {
		t.Errorf("at a disabled authority: %v", err)
	}
	ca = b.create(t, createInput(types.CertificateAuthorityTypeRoot, "Pending"))
	wantError(t, revoke("01", types.RevocationReasonSuperseded), "InvalidStateException", "PENDING_CERTIFICATE")
}

func FuzzParseSerial(f *testing.F) {
	for _, s := range []string{"", "00", "67:07:44:76:83:a9:b7:f4:05:56:27:ff:d5:5c:eb:cc", strings.Repeat("f", 128), "-1", ":::", "0x1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		serial, err := parseSerial(text)
		if err == nil && !strings.HasSuffix(fmt.Sprintf("%032x", serial[:]), strings.ToLower(strings.TrimLeft(strings.ReplaceAll(text, ":", ""), "0"))) {
			t.Errorf("parseSerial(%q) = %x", text, serial)
		}
	})
}

func FuzzCertificateARN(f *testing.F) {
	r := &record{ID: "11111111-2222-4333-8444-555555555555", Account: testAccount, Region: testRegion}
	f.Add(r.arn() + "/certificate/6707447683a9b7f4055627ffd55cebcc")
	f.Add(r.arn())
	f.Add("arn:aws:acm-pca:::/certificate/")
	f.Fuzz(func(t *testing.T, name string) {
		serial, err := parseCertificateARN(r, name)
		if err == nil && name != fmt.Sprintf("%s/certificate/%x", r.arn(), serial[:]) {
			t.Errorf("parseCertificateARN(%q) = %x", name, serial)
		}
	})
}
