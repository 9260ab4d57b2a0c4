package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"countersign/deploy"
	"countersign/node"
	"countersign/pki"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	acmtypes "github.com/aws/aws-sdk-go-v2/service/acm/types"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	pcatypes "github.com/aws/aws-sdk-go-v2/service/acmpca/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// A demo is the walk through article 1 of the guides: a template of this checkout is deployed as a
// stack, and its API called. Everything goes through the AWS SDK, as for any user of the node.
type demo struct {
	report   *reporter
	data     string // the node's data folder
	files    string // where the client's files go
	cacert   string // the node's local root
	crl      bool   // revocation is shown by an authorizer
	template string // below templates
	folder   *deploy.Folder

	config  aws.Config
	pca     *acmpca.Client
	acm     *acm.Client
	s3      *s3.Client
	route53 *route53.Client

	zoneID      string
	outputs     map[string]string // of the stack
	spareSerial string            // of the certificate that is not revoked
}

// open finds the template in the checkout that the command runs in. A Go toolchain that is
// not there is noticed before anything is made.
func (d *demo) open(ctx context.Context) error {
	tool, err := exec.LookPath("go")
	if err != nil {
		return errors.New("the demonstration compiles Lambda functions and found no go command: install Go from https://go.dev/dl/")
	}
	out, err := exec.CommandContext(ctx, tool, "list", "-f", "{{.Dir}}", "countersign/lambda/echo").Output()
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return errors.New("the templates and the functions' source are not here: run the demonstration in a checkout of Countersign")
	}
	checkout := filepath.Dir(filepath.Dir(strings.TrimSpace(string(out))))
	d.folder, err = deploy.Open(filepath.Join(checkout, "templates", d.template))
	return err
}

func (d *demo) connect(n *node.Node) {
	e := n.Endpoints()
	pair := n.Credentials()
	d.config = awsConfig(e.Endpoint, demoRegion, pair.AccessKeyID, pair.SecretAccessKey, "")
	d.cacert = e.CACert
	d.pca, d.acm, d.route53 = acmpca.NewFromConfig(d.config), acm.NewFromConfig(d.config), route53.NewFromConfig(d.config)
	d.s3 = s3.NewFromConfig(d.config, func(o *s3.Options) { o.UsePathStyle = true })
}

func (d *demo) run(ctx context.Context, n *node.Node) error {
	d.connect(n)
	r := d.report
	if err := r.step("create the hosted zone "+demoZone, func() (string, error) { return d.makeZone(ctx) }); err != nil {
		return err
	}
	if err := d.deploy(ctx); err != nil {
		return err
	}
	calls := "Three calls"
	if d.crl {
		calls = "Calls, and a revocation that the authorizer learns of"
	}
	r.heading(calls)
	var certificate tls.Certificate
	err := r.step("export the client certificate and decrypt its key", func() (made string, err error) {
		certificate, made, err = d.export(ctx, d.outputs["ClientOneCertArn"], "client")
		return made, err
	})
	if err != nil {
		return err
	}
	e := n.Endpoints()
	err = d.calls(ctx, e.Gateway, &certificate, func() error {
		if err := r.step("revoke the client certificate", func() (string, error) { return d.revoke(ctx) }); err != nil || !d.crl {
			return err
		}
		return r.step("wait for the CA's revocation list to name it", func() (string, error) { return d.listed(ctx, certificate.Leaf) })
	})
	if err != nil {
		return err
	}
	r.heading("For your own calls")
	if err := r.step("issue a second client certificate", func() (string, error) { return d.issueSpare(ctx) }); err != nil {
		return err
	}
	d.repeat(e)
	return nil
}

func (d *demo) makeZone(ctx context.Context) (string, error) {
	out, err := d.route53.CreateHostedZone(ctx, &route53.CreateHostedZoneInput{Name: aws.String(demoZone), CallerReference: aws.String("countersign demo")})
	if err != nil {
		return "", err
	}
	d.zoneID = strings.TrimPrefix(*out.HostedZone.Id, "/hostedzone/")
	return *out.HostedZone.Id, nil
}

// deploy brings the template up as a stack, a line for each resource.
func (d *demo) deploy(ctx context.Context) error {
	r := d.report
	r.heading("Deploy templates/" + d.template)
	architecture := "x86_64"
	if runtime.GOARCH == "arm64" {
		architecture = "arm64"
	}
	parameters := map[string]string{"DomainName": demoDomain, "HostedZoneId": d.zoneID, "Architecture": architecture}
	if d.crl {
		parameters["CrlMaxAge"] = "1s"
	}
	var failed error
	line := func(name, made string, took time.Duration) {
		if err := r.done(name, made, took); err != nil {
			failed = err
		}
	}
	out, err := deploy.New(d.folder, d.config, deploy.Options{Stack: demoStack, Parameters: parameters, Report: func(v any) {
		switch v := v.(type) {
		case deploy.Step:
			line(v.Name, v.Detail, v.Took)
		case deploy.Event:
			if v.Done() && !v.Failed() {
				line(v.LogicalID+", "+v.Type, v.PhysicalID, v.Took)
			}
		}
	}}).Run(ctx)
	if err != nil {
		return err
	}
	d.outputs = map[string]string{}
	for _, o := range out.Outputs {
		d.outputs[o.Key] = o.Value
	}
	return failed
}

