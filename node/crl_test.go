package node

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// TestCRLOverHTTP is what an operator and a client of the PKI do: a bucket, its
// policy, an authority with CRLs, and the list fetched by the URL in a certificate.
func TestCRLOverHTTP(t *testing.T) {
	t.Parallel()
	n, err := Start(t.Context(), testConfig(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx := context.Background()
	keys := credentials.NewStaticCredentialsProvider(n.Credentials().AccessKeyID, n.Credentials().SecretAccessKey, "")
	endpoint := n.Endpoints().Endpoint
	buckets := s3.New(s3.Options{Region: "eu-west-1", BaseEndpoint: &endpoint, UsePathStyle: true, Credentials: keys})
	r := &ocspRig{t: t, endpoint: endpoint, pca: acmpca.New(acmpca.Options{Region: "eu-west-1", BaseEndpoint: &endpoint, Credentials: keys})}

	bucket := aws.String("crls")
	if _, err := buckets.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket,
		CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: "eu-west-1"}}); err != nil {
		t.Fatal(err)
	}
	create := func(crl *types.CrlConfiguration) error {
		created, err := r.pca.CreateCertificateAuthority(ctx, &acmpca.CreateCertificateAuthorityInput{
			CertificateAuthorityType: types.CertificateAuthorityTypeRoot,
			CertificateAuthorityConfiguration: &types.CertificateAuthorityConfiguration{KeyAlgorithm: types.KeyAlgorithmEcPrime256v1,
				SigningAlgorithm: types.SigningAlgorithmSha256withecdsa, Subject: &types.ASN1Subject{CommonName: aws.String("Root")}},
			RevocationConfiguration: &types.RevocationConfiguration{CrlConfiguration: crl},
		})
		if err == nil {
			r.ca = *created.CertificateAuthorityArn
		}
		return err
	}
	configuration := func(kind types.CrlType) *types.CrlConfiguration {
		return &types.CrlConfiguration{Enabled: aws.Bool(true), S3BucketName: bucket, ExpirationInDays: aws.Int32(7), CrlType: kind}
	}
	if err := create(configuration(types.CrlTypeComplete)); err == nil || !strings.Contains(err.Error(), "InvalidPolicyException") || !strings.Contains(err.Error(), "s3:GetBucketAcl") {
		t.Errorf("without a bucket policy: %v", err)
	}
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"acm-pca.amazonaws.com"},
		"Action":["s3:PutObject","s3:PutObjectAcl","s3:GetBucketAcl","s3:GetBucketLocation"],"Resource":["arn:aws:s3:::crls","arn:aws:s3:::crls/*"],
		"Condition":{"StringEquals":{"aws:SourceAccount":"111122223333"},"ArnLike":{"aws:SourceArn":"arn:aws:acm-pca:eu-west-1:111122223333:certificate-authority/*"}}}]}`
	if _, err := buckets.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: bucket, Policy: &policy}); err != nil {
		t.Fatal(err)
	}
	if err := create(configuration(types.CrlTypeComplete)); err == nil || !strings.Contains(err.Error(), "InvalidArgsException") || !strings.Contains(err.Error(), "does not allow ACLs") {
		t.Errorf("PUBLIC_READ where ACLs are disabled: %v", err)
	}
	if _, err := buckets.PutBucketOwnershipControls(ctx, &s3.PutBucketOwnershipControlsInput{Bucket: bucket, OwnershipControls: &s3types.OwnershipControls{
		Rules: []s3types.OwnershipControlsRule{{ObjectOwnership: s3types.ObjectOwnershipBucketOwnerPreferred}}}}); err != nil {
		t.Fatal(err)
	}
	if err := create(configuration(types.CrlTypeComplete)); err == nil || !strings.Contains(err.Error(), "BlockPublicAcls") {
		t.Errorf("PUBLIC_READ where the public is blocked: %v", err)
	}
	if _, err := buckets.DeletePublicAccessBlock(ctx, &s3.DeletePublicAccessBlockInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}

	for i, kind := range []types.CrlType{types.CrlTypeComplete, types.CrlTypePartitioned, types.CrlTypeComplete, types.CrlTypePartitioned} {
		crl := configuration(kind)
		if i >= 2 { // a name of the operator's own, with a path
			crl.CustomCname, crl.CustomPath = aws.String("CRL.example:8080/lists"), aws.String("of/mine")
		}
		if err := create(crl); err != nil {
			t.Fatal(err)
		}
		csr, err := r.pca.GetCertificateAuthorityCsr(ctx, &acmpca.GetCertificateAuthorityCsrInput{CertificateAuthorityArn: &r.ca})
		if err != nil {
			t.Fatal(err)
		}
		root := r.issue([]byte(*csr.Csr), "RootCACertificate", 3650)
		if _, err := r.pca.ImportCertificateAuthorityCertificate(ctx, &acmpca.ImportCertificateAuthorityCertificateInput{CertificateAuthorityArn: &r.ca,
			Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw})}); err != nil {
			t.Fatal(err)
		}
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{"client.example"}}, key)
		if err != nil {
			t.Fatal(err)
		}
		request := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
		good, bad := r.issue(request, "EndEntityCertificate", 30), r.issue(request, "EndEntityCertificate", 30)
		serial := bad.SerialNumber.Text(16)
		if _, err := r.pca.RevokeCertificate(ctx, &acmpca.RevokeCertificateInput{CertificateAuthorityArn: &r.ca, CertificateSerial: &serial, RevocationReason: types.RevocationReasonKeyCompromise}); err != nil {
			t.Fatal(err)
		}
		// Within five seconds the list says so, to anybody.
		fetch := func(c *x509.Certificate) *x509.RevocationList {
			u, err := url.Parse(c.CRLDistributionPoints[0])
			if err != nil {
				t.Fatal(err)
			}
			response, body := r.send("GET", u.Host, u.Path, nil)
			if response.StatusCode != http.StatusOK {
				return nil
			}
			list, err := x509.ParseRevocationList(body)
			if err != nil {
				t.Fatal(err)
			}
			return list
		}
		lists := map[*x509.Certificate]*x509.RevocationList{}
		for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
			lists[good], lists[bad] = fetch(good), fetch(bad)
			if lists[good] != nil && lists[bad] != nil && len(lists[bad].RevokedCertificateEntries) == 1 {
				break
			}
			if time.Since(began) > 5*time.Second {
				t.Fatalf("%s: after five seconds the revocation is on no list: %v", kind, lists)
			}
		}
		if openssl, err := exec.LookPath("openssl"); err == nil {
			dir := t.TempDir()
			write := func(name, kind string, der []byte) string {
				path := filepath.Join(dir, name)
				if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
					t.Fatal(err)
				}
				return path
			}
			for c, list := range lists {
				out, err := exec.Command(openssl, "verify", "-extended_crl", "-crl_check", "-CAfile", write("root", "CERTIFICATE", root.Raw),
					"-CRLfile", write("list", "X509 CRL", list.Raw), write("leaf", "CERTIFICATE", c.Raw)).CombinedOutput()
				if c == good && err != nil || c == bad && !strings.Contains(string(out), "certificate revoked") {
					t.Errorf("%s: openssl says %v:\n%s", kind, err, out)
				}
			}
		}
	}

	// Under the operator's own name there is nothing but lists, and no way around the bucket.
	for _, path := range []string{"/lists/of/mine/other.crl", "/crls/of/mine/other.crl", "/lists/of/mine/"} {
		if response, _ := r.send("GET", "crl.example", path, nil); response.StatusCode != http.StatusForbidden && response.StatusCode != http.StatusNotFound {
			t.Errorf("GET %s: %d", path, response.StatusCode)
		}
	}

	// A bucket that refuses is seen, and issuing goes on.
	if _, err := buckets.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{"client.example"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	late := r.issue(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), "EndEntityCertificate", 30)
	serial := late.SerialNumber.Text(16)
	if _, err := r.pca.RevokeCertificate(ctx, &acmpca.RevokeCertificateInput{CertificateAuthorityArn: &r.ca, CertificateSerial: &serial, RevocationReason: types.RevocationReasonSuperseded}); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		lists, err := n.authority.CRLs(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if len(lists) > 0 && strings.Contains(lists[0].Failure, "s3:GetBucketAcl") && lists[0].Authority == r.ca {
			break
		}
		if time.Since(began) > 5*time.Second {
			t.Fatalf("after five seconds no list has failed: %+v", lists)
		}
	}
	shown := scrape(t, n)
	for name, want := range map[string]float64{`crl_writes_total{result="failed"}`: 1, `crl_writes_total{result="written"}`: 4, `certificates_issued_total`: 13, `certificates_revoked_total`: 5} {
		if shown[name] < want {
			t.Errorf("the metric %s is %v, want at least %v", name, shown[name], want)
		}
	}
}
