package certificates

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"

	"countersign/call"
	"countersign/pki"
)

// importTemplate is a server certificate of today.
func importTemplate(b *bench, name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: name, Organization: []string{"Own"}}, DNSNames: []string{name},
		NotBefore: b.clock.Now().Add(-time.Hour), NotAfter: b.clock.Now().AddDate(0, 1, 0),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
}

func (b *bench) importing(t testing.TB, cert, key, chain []byte) (string, error) {
	t.Helper()
	out, err := b.ImportCertificate(caller(t.Context()), &acm.ImportCertificateInput{Certificate: cert, PrivateKey: key, CertificateChain: chain})
	if err != nil {
		return "", err
	}
	return *out.CertificateArn, nil
}

func TestImport(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ec, rsaKey := ecKey(t), func() *rsa.PrivateKey {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}()
	ecDER, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	parameters := pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}})
	for name, c := range map[string]struct {
		key  crypto.Signer
		text []byte
	}{
		"pkcs8 EC":      {ec, pkcs8(t, ec)},
		"sec1":          {ec, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: ecDER})},
		"sec1 in front": {ec, append(parameters, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: ecDER})...)},
		"pkcs8 RSA":     {rsaKey, pkcs8(t, rsaKey)},
		"pkcs1":         {rsaKey, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rsaKey)})},
	} {
		arn, err := b.importing(t, selfSigned(t, c.key, importTemplate(b, "own.example.com")), c.text, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		d := b.describe(t, arn)
		if d.Type != types.CertificateTypeImported || d.Status != types.CertificateStatusIssued || !d.ImportedAt.Equal(b.clock.Now()) || d.IssuedAt != nil ||
			*d.DomainName != "own.example.com" || *d.Issuer != "Own" || *d.Serial != "07" || d.CertificateKeyPairOrigin != types.CertificateKeyPairOriginCustomerProvided {
			t.Errorf("%s: %+v", name, d)
		}
		cert, info, err := b.ServerCertificate(t.Context(), arn)
		if err != nil || info.Type != "IMPORTED" || !pki.SameKey(cert.PrivateKey.(crypto.Signer).Public(), c.key.Public()) {
			t.Errorf("%s: ServerCertificate: %+v, %v", name, info, err)
		}
		_, err = b.ExportCertificate(caller(t.Context()), &acm.ExportCertificateInput{CertificateArn: &arn, Passphrase: []byte("password")})
		wantError(t, err, "ValidationException", "imported")
	}

	leaf := importTemplate(b, "issued.example.com")
	der, err := x509.CreateCertificate(rand.Reader, leaf, b.authority.cert, ec.Public(), b.authority.key)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	chain := []byte("\n\n" + pki.EncodePEMBare(pki.PEMCertificate, b.authority.cert.Raw))
	arn, err := b.importing(t, cert, pkcs8(t, ec), chain)
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.GetCertificate(caller(t.Context()), &acm.GetCertificateInput{CertificateArn: &arn})
	if err != nil || *got.Certificate != string(cert) || !parseAll(t, *got.CertificateChain)[0].Equal(b.authority.cert) {
		t.Errorf("GetCertificate = %v, %v", got, err)
	}
	served, _, err := b.ServerCertificate(t.Context(), arn)
	if err != nil || len(served.Certificate) != 1 {
		t.Errorf("%d certificates are presented, want the leaf without the root (%v)", len(served.Certificate), err)
	}
}

