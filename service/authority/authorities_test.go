package authority

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"

	"countersign/call"
)

func TestHierarchyFromNothingToALeaf(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	root := b.root(t, createInput(types.CertificateAuthorityTypeRoot, "Root"))
	sub := b.subordinate(t, root, createInput(types.CertificateAuthorityTypeSubordinate, "Sub"), "SubordinateCACertificate_PathLen0")
	b.wantStatus(t, root, types.CertificateAuthorityStatusActive)
	b.wantStatus(t, sub, types.CertificateAuthorityStatusActive)

	cert, chain := b.get(t, sub, b.issue(t, leafInput(sub, leafCSR(t, "client", "client.example.com"))))
	leaf, above := parsePEM(t, cert), parseAll(t, chain)
	if len(above) != 2 {
		t.Fatalf("chain of %d certificates, want the subordinate and the root", len(above))
	}
	roots, middle := x509.NewCertPool(), x509.NewCertPool()
	middle.AddCert(above[0])
	roots.AddCert(above[1])
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth} {
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: middle, CurrentTime: b.clock.Now(),
			DNSName: "client.example.com", KeyUsages: []x509.ExtKeyUsage{usage}}); err != nil {
			t.Error(err)
		}
	}
	if want := b.clock.Now().Add(-time.Hour); !leaf.NotBefore.Equal(want) {
		t.Errorf("NotBefore = %v, want an hour before issuance, %v", leaf.NotBefore, want)
	}
	if want := b.clock.Now().AddDate(0, 0, 30); !leaf.NotAfter.Equal(want) {
		t.Errorf("NotAfter = %v, want %v", leaf.NotAfter, want)
	}

	out, err := b.GetCertificateAuthorityCertificate(caller(t.Context()), &acmpca.GetCertificateAuthorityCertificateInput{CertificateAuthorityArn: &sub})
	if err != nil {
		t.Fatal(err)
	}
	if !parsePEM(t, *out.Certificate).Equal(above[0]) || !parsePEM(t, *out.CertificateChain).Equal(above[1]) {
		t.Error("GetCertificateAuthorityCertificate does not agree with the chain of a leaf")
	}
	out, err = b.GetCertificateAuthorityCertificate(caller(t.Context()), &acmpca.GetCertificateAuthorityCertificateInput{CertificateAuthorityArn: &root})
	if err != nil {
		t.Fatal(err)
	}
	if !parsePEM(t, *out.Certificate).Equal(above[1]) || out.CertificateChain != nil {
		t.Error("a root has its own certificate and no chain")
	}
	if rc := above[1]; !rc.NotAfter.Equal(rc.NotBefore.AddDate(10, 0, 0).Add(time.Hour)) {
		t.Errorf("the root lasts from %v to %v", rc.NotBefore, rc.NotAfter)
	}

	issuers, err := b.Issuers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for ca, c := range map[string]*x509.Certificate{root: above[1], sub: above[0]} {
		id := ca[len(ca)-36:]
		if got, want := issuers[id], sha256.Sum256(c.RawSubjectPublicKeyInfo); got != want {
			t.Errorf("Issuers()[%s] = %x, want %x", id, got, want)
		}
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	in := createInput(types.CertificateAuthorityTypeRoot, "Root")
	in.UsageMode = types.CertificateAuthorityUsageModeShortLivedCertificate
	created := b.clock.Now()
	ca := b.create(t, in)
	b.clock.Add(time.Minute)

	got := b.describe1(t, ca)
	if got.Status != types.CertificateAuthorityStatusPendingCertificate || got.Type != types.CertificateAuthorityTypeRoot ||
		aws.ToString(got.OwnerAccount) != testAccount || !got.CreatedAt.Equal(created) || !got.LastStateChangeAt.Equal(created) ||
		got.Serial != nil || got.NotAfter != nil || got.RestorableUntil != nil || got.UsageMode != in.UsageMode ||
		got.KeyStorageSecurityStandard != types.KeyStorageSecurityStandardFips1402Level3OrHigher {
		t.Errorf("DescribeCertificateAuthority = %+v", got)
	}
	rc := got.RevocationConfiguration
	if rc == nil || aws.ToBool(rc.CrlConfiguration.Enabled) || aws.ToBool(rc.OcspConfiguration.Enabled) {
		t.Errorf("RevocationConfiguration = %+v, want both parts disabled", rc)
	}
	s := got.CertificateAuthorityConfiguration.Subject
	if aws.ToString(s.CommonName) != "Root" || aws.ToString(s.Country) != "DE" || aws.ToString(s.Organization) != "Example" || s.Locality != nil {
		t.Errorf("Subject = %+v", s)
	}

	block, rest := pem.Decode(b.csr(t, ca))
	if block == nil || block.Type != "CERTIFICATE REQUEST" || len(rest) != 0 {
		t.Fatalf("CSR is not one PEM block")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if err := csr.CheckSignature(); err != nil {
		t.Error(err)
	}
	if got := csr.Subject.ToRDNSequence().String(); got != "CN=Root,O=Example,C=DE" {
		t.Errorf("subject of the CSR = %s", got)
	}
}

func TestCustomSubjectAttributes(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	in := createInput(types.CertificateAuthorityTypeRoot, "")
	in.CertificateAuthorityConfiguration.Subject = &types.ASN1Subject{CustomAttributes: []types.CustomAttribute{
		{ObjectIdentifier: aws.String("2.5.4.3"), Value: aws.String("Custom")},
		{ObjectIdentifier: aws.String("1.3.6.1.4.1.37244.1.3"), Value: aws.String("FFF1")},
	}}
	got := b.describe1(t, b.create(t, in)).CertificateAuthorityConfiguration.Subject
	if got.CommonName != nil || len(got.CustomAttributes) != 2 || aws.ToString(got.CustomAttributes[1].Value) != "FFF1" {
		t.Errorf("Subject = %+v", got)
	}
	in.CertificateAuthorityConfiguration.Subject.CommonName = aws.String("both")
	_, err := b.CreateCertificateAuthority(caller(t.Context()), in)
	wantError(t, err, "InvalidArgsException", "not both")
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for name, c := range map[string]struct {
		change     func(*acmpca.CreateCertificateAuthorityInput)
		code, text string
	}{
		"family": {func(in *acmpca.CreateCertificateAuthorityInput) {
			in.CertificateAuthorityConfiguration.SigningAlgorithm = types.SigningAlgorithmSha256withrsa
		}, "InvalidArgsException", "SHA256WITHRSA does not fit a key of algorithm EC_prime256v1"},
		"no type": {func(in *acmpca.CreateCertificateAuthorityInput) {
			in.CertificateAuthorityType = ""
		}, "InvalidArgsException", "ROOT or SUBORDINATE"},
		"ml-dsa": {func(in *acmpca.CreateCertificateAuthorityInput) {
			in.CertificateAuthorityConfiguration.KeyAlgorithm = types.KeyAlgorithmMlDsa44
		}, "InvalidArgsException", "ML_DSA_44 is not supported in this Region"},
		"pss of an EC key": {func(in *acmpca.CreateCertificateAuthorityInput) {
			in.CertificateAuthorityConfiguration.SigningAlgorithm = types.SigningAlgorithmSha256withrsaPss
		}, "InvalidArgsException", "SHA256WITHRSA_PSS does not fit"},
		"no subject": {func(in *acmpca.CreateCertificateAuthorityInput) {
			in.CertificateAuthorityConfiguration.Subject = &types.ASN1Subject{CommonName: aws.String("")}
		}, "InvalidArgsException", "at least one attribute"},
		"bad country": {func(in *acmpca.CreateCertificateAuthorityInput) {
			in.CertificateAuthorityConfiguration.Subject.Country = aws.String("Ö*")
		}, "InvalidArgsException", "2.5.4.6"},
		"csr extensions": {func(in *acmpca.CreateCertificateAuthorityInput) {
			in.CertificateAuthorityConfiguration.CsrExtensions = &types.CsrExtensions{KeyUsage: &types.KeyUsage{}}
		}, "InvalidArgsException", "at least one usage"},
		"standard": {func(in *acmpca.CreateCertificateAuthorityInput) {
			in.KeyStorageSecurityStandard = types.KeyStorageSecurityStandardCcpcLevel1OrHigher
		}, "InvalidArgsException", "A certificate authority cannot be created in this region with the specified security standard."},
		"crl": {func(in *acmpca.CreateCertificateAuthorityInput) {
			in.RevocationConfiguration = &types.RevocationConfiguration{CrlConfiguration: &types.CrlConfiguration{Enabled: aws.Bool(true)}}
		}, "InvalidArgsException", "must have an S3BucketName"},
		"ocsp": {func(in *acmpca.CreateCertificateAuthorityInput) {
			in.RevocationConfiguration = &types.RevocationConfiguration{OcspConfiguration: &types.OcspConfiguration{
				Enabled: aws.Bool(true), OcspCustomCname: aws.String("http://ocsp.example.com")}}
		}, "InvalidArgsException", "without a protocol prefix"},
		"disabled crl with members": {func(in *acmpca.CreateCertificateAuthorityInput) {
			in.RevocationConfiguration = &types.RevocationConfiguration{CrlConfiguration: &types.CrlConfiguration{Enabled: aws.Bool(false), S3BucketName: aws.String("bucket")}}
		}, "InvalidArgsException", "must not have any other member"},
		"tag": {func(in *acmpca.CreateCertificateAuthorityInput) {
			in.Tags = []types.Tag{{Key: aws.String("aws:x")}}
		}, "InvalidTagException", "reserved"},
		"same tag": {func(in *acmpca.CreateCertificateAuthorityInput) {
			in.Tags = []types.Tag{{Key: aws.String("x")}, {Key: aws.String("x")}}
		}, "InvalidTagException", "more than once"},
	} {
		in := createInput(types.CertificateAuthorityTypeRoot, "Root")
		c.change(in)
		t.Run(name, func(t *testing.T) {
			_, err := b.CreateCertificateAuthority(caller(t.Context()), in)
			wantError(t, err, c.code, c.text)
		})
	}
	in := createInput(types.CertificateAuthorityTypeRoot, "Root")
	in.RevocationConfiguration = &types.RevocationConfiguration{CrlConfiguration: &types.CrlConfiguration{Enabled: aws.Bool(false)},
		OcspConfiguration: &types.OcspConfiguration{Enabled: aws.Bool(false)}}
	b.create(t, in)
}

func TestEveryKeyAlgorithm(t *testing.T) {
	t.Parallel()
	for key, signing := range map[types.KeyAlgorithm]types.SigningAlgorithm{
		types.KeyAlgorithmRsa2048:      types.SigningAlgorithmSha256withrsa,
		types.KeyAlgorithmRsa3072:      types.SigningAlgorithmSha384withrsa,
		types.KeyAlgorithmRsa4096:      types.SigningAlgorithmSha512withrsa,
		types.KeyAlgorithmEcPrime256v1: types.SigningAlgorithmSha256withecdsa,
		types.KeyAlgorithmEcSecp384r1:  types.SigningAlgorithmSha384withecdsa,
		types.KeyAlgorithmEcSecp521r1:  types.SigningAlgorithmSha512withecdsa,
	} {
		t.Run(string(key), func(t *testing.T) {
			t.Parallel()
			if key == types.KeyAlgorithmRsa4096 && testing.Short() {
				t.Skip("slow key")
			}
			b := newBench(t)
			in := createInput(types.CertificateAuthorityTypeRoot, "Root")
			in.CertificateAuthorityConfiguration.KeyAlgorithm, in.CertificateAuthorityConfiguration.SigningAlgorithm = key, signing
			ca := b.create(t, in)
			if b.describe1(t, ca).Status == types.CertificateAuthorityStatusCreating {
				_, err := b.GetCertificateAuthorityCsr(caller(t.Context()), &acmpca.GetCertificateAuthorityCsrInput{CertificateAuthorityArn: &ca})
				wantError(t, err, "RequestInProgressException", "still being made")
				// As if the node had died: another one takes the work up.
				if _, err := New(b.config).MakeKeys(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			b.wantStatus(t, ca, types.CertificateAuthorityStatusPendingCertificate)
			cert, _ := b.get(t, ca, b.issue(t, &acmpca.IssueCertificateInput{CertificateAuthorityArn: &ca, Csr: b.csr(t, ca), Validity: years(1),
				SigningAlgorithm: signing, TemplateArn: template1("RootCACertificate")}))
			b.install(t, ca, cert, "")
			b.wantStatus(t, ca, types.CertificateAuthorityStatusActive)
			if c := parsePEM(t, cert); c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) != nil {
				t.Error("the root's signature does not verify")
			}
		})
	}
}

func TestMakeKeysLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	in := createInput(types.CertificateAuthorityTypeRoot, "Root")
	in.CertificateAuthorityConfiguration.KeyAlgorithm, in.CertificateAuthorityConfiguration.SigningAlgorithm = types.KeyAlgorithmRsa3072, types.SigningAlgorithmSha256withrsa
	kept, dropped := b.create(t, in), b.create(t, in)
	b.wantStatus(t, dropped, types.CertificateAuthorityStatusCreating)
	if _, err := b.DeleteCertificateAuthority(caller(t.Context()), &acmpca.DeleteCertificateAuthorityInput{CertificateAuthorityArn: &dropped}); err != nil {
		t.Fatal(err)
	}
	_, err := b.DescribeCertificateAuthority(caller(t.Context()), &acmpca.DescribeCertificateAuthorityInput{CertificateAuthorityArn: &dropped})
	wantError(t, err, "ResourceNotFoundException", dropped)
	for range 2 {
		if _, err := b.MakeKeys(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	b.wantStatus(t, kept, types.CertificateAuthorityStatusPendingCertificate)
	if left, err := b.store.List(t.Context(), KindPending, "", "", 0); err != nil || len(left) != 0 {
		t.Errorf("%d entries of work left, %v", len(left), err)
	}
}

func TestCreateTokenIsGoodForFiveMinutes(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	in := createInput(types.CertificateAuthorityTypeRoot, "Root")
	in.IdempotencyToken = aws.String("token")
	first := b.create(t, in)
	b.clock.Add(5*time.Minute - time.Second)
	// A node that has just started knows it as well.
	again, err := New(b.config).CreateCertificateAuthority(caller(t.Context()), in)
	if err != nil || *again.CertificateAuthorityArn != first {
		t.Errorf("the same token gave %v, %v; want %s", again, err, first)
	}
	other := createInput(types.CertificateAuthorityTypeRoot, "Other")
	other.IdempotencyToken = in.IdempotencyToken
	_, err = b.CreateCertificateAuthority(caller(t.Context()), other)
	wantError(t, err, "InvalidArgsException", "other parameters")
	if out, err := b.CreateCertificateAuthority(callerIn(t.Context(), testAccount, "us-east-1"), in); err != nil || *out.CertificateAuthorityArn == first {
		t.Errorf("a token of another Region gave %v, %v", out, err)
	}
	b.clock.Add(2 * time.Second)
	if late := b.create(t, in); late == first {
		t.Error("the token still counts after five minutes")
	}
}

func TestListPagesThroughTheAccountsAuthorities(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var want []string
	for i := range 7 {
		want = append(want, b.create(t, createInput(types.CertificateAuthorityTypeRoot, fmt.Sprint("CA ", i))))
	}
	slices.Sort(want)
	if _, err := b.CreateCertificateAuthority(callerIn(t.Context(), testAccount, "us-east-1"), createInput(types.CertificateAuthorityTypeRoot, "elsewhere")); err != nil {
		t.Fatal(err)
	}
	for size := int32(1); size <= 8; size++ {
		var got []string
		in := &acmpca.ListCertificateAuthoritiesInput{MaxResults: &size}
		for {
			out, err := b.ListCertificateAuthorities(caller(t.Context()), in)
			if err != nil {
				t.Fatal(err)
			}
			if len(out.CertificateAuthorities) > int(size) || len(out.CertificateAuthorities) == 0 {
				t.Fatalf("a page of %d, asked for %d", len(out.CertificateAuthorities), size)
			}
			for _, ca := range out.CertificateAuthorities {
				got = append(got, *ca.Arn)
			}
			if in.NextToken = out.NextToken; in.NextToken == nil {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: %d authorities, want %d", size, len(got), len(want))
		}
	}
	_, err := b.ListCertificateAuthorities(caller(t.Context()), &acmpca.ListCertificateAuthoritiesInput{NextToken: aws.String("!")})
	wantError(t, err, "InvalidNextTokenException", "NextToken")
	out, err := b.ListCertificateAuthorities(caller(t.Context()), &acmpca.ListCertificateAuthoritiesInput{ResourceOwner: types.ResourceOwnerOtherAccounts})
	if err != nil || len(out.CertificateAuthorities) != 0 {
		t.Errorf("other accounts' authorities: %v, %v", out, err)
	}
}

func TestDeleteAndRestore(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx := caller(t.Context())
	ca := b.root(t, createInput(types.CertificateAuthorityTypeRoot, "Root"))
	remove := func(days *int32) error {
		_, err := b.DeleteCertificateAuthority(ctx, &acmpca.DeleteCertificateAuthorityInput{CertificateAuthorityArn: &ca, PermanentDeletionTimeInDays: days})
		return err
	}
	restore := func() error {
		_, err := b.RestoreCertificateAuthority(ctx, &acmpca.RestoreCertificateAuthorityInput{CertificateAuthorityArn: &ca})
		return err
	}
	wantError(t, remove(nil), "InvalidStateException", "The certificate authority is not in a valid state for deletion.")
	wantError(t, restore(), "InvalidStateException", "only a DELETED one")
	b.setStatus(t, ca, types.CertificateAuthorityStatusDisabled)
	wantError(t, remove(aws.Int32(6)), "ValidationException", "7 to 30")
	leaf := aws.String(ca + "/certificate/" + fmt.Sprintf("%032x", 1))

	if err := remove(aws.Int32(7)); err != nil {
		t.Fatal(err)
	}
	got := b.describe1(t, ca)
	if want := b.clock.Now().Add(7 * 24 * time.Hour); got.Status != types.CertificateAuthorityStatusDeleted || !got.RestorableUntil.Equal(want) {
		t.Errorf("after deletion: %s until %v, want DELETED until %v", got.Status, got.RestorableUntil, want)
	}
	for name, try := range map[string]func() error{
		"delete again": func() error { return remove(nil) },
		"issue": func() error {
			_, err := b.IssueCertificate(ctx, leafInput(ca, leafCSR(t, "x")))
			return err
		},
		"update": func() error {
			_, err := b.UpdateCertificateAuthority(ctx, &acmpca.UpdateCertificateAuthorityInput{CertificateAuthorityArn: &ca, Status: types.CertificateAuthorityStatusActive})
			return err
		},
		"csr": func() error {
			_, err := b.GetCertificateAuthorityCsr(ctx, &acmpca.GetCertificateAuthorityCsrInput{CertificateAuthorityArn: &ca})
			return err
		},
		"certificate": func() error {
			_, err := b.GetCertificateAuthorityCertificate(ctx, &acmpca.GetCertificateAuthorityCertificateInput{CertificateAuthorityArn: &ca})
			return err
		},
		"get": func() error {
			_, err := b.GetCertificate(ctx, &acmpca.GetCertificateInput{CertificateAuthorityArn: &ca, CertificateArn: leaf})
			return err
		},
		"revoke": func() error {
			_, err := b.RevokeCertificate(ctx, &acmpca.RevokeCertificateInput{CertificateAuthorityArn: &ca, CertificateSerial: aws.String("01"), RevocationReason: types.RevocationReasonSuperseded})
			return err
		},
		"tag": func() error {
			_, err := b.TagCertificateAuthority(ctx, &acmpca.TagCertificateAuthorityInput{CertificateAuthorityArn: &ca, Tags: []types.Tag{{Key: aws.String("a")}}})
			return err
		},
		"list tags": func() error {
			_, err := b.ListTags(ctx, &acmpca.ListTagsInput{CertificateAuthorityArn: &ca})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) { wantError(t, try(), "InvalidStateException", "") })
	}

	b.clock.Add(7*24*time.Hour - time.Second)
	if err := restore(); err != nil {
		t.Fatal(err)
	}
	b.wantStatus(t, ca, types.CertificateAuthorityStatusDisabled)
	if got := b.describe1(t, ca).RestorableUntil; got != nil {
		t.Errorf("RestorableUntil = %v after restoring", got)
	}
	b.clock.Add(365 * 24 * time.Hour)
	b.wantStatus(t, ca, types.CertificateAuthorityStatusDisabled)

	if err := remove(nil); err != nil {
		t.Fatal(err)
	}
	if got, want := *b.describe1(t, ca).RestorableUntil, b.clock.Now().Add(30*24*time.Hour); !got.Equal(want) {
		t.Errorf("RestorableUntil = %v, want 30 days, %v", got, want)
	}
	b.clock.Add(30 * 24 * time.Hour)
	wantError(t, restore(), "ResourceNotFoundException", ca)
	if out, err := b.ListCertificateAuthorities(ctx, &acmpca.ListCertificateAuthoritiesInput{}); err != nil || len(out.CertificateAuthorities) != 0 {
		t.Errorf("after the window: %v, %v", out, err)
	}
	if issuers, err := b.Issuers(t.Context()); err != nil || len(issuers) != 1 {
		t.Errorf("Issuers = %v, %v; want to keep the key of the one that is gone", issuers, err)
	}
}

func TestStatusFollowsUpdatesAndTheClock(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx := caller(t.Context())
	pendingCA := b.create(t, createInput(types.CertificateAuthorityTypeSubordinate, "Sub"))
	_, err := b.UpdateCertificateAuthority(ctx, &acmpca.UpdateCertificateAuthorityInput{CertificateAuthorityArn: &pendingCA, Status: types.CertificateAuthorityStatusActive})
	wantError(t, err, "InvalidStateException", "PENDING_CERTIFICATE")

	ca := b.root(t, createInput(types.CertificateAuthorityTypeRoot, "Root"))
	changed := *b.describe1(t, ca).LastStateChangeAt
	b.clock.Add(time.Hour)
	before := b.store.Revision()
	b.setStatus(t, ca, types.CertificateAuthorityStatusActive) // CloudFormation does this after every import
	if got := b.store.Changed(KindAuthority); got > before {
		t.Errorf("setting the same status wrote revision %d", got)
	}
	if got := *b.describe1(t, ca).LastStateChangeAt; !got.Equal(changed) {
		t.Errorf("setting the same status moved LastStateChangeAt to %v", got)
	}
	b.setStatus(t, ca, types.CertificateAuthorityStatusDisabled)
	_, err = b.IssueCertificate(ctx, leafInput(ca, leafCSR(t, "x")))
	wantError(t, err, "InvalidStateException", "The certificate authority is not in a valid state for issuing certificates")
	b.setStatus(t, ca, types.CertificateAuthorityStatusActive)
	leaf := b.issue(t, leafInput(ca, leafCSR(t, "x")))
	_, err = b.UpdateCertificateAuthority(ctx, &acmpca.UpdateCertificateAuthorityInput{CertificateAuthorityArn: &ca,
		RevocationConfiguration: &types.RevocationConfiguration{CrlConfiguration: &types.CrlConfiguration{Enabled: aws.Bool(true), ExpirationInDays: aws.Int32(7)}}})
	wantError(t, err, "InvalidArgsException", "must have an S3BucketName")
	_, err = b.UpdateCertificateAuthority(ctx, &acmpca.UpdateCertificateAuthorityInput{CertificateAuthorityArn: &ca, Status: types.CertificateAuthorityStatusExpired})
	wantError(t, err, "InvalidArgsException", "EXPIRED cannot be set")

	b.clock.Add(10 * 366 * 24 * time.Hour)
	b.wantStatus(t, ca, types.CertificateAuthorityStatusExpired)
	_, err = b.IssueCertificate(ctx, leafInput(ca, leafCSR(t, "x")))
	wantError(t, err, "InvalidStateException", "not in a valid state for issuing")
	b.get(t, ca, leaf)
	if _, err := b.RevokeCertificate(ctx, &acmpca.RevokeCertificateInput{CertificateAuthorityArn: &ca,
		CertificateSerial: aws.String(leaf[len(leaf)-32:]), RevocationReason: types.RevocationReasonKeyCompromise}); err != nil {
		t.Errorf("revoking at an expired authority: %v", err)
	}
}

func TestAuthoritiesOfOthersAreNotFound(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ca := b.create(t, createInput(types.CertificateAuthorityTypeRoot, "Root"))
	describe := func(ctx context.Context, name string) error {
		_, err := b.DescribeCertificateAuthority(ctx, &acmpca.DescribeCertificateAuthorityInput{CertificateAuthorityArn: &name})
		return err
	}
	wantError(t, describe(callerIn(t.Context(), "999999999999", testRegion), ca), "ResourceNotFoundException", ca)
	wantError(t, describe(callerIn(t.Context(), testAccount, "us-east-1"), ca), "ResourceNotFoundException", ca)
	wantError(t, describe(caller(t.Context()), ca[:len(ca)-1]+"x"), "InvalidArnException", "")
	wantError(t, describe(caller(t.Context()), "certificate-authority"), "InvalidArnException", "")
	wantError(t, describe(caller(t.Context()), "arn:aws:acm:"+testRegion+":"+testAccount+":certificate/00000000-0000-0000-0000-000000000000"), "InvalidArnException", "")
	wantError(t, describe(caller(t.Context()), ca+"/certificate/00"), "InvalidArnException", "")
	wantError(t, describe(caller(t.Context()), ca[:len(ca)-36]+"00000000-0000-4000-8000-000000000000"), "ResourceNotFoundException", "")
}

func TestTags(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx := caller(t.Context())
	in := createInput(types.CertificateAuthorityTypeRoot, "Root")
	in.Tags = []types.Tag{{Key: aws.String("b"), Value: aws.String("1")}, {Key: aws.String("a"), Value: aws.String("1")}}
	ca := b.create(t, in)
	list := func() (got string) {
		page := &acmpca.ListTagsInput{CertificateAuthorityArn: &ca, MaxResults: aws.Int32(2)}
		for {
			out, err := b.ListTags(ctx, page)
			if err != nil {
				t.Fatal(err)
			}
			for _, tag := range out.Tags {
				got += *tag.Key + "=" + *tag.Value + " "
			}
			if page.NextToken = out.NextToken; page.NextToken == nil {
				return got
			}
		}
	}
	if got := list(); got != "a=1 b=1 " {
		t.Errorf("tags at creation: %s", got)
	}
	tag := func(tags ...types.Tag) error {
		_, err := b.TagCertificateAuthority(ctx, &acmpca.TagCertificateAuthorityInput{CertificateAuthorityArn: &ca, Tags: tags})
		return err
	}
	if err := tag(types.Tag{Key: aws.String("b"), Value: aws.String("2")}, types.Tag{Key: aws.String("c"), Value: aws.String("3")}); err != nil {
		t.Fatal(err)
	}
	if got := list(); got != "a=1 b=2 c=3 " {
		t.Errorf("tags after adding: %s", got)
	}
	if _, err := b.UntagCertificateAuthority(ctx, &acmpca.UntagCertificateAuthorityInput{CertificateAuthorityArn: &ca, Tags: []types.Tag{
		{Key: aws.String("a")}, {Key: aws.String("b"), Value: aws.String("not this")}, {Key: aws.String("c"), Value: aws.String("3")}, {Key: aws.String("zz")}}}); err != nil {
		t.Fatal(err)
	}
	if got := list(); got != "b=2 " {
		t.Errorf("tags after removing: %s", got)
	}
	wantError(t, tag(types.Tag{Key: aws.String("AWS:x"), Value: aws.String("")}), "InvalidTagException", "reserved")
	var many []types.Tag
	for i := range 50 {
		many = append(many, types.Tag{Key: aws.String(fmt.Sprint(i)), Value: aws.String("")})
	}
	wantError(t, tag(many...), "TooManyTagsException", "50")

	// CloudFormation's tags are shown, do not count, and are CloudFormation's alone.
	system := types.Tag{Key: aws.String("aws:cloudformation:stack-name"), Value: aws.String("s")}
	wantError(t, tag(system), "InvalidTagException", "reserved")
	user := ctx
	ctx = call.Through(user, call.CloudFormation)
	if err := tag(system); err != nil {
		t.Fatal(err)
	}
	ctx = user
	if err := tag(many[1:]...); err != nil {
		t.Errorf("50 tags beside CloudFormation's: %v", err)
	}
	if got := list(); !strings.Contains(got, "aws:cloudformation:stack-name=s ") {
		t.Errorf("CloudFormation's tag is not shown: %s", got)
	}
	untag := &acmpca.UntagCertificateAuthorityInput{CertificateAuthorityArn: &ca, Tags: []types.Tag{system}}
	_, err := b.UntagCertificateAuthority(user, untag)
	wantError(t, err, "InvalidTagException", "reserved")
	if _, err := b.UntagCertificateAuthority(call.Through(user, call.CloudFormation), untag); err != nil {
		t.Error(err)
	}
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx := caller(t.Context())
	ca := b.create(t, createInput(types.CertificateAuthorityTypeRoot, "Root"))
	grant := func(principal string) error {
		_, err := b.CreatePermission(ctx, &acmpca.CreatePermissionInput{CertificateAuthorityArn: &ca, Principal: &principal,
			Actions: []types.ActionType{types.ActionTypeIssueCertificate, types.ActionTypeGetCertificate, types.ActionTypeListPermissions}})
		return err
	}
	wantError(t, grant("lambda.amazonaws.com"), "ValidationException", "acm.amazonaws.com")
	if err := grant("acm.amazonaws.com"); err != nil {
		t.Fatal(err)
	}
	wantError(t, grant("acm.amazonaws.com"), "PermissionAlreadyExistsException", ca)
	out, err := b.ListPermissions(ctx, &acmpca.ListPermissionsInput{CertificateAuthorityArn: &ca})
	if err != nil || len(out.Permissions) != 1 || len(out.Permissions[0].Actions) != 3 || *out.Permissions[0].SourceAccount != testAccount {
		t.Fatalf("ListPermissions = %+v, %v", out, err)
	}
	remove := &acmpca.DeletePermissionInput{CertificateAuthorityArn: &ca, Principal: aws.String("acm.amazonaws.com")}
	if _, err := b.DeletePermission(ctx, remove); err != nil {
		t.Fatal(err)
	}
	_, err = b.DeletePermission(ctx, remove)
	wantError(t, err, "ResourceNotFoundException", "no permission")
}

func TestKeyStorage(t *testing.T) {
	t.Parallel()
	const (
		level2 = types.KeyStorageSecurityStandardFips1402Level2OrHigher
		level3 = types.KeyStorageSecurityStandardFips1402Level3OrHigher
		china  = types.KeyStorageSecurityStandardCcpcLevel1OrHigher
	)
	for _, c := range []struct {
		region      string
		asked, want types.KeyStorageSecurityStandard // want "": refused
	}{
		{"eu-central-1", "", level3}, {"eu-central-1", level2, level2}, {"eu-central-1", level3, level3}, {"eu-central-1", china, ""},
		{"cn-north-1", "", china}, {"cn-north-1", china, china}, {"cn-north-1", level3, ""},
	} {
		b := newBench(t)
		in := createInput(types.CertificateAuthorityTypeRoot, "Root")
		in.KeyStorageSecurityStandard = c.asked
		ctx := callerIn(t.Context(), testAccount, c.region)
		made, err := b.CreateCertificateAuthority(ctx, in)
		if c.want == "" {
			wantError(t, err, "InvalidArgsException", "with the specified security standard")
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		out, err := b.DescribeCertificateAuthority(ctx, &acmpca.DescribeCertificateAuthorityInput{CertificateAuthorityArn: made.CertificateAuthorityArn})
		if err != nil || out.CertificateAuthority.KeyStorageSecurityStandard != c.want {
			t.Errorf("%s, asked for %q: %v, %v; want %s", c.region, c.asked, out, err, c.want)
		}
	}
}
