package authority

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"

	"countersign/store"
	"countersign/store/storetest"
)

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