func TestImportRefuses(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	key := ecKey(t)
	good, goodKey := selfSigned(t, key, importTemplate(b, "own.example.com")), pkcs8(t, key)
	changed := func(change func(*x509.Certificate)) []byte {
		c := importTemplate(b, "own.example.com")
		change(c)
		return selfSigned(t, key, c)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p224DER, err := x509.MarshalPKCS8PrivateKey(p224)
	if err != nil {
		t.Fatal(err)
	}
	ca := []byte(pki.EncodePEM(pki.PEMCertificate, b.authority.cert.Raw))
	for name, c := range map[string]struct {
		cert, key, chain []byte
		text             string
	}{
		"no certificate":      {nil, goodKey, nil, "The certificate is not PEM-encoded or is not valid."},
		"certificate garbage": {[]byte("garbage"), goodKey, nil, "The certificate is not PEM-encoded or is not valid."},
		"broken DER":          {pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{0x30, 3, 1}}), goodKey, nil, "The certificate is not PEM-encoded or is not valid."},
		"key for certificate": {goodKey, goodKey, nil, "The certificate is not PEM-encoded or is not valid."},
		"too long":            {append(bytes.Repeat([]byte("x"), 40000), good...), goodKey, nil, "The certificate is not PEM-encoded or is not valid."},
		"two certificates":    {append(slices.Clone(good), good...), goodKey, nil, "one certificate"},
		"no key":              {good, nil, nil, "The private key is not PEM-encoded or is not valid."},
		"key garbage":         {good, []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), nil, "The private key is not PEM-encoded or is not valid."},
		"two keys":            {good, append(slices.Clone(goodKey), goodKey...), nil, "one private key"},
		"encrypted key":       {good, pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{0x30, 0}}), nil, "encrypted"},
		"another key":         {good, pkcs8(t, ecKey(t)), nil, "does not match"},
		"expired":             {changed(func(c *x509.Certificate) { c.NotAfter = b.clock.Now().Add(-time.Second) }), goodKey, nil, "The certificate has expired, is not valid."},
		"not yet":             {changed(func(c *x509.Certificate) { c.NotBefore = b.clock.Now().Add(time.Minute) }), goodKey, nil, "The certificate is not in effect yet, is not valid."},
		"no name":             {changed(func(c *x509.Certificate) { c.DNSNames, c.Subject.CommonName = nil, "Somebody" }), goodKey, nil, "neither a host name nor"},
		"no issuer":           {changed(func(c *x509.Certificate) { c.Subject = pkix.Name{} }), goodKey, nil, "no issuer"},
		"long OCSP URL":       {changed(func(c *x509.Certificate) { c.OCSPServer = []string{"http://" + strings.Repeat("o", 1000)} }), goodKey, nil, "OCSP"},
		"curve":               {selfSigned(t, p224, importTemplate(b, "own.example.com")), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: p224DER}), nil, "algorithm"},
		"chain garbage":       {good, goodKey, []byte("garbage"), "The certificate chain is not PEM-encoded or is not valid."},
		"chain of others":     {good, goodKey, ca, "did not sign"},
		"chain with itself":   {good, goodKey, good, "itself"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.importing(t, c.cert, c.key, c.chain)
			wantError(t, err, "ValidationException", c.text)
		})
	}
}

