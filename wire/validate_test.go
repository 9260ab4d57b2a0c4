package wire_test

import (
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"countersign/wire"
	"countersign/wire/shape"

	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// inputs of the operations that the tests here decode.
var inputs = map[string]func() any{
	"acm AddTagsToCertificate":           func() any { return new(acm.AddTagsToCertificateInput) },
	"acm ListCertificates":               func() any { return new(acm.ListCertificatesInput) },
	"acm RequestCertificate":             func() any { return new(acm.RequestCertificateInput) },
	"acm SearchCertificates":             func() any { return new(acm.SearchCertificatesInput) },
	"acm-pca CreateCertificateAuthority": func() any { return new(acmpca.CreateCertificateAuthorityInput) },
	"acm-pca IssueCertificate":           func() any { return new(acmpca.IssueCertificateInput) },
	"acm-pca ListCertificateAuthorities": func() any { return new(acmpca.ListCertificateAuthoritiesInput) },
	"apigateway CreateRestApi":           func() any { return new(apigateway.CreateRestApiInput) },
	"apigateway GetStages":               func() any { return new(apigateway.GetStagesInput) },
	"apigateway GetRestApis":             func() any { return new(apigateway.GetRestApisInput) },
	"apigateway ImportRestApi":           func() any { return new(apigateway.ImportRestApiInput) },
	"apigatewayv2 CreateApi":             func() any { return new(apigatewayv2.CreateApiInput) },
	"apigatewayv2 GetApi":                func() any { return new(apigatewayv2.GetApiInput) },
	"apigatewayv2 CreateIntegration":     func() any { return new(apigatewayv2.CreateIntegrationInput) },
	"cloudformation CreateStack":         func() any { return new(cloudformation.CreateStackInput) },
	"iam CreateRole":                     func() any { return new(iam.CreateRoleInput) },
	"lambda CreateFunction":              func() any { return new(lambda.CreateFunctionInput) },
	"lambda Invoke":                      func() any { return new(lambda.InvokeInput) },
	"lambda ListFunctions":               func() any { return new(lambda.ListFunctionsInput) },
	"lambda UpdateFunctionConfiguration": func() any { return new(lambda.UpdateFunctionConfigurationInput) },
	"logs CreateLogGroup":                func() any { return new(cloudwatchlogs.CreateLogGroupInput) },
	"secretsmanager CreateSecret":        func() any { return new(secretsmanager.CreateSecretInput) },
	"ssm PutParameter":                   func() any { return new(ssm.PutParameterInput) },
	"route53 ChangeResourceRecordSets":   func() any { return new(route53.ChangeResourceRecordSetsInput) },
	"route53 CreateHostedZone":           func() any { return new(route53.CreateHostedZoneInput) },
	"route53 ListHostedZones":            func() any { return new(route53.ListHostedZonesInput) },
	"s3 CompleteMultipartUpload":         func() any { return new(s3.CompleteMultipartUploadInput) },
	"s3 CopyObject":                      func() any { return new(s3.CopyObjectInput) },
	"s3 DeleteObjects":                   func() any { return new(s3.DeleteObjectsInput) },
	"s3 GetObject":                       func() any { return new(s3.GetObjectInput) },
	"s3 ListObjectsV2":                   func() any { return new(s3.ListObjectsV2Input) },
	"s3 PutBucketAcl":                    func() any { return new(s3.PutBucketAclInput) },
	"s3 PutBucketLifecycleConfiguration": func() any { return new(s3.PutBucketLifecycleConfigurationInput) },
	"s3 PutBucketVersioning":             func() any { return new(s3.PutBucketVersioningInput) },
	"s3 PutObject":                       func() any { return new(s3.PutObjectInput) },
	"s3 UploadPart":                      func() any { return new(s3.UploadPartInput) },
	"sts AssumeRole":                     func() any { return new(sts.AssumeRoleInput) },
	"sts GetCallerIdentity":              func() any { return new(sts.GetCallerIdentityInput) },
}

// decode reads a request written as "METHOD /path?query" and a body.
func decode(t testing.TB, service, name, target, body string, header http.Header) (any, error) {
	t.Helper()
	into := inputs[service+" "+name]
	if into == nil {
		t.Fatalf("no input for %s %s in the test", service, name)
	}
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	if header == nil {
		header = http.Header{}
	}
	op := operation(t, service, name)
	req := &wire.Request{Path: u.EscapedPath(), Query: u.Query(), Header: header, Body: []byte(body)}
	if op.StreamsInput() {
		req.Body, req.Stream = nil, strings.NewReader(body)
	}
	in := into()
	return in, wire.Decode(op, req, in)
}

const caARN = "arn:aws:acm-pca:eu-west-1:000000000000:certificate-authority/11111111-2222-3333-4444-555555555555"

func TestValidation(t *testing.T) {
	t.Parallel()
	const changes = "/2013-04-01/hostedzone/Z1/rrset/"
	rrset := func(inner string) string {
		return `<ChangeResourceRecordSetsRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><ChangeBatch><Changes><Change><Action>CREATE</Action><ResourceRecordSet><Name>a.b</Name><Type>A</Type>` +
			inner + `</ResourceRecordSet></Change></Changes></ChangeBatch></ChangeResourceRecordSetsRequest>`
	}
	for _, c := range []struct {
		service, op, target, body string
		code, message             string // code empty: valid; message: a prefix
	}{
		{"acm-pca", "IssueCertificate", "/", ``, "ValidationException",
			"4 validation errors detected: Value null at 'certificateAuthorityArn' failed to satisfy constraint: Member must not be null; " +
				"Value null at 'csr' failed to satisfy constraint: Member must not be null; Value null at 'signingAlgorithm' failed to satisfy constraint: Member must not be null; " +
				"Value null at 'validity' failed to satisfy constraint: Member must not be null"},
		{"acm-pca", "IssueCertificate", "/", `{"CertificateAuthorityArn":"x","Csr":"YQ==","SigningAlgorithm":"SHA256WITHRSA","Validity":{"Type":"DAYS","Value":0}}`, "ValidationException",
			"3 validation errors detected: Value 'x' at 'certificateAuthorityArn' failed to satisfy constraint: Member must have length greater than or equal to 5; " +
				"Value 'x' at 'certificateAuthorityArn' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:[\\w+=/,.@-]+:acm-pca:[\\w+=/,.@-]*:[0-9]*:[\\w+=,.@-]+(/[\\w+=,.@-]+)*; " +
				"Value '0' at 'validity.value' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		{"acm-pca", "IssueCertificate", "/", `{"CertificateAuthorityArn":"` + caARN + `","Csr":"YQ==","SigningAlgorithm":"MD5","Validity":{"Type":"DAYS","Value":1}}`, "ValidationException",
			"1 validation error detected: Value 'MD5' at 'signingAlgorithm' failed to satisfy constraint: Member must satisfy enum value set: [SHA256WITHECDSA"},
		{"acm-pca", "IssueCertificate", "/", `{"CertificateAuthorityArn":"` + caARN + `","Csr":"","SigningAlgorithm":"SHA256WITHRSA","Validity":{"Type":"DAYS","Value":1}}`, "ValidationException",
			"1 validation error detected: Value at 'csr' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"acm-pca", "CreateCertificateAuthority", "/", `{"CertificateAuthorityConfiguration":{"KeyAlgorithm":"RSA_2048","SigningAlgorithm":"SHA256WITHRSA","Subject":{}},"CertificateAuthorityType":"ROOT","Tags":[{"Key":"a"},{"Value":"b"}]}`,
			"ValidationException", "1 validation error detected: Value null at 'tags.2.member.key' failed to satisfy constraint: Member must not be null"},
		{"acm-pca", "ListCertificateAuthorities", "/", `{"MaxResults":1001}`, "ValidationException", "1 validation error detected: Value '1001' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 1000"},
		{"acm-pca", "ListCertificateAuthorities", "/", `{"MaxResults":1000}`, "", ""},
		{"acm", "AddTagsToCertificate", "/", `{"CertificateArn":"arn:aws:acm:eu-west-1:000000000000:certificate/11111111-2222-3333-4444-555555555555","Tags":[]}`, "ValidationException",
			"1 validation error detected: Value at 'tags' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"acm", "RequestCertificate", "/", `{"DomainName":"example.com","SubjectAlternativeNames":["a.example.com","` + strings.Repeat("a", 254) + `"]}`, "ValidationException",
			"1 validation error detected: Value '[a.example.com, aaaa"},
		{"acm", "ListCertificates", "/", `{"CertificateStatuses":["ISSUED","WHATEVER"]}`, "ValidationException",
			"1 validation error detected: Value '[ISSUED, WHATEVER]' at 'certificateStatuses' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [PENDING_VALIDATION"},
		{"apigatewayv2", "CreateApi", "/v2/apis", `{"name":"a"}`, "BadRequestException", "1 validation error detected: Value null at 'protocolType'"},
		{"apigatewayv2", "CreateApi", "/v2/apis", `{"name":"a","protocolType":"HTTP"}`, "", ""},
		{"apigatewayv2", "CreateIntegration", "/v2/apis/a/integrations", `{"integrationType":"HTTP_PROXY","timeoutInMillis":49}`, "BadRequestException", "1 validation error detected: Value '49' at 'timeoutInMillis'"},
		{"apigateway", "CreateRestApi", "/restapis", `{}`, "BadRequestException", "1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null"},
		{"apigateway", "GetRestApis", "/restapis?limit=1", ``, "", ""},
		{"cloudformation", "CreateStack", "/", `Action=CreateStack&TemplateURL=`, "ValidationError",
			"2 validation errors detected: Value null at 'stackName' failed to satisfy constraint: Member must not be null; Value '' at 'templateURL' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"iam", "CreateRole", "/", `Action=CreateRole&RoleName=a+b&AssumeRolePolicyDocument={}`, "ValidationError",
			"1 validation error detected: Value 'a b' at 'roleName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]+"},
		{"logs", "CreateLogGroup", "/", `{"logGroupName":"a b"}`, "InvalidParameterException",
			"1 validation error detected: Value 'a b' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+"},
		{"secretsmanager", "CreateSecret", "/", `{"SecretString":"s"}`, "ValidationException", "1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null"},
		{"ssm", "PutParameter", "/", `{"Name":"/a","Value":"","Type":"Text"}`, "ValidationException",
			"1 validation error detected: Value 'Text' at 'type' failed to satisfy constraint: Member must satisfy enum value set: [String, StringList, SecureString]"},
		{"lambda", "CreateFunction", "/2015-03-31/functions", `{"FunctionName":"f","Role":"arn:aws:iam::000000000000:role/r","Code":{},"Timeout":901,"Environment":{"Variables":{"1A":"secret"}}}`, "ValidationException",
			"1 validation error detected: Value at 'environment.variables' failed to satisfy constraint: Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]"},
		{"lambda", "UpdateFunctionConfiguration", "/2015-03-31/functions/f/configuration", `{"MemorySize":1}`, "ValidationException", "1 validation error detected: Value '1' at 'memorySize'"},
		{"route53", "ChangeResourceRecordSets", changes, rrset(`<TTL>60</TTL><ResourceRecords><ResourceRecord><Value>1.2.3.4</Value></ResourceRecord></ResourceRecords>`), "", ""},
		{"route53", "ChangeResourceRecordSets", changes, rrset(`<TTL>-1</TTL>`), "InvalidInput",
			"1 validation error detected: Value '-1' at 'changeBatch.changes.1.member.resourceRecordSet.tTL' failed to satisfy constraint: Member must have value greater than or equal to 0"},
		// A bool without a pointer: only the decoder saw that it is not there.
		{"route53", "ChangeResourceRecordSets", changes, rrset(`<AliasTarget><HostedZoneId>Z2</HostedZoneId><DNSName>x.y</DNSName></AliasTarget>`), "InvalidInput",
			"1 validation error detected: Value null at 'changeBatch.changes.1.member.resourceRecordSet.aliasTarget.evaluateTargetHealth' failed to satisfy constraint: Member must not be null"},
		{"route53", "ChangeResourceRecordSets", changes, rrset(`<AliasTarget><HostedZoneId>Z2</HostedZoneId><DNSName>x.y</DNSName><EvaluateTargetHealth>false</EvaluateTargetHealth></AliasTarget>`), "", ""},
		{"route53", "ChangeResourceRecordSets", changes, ``, "InvalidInput", "1 validation error detected: Value null at 'changeBatch'"},
		{"s3", "PutBucketVersioning", "/b?versioning", ``, "MalformedXML", "The XML you provided"},
		{"s3", "CopyObject", "/b/k", ``, "InvalidRequest", "Missing required header for this request: x-amz-copy-source"},
		{"s3", "UploadPart", "/b/k?partNumber=1", ``, "InvalidArgument", "Missing required query parameter for this request: uploadId"},
		{"s3", "DeleteObjects", "/b?delete", `<Delete><Object></Object></Delete>`, "MalformedXML", "The XML you provided"},
		{"sts", "AssumeRole", "/", `Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::000000000000:role/r&RoleSessionName=a+b`, "ValidationError",
			"1 validation error detected: Value 'a b' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*"},
		{"sts", "AssumeRole", "/", `Action=AssumeRole&RoleArn=arn:aws:iam::000000000000:role/r&RoleSessionName=ab&Tags.member.1.Value=x`, "ValidationError",
			"1 validation error detected: Value null at 'tags.1.member.key' failed to satisfy constraint: Member must not be null"},
	} {
		_, err := decode(t, c.service, c.op, c.target, c.body, nil)
		expect(t, c.service+" "+c.op+" "+c.body, err, c.code, c.message)
	}
}

func expect(t *testing.T, what string, err error, code, message string) {
	t.Helper()
	if code == "" {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		return
	}
	var api *smithy.GenericAPIError
	if !errors.As(err, &api) {
		t.Errorf("%s: got %v, want %s", what, err, code)
		return
	}
	if api.Code != code || !strings.HasPrefix(api.Message, message) || api.Fault != smithy.FaultClient {
		t.Errorf("%s:\ngot  %s: %s\nwant %s: %s", what, api.Code, api.Message, code, message)
	}
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	deepJSON := strings.Repeat(`{"x":`, 100) + "1" + strings.Repeat("}", 100)
	deepList := strings.Repeat(`[`, 100_000)
	deepFilter := strings.Repeat(`{"Not":`, 100) + `{}` + strings.Repeat("}", 100)
	deepXML := "<Delete>" + strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100) + "</Delete>"
	manyJSON := `{"Tags":[{}` + strings.Repeat(`,{}`, 300_000) + `]}`
	manyXML := "<Delete>" + strings.Repeat("<Object/>", 300_000) + "</Delete>"
	for _, c := range []struct {
		service, op, target, body, header string
		code                              string
	}{
		{"acm-pca", "IssueCertificate", "/", `[]`, "", "SerializationException"},
		{"acm-pca", "IssueCertificate", "/", `{`, "", "SerializationException"},
		{"acm-pca", "IssueCertificate", "/", `{"Csr"`, "", "SerializationException"},
		{"acm-pca", "IssueCertificate", "/", `{"Csr":}`, "", "SerializationException"},
		{"acm-pca", "IssueCertificate", "/", `{} {}`, "", "SerializationException"},
		{"acm-pca", "IssueCertificate", "/", `{"Csr":"a",}`, "", "SerializationException"},
		{"acm-pca", "IssueCertificate", "/", `{"Csr":"not base64!"}`, "", "SerializationException"},
		{"acm-pca", "IssueCertificate", "/", `{"Csr":12}`, "", "SerializationException"},
		{"acm-pca", "IssueCertificate", "/", `{"CertificateAuthorityArn":["a"]}`, "", "SerializationException"},
		{"acm-pca", "IssueCertificate", "/", `{"CertificateAuthorityArn":true}`, "", "SerializationException"},
		{"acm-pca", "IssueCertificate", "/", `{"Validity":"DAYS"}`, "", "SerializationException"},
		{"acm-pca", "IssueCertificate", "/", `{"Validity":{"Value":"1"}}`, "", "SerializationException"},
		{"acm-pca", "IssueCertificate", "/", `{"Validity":{"Value":1.5}}`, "", "SerializationException"},
		{"acm-pca", "IssueCertificate", "/", `{"Validity":{"Value":01}}`, "", "SerializationException"},
		{"acm-pca", "IssueCertificate", "/", `{"Validity":{"Value":9223372036854775808}}`, "", "SerializationException"},
		{"acm-pca", "ListCertificateAuthorities", "/", `{"MaxResults":2147483648}`, "", "SerializationException"},
		{"acm-pca", "CreateCertificateAuthority", "/", `{"Tags":{"Key":"a"}}`, "", "SerializationException"},
		{"acm-pca", "CreateCertificateAuthority", "/", `{"Tags":[null]}`, "", "SerializationException"},
		{"acm-pca", "CreateCertificateAuthority", "/", `{"Tags":["a"]}`, "", "SerializationException"},
		{"acm-pca", "IssueCertificate", "/", `{"TemplateArn":"` + "\xff" + `"}`, "", "SerializationException"},
		{"acm-pca", "IssueCertificate", "/", `{"TemplateArn":"\ud800"}`, "", "SerializationException"},
		{"acm-pca", "IssueCertificate", "/", `{"TemplateArn":"\ud800\u0041"}`, "", "SerializationException"},
		{"acm-pca", "IssueCertificate", "/", `{"TemplateArn":"\x"}`, "", "SerializationException"},
		{"acm-pca", "IssueCertificate", "/", "{\"TemplateArn\":\"\n\"}", "", "SerializationException"},
		{"acm-pca", "IssueCertificate", "/", `{"Unknown":tru}`, "", "SerializationException"},
		{"acm-pca", "IssueCertificate", "/", deepJSON, "", "SerializationException"},
		{"acm-pca", "IssueCertificate", "/", `{"x":` + deepList, "", "SerializationException"},
		{"acm-pca", "CreateCertificateAuthority", "/", manyJSON, "", "SerializationException"},
		{"s3", "DeleteObjects", "/b?delete", manyXML, "", "MalformedXML"},
		{"acm", "SearchCertificates", "/", `{"FilterStatement":{}}`, "", "SerializationException"},
		{"acm", "SearchCertificates", "/", `{"FilterStatement":{"And":[],"Or":[]}}`, "", "SerializationException"},
		{"acm", "SearchCertificates", "/", `{"FilterStatement":` + deepFilter + `}`, "", "SerializationException"},
		{"apigatewayv2", "CreateApi", "/v2/apis", `{"name":1}`, "", "SerializationException"},
		{"apigateway", "CreateRestApi", "/restapis", `{"name":1}`, "", "SerializationException"},
		{"apigateway", "GetRestApis", "/restapis?limit=many", ``, "", "BadRequestException"},
		{"iam", "CreateRole", "/", `MaxSessionDuration=long`, "", "MalformedInput"},
		{"logs", "CreateLogGroup", "/", `{"logGroupName":1}`, "", "SerializationException"},
		{"ssm", "PutParameter", "/", `[]`, "", "SerializationException"},
		{"apigatewayv2", "GetApi", "/v2/apis/%zz", ``, "", "skip"}, // not a URL; see below
		{"lambda", "CreateFunction", "/2015-03-31/functions", `{"FunctionName":`, "", "InvalidRequestContentException"},
		{"lambda", "ListFunctions", "/2015-03-31/functions?MaxItems=x", ``, "", "SerializationException"},
		{"route53", "CreateHostedZone", "/2013-04-01/hostedzone", `<CreateHostedZoneRequest>`, "", "MalformedInput"},
		{"route53", "CreateHostedZone", "/2013-04-01/hostedzone", `<Other/>`, "", "MalformedInput"},
		{"route53", "ListHostedZones", "/2013-04-01/hostedzone?maxitems=ten", ``, "", "InvalidInput"},
		{"s3", "PutBucketVersioning", "/b?versioning", `<VersioningConfiguration><Status>Enabled</Status>`, "", "MalformedXML"},
		{"s3", "PutBucketVersioning", "/b?versioning", `<Versioning><Status>Enabled</Status></Versioning>`, "", "MalformedXML"},
		{"s3", "PutBucketVersioning", "/b?versioning", `<VersioningConfiguration><Status><a/></Status></VersioningConfiguration>`, "", "MalformedXML"},
		{"s3", "PutBucketVersioning", "/b?versioning", `<!DOCTYPE x [<!ENTITY e "x">]><VersioningConfiguration><Status>&e;</Status></VersioningConfiguration>`, "", "MalformedXML"},
		{"s3", "PutBucketVersioning", "/b?versioning", `<VersioningConfiguration/><VersioningConfiguration/>`, "", "MalformedXML"},
		{"s3", "PutBucketVersioning", "/b?versioning", `Enabled`, "", "MalformedXML"},
		{"s3", "DeleteObjects", "/b?delete", deepXML, "", "MalformedXML"},
		{"s3", "DeleteObjects", "/b?delete", `<Delete><Quiet>maybe</Quiet></Delete>`, "", "MalformedXML"},
		{"s3", "CompleteMultipartUpload", "/b/k?uploadId=u", `<CompleteMultipartUpload><Part><PartNumber>one</PartNumber></Part></CompleteMultipartUpload>`, "", "MalformedXML"},
		{"s3", "ListObjectsV2", "/b?list-type=2&max-keys=ten", ``, "", "InvalidArgument"},
		{"s3", "GetObject", "/b", ``, "", "InvalidURI"},
		{"s3", "PutObject", "/b/k", ``, "x-amz-object-lock-retain-until-date: soon", "InvalidArgument"},
		{"sts", "AssumeRole", "/", `RoleArn=%zz`, "", "MalformedQueryString"},
		{"sts", "AssumeRole", "/", `DurationSeconds=long`, "", "MalformedInput"},
		{"sts", "AssumeRole", "/", `RoleArn.x=1`, "", "MalformedInput"},
		{"sts", "AssumeRole", "/", strings.Repeat("a.", 1000) + "=1", "", "MalformedInput"},
	} {
		if c.code == "skip" {
			continue
		}
		h := http.Header{}
		if k, v, ok := strings.Cut(c.header, ": "); ok {
			h.Set(k, v)
		}
		_, err := decode(t, c.service, c.op, c.target, c.body, h)
		what := c.body
		if len(what) > 100 {
			what = what[:100] + "…"
		}
		expect(t, c.service+" "+c.op+" "+c.target+" "+what, err, c.code, "")
	}
	// A path that net/url would not take reaches us from nowhere, and must do no
	// harm.
	op := operation(t, "apigatewayv2", "GetApi")
	err := wire.Decode(op, &wire.Request{Path: "/v2/apis/%zz"}, new(apigatewayv2.GetApiInput))
	expect(t, "a broken path", err, "BadRequestException", "")
}

