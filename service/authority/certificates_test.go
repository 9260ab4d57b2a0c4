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
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"

	"countersign/store"
	"countersign/store/storetest"
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
		"template not built": {func(in *acmpca.IssueCertificateInput) {
			in.TemplateArn = template1("BlankEndEntityCertificate_CSRPassthrough")
		}, "InvalidArgsException", "BlankEndEntityCertificate_CSRPassthrough"},
		"other family":     {func(in *acmpca.IssueCertificateInput) { in.SigningAlgorithm = types.SigningAlgorithmSha256withrsa }, "InvalidArgsException", "SHA256WITHRSA"},
		"pss":              {func(in *acmpca.IssueCertificateInput) { in.SigningAlgorithm = types.SigningAlgorithmSha256withrsaPss }, "InvalidArgsException", "not supported"},
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

func TestConcurrentIssuing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ca := b.root(t, createInput(types.CertificateAuthorityTypeRoot, "Root"))
	csr := leafCSR(t, "client")
	const workers, each = 16, 8
	arns := make(chan string, workers*(each+1))
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range each {
				out, err := b.IssueCertificate(caller(t.Context()), leafInput(ca, csr))
				if err != nil {
					t.Errorf("IssueCertificate: %v", err)
					return
				}
				arns <- *out.CertificateArn
			}
			// All of them also race for one token, and must agree.
			in := leafInput(ca, csr)
			in.IdempotencyToken = aws.String("shared")
			out, err := b.IssueCertificate(caller(t.Context()), in)
			if err != nil {
				t.Errorf("IssueCertificate with a shared token: %v", err)
				return
			}
			arns <- "shared " + *out.CertificateArn
		})
	}
	wg.Go(func() { // writes of the authority between must not hurt
		for i := range 10 {
			if _, err := b.TagCertificateAuthority(caller(t.Context()), &acmpca.TagCertificateAuthorityInput{CertificateAuthorityArn: &ca,
				Tags: []types.Tag{{Key: aws.String(fmt.Sprint(i)), Value: aws.String("")}}}); err != nil {
				t.Errorf("TagCertificateAuthority: %v", err)
			}
		}
	})
	wg.Wait()
	close(arns)
	seen, shared := map[string]bool{}, map[string]bool{}
	for arn := range arns {
		if name, ok := strings.CutPrefix(arn, "shared "); ok {
			shared[name] = true
			continue
		}
		if seen[arn] {
			t.Errorf("%s was issued twice", arn)
		}
		seen[arn] = true
	}
	if len(seen) != workers*each || len(shared) != 1 {
		t.Fatalf("%d certificates and %d under one token; want %d and 1", len(seen), len(shared), workers*each)
	}
	authority := parsePEM(t, func() string {
		out, err := b.GetCertificateAuthorityCertificate(caller(t.Context()), &acmpca.GetCertificateAuthorityCertificateInput{CertificateAuthorityArn: &ca})
		if err != nil {
			t.Fatal(err)
		}
		return *out.Certificate
	}())
	for arn := range seen {
		cert, _ := b.get(t, ca, arn)
		if err := parsePEM(t, cert).CheckSignatureFrom(authority); err != nil {
			t.Errorf("%s: %v", arn, err)
		}
	}
}

// forgetful loses every signature, as a crash between the record and the
// signature would.
func forgetful(st store.Store) store.Store {
	return storetest.FailBefore(st, func(b *store.Batch) error {
		for _, o := range b.Ops {
			if _, ok := o.(store.SignOp); ok {
				return errDisk
			}
		}
		return nil
	})
}