func TestReimport(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx := caller(t.Context())
	key := ecKey(t)
	arn, err := b.importing(t, selfSigned(t, key, importTemplate(b, "own.example.com")), pkcs8(t, key), nil)
	if err != nil {
		t.Fatal(err)
	}
	again := func(arn string, key crypto.Signer, change func(*x509.Certificate), tags ...types.Tag) error {
		c := importTemplate(b, "renewed.example.com")
		change(c)
		_, err := b.ImportCertificate(ctx, &acm.ImportCertificateInput{CertificateArn: &arn, Certificate: selfSigned(t, key, c), PrivateKey: pkcs8(t, key), Tags: tags})
		return err
	}
	same := func(*x509.Certificate) {}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	private := b.request(t, b.privateInput("client.example.com"))
	wantError(t, again(arn, ecKey(t), same, types.Tag{Key: aws.String("a")}), "ValidationException", "tags")
	wantError(t, again(arn, rsaKey, same), "ValidationException", "key type and size cannot change")
	wantError(t, again(private, ecKey(t), same), "ValidationException", "not imported")
	wantError(t, again(strings.Replace(arn, testRegion, "us-east-1", 1), ecKey(t), same), "ResourceNotFoundException", "")
	wantError(t, again(arn, ecKey(t), func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }), "ValidationException", "DIGITAL_SIGNATURE")
	wantError(t, again(arn, ecKey(t), func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning} }), "ValidationException", "TLS_WEB_SERVER_AUTHENTICATION")

	b.clock.Add(time.Hour)
	b.users[arn] = []string{"arn:aws:apigateway:eu-central-1::/domainnames/x"}
	// What AWS lets go: clientAuth, and keyEncipherment of an EC key.
	if err := again(arn, ecKey(t), func(c *x509.Certificate) {
		c.KeyUsage, c.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}); err != nil {
		t.Fatal(err)
	}
	d := b.describe(t, arn)
	if *d.DomainName != "renewed.example.com" || len(d.InUseBy) != 1 || !d.ImportedAt.Equal(b.clock.Now()) || d.CreatedAt.Equal(*d.ImportedAt) {
		t.Errorf("after importing again: %+v", d)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx := caller(t.Context())
	var want []string
	for i := range 5 {
		in := publicInput(fmt.Sprintf("rsa%d.example.com", i))
		in.KeyAlgorithm = types.KeyAlgorithmRsa2048
		want = append(want, b.request(t, in))
		b.clock.Add(time.Second)
	}
	ec := b.request(t, b.privateInput("ec.example.com"))
	b.users[ec] = []string{"somebody"}
	if _, err := b.RequestCertificate(callerIn(t.Context(), testAccount, "us-east-1"), publicInput("elsewhere.example.com")); err != nil {
		t.Fatal(err)
	}
	list := func(in *acm.ListCertificatesInput) (arns []string, all []types.CertificateSummary) {
		t.Helper()
		p := acm.NewListCertificatesPaginator(listClient{b}, in)
		for p.HasMorePages() {
			out, err := p.NextPage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range out.CertificateSummaryList {
				arns = append(arns, *c.CertificateArn)
				all = append(all, c)
			}
		}
		return arns, all
	}
	if got, _ := list(&acm.ListCertificatesInput{}); !slices.Equal(got, want) {
		t.Errorf("by default %v, want the RSA ones %v", got, want)
	}
	for size := int32(1); size < 7; size++ {
		if got, _ := list(&acm.ListCertificatesInput{MaxItems: &size}); !slices.Equal(got, want) {
			t.Errorf("in pages of %d: %v", size, got)
		}
		back := slices.Clone(want)
		slices.Reverse(back)
		if got, _ := list(&acm.ListCertificatesInput{MaxItems: &size, SortBy: types.SortByCreatedAt, SortOrder: types.SortOrderDescending}); !slices.Equal(got, back) {
			t.Errorf("backwards in pages of %d: %v", size, got)
		}
	}
	both := &types.Filters{KeyTypes: []types.KeyAlgorithm{types.KeyAlgorithmRsa2048, types.KeyAlgorithmEcPrime256v1}}
	got, all := list(&acm.ListCertificatesInput{Includes: both, CertificateStatuses: []types.CertificateStatus{types.CertificateStatusIssued}})
	if !slices.Equal(got, []string{ec}) {
		t.Fatalf("issued: %v, want %s", got, ec)
	}
	if c := all[0]; !*c.InUse || *c.Exported || c.Type != types.CertificateTypePrivate || *c.DomainName != "ec.example.com" || len(c.ExtendedKeyUsages) != 2 || c.NotAfter == nil {
		t.Errorf("summary = %+v", c)
	}
	for name, in := range map[string]*acm.ListCertificatesInput{
		"key usage":          {Includes: &types.Filters{KeyTypes: both.KeyTypes, KeyUsage: []types.KeyUsageName{types.KeyUsageNameCrlSigning, types.KeyUsageNameKeyEncipherment}}},
		"extended key usage": {Includes: &types.Filters{KeyTypes: both.KeyTypes, ExtendedKeyUsage: []types.ExtendedKeyUsageName{types.ExtendedKeyUsageNameTlsWebClientAuthentication}}},
		"export":             {Includes: &types.Filters{KeyTypes: both.KeyTypes, ExportOption: types.CertificateExportEnabled}},
	} {
		if got, _ := list(in); !slices.Equal(got, []string{ec}) {
			t.Errorf("by %s: %v, want %s", name, got, ec)
		}
	}
	if got, _ := list(&acm.ListCertificatesInput{CertificateKeyPairOrigins: []types.CertificateKeyPairOrigin{types.CertificateKeyPairOriginCustomerProvided}}); len(got) != 0 {
		t.Errorf("imported: %v", got)
	}
	_, err := b.ListCertificates(ctx, &acm.ListCertificatesInput{SortBy: types.SortByCreatedAt})
	wantError(t, err, "InvalidArgsException", "together")
	_, err = b.ListCertificates(ctx, &acm.ListCertificatesInput{NextToken: aws.String("!")})
	wantError(t, err, "InvalidArgsException", "NextToken")
}

