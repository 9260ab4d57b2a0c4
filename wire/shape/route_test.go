package shape_test

import (
	"net/http"
	"net/url"
	"os/exec"
	"reflect"
	"strings"
	"testing"

	"countersign/wire/shape"
)

func TestLabels(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, path string
		want          []string // nil: no match
	}{
		{"/v2/apis/{apiId}", "/v2/apis/a1", []string{"apiId=a1"}},
		{"/v2/apis/{apiId}", "/v2/apis/a1/", []string{"apiId=a1"}},
		{"/v2/apis/{apiId}", "/v2/apis/a%2F1", []string{"apiId=a%2F1"}},
		{"/v2/apis/{apiId}", "/v2/apis/", nil},
		{"/v2/apis/{apiId}", "/v2/apis//", nil},
		{"/v2/apis/{apiId}", "/v2/apis", nil},
		{"/v2/apis/{apiId}", "/v2/apis/a/b", nil},
		{"/v2/apis/{apiId}", "v2/apis/a", nil},
		{"/v2/apis/{apiId}/routes/{routeId}", "/v2/apis/a/routes/r", []string{"apiId=a", "routeId=r"}},
		{"/v2/apis/{apiId}/routes/{routeId}", "/v2/apis/a/stages/r", nil},
		{"/2013-04-01/hostedzone/{Id}/rrset/", "/2013-04-01/hostedzone/Z1/rrset", []string{"Id=Z1"}},
		{"/2013-04-01/hostedzone/{Id}/rrset/", "/2013-04-01/hostedzone/Z1/rrset/", []string{"Id=Z1"}},
		{"/", "/", []string{}},
		{"/", "/b", nil},
		{"/{Bucket}", "/b", []string{"Bucket=b"}},
		{"/{Bucket}", "/b/", []string{"Bucket=b"}},
		{"/{Bucket}", "/b/k", nil},
		{"/{Bucket}/{Key+}", "/b", nil},
		{"/{Bucket}/{Key+}", "/b/", nil},
		{"/{Bucket}/{Key+}", "/b/k", []string{"Bucket=b", "Key=k"}},
		{"/{Bucket}/{Key+}", "/b//", []string{"Bucket=b", "Key=/"}},
		{"/{Bucket}/{Key+}", "/b/a//b/../c/./", []string{"Bucket=b", "Key=a//b/../c/./"}},
		{"/{Bucket}/{Key+}", "/b/%2e%2E/%252F+x", []string{"Bucket=b", "Key=%2e%2E/%252F+x"}},
	} {
		labels, ok := (&shape.Operation{Path: c.pattern}).Labels(c.path)
		if ok != (c.want != nil) {
			t.Errorf("%s for %s: match %v", c.pattern, c.path, ok)
			continue
		}
		got := []string{}
		for _, l := range labels {
			got = append(got, l.Name+"="+l.Escaped)
		}
		if ok && !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s for %s: got %v, want %v", c.pattern, c.path, got, c.want)
		}
	}
}