// issueClient requests a certificate from the subordinate CA and waits for it.
func (d *demo) issueClient(ctx context.Context, name, tag string) (string, error) {
	out, err := d.acm.RequestCertificate(ctx, &acm.RequestCertificateInput{
		CertificateAuthorityArn: aws.String(d.outputs["ClientCAArn"]), DomainName: &name,
		Tags: []acmtypes.Tag{{Key: aws.String("Name"), Value: &tag}},
	})
	if err != nil {
		return "", err
	}
	return *out.CertificateArn, d.issued(ctx, *out.CertificateArn)
}

// issued waits until a certificate is ISSUED.
func (d *demo) issued(ctx context.Context, arn string) error {
	return until(ctx, "certificate "+arn+" is still being issued", func() (bool, error) {
		out, err := d.acm.DescribeCertificate(ctx, &acm.DescribeCertificateInput{CertificateArn: &arn})
		if err != nil {
			return false, err
		}
		switch out.Certificate.Status {
		case acmtypes.CertificateStatusIssued:
			return true, nil
		case acmtypes.CertificateStatusPendingValidation:
			return false, nil
		}
		return false, fmt.Errorf("certificate %s: %s %s", arn, out.Certificate.Status, out.Certificate.FailureReason)
	})
}

// until asks until done, for a minute.
func until(ctx context.Context, what string, ask func() (done bool, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		if done, err := ask(); err != nil || done {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// listed waits until the CA has published a list that names the certificate.
func (d *demo) listed(ctx context.Context, leaf *x509.Certificate) (made string, err error) {
	bucket, ca := d.outputs["CrlBucketName"], d.outputs["ClientCAArn"]
	key := "crl/" + ca[strings.LastIndex(ca, "/")+1:] + ".crl"
	err = until(ctx, "s3://"+bucket+"/"+key+" does not name the certificate yet", func() (bool, error) {
		out, err := d.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
		if err != nil {
			return false, err
		}
		defer out.Body.Close()
		der, err := io.ReadAll(io.LimitReader(out.Body, 1<<20))
		if err != nil {
			return false, err
		}
		list, err := x509.ParseRevocationList(der)
		if err != nil {
			return false, err
		}
		for _, e := range list.RevokedCertificateEntries {
			if e.SerialNumber.Cmp(leaf.SerialNumber) == 0 {
				made = fmt.Sprintf("s3://%s/%s, number %s", bucket, key, list.Number)
				return true, nil
			}
		}
		return false, nil
	})
	if err != nil {
		return "", err
	}
	select { // the authorizer uses the list that it has for CrlMaxAge
	case <-ctx.Done():
		return "", ctx.Err()
	case <-time.After(time.Second):
	}
	return made, nil
}

// export fetches a client's certificate and key as article 1 does, and keeps
// them as files, name.pem and name.key, for the printed commands.
func (d *demo) export(ctx context.Context, arn, name string) (tls.Certificate, string, error) {
	var none tls.Certificate
	passphrase := []byte("demo passphrase")
	out, err := d.acm.ExportCertificate(ctx, &acm.ExportCertificateInput{CertificateArn: &arn, Passphrase: passphrase})
	if err != nil {
		return none, "", err
	}
	sealed, err := decodeKey(*out.PrivateKey)
	if err != nil {
		return none, "", err
	}
	der, err := pki.DecryptPKCS8(sealed, passphrase)
	if err != nil {
		return none, "", err
	}
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	certificate, err := tls.X509KeyPair([]byte(*out.Certificate), key)
	if err != nil {
		return none, "", err
	}
	for file, data := range map[string][]byte{
		name + ".pem": []byte(*out.Certificate), name + ".key": key, "chain.pem": []byte(*out.CertificateChain), "truststore.pem": []byte(*out.CertificateChain),
	} {
		if err := d.save(file, data); err != nil {
			return none, "", err
		}
	}
	return certificate, filepath.Join(d.files, name+".pem"), nil
}

// issueSpare makes a certificate that stays valid, for calls of the user's own.
func (d *demo) issueSpare(ctx context.Context) (string, error) {
	arn, err := d.issueClient(ctx, demoSpare, "ClientTwoCert")
	if err != nil {
		return "", err
	}
	if d.spareSerial, err = d.serial(ctx, arn); err != nil {
		return "", err
	}
	_, made, err := d.export(ctx, arn, "spare")
	return made, err
}

func (d *demo) serial(ctx context.Context, arn string) (string, error) {
	described, err := d.acm.DescribeCertificate(ctx, &acm.DescribeCertificateInput{CertificateArn: &arn})
	if err != nil {
		return "", err
	}
	return aws.ToString(described.Certificate.Serial), nil
}

func (d *demo) revoke(ctx context.Context) (string, error) {
	serial, err := d.serial(ctx, d.outputs["ClientOneCertArn"])
	if err != nil {
		return "", err
	}
	_, err = d.pca.RevokeCertificate(ctx, &acmpca.RevokeCertificateInput{
		CertificateAuthorityArn: aws.String(d.outputs["ClientCAArn"]), CertificateSerial: &serial, RevocationReason: pcatypes.RevocationReasonKeyCompromise,
	})
	return "serial " + serial, err
}
