package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"countersign/node"
	"countersign/pki"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	acmtypes "github.com/aws/aws-sdk-go-v2/service/acm/types"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	pcatypes "github.com/aws/aws-sdk-go-v2/service/acmpca/types"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	gwtypes "github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53types "github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// A demo is the walk through article 1 of the guides: everything is made through
// the AWS SDK, as any user of the node would.
type demo struct {
	report *reporter
	data   string // the node's data folder
	files  string // where the client's files go
	cacert string // the node's local root

	function []byte // the Lambda package, a zip
	bucket   string

	pca     *acmpca.Client
	acm     *acm.Client
	s3      *s3.Client
	route53 *route53.Client
	iam     *iam.Client
	lambda  *lambda.Client
	gateway *apigatewayv2.Client

	rootARN, rootPEM string
	subARN, subPEM   string
	clientARN        string
	spareSerial      string // of the certificate that is not revoked
	serverARN        string
	functionARN      string
	zoneID           string
	apiID            string
	domainTarget     string // name and zone of the gateway's side of the domain
	domainZone       string
}

// echoPackage is the function's source.
const echoPackage = "countersign/lambda/echo"

// build compiles lambda/echo of this checkout into a Lambda package.
func (d *demo) build(ctx context.Context) error {
	return d.report.step("compile the Lambda function lambda/echo", func() (string, error) {
		goTool, err := exec.LookPath("go")
		if err != nil {
			return "", errors.New("the demonstration compiles its Lambda function and found no go command: install Go from https://go.dev/dl/")
		}
		dir, err := os.MkdirTemp("", "countersign-echo-")
		if err != nil {
			return "", err
		}
		defer os.RemoveAll(dir)
		bootstrap := filepath.Join(dir, "bootstrap")
		cmd := exec.CommandContext(ctx, goTool, "build", "-trimpath", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", bootstrap, echoPackage)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+runtime.GOARCH)
		// On an interruption the go command removes its own temporary files, given the time.
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
		cmd.WaitDelay = 5 * time.Second
		if out, err := cmd.CombinedOutput(); err != nil {
			if list := exec.CommandContext(ctx, goTool, "list", echoPackage); list.Run() != nil {
				return "", errors.New("its source is not here: run the demonstration in a checkout of Countersign")
			}
			return "", fmt.Errorf("%w\n%s", err, out)
		}
		binary, err := os.ReadFile(bootstrap)
		if err != nil {
			return "", err
		}
		var packed bytes.Buffer
		w := zip.NewWriter(&packed)
		header := &zip.FileHeader{Name: "bootstrap", Method: zip.Deflate}
		header.SetMode(0o755)
		f, err := w.CreateHeader(header)
		if err != nil {
			return "", err
		}
		if _, err := f.Write(binary); err != nil {
			return "", err
		}
		if err := w.Close(); err != nil {
			return "", err
		}
		d.function = packed.Bytes()
		return fmt.Sprintf("%.1f MB packed", float64(packed.Len())/1e6), nil
	})
}

func (d *demo) connect(n *node.Node) {
	e := n.Endpoints()
	pair := n.Credentials()
	config := awsConfig(e.Endpoint, demoRegion, pair.AccessKeyID, pair.SecretAccessKey, "")
	d.cacert = e.CACert
	d.pca, d.acm, d.route53 = acmpca.NewFromConfig(config), acm.NewFromConfig(config), route53.NewFromConfig(config)
	d.iam, d.lambda, d.gateway = iam.NewFromConfig(config), lambda.NewFromConfig(config), apigatewayv2.NewFromConfig(config)
	d.s3 = s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = true })
}