func TestRoute(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		service, request, header string
		want                     string // empty: none
	}{
		{"s3", "GET /", "", "ListBuckets"},
		{"s3", "PUT /b", "", "CreateBucket"},
		{"s3", "HEAD /b", "", "HeadBucket"},
		{"s3", "DELETE /b", "", "DeleteBucket"},
		{"s3", "GET /b", "", "ListObjects"},
		{"s3", "GET /b/", "", "ListObjects"},
		{"s3", "GET /b?prefix=x", "", "ListObjects"},
		{"s3", "GET /b?list-type=2&prefix=x", "", "ListObjectsV2"},
		{"s3", "GET /b?versions", "", "ListObjectVersions"},
		{"s3", "GET /b?versioning", "", "GetBucketVersioning"},
		{"s3", "PUT /b?versioning=", "", "PutBucketVersioning"},
		{"s3", "GET /b?uploads", "", "ListMultipartUploads"},
		{"s3", "GET /b?location", "", "GetBucketLocation"},
		{"s3", "GET /b?lifecycle", "", "GetBucketLifecycleConfiguration"},
		{"s3", "PUT /b?notification", "", "PutBucketNotificationConfiguration"},
		{"s3", "POST /b?delete", "", "DeleteObjects"},
		{"s3", "GET /b?analytics", "", "ListBucketAnalyticsConfigurations"},
		{"s3", "GET /b?analytics&id=1", "", "GetBucketAnalyticsConfiguration"},
		{"s3", "DELETE /b?analytics", "", "DeleteBucketAnalyticsConfiguration"}, // and not DeleteBucket
		{"s3", "DELETE /b?acl", "", ""},
		{"s3", "DELETE /b/k?acl", "", ""},
		{"s3", "GET /b/k", "", "GetObject"},
		{"s3", "GET /b/k?x-id=GetObject&versionId=v", "", "GetObject"},
		{"s3", "GET /b/k?acl", "", "GetObjectAcl"},
		{"s3", "GET /b/k?uploadId=u", "", "ListParts"},
		{"s3", "HEAD /b/k", "", "HeadObject"},
		{"s3", "PUT /b/k", "", "PutObject"},
		{"s3", "PUT /b/k", "x-amz-copy-source: /b/j", "CopyObject"},
		{"s3", "PUT /b/k?partNumber=1&uploadId=u", "", "UploadPart"},
		{"s3", "PUT /b/k?partNumber=1&uploadId=u", "x-amz-copy-source: /b/j", "UploadPartCopy"},
		{"s3", "PUT /b/k?tagging", "", "PutObjectTagging"},
		{"s3", "POST /b/k?uploads", "", "CreateMultipartUpload"},
		{"s3", "POST /b/k?uploadId=u", "", "CompleteMultipartUpload"},
		{"s3", "DELETE /b/k", "", "DeleteObject"},
		{"s3", "DELETE /b/k?versionId=v", "", "DeleteObject"},
		{"s3", "DELETE /b/k?uploadId=u", "", "AbortMultipartUpload"},
		{"s3", "POST /b/k?select&select-type=2", "", "SelectObjectContent"},
		{"s3", "POST /WriteGetObjectResponse", "x-amz-request-route: r", "WriteGetObjectResponse"},
		{"s3", "PATCH /b/k", "", ""},
		{"route53", "POST /2013-04-01/hostedzone/Z1/rrset", "", "ChangeResourceRecordSets"},
		{"route53", "POST /2013-04-01/hostedzone/Z1/rrset/", "", "ChangeResourceRecordSets"},
		{"route53", "GET /2013-04-01/hostedzone/Z1/rrset?name=a", "", "ListResourceRecordSets"},
		{"route53", "GET /2013-04-01/hostedzone", "", "ListHostedZones"},
		{"route53", "GET /2013-04-01/hostedzonecount", "", "GetHostedZoneCount"},
		{"route53", "GET /2013-04-01/nothing", "", ""},
		{"apigatewayv2", "POST /v2/apis", "", "CreateApi"},
		{"apigatewayv2", "PUT /v2/apis", "", "ImportApi"},
		{"apigatewayv2", "GET /v2/tags/arn%3Aaws%3Aapigateway%3Aeu-west-1%3A%3A%2Fapis%2Fa", "", "GetTags"},
		{"apigatewayv2", "DELETE /v2/tags/arn", "", "UntagResource"}, // tagKeys is missing: validation says so
		{"apigatewayv2", "GET /restapis", "", ""},
		{"lambda", "POST /2015-03-31/functions/f/invocations", "", "Invoke"},
		{"lambda", "GET /2015-03-31/functions", "", "ListFunctions"},
		{"lambda", "GET /2015-03-31/functions/", "", "ListFunctions"},
		{"lambda", "GET /2015-03-31/functions/f", "", "GetFunction"},
		{"lambda", "DELETE /2015-03-31/functions/f/policy/s1", "", "RemovePermission"},
	} {
		m, ok := shape.Service(c.service)
		if !ok {
			t.Fatalf("no model %s", c.service)
		}
		method, target, _ := strings.Cut(c.request, " ")
		u, err := url.Parse(target)
		if err != nil {
			t.Fatal(err)
		}
		h := http.Header{}
		if k, v, ok := strings.Cut(c.header, ": "); ok {
			h.Set(k, v)
		}
		got := ""
		if op, ok := m.Route(method, u.EscapedPath(), u.Query(), h); ok {
			got = op.Name
		}
		if got != c.want {
			t.Errorf("%s %s %s: got %q, want %q", c.service, c.request, c.header, got, c.want)
		}
	}
}

// TestNoClients holds the tables to the SDK's types packages: a client linked in
// by accident makes every program of ours many megabytes larger.
func TestNoClients(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", "countersign/wire").Output()
	if err != nil {
		t.Skipf("go list: %v", err)
	}
	const sdk = "github.com/aws/aws-sdk-go-v2/service/"
	for dep := range strings.FieldsSeq(string(out)) {
		rest, ok := strings.CutPrefix(dep, sdk)
		if ok && !strings.HasSuffix(rest, "/types") && !strings.HasSuffix(rest, "/schemas") {
			t.Errorf("wire links %s", dep)
		}
	}
}