func TestExport(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx := caller(t.Context())
	arn := b.request(t, b.privateInput("client.example.com"))
	export := func(arn, pass string) (*acm.ExportCertificateOutput, error) {
		return b.ExportCertificate(ctx, &acm.ExportCertificateInput{CertificateArn: &arn, Passphrase: []byte(pass)})
	}
	for _, pass := range []string{"abc", strings.Repeat("x", 129), "with#hash", "with$dollar", "with%percent", "ümlaut"} {
		_, err := export(arn, pass)
		wantError(t, err, "ValidationException", "passphrase")
	}
	out, err := export(arn, "abcd")
	if err != nil {
		t.Fatal(err)
	}
	// The three fields are piped one after the other, as in the user guide.
	var kinds []string
	for rest := []byte(*out.Certificate + *out.CertificateChain + *out.PrivateKey); len(rest) > 0; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			t.Fatalf("what is left is no PEM: %q", rest)
		}
		kinds = append(kinds, block.Type)
	}
	if !slices.Equal(kinds, []string{"CERTIFICATE", "CERTIFICATE", "ENCRYPTED PRIVATE KEY"}) {
		t.Errorf("blocks: %v", kinds)
	}
	list, err := b.ListCertificates(ctx, &acm.ListCertificatesInput{Includes: &types.Filters{KeyTypes: []types.KeyAlgorithm{types.KeyAlgorithmEcPrime256v1}}})
	if err != nil || !*list.CertificateSummaryList[0].Exported {
		t.Errorf("Exported is not set (%v)", err)
	}

	name, value := b.validationRecord(testAccount, "api.example.com")
	b.zone.set(name, value)
	kept, open := publicInput("api.example.com"), publicInput("api.example.com")
	open.Options = &types.CertificateOptions{Export: types.CertificateExportEnabled}
	keptARN, openARN := b.request(t, kept), b.request(t, open)
	b.validate(t)
	_, err = export(keptARN, "password")
	wantError(t, err, "ValidationException", "Options.Export=ENABLED")
	if _, err := export(openARN, "password"); err != nil {
		t.Error(err)
	}
}

func TestDeleteRespectsUse(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	arn := b.request(t, b.privateInput("client.example.com"))
	remove := func() error {
		_, err := b.DeleteCertificate(caller(t.Context()), &acm.DeleteCertificateInput{CertificateArn: &arn})
		return err
	}
	b.users[arn] = []string{"arn:aws:apigateway:eu-central-1::/domainnames/api.example.com"}
	wantError(t, remove(), "ResourceInUseException", "domainnames/api.example.com")
	delete(b.users, arn)
	if err := remove(); err != nil {
		t.Fatal(err)
	}
	wantError(t, remove(), "ResourceNotFoundException", arn)
	_, _, err := b.ServerCertificate(t.Context(), arn)
	wantError(t, err, "ResourceNotFoundException", arn)
	_, _, err = b.ServerCertificate(t.Context(), "nonsense")
	wantError(t, err, "InvalidArnException", "nonsense")
}

func TestTags(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx := caller(t.Context())
	in := b.privateInput("client.example.com")
	in.Tags = []types.Tag{{Key: aws.String("Name"), Value: aws.String("ClientOneCert")}}
	arn := b.request(t, in)
	list := func() (got string) {
		out, err := b.ListTagsForCertificate(ctx, &acm.ListTagsForCertificateInput{CertificateArn: &arn})
		if err != nil {
			t.Fatal(err)
		}
		for _, tag := range out.Tags {
			got += *tag.Key + "=" + *tag.Value + " "
		}
		return got
	}
	if _, err := b.AddTagsToCertificate(ctx, &acm.AddTagsToCertificateInput{CertificateArn: &arn, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}, {Key: aws.String("b")}}}); err != nil {
		t.Fatal(err)
	}
	if got := list(); got != "Name=ClientOneCert a=1 b= " {
		t.Errorf("tags: %s", got)
	}
	if _, err := b.RemoveTagsFromCertificate(ctx, &acm.RemoveTagsFromCertificateInput{CertificateArn: &arn, Tags: []types.Tag{{Key: aws.String("Name"), Value: aws.String("other")}, {Key: aws.String("b")}}}); err != nil {
		t.Fatal(err)
	}
	if got := list(); got != "Name=ClientOneCert a=1 " {
		t.Errorf("tags: %s", got)
	}
	var many []types.Tag
	for i := range 49 {
		many = append(many, types.Tag{Key: aws.String(fmt.Sprint(i))})
	}
	_, err := b.AddTagsToCertificate(ctx, &acm.AddTagsToCertificateInput{CertificateArn: &arn, Tags: many})
	wantError(t, err, "TooManyTagsException", "50")
	system := []types.Tag{{Key: aws.String("aws:cloudformation:stack-name"), Value: aws.String("s")}}
	add := &acm.AddTagsToCertificateInput{CertificateArn: &arn, Tags: system}
	_, err = b.AddTagsToCertificate(ctx, add)
	wantError(t, err, "InvalidTagException", "reserved")

	// CloudFormation's tags are shown, do not count, and are CloudFormation's alone.
	if _, err := b.AddTagsToCertificate(call.Through(ctx, call.CloudFormation), add); err != nil {
		t.Fatal(err)
	}
	if _, err := b.AddTagsToCertificate(ctx, &acm.AddTagsToCertificateInput{CertificateArn: &arn, Tags: many[1:]}); err != nil {
		t.Errorf("50 tags beside CloudFormation's: %v", err)
	}
	if got := list(); !strings.Contains(got, "aws:cloudformation:stack-name=s ") {
		t.Errorf("CloudFormation's tag is not shown: %s", got)
	}
	remove := &acm.RemoveTagsFromCertificateInput{CertificateArn: &arn, Tags: system}
	_, err = b.RemoveTagsFromCertificate(ctx, remove)
	wantError(t, err, "InvalidTagException", "reserved")
	if _, err := b.RemoveTagsFromCertificate(call.Through(ctx, call.CloudFormation), remove); err != nil {
		t.Error(err)
	}
}