func TestLostSignatureIsMadeAgain(t *testing.T) {
	t.Parallel()
	plain := newBench(t)
	for name, in := range map[string]*acmpca.CreateCertificateAuthorityInput{
		"EC": createInput(types.CertificateAuthorityTypeRoot, "Root"),
		"RSA": func() *acmpca.CreateCertificateAuthorityInput {
			in := createInput(types.CertificateAuthorityTypeRoot, "Root")
			in.CertificateAuthorityConfiguration.KeyAlgorithm = types.KeyAlgorithmRsa2048
			in.CertificateAuthorityConfiguration.SigningAlgorithm = types.SigningAlgorithmSha384withrsa
			return in
		}(),
	} {
		ca := plain.root(t, in)
		cfg := plain.config
		cfg.Store = forgetful(plain.store)
		lossy := &bench{Service: New(cfg), clock: plain.clock, store: cfg.Store, config: cfg}
		leaf := leafInput(ca, leafCSR(t, "client"))
		leaf.SigningAlgorithm = in.CertificateAuthorityConfiguration.SigningAlgorithm
		arn := lossy.issue(t, leaf)
		row := ledgerRow(t, plain, ca, arn)
		if len(row.Signature) != 0 {
			t.Fatalf("%s: the signature was recorded, so this tests nothing", name)
		}
		first, _ := lossy.get(t, ca, arn)
		second, _ := anotherNode(plain).get(t, ca, arn) // another node, which records it
		if first != second {
			t.Errorf("%s: signing again made another certificate", name)
		}
		// A commit after Later is behind it.
		plain.setStatus(t, ca, types.CertificateAuthorityStatusDisabled)
		if row := ledgerRow(t, plain, ca, arn); len(row.Signature) == 0 {
			t.Errorf("%s: the signature made again was not recorded", name)
		}
		third, _ := plain.get(t, ca, arn)
		if third != first {
			t.Errorf("%s: the recorded signature is another", name)
		}
	}
}

// anotherNode is a second node on the bench's store.
func anotherNode(b *bench) *bench {
	return &bench{Service: New(b.config), clock: b.clock, store: b.store, config: b.config}
}

func ledgerRow(t testing.TB, b *bench, ca, arn string) store.Certificate {
	t.Helper()
	serial, err := parseSerial(arn[len(arn)-32:])
	if err != nil {
		t.Fatal(err)
	}
	row, err := b.store.Certificate(t.Context(), ca[len(ca)-36:], serial)
	if err != nil {
		t.Fatal(err)
	}
	return row
}

// repeating is a source of randomness that gives its first bytes once more
// before it goes on.
type repeating struct {
	mu    sync.Mutex
	reads [][]byte
}

func (r *repeating) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.reads) > 0 && len(r.reads[0]) == len(p) {
		copy(p, r.reads[0])
		r.reads = r.reads[1:]
		return len(p), nil
	}
	return rand.Read(p)
}

func TestSerialThatWasUsedBeforeIsNotUsedAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ca := b.root(t, createInput(types.CertificateAuthorityTypeRoot, "Root"))
	same := bytes.Repeat([]byte{0x42}, 16)
	cfg := b.config
	cfg.Rand = &repeating{reads: [][]byte{same, same}}
	s := New(cfg)
	var arns []string
	for range 2 {
		out, err := s.IssueCertificate(caller(t.Context()), leafInput(ca, leafCSR(t, "client")))
		if err != nil {
			t.Fatal(err)
		}
		arns = append(arns, *out.CertificateArn)
	}
	if !strings.HasSuffix(arns[0], strings.Repeat("42", 16)) || arns[0] == arns[1] {
		t.Errorf("serials: %v", arns)
	}
}

var errDisk = errors.New("disk on fire")