func (d *demo) run(ctx context.Context, n *node.Node) error {
	d.connect(n)
	r := d.report
	type step struct {
		name string
		do   func(context.Context) (string, error)
	}
	for _, part := range []struct {
		heading string
		steps   []step
	}{
		{"Private certificate authorities", []step{
			{"create and activate the root CA", d.makeRoot},
			{"create and activate the subordinate CA", d.makeSubordinate},
			{"issue the client certificate", d.requestClient},
		}},
		{"Trust store", []step{
			{"put the CA certificates into a versioned bucket", d.putTrustStore},
		}},
		{"HTTP API on its own domain", []step{
			{"create the hosted zone", d.makeZone},
			{"request the server certificate, validated by DNS", d.requestServer},
			{"create the Lambda function", d.makeFunction},
			{"create the HTTP API", d.makeAPI},
			{"create the domain name with mutual TLS", d.makeDomain},
			{"point the domain at the gateway", d.pointDomain},
		}},
	} {
		r.heading(part.heading)
		for _, s := range part.steps {
			if err := r.step(s.name, func() (string, error) { return s.do(ctx) }); err != nil {
				return err
			}
		}
	}

	r.heading("Three calls")
	var certificate tls.Certificate
	err := r.step("export the client certificate and decrypt its key", func() (made string, err error) {
		certificate, made, err = d.export(ctx, d.clientARN, "client")
		return made, err
	})
	if err != nil {
		return err
	}
	e := n.Endpoints()
	err = d.calls(ctx, e.Gateway, &certificate, func() error {
		return r.step("revoke the client certificate", func() (string, error) { return d.revoke(ctx) })
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

func authorityInput(kind pcatypes.CertificateAuthorityType, name string) *acmpca.CreateCertificateAuthorityInput {
	return &acmpca.CreateCertificateAuthorityInput{
		CertificateAuthorityType: kind,
		CertificateAuthorityConfiguration: &pcatypes.CertificateAuthorityConfiguration{
			KeyAlgorithm: pcatypes.KeyAlgorithmRsa2048, SigningAlgorithm: pcatypes.SigningAlgorithmSha256withrsa,
			Subject: &pcatypes.ASN1Subject{CommonName: &name, Organization: aws.String("Countersign demonstration")},
		},
	}
}

// makeAuthority creates an authority, has issuer sign its CSR by a template
// (itself, for a root), and installs the certificate.
func (d *demo) makeAuthority(ctx context.Context, in *acmpca.CreateCertificateAuthorityInput, issuer, template string, years int64, chain []byte) (arn, certificate string, err error) {
	created, err := d.pca.CreateCertificateAuthority(ctx, in)
	if err != nil {
		return "", "", err
	}
	arn = *created.CertificateAuthorityArn
	if issuer == "" {
		issuer = arn
	}
	csr, err := acmpca.NewCertificateAuthorityCSRCreatedWaiter(d.pca, func(o *acmpca.CertificateAuthorityCSRCreatedWaiterOptions) {
		o.MinDelay, o.MaxDelay = 20*time.Millisecond, time.Second
	}).WaitForOutput(ctx, &acmpca.GetCertificateAuthorityCsrInput{CertificateAuthorityArn: &arn}, time.Minute)
	if err != nil {
		return "", "", err
	}
	issued, err := d.pca.IssueCertificate(ctx, &acmpca.IssueCertificateInput{
		CertificateAuthorityArn: &issuer, Csr: []byte(*csr.Csr), SigningAlgorithm: pcatypes.SigningAlgorithmSha256withrsa,
		TemplateArn: aws.String("arn:aws:acm-pca:::template/" + template + "/V1"),
		Validity:    &pcatypes.Validity{Type: pcatypes.ValidityPeriodTypeYears, Value: &years},
	})
	if err != nil {
		return "", "", err
	}
	got, err := d.getCertificate(ctx, issuer, *issued.CertificateArn)
	if err != nil {
		return "", "", err
	}
	_, err = d.pca.ImportCertificateAuthorityCertificate(ctx, &acmpca.ImportCertificateAuthorityCertificateInput{
		CertificateAuthorityArn: &arn, Certificate: []byte(*got.Certificate), CertificateChain: chain,
	})
	return arn, *got.Certificate, err
}

func (d *demo) getCertificate(ctx context.Context, authority, certificate string) (*acmpca.GetCertificateOutput, error) {
	return acmpca.NewCertificateIssuedWaiter(d.pca, func(o *acmpca.CertificateIssuedWaiterOptions) {
		o.MinDelay, o.MaxDelay = 20*time.Millisecond, time.Second
	}).WaitForOutput(ctx, &acmpca.GetCertificateInput{CertificateAuthorityArn: &authority, CertificateArn: &certificate}, time.Minute)
}

func (d *demo) makeRoot(ctx context.Context) (made string, err error) {
	d.rootARN, d.rootPEM, err = d.makeAuthority(ctx, authorityInput(pcatypes.CertificateAuthorityTypeRoot, "demo-rootca"), "", "RootCACertificate", 10, nil)
	return d.rootARN, err
}

func (d *demo) makeSubordinate(ctx context.Context) (made string, err error) {
	d.subARN, d.subPEM, err = d.makeAuthority(ctx, authorityInput(pcatypes.CertificateAuthorityTypeSubordinate, "demo-mtlsca"), d.rootARN, "SubordinateCACertificate_PathLen3", 3, []byte(d.rootPEM))
	return d.subARN, err
}

func (d *demo) requestClient(ctx context.Context) (made string, err error) {
	d.clientARN, err = d.issueClient(ctx, demoClient, "ClientOneCert")
	return d.clientARN, err
}

// issueClient requests a certificate from the subordinate CA and waits for it.
func (d *demo) issueClient(ctx context.Context, name, tag string) (string, error) {
	out, err := d.acm.RequestCertificate(ctx, &acm.RequestCertificateInput{
		CertificateAuthorityArn: &d.subARN, DomainName: &name,
		Tags: []acmtypes.Tag{{Key: aws.String("Name"), Value: &tag}},
	})
	if err != nil {
		return "", err
	}
	return *out.CertificateArn, d.issued(ctx, *out.CertificateArn)
}

// issued waits until a certificate is ISSUED.
func (d *demo) issued(ctx context.Context, arn string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		out, err := d.acm.DescribeCertificate(ctx, &acm.DescribeCertificateInput{CertificateArn: &arn})
		if err != nil {
			return err
		}
		switch out.Certificate.Status {
		case acmtypes.CertificateStatusIssued:
			return nil
		case acmtypes.CertificateStatusPendingValidation:
		default:
			return fmt.Errorf("certificate %s: %s %s", arn, out.Certificate.Status, out.Certificate.FailureReason)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("certificate %s is still being validated: %w", arn, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (d *demo) putTrustStore(ctx context.Context) (string, error) {
	d.bucket = "countersign-demo-truststore"
	if _, err := d.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &d.bucket}); err != nil {
		return "", err
	}
	_, err := d.s3.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
		Bucket: &d.bucket, VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled},
	})
	if err != nil {
		return "", err
	}
	out, err := d.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: &d.bucket, Key: aws.String("truststore.pem"), Body: bytes.NewReader(pemBlocks(d.subPEM, d.rootPEM))})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("s3://%s/truststore.pem version %s", d.bucket, aws.ToString(out.VersionId)), nil
}

