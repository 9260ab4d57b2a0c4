package certificates

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"
	pca "github.com/aws/aws-sdk-go-v2/service/acmpca/types"
	"github.com/aws/smithy-go"

	"countersign/keys"
	"countersign/pki"
	"countersign/store"
	"countersign/store/storetest"
)

func TestPrivateCertificate(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	in := b.privateInput("Client.example.com", "*.example.com", "client.example.com")
	in.Options = &types.CertificateOptions{CertificateTransparencyLoggingPreference: types.CertificateTransparencyLoggingPreferenceDisabled}
	arn := b.request(t, in)
	d := b.describe(t, arn)
	if d.Status != types.CertificateStatusIssued || d.Type != types.CertificateTypePrivate || *d.CertificateAuthorityArn != b.authority.arn ||
		d.DomainValidationOptions != nil || *d.DomainName != "Client.example.com" || !slices.Equal(d.SubjectAlternativeNames, []string{"Client.example.com", "*.example.com"}) ||
		*d.Subject != "CN=Client.example.com" || *d.Issuer != "Example" || *d.SignatureAlgorithm != "SHA256WITHECDSA" || len(d.InUseBy) != 0 ||
		d.KeyAlgorithm != types.KeyAlgorithmEcPrime256v1 || *d.Options != (types.CertificateOptions{CertificateTransparencyLoggingPreference: types.CertificateTransparencyLoggingPreferenceEnabled, Export: types.CertificateExportEnabled}) ||
		!d.IssuedAt.Equal(b.clock.Now()) || d.ImportedAt != nil || d.CertificateKeyPairOrigin != types.CertificateKeyPairOriginAwsManaged {
		t.Errorf("DescribeCertificate = %+v", d)
	}
	if got := fmt.Sprint(d.KeyUsages, len(d.ExtendedKeyUsages), d.ExtendedKeyUsages[1].Name); got != "[{DIGITAL_SIGNATURE {}} {KEY_ENCIPHERMENT {}}] 2TLS_WEB_CLIENT_AUTHENTICATION" {
		t.Errorf("usages = %s", got)
	}
	if want := b.clock.Now().AddDate(0, 0, 395); !d.NotAfter.Equal(want) || !d.NotBefore.Equal(b.clock.Now().Add(-time.Hour)) {
		t.Errorf("valid from %v to %v, want to %v", d.NotBefore, d.NotAfter, want)
	}
	out, err := b.GetCertificate(caller(t.Context()), &acm.GetCertificateInput{CertificateArn: &arn})
	if err != nil {
		t.Fatal(err)
	}
	leaf, above := parseAll(t, *out.Certificate), parseAll(t, *out.CertificateChain)
	if len(leaf) != 1 || len(above) != 1 || leaf[0].CheckSignatureFrom(above[0]) != nil || !strings.HasSuffix(*out.Certificate, "-----\n") {
		t.Errorf("GetCertificate = %s %s", *out.Certificate, *out.CertificateChain)
	}
	if !slices.Equal(leaf[0].DNSNames, []string{"Client.example.com", "*.example.com"}) {
		t.Errorf("names = %v", leaf[0].DNSNames)
	}
	if !bytes.Contains(leaf[0].RawSubject, append([]byte{0x0c, byte(len("Client.example.com"))}, "Client.example.com"...)) {
		t.Errorf("the common name is not a UTF8String: %x", leaf[0].RawSubject)
	}
	b.clock.Add(396 * 24 * time.Hour)
	b.wantStatus(t, arn, types.CertificateStatusExpired)
}

