package wire_test

import (
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"countersign/wire"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	acmtypes "github.com/aws/aws-sdk-go-v2/service/acm/types"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	route53types "github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// TestAnswers compares answers byte for byte with what AWS documents, where a
// client may depend on more than its own parser shows.
func TestAnswers(t *testing.T) {
	t.Parallel()
	const head = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"
	const s3ns = ` xmlns="http://s3.amazonaws.com/doc/2006-03-01/"`
	const r53ns = ` xmlns="https://route53.amazonaws.com/doc/2013-04-01/"`
	when := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for _, c := range []struct {
		service, op string
		out         any
		status      int
		body        string
		header      map[string]string // "": must be absent
	}{
		{"acm-pca", "DeletePermission", &acmpca.DeletePermissionOutput{}, 200, `{}`, map[string]string{"Content-Type": "application/x-amz-json-1.1"}},
		{"acm-pca", "DeletePermission", nil, 200, `{}`, nil},
		{"acm-pca", "ListCertificateAuthorities", &acmpca.ListCertificateAuthoritiesOutput{}, 200, `{}`, nil},
		{"acm", "ListCertificates", &acm.ListCertificatesOutput{CertificateSummaryList: []acmtypes.CertificateSummary{}}, 200, `{"CertificateSummaryList":[]}`, nil},
		{"apigatewayv2", "DeleteApi", &apigatewayv2.DeleteApiOutput{}, 204, ``, map[string]string{"Content-Type": ""}},
		{"apigatewayv2", "TagResource", &apigatewayv2.TagResourceOutput{}, 201, `{}`, nil},
		{"apigatewayv2", "CreateApi", &apigatewayv2.CreateApiOutput{ApiId: aws.String("a1"), CreatedDate: &when}, 201,
			`{"apiId":"a1","createdDate":"2026-03-04T05:06:07Z"}`, map[string]string{"Content-Type": "application/json"}},
		{"apigatewayv2", "ExportApi", &apigatewayv2.ExportApiOutput{Body: []byte("openapi: 3")}, 200, `openapi: 3`, nil},
		{"lambda", "Invoke", &lambda.InvokeOutput{StatusCode: 202}, 202, ``, nil},
		{"lambda", "Invoke", &lambda.InvokeOutput{StatusCode: 200, Payload: []byte(`"x"`), FunctionError: aws.String("Unhandled"), ExecutedVersion: aws.String("$LATEST")}, 200, `"x"`,
			map[string]string{"X-Amz-Function-Error": "Unhandled", "X-Amz-Executed-Version": "$LATEST", "X-Amz-Log-Result": ""}},
		{"lambda", "RemovePermission", &lambda.RemovePermissionOutput{}, 204, ``, nil},
		{"lambda", "GetPolicy", &lambda.GetPolicyOutput{Policy: aws.String(`{"a":1}`)}, 200, `{"Policy":"{\"a\":1}"}`, nil},
		{"s3", "GetBucketLocation", &s3.GetBucketLocationOutput{LocationConstraint: "eu-west-1"}, 200, head + `<LocationConstraint` + s3ns + `>eu-west-1</LocationConstraint>`, nil},
		{"s3", "GetBucketLocation", &s3.GetBucketLocationOutput{}, 200, head + `<LocationConstraint` + s3ns + `></LocationConstraint>`, nil},
		{"s3", "GetBucketVersioning", &s3.GetBucketVersioningOutput{}, 200, head + `<VersioningConfiguration` + s3ns + `></VersioningConfiguration>`, nil},
		{"s3", "GetBucketPolicy", &s3.GetBucketPolicyOutput{Policy: aws.String("{}")}, 200, `{}`, nil},
		{"s3", "CreateBucket", &s3.CreateBucketOutput{Location: aws.String("/b")}, 200, ``, map[string]string{"Location": "/b", "Content-Type": ""}},
		{"s3", "PutBucketVersioning", &s3.PutBucketVersioningOutput{}, 200, ``, nil},
		{"s3", "DeleteObject", &s3.DeleteObjectOutput{DeleteMarker: aws.Bool(true), VersionId: aws.String("v")}, 204, ``,
			map[string]string{"X-Amz-Delete-Marker": "true", "X-Amz-Version-Id": "v"}},
		{"s3", "HeadObject", &s3.HeadObjectOutput{ContentLength: aws.Int64(5), ETag: aws.String(`"e"`), LastModified: &when, Metadata: map[string]string{"a-b": "c"}, ContentType: aws.String("a/b")}, 200, ``,
			map[string]string{"Content-Length": "5", "Etag": `"e"`, "Last-Modified": "Wed, 04 Mar 2026 05:06:07 GMT", "Content-Type": "a/b"}},
		{"s3", "CopyObject", &s3.CopyObjectOutput{VersionId: aws.String("v"), CopyObjectResult: &s3types.CopyObjectResult{ETag: aws.String(`"e"`), LastModified: &when}}, 200,
			head + `<CopyObjectResult` + s3ns + `><ETag>&quot;e&quot;</ETag><LastModified>2026-03-04T05:06:07.000Z</LastModified></CopyObjectResult>`,
			map[string]string{"X-Amz-Version-Id": "v", "Content-Type": "application/xml"}},
		{"s3", "ListObjectsV2", &s3.ListObjectsV2Output{Name: aws.String("b"), Prefix: aws.String(""), KeyCount: aws.Int32(1), IsTruncated: aws.Bool(false),
			Contents:       []s3types.Object{{Key: aws.String("a\x01&"), Size: aws.Int64(3), StorageClass: "STANDARD"}},
			CommonPrefixes: []s3types.CommonPrefix{{Prefix: aws.String("p/")}, {Prefix: aws.String("q/")}}}, 200,
			head + `<ListBucketResult` + s3ns + `><IsTruncated>false</IsTruncated><Contents><Key>a` + "\uFFFD" + `&amp;</Key><Size>3</Size><StorageClass>STANDARD</StorageClass></Contents><Name>b</Name><Prefix></Prefix>` +
				`<CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes><CommonPrefixes><Prefix>q/</Prefix></CommonPrefixes><KeyCount>1</KeyCount></ListBucketResult>`, nil},
		{"s3", "GetBucketAcl", &s3.GetBucketAclOutput{Grants: []s3types.Grant{{Permission: "FULL_CONTROL", Grantee: &s3types.Grantee{Type: "CanonicalUser", ID: aws.String("i")}}}}, 200,
			head + `<AccessControlPolicy` + s3ns + `><AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>i</ID></Grantee><Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>`, nil},
		{"route53", "CreateHostedZone", &route53.CreateHostedZoneOutput{Location: aws.String("https://x/1"),
			HostedZone:    &route53types.HostedZone{Id: aws.String("/hostedzone/Z1"), Name: aws.String("a.b."), CallerReference: aws.String("r"), Config: &route53types.HostedZoneConfig{PrivateZone: false}},
			DelegationSet: &route53types.DelegationSet{NameServers: []string{"ns1", "ns2"}}, ChangeInfo: &route53types.ChangeInfo{Id: aws.String("/change/C1"), Status: "INSYNC", SubmittedAt: aws.Time(when.Add(120 * time.Millisecond))}}, 201,
			head + `<CreateHostedZoneResponse` + r53ns + `><HostedZone><Id>/hostedzone/Z1</Id><Name>a.b.</Name><CallerReference>r</CallerReference><Config><PrivateZone>false</PrivateZone></Config></HostedZone>` +
				`<ChangeInfo><Id>/change/C1</Id><Status>INSYNC</Status><SubmittedAt>2026-03-04T05:06:07.12Z</SubmittedAt></ChangeInfo><DelegationSet><NameServers><NameServer>ns1</NameServer><NameServer>ns2</NameServer></NameServers></DelegationSet></CreateHostedZoneResponse>`,
			map[string]string{"Location": "https://x/1", "Content-Type": "text/xml"}},
		{"route53", "DeleteHealthCheck", &route53.DeleteHealthCheckOutput{}, 200, head + `<DeleteHealthCheckResponse` + r53ns + `></DeleteHealthCheckResponse>`, nil},
		{"sts", "GetCallerIdentity", &sts.GetCallerIdentityOutput{Account: aws.String("1"), Arn: aws.String("arn"), UserId: aws.String("u")}, 200,
			head + `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><UserId>u</UserId><Account>1</Account><Arn>arn</Arn></GetCallerIdentityResult><ResponseMetadata><RequestId>R1</RequestId></ResponseMetadata></GetCallerIdentityResponse>`,
			map[string]string{"Content-Type": "text/xml"}},
	} {
		res, err := wire.Encode(operation(t, c.service, c.op), c.out, "R1")
		if err != nil {
			t.Errorf("%s: %v", c.op, err)
			continue
		}
		if res.Status != c.status || string(res.Body) != c.body {
			t.Errorf("%s:\ngot  %d %s\nwant %d %s", c.op, res.Status, res.Body, c.status, c.body)
		}
		for k, v := range c.header {
			if got := res.Header.Get(k); got != v {
				t.Errorf("%s: header %s: got %q, want %q", c.op, k, got, v)
			}
		}
	}
}

// TestReadings is the same for requests: what real clients and people send.
func TestReadings(t *testing.T) {
	t.Parallel()
	str := aws.String
	for _, c := range []struct {
		service, op, target, body string
		header                    http.Header
		want                      any
	}{
		{"s3", "GetObject", "/b/a//b/../%2e%2e/c%20d%2Be%252F/?versionId=v%2F1&response-content-type=a/b", "",
			http.Header{"Range": {"bytes=0-4"}, "If-Modified-Since": {"Wed, 04 Mar 2026 05:06:07 GMT"}, "If-Unmodified-Since": {"no date"}},
			&s3.GetObjectInput{Bucket: str("b"), Key: str("a//b/../../c d+e%2F/"), VersionId: str("v/1"), ResponseContentType: str("a/b"), Range: str("bytes=0-4"),
				IfModifiedSince: aws.Time(time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC))}},
		{"s3", "ListObjectsV2", "/b?list-type=2&prefix=&max-keys=&delimiter=%2F", "", http.Header{"X-Amz-Optional-Object-Attributes": {"RestoreStatus"}},
			&s3.ListObjectsV2Input{Bucket: str("b"), Prefix: str(""), Delimiter: str("/"), OptionalObjectAttributes: []s3types.OptionalObjectAttributes{"RestoreStatus"}}},
		{"s3", "PutBucketVersioning", "/b?versioning", `<?xml version="1.0"?>` + "\n<!-- x -->\n<VersioningConfiguration>\n  <Status>Enabled</Status>\n</VersioningConfiguration>\n", nil,
			&s3.PutBucketVersioningInput{Bucket: str("b"), VersioningConfiguration: &s3types.VersioningConfiguration{Status: "Enabled"}}},
		{"s3", "PutBucketVersioning", "/b?versioning", `<a:VersioningConfiguration xmlns:a="http://s3.amazonaws.com/doc/2006-03-01/"><a:Status>Ena<![CDATA[bled]]></a:Status></a:VersioningConfiguration>`, nil,
			&s3.PutBucketVersioningInput{Bucket: str("b"), VersioningConfiguration: &s3types.VersioningConfiguration{Status: "Enabled"}}},
		{"s3", "DeleteObjects", "/b?delete", `<Delete><Object><Key> a </Key></Object><Quiet>true</Quiet><Object><Key>&#98;&lt;</Key><VersionId>v</VersionId></Object></Delete>`, nil,
			&s3.DeleteObjectsInput{Bucket: str("b"), Delete: &s3types.Delete{Quiet: aws.Bool(true), Objects: []s3types.ObjectIdentifier{{Key: str(" a ")}, {Key: str("b<"), VersionId: str("v")}}}}},
		{"s3", "PutBucketAcl", "/b?acl", `<AccessControlPolicy><AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group"><URI>u</URI></Grantee></Grant></AccessControlList></AccessControlPolicy>`, nil,
			&s3.PutBucketAclInput{Bucket: str("b"), AccessControlPolicy: &s3types.AccessControlPolicy{Grants: []s3types.Grant{{Grantee: &s3types.Grantee{Type: "Group", URI: str("u")}}}}}},
		{"route53", "ListHostedZones", "/2013-04-01/hostedzone?maxitems=7", "", nil, &route53.ListHostedZonesInput{MaxItems: aws.Int32(7)}},
		{"apigateway", "ImportRestApi", "/restapis?mode=import&failonwarnings=true&basepath=prepend", `{"swagger":"2.0"}`, nil,
			&apigateway.ImportRestApiInput{Body: []byte(`{"swagger":"2.0"}`), FailOnWarnings: true, Parameters: map[string]string{"basepath": "prepend"}}},
		{"lambda", "Invoke", "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A000000000000%3Afunction%3Af/invocations?Qualifier=1", "\x00\xff", http.Header{"X-Amz-Invocation-Type": {"Event"}},
			&lambda.InvokeInput{FunctionName: str("arn:aws:lambda:eu-west-1:000000000000:function:f"), Qualifier: str("1"), InvocationType: "Event", Payload: []byte("\x00\xff")}},
		{"sts", "AssumeRole", "/?RoleArn=ignored", "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A000000000000%3Arole%2Fr&RoleSessionName=ss&Tags.member.10.Key=b&Tags.member.10.Value=&Tags.member.2.Key=a&Tags.member.2.Value=x+y&PolicyArns=&TransitiveTagKeys.member.1=k&Unknown.1=2", nil,
			&sts.AssumeRoleInput{RoleArn: str("arn:aws:iam::000000000000:role/r"), RoleSessionName: str("ss"), TransitiveTagKeys: []string{"k"}}},
		{"acm-pca", "IssueCertificate", "/", ` {"CertificateAuthorityArn" : "` + caARN + `", "Csr":"YQ==","SigningAlgorithm":"SHA256WITHRSA","Validity":{"Type":"DAYS","Value":3.0e1}} ` + "\n", nil, nil},
	} {
		got, err := decode(t, c.service, c.op, c.target, c.body, c.header)
		if err != nil {
			t.Errorf("%s: %v", c.op, err)
			continue
		}
		switch in := got.(type) {
		case *sts.AssumeRoleInput:
			if len(in.Tags) != 2 || *in.Tags[0].Key != "a" || *in.Tags[0].Value != "x y" || *in.Tags[1].Value != "" {
				t.Errorf("tags: got %+v", in.Tags)
			}
			if in.PolicyArns == nil || len(in.PolicyArns) != 0 {
				t.Errorf("an empty list: got %#v", in.PolicyArns)
			}
			in.Tags, in.PolicyArns = nil, nil
		case *acmpca.IssueCertificateInput:
			if *in.Validity.Value != 30 {
				t.Errorf("3.0e1: got %d", *in.Validity.Value)
			}
			continue
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s %s:\ngot  %+v\nwant %+v", c.op, c.target, got, c.want)
		}
	}
}