func TestFailedCommitsAreRetriedUnderTheToken(t *testing.T) {
	t.Parallel()
	plain := newBench(t)
	ca := plain.root(t, createInput(types.CertificateAuthorityTypeRoot, "Root"))
	id := ca[len(ca)-36:]
	var before, after int // how many commits to fail
	countdown := func(n *int) func(*store.Batch) error {
		return func(*store.Batch) error {
			if *n > 0 {
				*n--
				return errDisk
			}
			return nil
		}
	}
	cfg := plain.config
	cfg.Store = storetest.FailBefore(storetest.FailAfter(plain.store, countdown(&after)), countdown(&before))
	s := New(cfg)
	count := func() int {
		rows, err := plain.store.Certificates(t.Context(), id, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		return len(rows)
	}
	base := count()

	in := leafInput(ca, leafCSR(t, "client"))
	in.IdempotencyToken = aws.String("before")
	before = 1
	if out, err := s.IssueCertificate(caller(t.Context()), in); !errors.Is(err, errDisk) {
		t.Fatalf("a commit that failed before: %v, %v", out, err)
	}
	if n := count(); n != base {
		t.Errorf("%d rows, want %d: nothing was committed", n, base)
	}
	if _, err := s.IssueCertificate(caller(t.Context()), in); err != nil || count() != base+1 {
		t.Errorf("the retry: %v, %d rows", err, count())
	}

	in = leafInput(ca, leafCSR(t, "client"))
	in.IdempotencyToken = aws.String("after")
	after = 1
	if out, err := s.IssueCertificate(caller(t.Context()), in); !errors.Is(err, errDisk) {
		t.Fatalf("a commit that failed after: %v, %v", out, err)
	}
	out, err := s.IssueCertificate(caller(t.Context()), in)
	if err != nil || count() != base+2 {
		t.Fatalf("the retry: %v, %d rows, want one certificate for one token", err, count())
	}
	// It was never signed by the call that failed; it can be read all the same.
	cert, _ := plain.get(t, ca, *out.CertificateArn)
	parsePEM(t, cert)

	create := createInput(types.CertificateAuthorityTypeRoot, "Other")
	create.IdempotencyToken = aws.String("create")
	after = 1
	if _, err := s.CreateCertificateAuthority(caller(t.Context()), create); !errors.Is(err, errDisk) {
		t.Fatal(err)
	}
	made, err := s.CreateCertificateAuthority(caller(t.Context()), create)
	if err != nil {
		t.Fatal(err)
	}
	plain.wantStatus(t, *made.CertificateAuthorityArn, types.CertificateAuthorityStatusPendingCertificate)
	if list, err := plain.ListCertificateAuthorities(caller(t.Context()), &acmpca.ListCertificateAuthoritiesInput{}); err != nil || len(list.CertificateAuthorities) != 2 {
		t.Errorf("%d authorities, want 2 (%v)", len(list.CertificateAuthorities), err)
	}
}

func TestKeysCannotBeSwapped(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx := t.Context()
	one := b.root(t, createInput(types.CertificateAuthorityTypeRoot, "One"))
	two := b.root(t, createInput(types.CertificateAuthorityTypeRoot, "Two"))
	r1, err := b.load(caller(ctx), &one)
	if err != nil {
		t.Fatal(err)
	}
	r2, err := b.load(caller(ctx), &two)
	if err != nil {
		t.Fatal(err)
	}
	r1.Key = r2.Key
	value, err := r1.encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.Commit(ctx, r1.replace(value)); err != nil {
		t.Fatal(err)
	}
	if out, err := New(b.config).IssueCertificate(caller(ctx), leafInput(one, leafCSR(t, "client"))); err == nil {
		t.Errorf("issued %s with the key of another authority", *out.CertificateArn)
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

func TestImportChecks(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	root := b.root(t, createInput(types.CertificateAuthorityTypeRoot, "Root"))
	rootCert, err := b.GetCertificateAuthorityCertificate(caller(t.Context()), &acmpca.GetCertificateAuthorityCertificateInput{CertificateAuthorityArn: &root})
	if err != nil {
		t.Fatal(err)
	}
	sub := b.create(t, createInput(types.CertificateAuthorityTypeSubordinate, "Sub"))
	twin := b.create(t, createInput(types.CertificateAuthorityTypeSubordinate, "Sub"))
	issue := func(ca string) (cert, chain string) {
		return b.get(t, root, b.issue(t, &acmpca.IssueCertificateInput{CertificateAuthorityArn: &root, Csr: b.csr(t, ca), Validity: years(3),
			SigningAlgorithm: types.SigningAlgorithmSha256withecdsa, TemplateArn: template1("SubordinateCACertificate_PathLen1")}))
	}
	cert, chain := issue(sub)
	foreign, _ := issue(twin)
	leaf, _ := b.get(t, root, b.issue(t, leafInput(root, b.csr(t, sub))))
	install := func(ca, cert, chain string) error {
		in := &acmpca.ImportCertificateAuthorityCertificateInput{CertificateAuthorityArn: &ca, Certificate: []byte(cert), CertificateChain: []byte(chain)}
		_, err := b.ImportCertificateAuthorityCertificate(caller(t.Context()), in)
		return err
	}
	_, err = b.GetCertificateAuthorityCertificate(caller(t.Context()), &acmpca.GetCertificateAuthorityCertificateInput{CertificateAuthorityArn: &sub})
	wantError(t, err, "InvalidStateException", "not in the correct state to have a certificate signing request")
	for name, c := range map[string]struct {
		cert, chain string
		codes       string
	}{
		"other key":       {foreign, chain, "CertificateMismatchException"},
		"no chain":        {cert, "", "InvalidRequestException MalformedCertificateException"},
		"garbage":         {"garbage", chain, "MalformedCertificateException"},
		"garbage chain":   {cert, "garbage", "MalformedCertificateException"},
		"chain with self": {cert, cert + "\n" + chain, "MalformedCertificateException CertificateMismatchException InvalidRequestException"},
		"wrong chain":     {cert, foreign, "MalformedCertificateException CertificateMismatchException"},
		"a leaf":          {leaf, chain, "MalformedCertificateException"},
	} {
		err := install(sub, c.cert, c.chain)
		var api interface{ ErrorCode() string }
		if !errors.As(err, &api) || !strings.Contains(c.codes, api.ErrorCode()) {
			t.Errorf("%s: %v, want %s", name, err, c.codes)
		}
		b.wantStatus(t, sub, types.CertificateAuthorityStatusPendingCertificate)
	}
	if err := install(sub, cert, chain); err != nil {
		t.Fatal(err)
	}
	if err := install(root, *rootCert.Certificate, *rootCert.Certificate); err == nil {
		t.Error("a root was given a chain")
	}

	// A new certificate for the same key, and what was issued under the old one stays.
	old := b.issue(t, leafInput(sub, leafCSR(t, "client")))
	b.setStatus(t, sub, types.CertificateAuthorityStatusDisabled)
	b.clock.Add(24 * time.Hour)
	renewed, chain := issue(sub)
	if err := install(sub, renewed+"\n\n", chain+"\n"); err != nil {
		t.Fatal(err)
	}
	b.wantStatus(t, sub, types.CertificateAuthorityStatusActive)
	_, above := b.get(t, sub, old)
	if got := parseAll(t, above)[0]; !got.Equal(parsePEM(t, renewed)) {
		t.Error("the chain of an old leaf does not start with the new certificate")
	}
}

// TestAuthorityBelowForeignRoot installs a certificate that another CA signed,
// with name constraints, which then bind what is issued.
func TestAuthorityBelowForeignRoot(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	sub := b.create(t, createInput(types.CertificateAuthorityTypeSubordinate, "Sub"))
	block, _ := pem.Decode(b.csr(t, sub))
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	root := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Foreign"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: b.clock.Now().Add(-time.Hour), NotAfter: b.clock.Now().AddDate(5, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, root, root, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if root, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	below := &x509.Certificate{SerialNumber: big.NewInt(2), RawSubject: csr.RawSubject, IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: b.clock.Now().Add(-time.Hour), NotAfter: b.clock.Now().AddDate(4, 0, 0),
		PermittedDNSDomains: []string{"example.com"}, PermittedDNSDomainsCritical: true}
	if der, err = x509.CreateCertificate(rand.Reader, below, root, csr.PublicKey, key); err != nil {
		t.Fatal(err)
	}
	encode := func(der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	b.install(t, sub, encode(der), encode(root.Raw))
	b.issue(t, leafInput(sub, leafCSR(t, "client", "client.example.com")))
	_, err = b.IssueCertificate(caller(t.Context()), leafInput(sub, leafCSR(t, "client", "client.example.org")))
	wantError(t, err, "ValidationException", "name constraints")
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

func FuzzAlgorithmOf(f *testing.F) {
	f.Add([]byte{0x30, 0})
	f.Add([]byte{0x30, 5, 0xa0, 0, 2, 0, 0x30})
	f.Fuzz(func(t *testing.T, tbs []byte) {
		if a, err := algorithmOf(tbs); err == nil && a == "" {
			t.Error("no algorithm and no error")
		}
	})
}