func TestPrivateCertificateOfRSA(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.authority = newSmallAuthority(t, b.clock, keys.RSA2048, pki.SHA256WithRSA)
	b.config.Authority = b.authority
	b.Service = New(b.config)
	in := b.privateInput("client.example.com")
	in.KeyAlgorithm = ""
	arn := b.request(t, in)
	d := b.describe(t, arn)
	if d.KeyAlgorithm != types.KeyAlgorithmRsa2048 || *d.SignatureAlgorithm != "SHA256WITHRSA" {
		t.Errorf("key %s, signature %s", d.KeyAlgorithm, *d.SignatureAlgorithm)
	}
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("no openssl")
	}
	pass := []byte("your paraphrase\n")
	out, err := b.ExportCertificate(caller(t.Context()), &acm.ExportCertificateInput{CertificateArn: &arn, Passphrase: pass[:15]})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	enc, dec := filepath.Join(dir, "client.encrypted.key"), filepath.Join(dir, "client.decrypted.key")
	if err := os.WriteFile(enc, []byte(*out.PrivateKey), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := exec.Command("openssl", "rsa", "-in", enc, "-passin", "pass:your paraphrase", "-out", dec).CombinedOutput(); err != nil {
		t.Fatalf("openssl rsa: %v\n%s", err, text)
	}
	plain, err := os.ReadFile(dec)
	if err != nil {
		t.Fatal(err)
	}
	key, err := parseKey(plain)
	if err != nil {
		t.Fatal(err)
	}
	if !pki.SameKey(key.Public(), parseAll(t, *out.Certificate)[0].PublicKey) {
		t.Error("the exported key is not the certificate's")
	}
	if err := exec.Command("openssl", "rsa", "-in", enc, "-passin", "pass:wrong", "-out", dec).Run(); err == nil {
		t.Error("openssl opened the key with another passphrase")
	}
}

func TestRefusalsOfTheAuthorityFailTheCertificate(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for want, refusal := range map[types.FailureReason]error{
		types.FailureReasonPcaInvalidState:              &pca.InvalidStateException{},
		types.FailureReasonPcaLimitExceeded:             &pca.LimitExceededException{},
		types.FailureReasonPcaRequestFailed:             &pca.RequestFailedException{},
		types.FailureReasonPcaResourceNotFound:          &pca.ResourceNotFoundException{},
		types.FailureReasonPcaInvalidArgs:               &pca.InvalidArgsException{},
		types.FailureReasonPcaInvalidArn:                &pca.InvalidArnException{},
		types.FailureReasonPcaInvalidDuration:           &smithy.GenericAPIError{Code: "ValidationException"},
		types.FailureReasonPcaNameConstraintsValidation: &smithy.GenericAPIError{Code: "ValidationException", Message: "the name constraints of …"},
		types.FailureReasonPcaAccessDenied:              &smithy.GenericAPIError{Code: "AccessDeniedException"},
		types.FailureReasonOther:                        &smithy.GenericAPIError{Code: "Strange"},
	} {
		b.authority.set(refusal)
		arn := b.request(t, b.privateInput("client.example.com"))
		if d := b.describe(t, arn); d.Status != types.CertificateStatusFailed || d.FailureReason != want || d.Serial != nil {
			t.Errorf("%T: %s %s, want FAILED %s", refusal, d.Status, d.FailureReason, want)
		}
		_, err := b.GetCertificate(caller(t.Context()), &acm.GetCertificateInput{CertificateArn: &arn})
		wantError(t, err, "ValidationException", string(want))
	}
	b.authority.set(nil)
	in := b.privateInput("client.example.com")
	in.CertificateAuthorityArn = aws.String(strings.Replace(b.authority.arn, "1111", "9999", 1))
	if d := b.describe(t, b.request(t, in)); d.FailureReason != types.FailureReasonPcaResourceNotFound {
		t.Errorf("an authority that does not exist: %s %s", d.Status, d.FailureReason)
	}
	b.authority.usage = pca.CertificateAuthorityUsageModeShortLivedCertificate
	if d := b.describe(t, b.request(t, b.privateInput("client.example.com"))); d.FailureReason != types.FailureReasonPcaInvalidArgs {
		t.Errorf("a short-lived authority: %s %s", d.Status, d.FailureReason)
	}
	if left, err := b.store.List(t.Context(), KindPending, "", "", 0); err != nil || len(left) != 0 {
		t.Errorf("%d pending entries left, %v", len(left), err)
	}
}

func TestTroubleOfTheAuthorityIsWaitedOut(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, trouble := range []error{errors.New("disk on fire"), &pca.ConcurrentModificationException{}} {
		b.authority.set(trouble)
		arn := b.request(t, b.privateInput("client.example.com"))
		b.wantStatus(t, arn, types.CertificateStatusPendingValidation)
		_, err := b.GetCertificate(caller(t.Context()), &acm.GetCertificateInput{CertificateArn: &arn})
		wantError(t, err, "RequestInProgressException", "PENDING_VALIDATION")
		_, err = b.ExportCertificate(caller(t.Context()), &acm.ExportCertificateInput{CertificateArn: &arn, Passphrase: []byte("password")})
		wantError(t, err, "RequestInProgressException", "PENDING_VALIDATION")
		if _, err := b.ValidatePending(t.Context()); err == nil {
			t.Error("ValidatePending hides the trouble")
		}
		b.authority.set(nil)
		b.anotherNode().validate(t)
		b.wantStatus(t, arn, types.CertificateStatusIssued)
	}
}