// listClient lets the SDK's own paginator drive the method.
type listClient struct{ b *bench }

func (c listClient) ListCertificates(ctx context.Context, in *acm.ListCertificatesInput, _ ...func(*acm.Options)) (*acm.ListCertificatesOutput, error) {
	return c.b.ListCertificates(ctx, in)
}

func TestServerCertificateServes(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	name, value := b.validationRecord(testAccount, "api.example.com")
	arn := b.request(t, publicInput("api.example.com"))
	cert, info, err := b.ServerCertificate(t.Context(), arn)
	if err != nil || info.Status != "PENDING_VALIDATION" || cert.Certificate != nil || cert.PrivateKey != nil {
		t.Fatalf("before it is issued: %+v, %v", info, err)
	}
	b.zone.set(name, value)
	b.validate(t)
	cert, info, err = b.ServerCertificate(t.Context(), arn)
	if err != nil {
		t.Fatal(err)
	}
	if info.ARN != arn || info.Type != "AMAZON_ISSUED" || info.Status != "ISSUED" || !slices.Equal(info.Names, []string{"api.example.com"}) || !info.NotAfter.Equal(cert.Leaf.NotAfter) {
		t.Errorf("Info = %+v", info)
	}
	root, err := b.LocalRoot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(root)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		io.WriteString(conn, "hello")
	}()
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", listener.Addr().String(),
		&tls.Config{RootCAs: pool, ServerName: "api.example.com", Time: b.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if text, err := io.ReadAll(conn); err != nil || string(text) != "hello" {
		t.Errorf("read %q, %v", text, err)
	}
	b.clock.Add(199 * 24 * time.Hour)
	if _, info, _ := b.ServerCertificate(t.Context(), arn); info.Status != "EXPIRED" {
		t.Errorf("status = %s after its end", info.Status)
	}
}

func FuzzImport(f *testing.F) {
	b := newBench(f)
	key := ecKey(f)
	cert := selfSigned(f, key, importTemplate(b, "own.example.com"))
	f.Add(cert, pkcs8(f, key), []byte{})
	f.Add(cert, pkcs8(f, key), cert)
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"), []byte("-----BEGIN EC PARAMETERS-----\n-----END EC PARAMETERS-----\n"), []byte("-----BEGIN"))
	f.Fuzz(func(t *testing.T, cert, key, chain []byte) {
		p, err := b.unpack(&acm.ImportCertificateInput{Certificate: cert, PrivateKey: key, CertificateChain: chain})
		if err == nil && (len(p.names) == 0 || !pki.SameKey(p.leaf.PublicKey, p.key.Public())) {
			t.Errorf("took %q", cert)
		}
	})
}

func FuzzCheckDomain(f *testing.F) {
	for _, s := range []string{"example.com", "*.example.com", "xn--bcher-kva.example", "a", "..", "*.", "*.*.a.b", "ab--c.de"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if checkDomain(name) == nil && (!strings.Contains(strings.TrimPrefix(name, "*."), ".") || strings.ContainsAny(name, " _\x00") || len(name) > 253) {
			t.Errorf("took %q", name)
		}
	})
}