func (d *demo) makeZone(ctx context.Context) (string, error) {
	out, err := d.route53.CreateHostedZone(ctx, &route53.CreateHostedZoneInput{Name: aws.String(demoZone), CallerReference: aws.String("countersign demo")})
	if err != nil {
		return "", err
	}
	d.zoneID = strings.TrimPrefix(*out.HostedZone.Id, "/hostedzone/")
	return *out.HostedZone.Id, nil
}

func (d *demo) record(ctx context.Context, set *r53types.ResourceRecordSet) error {
	_, err := d.route53.ChangeResourceRecordSets(ctx, &route53.ChangeResourceRecordSetsInput{
		HostedZoneId: &d.zoneID,
		ChangeBatch:  &r53types.ChangeBatch{Changes: []r53types.Change{{Action: r53types.ChangeActionUpsert, ResourceRecordSet: set}}},
	})
	return err
}

func (d *demo) requestServer(ctx context.Context) (string, error) {
	out, err := d.acm.RequestCertificate(ctx, &acm.RequestCertificateInput{DomainName: aws.String(demoDomain), ValidationMethod: acmtypes.ValidationMethodDns})
	if err != nil {
		return "", err
	}
	d.serverARN = *out.CertificateArn
	described, err := d.acm.DescribeCertificate(ctx, &acm.DescribeCertificateInput{CertificateArn: &d.serverARN})
	if err != nil {
		return "", err
	}
	proof := described.Certificate.DomainValidationOptions[0].ResourceRecord
	if proof == nil {
		return "", errors.New("the request names no record to create")
	}
	err = d.record(ctx, &r53types.ResourceRecordSet{
		Name: proof.Name, Type: r53types.RRTypeCname, TTL: aws.Int64(300), ResourceRecords: []r53types.ResourceRecord{{Value: proof.Value}},
	})
	if err != nil {
		return "", err
	}
	return d.serverARN, d.issued(ctx, d.serverARN)
}

func (d *demo) makeFunction(ctx context.Context) (string, error) {
	architecture := lambdatypes.ArchitectureX8664
	if runtime.GOARCH == "arm64" {
		architecture = lambdatypes.ArchitectureArm64
	}
	role, err := d.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("echo"), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)})
	if err != nil {
		return "", err
	}
	_, err = d.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{
		RoleName: aws.String("echo"), PolicyArn: aws.String("arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"),
	})
	if err != nil {
		return "", err
	}
	out, err := d.lambda.CreateFunction(ctx, &lambda.CreateFunctionInput{
		FunctionName: aws.String("echo"), Runtime: lambdatypes.RuntimeProvidedal2023, Handler: aws.String("bootstrap"),
		Role: role.Role.Arn, Code: &lambdatypes.FunctionCode{ZipFile: d.function},
		Architectures: []lambdatypes.Architecture{architecture}, Timeout: aws.Int32(5),
	})
	if err != nil {
		return "", err
	}
	d.functionARN = *out.FunctionArn
	err = lambda.NewFunctionActiveV2Waiter(d.lambda, func(o *lambda.FunctionActiveV2WaiterOptions) {
		o.MinDelay, o.MaxDelay = 20*time.Millisecond, time.Second
	}).Wait(ctx, &lambda.GetFunctionInput{FunctionName: &d.functionARN}, time.Minute)
	return d.functionARN, err
}