func TestCrashBetweenIssuingAndRecording(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	// Only the commit of the request takes effect; that of the outcome does not.
	commits := 0
	cfg := b.config
	cfg.Store = storetest.FailBefore(b.store, func(*store.Batch) error {
		if commits++; commits > 1 {
			return errors.New("power cut")
		}
		return nil
	})
	out, err := New(cfg).RequestCertificate(caller(t.Context()), b.privateInput("client.example.com"))
	if err != nil {
		t.Fatal(err)
	}
	b.wantStatus(t, *out.CertificateArn, types.CertificateStatusPendingValidation)
	b.validate(t)
	b.wantStatus(t, *out.CertificateArn, types.CertificateStatusIssued)
	if b.authority.issued != 1 {
		t.Errorf("the authority issued %d certificates for one request", b.authority.issued)
	}
	cert, _, err := b.ServerCertificate(t.Context(), *out.CertificateArn)
	if err != nil || !pki.SameKey(cert.Leaf.PublicKey, cert.PrivateKey.(crypto.Signer).Public()) {
		t.Errorf("key and certificate: %v", err)
	}
}

func TestRequestRefuses(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	long := strings.Repeat("a", 60) + ".example.com"
	for name, c := range map[string]struct {
		in         *acm.RequestCertificateInput
		code, text string
	}{
		"no method":         {&acm.RequestCertificateInput{DomainName: aws.String("a.example.com")}, "InvalidParameterException", "pass DNS"},
		"email":             {&acm.RequestCertificateInput{DomainName: aws.String("a.example.com"), ValidationMethod: types.ValidationMethodEmail}, "InvalidParameterException", "EMAIL is not built"},
		"http":              {&acm.RequestCertificateInput{DomainName: aws.String("a.example.com"), ValidationMethod: types.ValidationMethodHttp}, "InvalidParameterException", "HTTP is not built"},
		"one label":         {publicInput("localhost"), "InvalidParameterException", "two labels"},
		"empty label":       {publicInput("a..example.com"), "InvalidParameterException", "1 to 63"},
		"hyphen":            {publicInput("-a.example.com"), "InvalidParameterException", "hyphen"},
		"inner wildcard":    {publicInput("a.*.example.com"), "InvalidParameterException", "leftmost"},
		"partial wildcard":  {publicInput("a*.example.com"), "InvalidParameterException", "leftmost"},
		"underscore":        {publicInput("a_b.example.com"), "InvalidParameterException", "letters"},
		"not punycode":      {publicInput("ab--cd.example.com"), "InvalidParameterException", "xn--"},
		"SAN":               {publicInput("a.example.com", "bad name.example.com"), "InvalidParameterException", "bad name"},
		"long common name":  {publicInput(long), "InvalidParameterException", "64"},
		"key not requested": {&acm.RequestCertificateInput{DomainName: aws.String("a.example.com"), ValidationMethod: types.ValidationMethodDns, KeyAlgorithm: types.KeyAlgorithmRsa4096}, "InvalidParameterException", "RSA_4096"},
		"cloudfront":        {&acm.RequestCertificateInput{DomainName: aws.String("a.example.com"), ValidationMethod: types.ValidationMethodDns, ManagedBy: types.CertificateManagedByCloudfront}, "InvalidParameterException", "CLOUDFRONT"},
		"family":            {&acm.RequestCertificateInput{DomainName: aws.String("a.example.com"), CertificateAuthorityArn: &b.authority.arn}, "InvalidParameterException", "key family"},
		"not a CA":          {&acm.RequestCertificateInput{DomainName: aws.String("a.example.com"), CertificateAuthorityArn: aws.String("arn:aws:acm:x:y:z")}, "InvalidArnException", "arn:aws:acm:x:y:z"},
		"option for others": {&acm.RequestCertificateInput{DomainName: aws.String("a.example.com"), ValidationMethod: types.ValidationMethodDns,
			DomainValidationOptions: []types.DomainValidationOption{{DomainName: aws.String("b.example.com"), ValidationDomain: aws.String("example.com")}}}, "InvalidDomainValidationOptionsException", "b.example.com"},
		"option elsewhere": {&acm.RequestCertificateInput{DomainName: aws.String("a.example.com"), ValidationMethod: types.ValidationMethodDns,
			DomainValidationOptions: []types.DomainValidationOption{{DomainName: aws.String("a.example.com"), ValidationDomain: aws.String("ample.com")}}}, "InvalidDomainValidationOptionsException", "ample.com"},
		"tag": {&acm.RequestCertificateInput{DomainName: aws.String("a.example.com"), ValidationMethod: types.ValidationMethodDns, Tags: []types.Tag{{Key: aws.String("aws:a")}}}, "InvalidTagException", "reserved"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.RequestCertificate(caller(t.Context()), c.in)
			wantError(t, err, c.code, c.text)
		})
	}
	if all, err := b.store.List(t.Context(), KindCertificate, "", "", 0); err != nil || len(all) != 0 {
		t.Errorf("refused requests left %d certificates, %v", len(all), err)
	}
}