// TestSetOnce makes sure that what a decoder reads twice is not a mixture.
func TestSetOnce(t *testing.T) {
	t.Parallel()
	in, err := decode(t, "acm-pca", "CreateCertificateAuthority", "/", `{
		"CertificateAuthorityConfiguration":{"KeyAlgorithm":"RSA_2048","SigningAlgorithm":"SHA256WITHRSA","Subject":{"CommonName":"a","Country":"DE"}},
		"CertificateAuthorityConfiguration":{"KeyAlgorithm":"EC_prime256v1","SigningAlgorithm":"SHA256WITHECDSA","Subject":{"CommonName":"b"}},
		"Tags":[{"Key":"a"},{"Key":"b"}],"Tags":[{"Key":"c"}],"CertificateAuthorityType":"ROOT"}`, nil)
	if err != nil {
		t.Fatal(err)
	}
	ca := in.(*acmpca.CreateCertificateAuthorityInput)
	if s := ca.CertificateAuthorityConfiguration.Subject; *s.CommonName != "b" || s.Country != nil {
		t.Errorf("subject: got %+v", s)
	}
	if len(ca.Tags) != 1 || *ca.Tags[0].Key != "c" {
		t.Errorf("tags: got %+v", ca.Tags)
	}
}

// TestNotAStruct wants errors, not panics, from callers' mistakes.
func TestNotAStruct(t *testing.T) {
	t.Parallel()
	op := operation(t, "acm-pca", "IssueCertificate")
	for _, into := range []any{nil, 1, acmpca.IssueCertificateInput{}, (*acmpca.IssueCertificateInput)(nil), new(int)} {
		if err := wire.Decode(op, &wire.Request{}, into); err == nil {
			t.Errorf("Decode into %T: no error", into)
		}
		if into == nil {
			continue // answers nothing
		}
		if _, err := wire.Encode(op, into, ""); err == nil {
			t.Errorf("Encode of %T: no error", into)
		}
	}
	if _, err := wire.Encode(operation(t, "s3", "SelectObjectContent"), new(s3.SelectObjectContentOutput), ""); err == nil {
		t.Error("Encode of an event stream: no error")
	}
	var m *shape.Model
	if res := wire.EncodeError(m, errors.New("x"), wire.ErrorContext{}); res.Status != 500 {
		t.Errorf("EncodeError without a model: %d", res.Status)
	}
	if reflect.ValueOf(op.Output).IsNil() {
		t.Fatal("the operation answers something")
	}
}