func accountOf(arn string) string {
	parts := strings.Split(arn, ":")
	if len(parts) < 6 {
		return ""
	}
	return parts[4]
}

func (d *demo) makeAPI(ctx context.Context) (string, error) {
	created, err := d.gateway.CreateApi(ctx, &apigatewayv2.CreateApiInput{
		Name: aws.String("demo"), ProtocolType: gwtypes.ProtocolTypeHttp, DisableExecuteApiEndpoint: aws.Bool(true),
	})
	if err != nil {
		return "", err
	}
	d.apiID = *created.ApiId
	integration, err := d.gateway.CreateIntegration(ctx, &apigatewayv2.CreateIntegrationInput{
		ApiId: &d.apiID, IntegrationType: gwtypes.IntegrationTypeAwsProxy, IntegrationUri: &d.functionARN, PayloadFormatVersion: aws.String("2.0"),
	})
	if err != nil {
		return "", err
	}
	_, err = d.gateway.CreateRoute(ctx, &apigatewayv2.CreateRouteInput{
		ApiId: &d.apiID, RouteKey: aws.String("GET /"), Target: aws.String("integrations/" + *integration.IntegrationId),
	})
	if err != nil {
		return "", err
	}
	_, err = d.gateway.CreateStage(ctx, &apigatewayv2.CreateStageInput{ApiId: &d.apiID, StageName: aws.String("$default"), AutoDeploy: aws.Bool(true)})
	if err != nil {
		return "", err
	}
	_, err = d.lambda.AddPermission(ctx, &lambda.AddPermissionInput{
		FunctionName: &d.functionARN, StatementId: aws.String("gateway"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("apigateway.amazonaws.com"),
		SourceArn: aws.String(fmt.Sprintf("arn:aws:execute-api:%s:%s:%s/*", demoRegion, accountOf(d.functionARN), d.apiID)),
	})
	return *created.ApiEndpoint + " (disabled)", err
}

func (d *demo) makeDomain(ctx context.Context) (string, error) {
	out, err := d.gateway.CreateDomainName(ctx, &apigatewayv2.CreateDomainNameInput{
		DomainName: aws.String(demoDomain),
		DomainNameConfigurations: []gwtypes.DomainNameConfiguration{{
			CertificateArn: &d.serverARN, EndpointType: gwtypes.EndpointTypeRegional, SecurityPolicy: gwtypes.SecurityPolicyTls12,
		}},
		MutualTlsAuthentication: &gwtypes.MutualTlsAuthenticationInput{TruststoreUri: aws.String("s3://" + d.bucket + "/truststore.pem")},
	})
	if err != nil {
		return "", err
	}
	if w := out.MutualTlsAuthentication.TruststoreWarnings; len(w) > 0 {
		return "", fmt.Errorf("the trust store has warnings: %s", strings.Join(w, "; "))
	}
	d.domainTarget, d.domainZone = *out.DomainNameConfigurations[0].ApiGatewayDomainName, *out.DomainNameConfigurations[0].HostedZoneId
	_, err = d.gateway.CreateApiMapping(ctx, &apigatewayv2.CreateApiMappingInput{DomainName: aws.String(demoDomain), ApiId: &d.apiID, Stage: aws.String("$default")})
	return demoDomain + " → " + d.apiID, err
}

func (d *demo) pointDomain(ctx context.Context) (string, error) {
	return "A alias " + d.domainTarget, d.record(ctx, &r53types.ResourceRecordSet{
		Name: aws.String(demoDomain), Type: r53types.RRTypeA,
		AliasTarget: &r53types.AliasTarget{DNSName: &d.domainTarget, HostedZoneId: &d.domainZone, EvaluateTargetHealth: false},
	})
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
		name + ".pem": []byte(*out.Certificate), name + ".key": key, "chain.pem": []byte(*out.CertificateChain), "truststore.pem": pemBlocks(d.subPEM, d.rootPEM),
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
	serial, err := d.serial(ctx, d.clientARN)
	if err != nil {
		return "", err
	}
	_, err = d.pca.RevokeCertificate(ctx, &acmpca.RevokeCertificateInput{
		CertificateAuthorityArn: &d.subARN, CertificateSerial: &serial, RevocationReason: pcatypes.RevocationReasonKeyCompromise,
	})
	return "serial " + serial, err
}