func TestDNSValidation(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	arn := b.request(t, publicInput("api.example.com", "*.api.example.com", "www.example.org"))
	d := b.describe(t, arn)
	if d.Status != types.CertificateStatusPendingValidation || d.Type != types.CertificateTypeAmazonIssued || len(d.DomainValidationOptions) != 3 {
		t.Fatalf("DescribeCertificate = %+v", d)
	}
	first, wild, other := d.DomainValidationOptions[0], d.DomainValidationOptions[1], d.DomainValidationOptions[2]
	if *first.ResourceRecord.Name != *wild.ResourceRecord.Name || *first.ResourceRecord.Value != *wild.ResourceRecord.Value || *first.ResourceRecord.Value == *other.ResourceRecord.Value {
		t.Errorf("records: %v %v %v", *first.ResourceRecord.Name, *wild.ResourceRecord.Name, *other.ResourceRecord.Name)
	}
	if !strings.HasSuffix(*first.ResourceRecord.Name, ".api.example.com.") || !strings.HasSuffix(*first.ResourceRecord.Value, ".acm-validations.aws.") ||
		len(*first.ResourceRecord.Name) != len("_.api.example.com.")+32 || len(*first.ResourceRecord.Value) != len("_..acm-validations.aws.")+32+10 {
		t.Errorf("record %s %s", *first.ResourceRecord.Name, *first.ResourceRecord.Value)
	}
	if first.ResourceRecord.Type != types.RecordTypeCname || first.ValidationMethod != types.ValidationMethodDns {
		t.Errorf("DomainValidationOptions = %+v", first)
	}

	if next := b.validate(t); !next.Equal(b.clock.Now().Add(10 * time.Second)) {
		t.Errorf("next look at %v", next)
	}
	b.wantStatus(t, arn, types.CertificateStatusPendingValidation)

	b.zone.set(*first.ResourceRecord.Name, *first.ResourceRecord.Value)
	b.validate(t)
	d = b.describe(t, arn)
	if s := d.DomainValidationOptions; d.Status != types.CertificateStatusPendingValidation || s[0].ValidationStatus != types.DomainStatusSuccess ||
		s[1].ValidationStatus != types.DomainStatusSuccess || s[2].ValidationStatus != types.DomainStatusPendingValidation {
		t.Errorf("with one record: %s %v", d.Status, s)
	}
	b.zone.set(*other.ResourceRecord.Name, "wrong.example.com.")
	b.validate(t)
	b.wantStatus(t, arn, types.CertificateStatusPendingValidation)

	// Through aliases, without the last dot and in other letters.
	b.zone.set(*other.ResourceRecord.Name, "one.example.net")
	b.zone.set("one.example.net.", strings.ToUpper(strings.TrimSuffix(*other.ResourceRecord.Value, ".")))
	if next := b.validate(t); !next.IsZero() {
		t.Errorf("there is nothing left, yet the next look is at %v", next)
	}
	d = b.describe(t, arn)
	if d.Status != types.CertificateStatusIssued || d.DomainValidationOptions[2].ValidationStatus != types.DomainStatusSuccess {
		t.Fatalf("with all records: %s", d.Status)
	}
	if want := b.clock.Now().AddDate(0, 0, 198); !d.NotAfter.Equal(want) {
		t.Errorf("NotAfter = %v, want %v", d.NotAfter, want)
	}
	if len(d.ExtendedKeyUsages) != 1 || d.ExtendedKeyUsages[0].Name != types.ExtendedKeyUsageNameTlsWebServerAuthentication {
		t.Errorf("extended key usages = %v", d.ExtendedKeyUsages)
	}

	root, err := b.LocalRoot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	again, err := b.anotherNode().LocalRoot(t.Context())
	if err != nil || !bytes.Equal(root, again) {
		t.Errorf("another node has another local root (%v)", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(root)
	got, err := b.GetCertificate(caller(t.Context()), &acm.GetCertificateInput{CertificateArn: &arn})
	if err != nil {
		t.Fatal(err)
	}
	leaf := parseAll(t, *got.Certificate)[0]
	for _, name := range []string{"api.example.com", "x.api.example.com", "www.example.org"} {
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: name, CurrentTime: b.clock.Now()}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	rc := parseAll(t, string(root))[0]
	if !strings.HasPrefix(rc.Subject.CommonName, "Countersign local root ") || !rc.IsCA || !rc.NotAfter.Equal(rc.NotBefore.AddDate(10, 0, 0).Add(time.Hour)) {
		t.Errorf("local root %s, until %v", rc.Subject, rc.NotAfter)
	}
	// It is in the ledger, as is the root itself.
	rows, err := b.store.Certificates(t.Context(), strings.TrimPrefix(rc.Subject.CommonName, "Countersign local root "), 0, 0)
	if err != nil || len(rows) != 2 {
		t.Fatalf("%d rows in the ledger, want 2 (%v)", len(rows), err)
	}
	if !bytes.Equal(rows[0].TBS, rc.RawTBSCertificate) || !bytes.Equal(rows[1].TBS, leaf.RawTBSCertificate) {
		t.Error("the ledger has other bytes than were signed")
	}
}

func TestValidationRecordsAreStable(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	name, value := b.validationRecord(testAccount, "example.com")
	for _, same := range []string{"*.example.com", "EXAMPLE.com"} {
		if n, v := b.anotherNode().validationRecord(testAccount, same); n != name || v != value {
			t.Errorf("%s has another record than example.com", same)
		}
	}
	if n, v := b.validationRecord("999999999999", "example.com"); n == name || v == value {
		t.Error("two accounts share a record")
	}
	// One that is there already validates at once.
	b.zone.set(name, value)
	arn := b.request(t, publicInput("example.com", "*.example.com"))
	b.validate(t)
	b.wantStatus(t, arn, types.CertificateStatusIssued)
	in := publicInput("example.com")
	out, err := b.RequestCertificate(callerIn(t.Context(), testAccount, "us-east-1"), in)
	if err != nil {
		t.Fatal(err)
	}
	b.validate(t)
	_, info, err := b.ServerCertificate(t.Context(), *out.CertificateArn)
	if err != nil || info.Status != "ISSUED" {
		t.Errorf("in another Region: %+v, %v", info, err)
	}
}

func TestValidationGivesUp(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	arn := b.request(t, publicInput("a.example.com"))
	b.zone.err = errors.New("no servers could be reached")
	b.validate(t) // is no error of ours
	b.wantStatus(t, arn, types.CertificateStatusPendingValidation)
	b.clock.Add(71*time.Hour + 59*time.Minute + 30*time.Second)
	if next, want := b.validate(t), b.clock.Now().Add(30*time.Second); !next.Equal(want) {
		t.Errorf("next look at %v, want the very end, %v", next, want)
	}
	b.zone.err = nil
	b.clock.Add(30 * time.Second)
	b.publish(t, arn) // too late
	b.validate(t)
	d := b.describe(t, arn)
	if d.Status != types.CertificateStatusValidationTimedOut || d.DomainValidationOptions[0].ValidationStatus != types.DomainStatusFailed {
		t.Errorf("after 72 hours: %s", d.Status)
	}
	_, err := b.GetCertificate(caller(t.Context()), &acm.GetCertificateInput{CertificateArn: &arn})
	wantError(t, err, "ValidationException", "VALIDATION_TIMED_OUT")
}

func TestValidationFollowsFiveAliases(t *testing.T) {
	t.Parallel()
	for aliases, want := range map[int]types.CertificateStatus{5: types.CertificateStatusIssued, 6: types.CertificateStatusPendingValidation} {
		b := newBench(t)
		arn := b.request(t, publicInput("a.example.com"))
		record := b.describe(t, arn).DomainValidationOptions[0].ResourceRecord
		name := *record.Name
		for i := range aliases - 1 {
			next := fmt.Sprintf("alias%d.example.net.", i)
			b.zone.set(name, next)
			name = next
		}
		b.zone.set(name, *record.Value)
		b.validate(t)
		b.wantStatus(t, arn, want)
	}
	b := newBench(t)
	arn := b.request(t, publicInput("a.example.com"))
	b.zone.set(*b.describe(t, arn).DomainValidationOptions[0].ResourceRecord.Name, "loop.example.net.")
	b.zone.set("loop.example.net.", "loop.example.net.")
	b.validate(t)
	if b.wantStatus(t, arn, types.CertificateStatusPendingValidation); b.zone.asked > 5 {
		t.Errorf("a loop was followed %d times", b.zone.asked)
	}
}

func TestDeletedWhilePending(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	arn := b.request(t, publicInput("a.example.com"))
	b.publish(t, arn)
	if _, err := b.DeleteCertificate(caller(t.Context()), &acm.DeleteCertificateInput{CertificateArn: &arn}); err != nil {
		t.Fatal(err)
	}
	if next := b.validate(t); !next.IsZero() {
		t.Errorf("a deleted certificate is looked at again at %v", next)
	}
	_, err := b.DescribeCertificate(caller(t.Context()), &acm.DescribeCertificateInput{CertificateArn: &arn})
	wantError(t, err, "ResourceNotFoundException", "Certificate with arn "+arn+" not found in account "+testAccount)
}

func TestRequestToken(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	in := publicInput("a.example.com", "b.example.com")
	in.IdempotencyToken = aws.String("token")
	var mu sync.Mutex
	seen := map[string]bool{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			out, err := b.anotherNode().RequestCertificate(caller(t.Context()), in)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			seen[*out.CertificateArn] = true
		})
	}
	wg.Wait()
	if len(seen) != 1 {
		t.Fatalf("one token gave %d certificates", len(seen))
	}
	b.clock.Add(time.Hour - time.Second)
	same := publicInput("a.example.com", "B.example.com")
	same.IdempotencyToken = in.IdempotencyToken
	if arn := b.request(t, same); !seen[arn] {
		t.Error("the token does not count within the hour")
	}
	other := publicInput("a.example.com")
	other.IdempotencyToken = in.IdempotencyToken
	if arn := b.request(t, other); seen[arn] {
		t.Error("another set of names got the first one's certificate")
	}
	b.clock.Add(time.Second)
	if arn := b.request(t, in); seen[arn] {
		t.Error("the token still counts after an hour")
	}
}

