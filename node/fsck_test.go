package node

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/call"
	"countersign/keys"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	acmtypes "github.com/aws/aws-sdk-go-v2/service/acm/types"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	pcatypes "github.com/aws/aws-sdk-go-v2/service/acmpca/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// A populated folder is one of a stopped node that did a bit of everything.
type populated struct {
	dir                string
	root, sub          string // ARNs
	leaf, second, ours string // serials, 32 digits: of the sub's leaves, and of the sub's own certificate
}

func testConfig(dir string) Config {
	return Config{Data: dir, Listen: "127.0.0.1:0", GatewayListen: "127.0.0.1:0", DNSListen: "127.0.0.1:0", Account: "111122223333", Now: time.Now, Rand: rand.Reader}
}

// testCall is a context in which the root user calls.
func testCall(t *testing.T) context.Context {
	t.Helper()
	const account = "111122223333"
	return call.With(t.Context(), call.Call{Account: account, Region: "eu-west-1", Principal: call.Principal{Account: account, ARN: "arn:aws:iam::" + account + ":root", ID: account}})
}

func populate(t *testing.T) populated {
	t.Helper()
	p := populated{dir: filepath.Join(t.TempDir(), "data")}
	n, err := Start(t.Context(), testConfig(p.dir))
	if err != nil {
		t.Fatal(err)
	}
	closed := false
	defer func() {
		if !closed {
			n.Close()
		}
	}()
	ctx := testCall(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	create := func(kind pcatypes.CertificateAuthorityType, name string) (arn string, csr []byte) {
		made, err := n.authority.CreateCertificateAuthority(ctx, &acmpca.CreateCertificateAuthorityInput{CertificateAuthorityType: kind,
			CertificateAuthorityConfiguration: &pcatypes.CertificateAuthorityConfiguration{KeyAlgorithm: pcatypes.KeyAlgorithmEcPrime256v1,
				SigningAlgorithm: pcatypes.SigningAlgorithmSha256withecdsa, Subject: &pcatypes.ASN1Subject{CommonName: &name}}})
		must(err)
		out, err := n.authority.GetCertificateAuthorityCsr(ctx, &acmpca.GetCertificateAuthorityCsrInput{CertificateAuthorityArn: made.CertificateAuthorityArn})
		must(err)
		return *made.CertificateAuthorityArn, []byte(*out.Csr)
	}
	issue := func(from string, csr []byte, template string, days int64, token *string) (serial string, out *acmpca.GetCertificateOutput) {
		issued, err := n.authority.IssueCertificate(ctx, &acmpca.IssueCertificateInput{CertificateAuthorityArn: &from, Csr: csr, SigningAlgorithm: pcatypes.SigningAlgorithmSha256withecdsa,
			TemplateArn: aws.String("arn:aws:acm-pca:::template/" + template + "/V1"), Validity: &pcatypes.Validity{Type: pcatypes.ValidityPeriodTypeDays, Value: &days}, IdempotencyToken: token})
		must(err)
		out, err = n.authority.GetCertificate(ctx, &acmpca.GetCertificateInput{CertificateAuthorityArn: &from, CertificateArn: issued.CertificateArn})
		must(err)
		return (*issued.CertificateArn)[len(*issued.CertificateArn)-32:], out
	}
	install := func(arn string, out *acmpca.GetCertificateOutput) {
		in := &acmpca.ImportCertificateAuthorityCertificateInput{CertificateAuthorityArn: &arn, Certificate: []byte(*out.Certificate)}
		if out.CertificateChain != nil {
			in.CertificateChain = []byte(*out.CertificateChain)
		}
		_, err := n.authority.ImportCertificateAuthorityCertificate(ctx, in)
		must(err)
	}
	_, err = n.secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("secret"), SecretString: aws.String("x"), ClientRequestToken: aws.String("6f1d2c3b-0000-4000-8000-000000000001")})
	must(err)
	bucket := aws.String("bucket")
	_, err = n.objects.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: "eu-west-1"}})
	must(err)
	_, err = n.objects.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: bucket, Policy: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
		"Principal":{"Service":"acm-pca.amazonaws.com"},"Action":["s3:PutObject","s3:PutObjectAcl","s3:GetBucketAcl","s3:GetBucketLocation"],"Resource":["arn:aws:s3:::bucket","arn:aws:s3:::bucket/*"]}]}`)})
	must(err)
	var csr []byte
	p.root, csr = create(pcatypes.CertificateAuthorityTypeRoot, "Root")
	_, out := issue(p.root, csr, "RootCACertificate", 3650, nil)
	install(p.root, out)
	p.sub, csr = create(pcatypes.CertificateAuthorityTypeSubordinate, "Sub")
	p.ours, out = issue(p.root, csr, "SubordinateCACertificate_PathLen0", 1000, nil)
	install(p.sub, out)
	_, err = n.authority.UpdateCertificateAuthority(ctx, &acmpca.UpdateCertificateAuthorityInput{CertificateAuthorityArn: &p.sub, RevocationConfiguration: &pcatypes.RevocationConfiguration{
		CrlConfiguration: &pcatypes.CrlConfiguration{Enabled: aws.Bool(true), S3BucketName: bucket, ExpirationInDays: aws.Int32(7), S3ObjectAcl: pcatypes.S3ObjectAclBucketOwnerFullControl}}})
	must(err)
	key, err := keys.Generate(keys.P256, rand.Reader)
	must(err)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "leaf"}}, key)
	must(err)
	csr = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
	p.leaf, _ = issue(p.sub, csr, "EndEntityCertificate", 30, aws.String("token"))
	p.second, _ = issue(p.sub, csr, "EndEntityCertificate", 30, nil)
	_, err = n.authority.RevokeCertificate(ctx, &acmpca.RevokeCertificateInput{CertificateAuthorityArn: &p.sub, CertificateSerial: &p.second, RevocationReason: pcatypes.RevocationReasonSuperseded})
	must(err)
	_, err = n.certificates.RequestCertificate(ctx, &acm.RequestCertificateInput{CertificateAuthorityArn: &p.sub, DomainName: aws.String("api.example.test"), KeyAlgorithm: acmtypes.KeyAlgorithmEcPrime256v1})
	must(err)

	for name, size := range map[string]int{"small": 100, "large": 3 << 20} {
		_, err = n.objects.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: &name, Body: bytes.NewReader(bytes.Repeat([]byte("0123456789"), size/10)), ContentLength: aws.Int64(int64(size / 10 * 10))})
		must(err)
	}
	upload, err := n.objects.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: bucket, Key: aws.String("parts")})
	must(err)
	part, err := n.objects.UploadPart(ctx, &s3.UploadPartInput{Bucket: bucket, Key: upload.Key, UploadId: upload.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader("a part"), ContentLength: aws.Int64(6)})
	must(err)
	_, err = n.objects.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: bucket, Key: upload.Key, UploadId: upload.UploadId,
		MultipartUpload: &s3types.CompletedMultipartUpload{Parts: []s3types.CompletedPart{{PartNumber: aws.Int32(1), ETag: part.ETag}}}})
	must(err)
	var packed bytes.Buffer
	w := zip.NewWriter(&packed)
	f, err := w.Create("bootstrap")
	must(err)
	_, err = f.Write([]byte("#!/bin/sh\n"))
	must(err)
	must(w.Close())
	role, err := n.identity.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("echo"), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}}`)})
	must(err)
	policy, err := n.identity.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("mine"), PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`)})
	must(err)
	_, err = n.identity.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: aws.String("echo"), PolicyArn: policy.Policy.Arn})
	must(err)
	_, err = n.functions.CreateFunction(ctx, &lambda.CreateFunctionInput{FunctionName: aws.String("echo"), Role: role.Role.Arn,
		Runtime: lambdatypes.RuntimeProvidedal2023, Handler: aws.String("bootstrap"), Code: &lambdatypes.FunctionCode{ZipFile: packed.Bytes()}})
	must(err)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		lists, err := n.authority.CRLs(ctx)
		must(err)
		if len(lists) == 1 && lists[0].Entries == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("no CRL with the revocation: %+v", lists)
		}
	}
	closed = true
	must(n.Close())
	return p
}

// check runs Check on a folder and joins what it names.
func check(t *testing.T, dir string) (Checked, string) {
	t.Helper()
	var found []string
	done, err := Check(t.Context(), testConfig(dir), func(f Finding) { found = append(found, f.Resource+": "+f.Problem) })
	if err != nil {
		t.Fatal(err)
	}
	if done.Findings != len(found) {
		t.Errorf("%d findings counted, %d reported", done.Findings, len(found))
	}
	return done, strings.Join(found, "\n")
}

// damage changes a folder's database behind everybody's back.
func damage(t *testing.T, dir string, statement string, args ...any) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "countersign.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	result, err := db.Exec(statement, args...)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		t.Fatalf("%s changed nothing (%v)", statement, err)
	}
}

func TestCheckNamesDamage(t *testing.T) {
	t.Parallel()
	p := populate(t)
	done, found := check(t, p.dir)
	if found != "" {
		t.Fatalf("an undamaged folder: %s", found)
	}
	if done.Ledger.Authorities != 2 || done.Ledger.Certificates < 6 || done.Inventory != 1 || done.Objects.Versions != 4 || done.CRLs != 1 || done.Objects.Bytes < 3<<20 || done.Packages != 1 || done.Secrets != 1 {
		t.Errorf("looked at too little: %+v", done)
	}

	sub := p.sub[len(p.sub)-36:]
	root := p.root[len(p.root)-36:]
	forged := forge(t, p)
	for _, c := range []struct {
		name, statement string
		args            []any
		want            string // a part of what is named; empty: nothing is
	}{
		{"signature not recorded", `UPDATE ledger SET signature = NULL WHERE authority = ? AND hex(serial) = upper(?)`, []any{sub, p.leaf}, ""},
		{"signature of others", `UPDATE ledger SET signature = (SELECT signature FROM ledger WHERE hex(serial) = upper(?)) WHERE hex(serial) = upper(?)`, []any{p.second, p.leaf},
			p.leaf + ": its signature is not of the authority's key"},
		{"signed by something else", `UPDATE ledger SET signature = ? WHERE hex(serial) = upper(?)`, []any{forged, p.leaf},
			p.leaf + ": its signature verifies, but is not the one"},
		{"bytes cut", `UPDATE ledger SET tbs = substr(tbs, 1, 40) WHERE hex(serial) = upper(?)`, []any{p.leaf}, p.leaf + ": its to-be-signed bytes are damaged"},
		{"bytes of another", `UPDATE ledger SET tbs = (SELECT tbs FROM ledger WHERE hex(serial) = upper(?)), signature = NULL WHERE hex(serial) = upper(?)`, []any{p.second, p.leaf},
			p.leaf + ": its serial number is "},
		{"end moved", `UPDATE ledger SET not_after = not_after + 1000000 WHERE hex(serial) = upper(?)`, []any{p.leaf}, p.leaf + ": its end is "},
		{"subject changed", `UPDATE ledger SET subject = 'CN=other' WHERE hex(serial) = upper(?)`, []any{p.leaf}, "its subject is CN=leaf in the certificate and CN=other in the ledger"},
		{"template changed", `UPDATE ledger SET template = replace(template, 'EndEntityCertificate', 'SubordinateCACertificate_PathLen0') WHERE hex(serial) = upper(?)`, []any{p.leaf},
			"does not make such a certificate: CA is false"},
		{"reason changed", `UPDATE ledger SET reason = 7 WHERE hex(serial) = upper(?)`, []any{p.second}, "its reason for revocation is 7"},
		{"row of a CA lost", `DELETE FROM ledger WHERE hex(serial) = upper(?)`, []any{p.ours}, p.sub + ": its certificate "},
		{"row of a token lost", `DELETE FROM ledger WHERE hex(serial) = upper(?)`, []any{p.leaf}, p.leaf + ": it was answered to a request, but the ledger does not have it"},
		{"rows of nobody", `UPDATE ledger SET authority = 'nobody' WHERE hex(serial) = upper(?)`, []any{p.leaf}, "ledger of authority nobody: there is no such authority"},
		{"rows of ACM lost", `DELETE FROM ledger WHERE authority = ? AND subject = 'CN=api.example.test'`, []any{sub}, "arn:aws:acm:eu-west-1:111122223333:certificate/"},
		{"issuer lost", `DELETE FROM records WHERE kind = 'acm-pca/issuer' AND key = CAST(? AS BLOB)`, []any{root}, p.root + ": its public key is not recorded"},
		{"keys swapped", `UPDATE records SET value = CAST(json_set(value, '$.Key', (SELECT json_extract(value, '$.Key') FROM records WHERE kind = 'acm-pca/authority' AND json_extract(value, '$.ID') = ?)) AS BLOB)
			WHERE kind = 'acm-pca/authority' AND json_extract(value, '$.ID') = ?`, []any{root, sub}, p.sub + ": its private key does not open"},
		{"certificates swapped", `UPDATE records SET value = CAST(json_set(value, '$.Certificate', (SELECT json_extract(value, '$.Certificate') FROM records WHERE kind = 'acm-pca/authority' AND json_extract(value, '$.ID') = ?)) AS BLOB)
			WHERE kind = 'acm-pca/authority' AND json_extract(value, '$.ID') = ?`, []any{root, sub}, p.sub + ": its certificate is for another key"},
		{"certificate lost", `UPDATE records SET value = CAST(json_remove(value, '$.Certificate') AS BLOB) WHERE kind = 'acm-pca/authority' AND json_extract(value, '$.ID') = ?`, []any{sub}, p.sub + ": it is ACTIVE, but has no certificate"},
		{"record is not JSON", `UPDATE records SET value = x'7b' WHERE kind = 'acm-pca/authority' AND json_extract(value, '$.ID') = ?`, []any{sub}, "record acm-pca/authority "},
		{"bytes of a large object", `UPDATE chunks SET data = zeroblob(length(data)) WHERE (blob, n) = (SELECT blob, n FROM chunks ORDER BY length(data) DESC LIMIT 1)`, nil, "s3://bucket/large version null: its bytes have the ETag"},
		{"chunk lost", `DELETE FROM chunks WHERE (blob, n) = (SELECT blob, n FROM chunks ORDER BY length(data) DESC LIMIT 1)`, nil, "s3://bucket/large version null: "},
		{"bytes of a small object", `UPDATE records SET value = zeroblob(length(value)) WHERE kind = 's3/inline' AND instr(key, CAST('small' AS BLOB)) > 0`, nil, "s3://bucket/small version null: its bytes have the ETag"},
		{"small object lost", `DELETE FROM records WHERE kind = 's3/inline'`, nil, "s3://bucket/small version null: its bytes are not in the store"},
		{"manifest lost", `DELETE FROM records WHERE kind = 's3/manifest'`, nil, "s3://bucket/parts version null: its bytes are not in the store"},
		{"CRL of before", `UPDATE records SET value = CAST(json_set(value, '$.Number', json_extract(value, '$.Number') + 1) AS BLOB) WHERE kind = 'acm-pca/crl'`, nil, "; the list written last has "},
		{"CRL lost", `DELETE FROM records WHERE kind IN ('s3/version', 's3/head', 's3/inline') AND instr(key, CAST('.crl' AS BLOB)) > 0`, nil, ": it cannot be read: "},
		{"revoked behind the CRL", `UPDATE ledger SET revoked_revision = 1, revoked_at = issued_at - 3600000000, reason = 1 WHERE hex(serial) = upper(?)`, []any{p.leaf}, ": it does not revoke "},
		{"not revoked any more", `UPDATE ledger SET revoked_revision = NULL, revoked_at = NULL, reason = 0 WHERE hex(serial) = upper(?)`, []any{p.second}, ": it revokes 1 certificates that the ledger does not have revoked"},
		{"revoked for another reason", `UPDATE ledger SET reason = 1 WHERE hex(serial) = upper(?)`, []any{p.second}, "with reason 4, the ledger at "},
		{"versions lost", `DELETE FROM records WHERE kind = 's3/version' AND json_extract(value, '$.Key') = 'large'`, nil, "are kept, but nothing refers to them"},
		{"head lost", `DELETE FROM records WHERE kind = 's3/head' AND json_extract(value, '$.Current.Key') = 'small'`, nil, "its key has no head"},
		{"bucket lost", `DELETE FROM records WHERE kind = 's3/bucket'`, nil, "there is no bucket bucket"},
		{"policy lost", `DELETE FROM records WHERE kind = 'iam/policy'`, nil, "arn:aws:iam::111122223333:policy/mine: roles have this policy, but it is not there"},
		{"role lost", `DELETE FROM records WHERE kind = 'iam/role'`, nil, "arn:aws:iam::111122223333:policy/mine: it is counted in 1 roles and as the boundary of 0; it is in 0"},
		{"trust policy changed", `UPDATE records SET value = CAST(json_set(value, '$.Trust', '{}') AS BLOB) WHERE kind = 'iam/role'`, nil, "arn:aws:iam::111122223333:role/echo: its trust policy cannot be read"},
		{"version lost", `UPDATE records SET value = CAST(json_set(value, '$.Default', 'v7') AS BLOB) WHERE kind = 'iam/policy'`, nil, "policy/mine: its default version v7 is not there"},
		{"package lost", `DELETE FROM blobs WHERE id = (SELECT json_extract(value, '$.Latest.Code.Blob') FROM records WHERE kind = 'lambda/function')`, nil, "function:echo:$LATEST: its package is not in the store"},
		{"package changed", `UPDATE chunks SET data = zeroblob(length(data)) WHERE blob = (SELECT json_extract(value, '$.Latest.Code.Blob') FROM records WHERE kind = 'lambda/function')`, nil,
			"its package is not the one that was uploaded"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "data")
			if err := os.CopyFS(dir, os.DirFS(p.dir)); err != nil {
				t.Fatal(err)
			}
			damage(t, dir, c.statement, c.args...)
			done, found := check(t, dir)
			if c.want == "" && (found != "" || done.Ledger.Unsigned == 0) || !strings.Contains(found, c.want) {
				t.Errorf("found %q, want it to name %q (%+v)", found, c.want, done)
			}
		})
	}
}

// forge signs the leaf's bytes once more with the authority's key, but with
// randomness: a signature that verifies and that this program never makes.
func forge(t *testing.T, p populated) []byte {
	t.Helper()
	s, err := openStopped(t.Context(), testConfig(p.dir))
	if err != nil {
		t.Fatal(err)
	}
	defer s.store.Close()
	got, err := s.store.Get(t.Context(), "acm-pca/authority", "111122223333/eu-west-1/"+p.sub[len(p.sub)-36:])
	if err != nil {
		t.Fatal(err)
	}
	var r struct{ Key []byte }
	if err := json.Unmarshal(got.Value, &r); err != nil {
		t.Fatal(err)
	}
	key, err := s.sealer.OpenKey(r.Key, p.sub)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := s.store.Certificates(t.Context(), p.sub[len(p.sub)-36:], 0, 1)
	if err != nil || len(rows) == 0 {
		t.Fatal(rows, err)
	}
	sum := sha256.Sum256(rows[0].TBS)
	signature, err := ecdsa.SignASN1(rand.Reader, key.(*ecdsa.PrivateKey), sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

func TestCheckRefusesWhatItCannotJudge(t *testing.T) {
	t.Parallel()
	none := filepath.Join(t.TempDir(), "none")
	if _, err := Check(t.Context(), testConfig(none), nil); err == nil || !strings.Contains(err.Error(), "holds no node") {
		t.Errorf("no folder: %v", err)
	}
	if _, err := os.Stat(none); err == nil {
		t.Error("the folder was made")
	}
	dir := filepath.Join(t.TempDir(), "data")
	n, err := Start(t.Context(), testConfig(dir))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Check(t.Context(), testConfig(dir), nil); err == nil || !strings.Contains(err.Error(), "stop it first") {
		t.Errorf("a running node: %v", err)
	}
	n.Close() // whatever it says of servers that had no time to start
	other := testConfig(dir)
	other.MasterKey = []byte("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
	if _, err := Check(t.Context(), other, nil); err == nil || !strings.Contains(err.Error(), "another master key") {
		t.Errorf("another master key: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, masterFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := Check(t.Context(), testConfig(dir), nil); err == nil || !strings.Contains(err.Error(), "is missing") {
		t.Errorf("no master key: %v", err)
	}
}
