package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"

	"countersign/pki"
)

const region = "us-east-1"

// A client revokes certificates and calls the gateway with them.
type client struct {
	ctx       context.Context
	pca       *acmpca.Client
	gateway   string
	authority string // ARN
	algorithm types.SigningAlgorithm
	chain     [][]byte
	domain    string
	certs     []tls.Certificate
}

// newClient finds what the demonstration has made.
func newClient(ctx context.Context, n *server) (*client, error) {
	keys := credentials.NewStaticCredentialsProvider(n.KeyID, n.Secret, "")
	c := &client{ctx: ctx, gateway: n.Gateway, pca: acmpca.New(acmpca.Options{Region: region, BaseEndpoint: &n.Endpoint, Credentials: keys})}
	list, err := c.pca.ListCertificateAuthorities(ctx, &acmpca.ListCertificateAuthoritiesInput{})
	if err != nil {
		return nil, err
	}
	for _, a := range list.CertificateAuthorities {
		if a.Type == types.CertificateAuthorityTypeSubordinate {
			c.authority, c.algorithm = *a.Arn, a.CertificateAuthorityConfiguration.SigningAlgorithm
		}
	}
	if c.authority == "" {
		return nil, errors.New("there is no subordinate certificate authority")
	}
	got, err := c.pca.GetCertificateAuthorityCertificate(ctx, &acmpca.GetCertificateAuthorityCertificateInput{CertificateAuthorityArn: &c.authority})
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode([]byte(*got.Certificate))
	c.chain = [][]byte{block.Bytes}
	domains, err := apigatewayv2.New(apigatewayv2.Options{Region: region, BaseEndpoint: &n.Endpoint, Credentials: keys}).GetDomainNames(ctx, &apigatewayv2.GetDomainNamesInput{})
	if err != nil {
		return nil, err
	}
	if len(domains.Items) == 0 {
		return nil, errors.New("there is no domain name")
	}
	c.domain = *domains.Items[0].DomainName
	return c, nil
}

func (c *client) authorityID() string {
	return c.authority[strings.LastIndex(c.authority, "/")+1:]
}

// prepare issues n client certificates.
func (c *client) prepare(n int) error {
	for range n {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "bench"}}, key)
		if err != nil {
			return err
		}
		issued, err := c.pca.IssueCertificate(c.ctx, &acmpca.IssueCertificateInput{CertificateAuthorityArn: &c.authority, Csr: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr}),
			SigningAlgorithm: c.algorithm, TemplateArn: aws.String("arn:aws:acm-pca:::template/EndEntityClientAuthCertificate/V1"),
			Validity: &types.Validity{Type: types.ValidityPeriodTypeDays, Value: aws.Int64(1)}})
		if err != nil {
			return err
		}
		got, err := c.pca.GetCertificate(c.ctx, &acmpca.GetCertificateInput{CertificateAuthorityArn: &c.authority, CertificateArn: issued.CertificateArn})
		if err != nil {
			return err
		}
		block, _ := pem.Decode([]byte(*got.Certificate))
		leaf, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return err
		}
		c.certs = append(c.certs, tls.Certificate{Certificate: append([][]byte{block.Bytes}, c.chain...), PrivateKey: key, Leaf: leaf})
	}
	return nil
}

// call makes a request over a new connection with a certificate, and returns the status.
func (c *client) call(i int) (int, error) {
	// Whether the server is the right one is not what is measured.
	config := &tls.Config{ServerName: c.domain, Certificates: c.certs[i : i+1], InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}
	h := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}, Timeout: 10 * time.Second}
	r, err := http.NewRequestWithContext(c.ctx, http.MethodGet, "https://"+c.gateway+"/", nil)
	if err != nil {
		return 0, err
	}
	r.Host = c.domain
	res, err := h.Do(r)
	if err != nil {
		return 0, err
	}
	res.Body.Close()
	return res.StatusCode, nil
}

// until calls until the answer is as wanted.
func (c *client) until(ctx context.Context, i, want int) error {
	for end := time.Now().Add(5 * time.Minute); time.Now().Before(end); {
		status, err := c.call(i)
		if err != nil || status == want {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if want == 200 {
			time.Sleep(20 * time.Millisecond)
		}
	}
	return fmt.Errorf("the gateway never answered %d", want)
}

// revoke revokes a certificate that the gateway lets in, and returns how long it
// took from then until it was refused.
func (c *client) revoke(ctx context.Context, i int) (time.Duration, error) {
	if err := c.until(ctx, i, 200); err != nil { // the first call waits for the function to start
		return 0, err
	}
	serial := pki.SerialHex(c.certs[i].Leaf.SerialNumber)
	began := time.Now()
	if _, err := c.pca.RevokeCertificate(ctx, &acmpca.RevokeCertificateInput{CertificateAuthorityArn: &c.authority, CertificateSerial: &serial, RevocationReason: types.RevocationReasonSuperseded}); err != nil {
		return 0, err
	}
	if err := c.until(ctx, i, 403); err != nil {
		return 0, err
	}
	return time.Since(began), nil
}