func TestConcurrentRequests(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var wg sync.WaitGroup
	arns := make(chan string, 64)
	for range 16 {
		wg.Go(func() {
			for range 2 {
				out, err := b.RequestCertificate(caller(t.Context()), b.privateInput("client.example.com"))
				if err != nil {
					t.Error(err)
					return
				}
				arns <- *out.CertificateArn
				if _, err := b.ValidatePending(t.Context()); err != nil { // the job runs as well
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	close(arns)
	serials := map[string]bool{}
	for arn := range arns {
		d := b.describe(t, arn)
		if d.Status != types.CertificateStatusIssued || serials[*d.Serial] {
			t.Errorf("%s: %s, serial %s", arn, d.Status, *d.Serial)
		}
		serials[*d.Serial] = true
	}
	if b.authority.issued != 32 {
		t.Errorf("the authority issued %d certificates for 32 requests", b.authority.issued)
	}
}

func TestIssueLocal(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	cert, err := b.IssueLocal(t.Context(), []string{"localhost", "127.0.0.1", "::1", "*.execute-api.eu-central-1.amazonaws.com"})
	if err != nil {
		t.Fatal(err)
	}
	root, err := b.LocalRoot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(root)
	for _, name := range []string{"localhost", "127.0.0.1", "::1", "abc.execute-api.eu-central-1.amazonaws.com"} {
		if _, err := cert.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: name, CurrentTime: b.clock.Now()}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := b.IssueLocal(t.Context(), nil); err == nil {
		t.Error("a certificate without a name")
	}
	b.clock.Add(10 * 366 * 24 * time.Hour)
	if _, err := b.IssueLocal(t.Context(), []string{"localhost"}); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("issuing from an expired root: %v", err)
	}
}