func TestPutObject(t *testing.T) {
	t.Parallel()
	h := http.Header{}
	for k, v := range map[string]string{"x-amz-meta-Some-Key": "v", "Content-Type": "text/plain", "x-amz-storage-class": "STANDARD", "x-amz-object-lock-retain-until-date": "2030-01-02T03:04:05Z", "Content-Length": "5"} {
		h.Set(k, v)
	}
	h.Add("X-Amz-Meta-Some-Key", "w")
	got, err := decode(t, "s3", "PutObject", "/b/k?x-id=PutObject", "hello", h)
	if err != nil {
		t.Fatal(err)
	}
	in := got.(*s3.PutObjectInput)
	if !reflect.DeepEqual(in.Metadata, map[string]string{"some-key": "v,w"}) || *in.ContentType != "text/plain" || in.StorageClass != "STANDARD" || *in.ContentLength != 5 {
		t.Errorf("got %+v", in)
	}
	if !in.ObjectLockRetainUntilDate.Equal(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)) {
		t.Errorf("retain until: got %v", in.ObjectLockRetainUntilDate)
	}
	if b, err := io.ReadAll(in.Body); err != nil || string(b) != "hello" {
		t.Errorf("body: got %q, %v", b, err)
	}

	res, err := wire.Encode(operation(t, "s3", "GetObject"), &s3.GetObjectOutput{Body: io.NopCloser(strings.NewReader("hello")), ContentLength: aws.Int64(5), ExpiresString: aws.String("never"), Metadata: map[string]string{"k": ""}}, "")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(res.Stream); err != nil || string(b) != "hello" || res.Body != nil {
		t.Errorf("stream: got %q, %v", b, err)
	}
	// The key as it is: clients give its case on to people.
	const key = "x-amz-meta-" + "k"
	if v, ok := map[string][]string(res.Header)[key]; !ok || len(v) != 1 || res.Header.Get("Expires") != "never" || res.Header.Get("Content-Length") != "5" {
		t.Errorf("headers: got %v", res.Header)
	}
}
