package api

import (
	"maps"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"countersign/wire/shape"
	"countersign/wire/sigv4"
)

func TestBucketHosts(t *testing.T) {
	t.Parallel()
	b := newBucketHosts([]string{"cs.test", "Other.Example.", ""})
	for host, want := range map[string]string{
		"bucket.s3.amazonaws.com":                         "bucket",
		"bucket.s3.eu-central-1.amazonaws.com":            "bucket",
		"bucket.s3-eu-central-1.amazonaws.com":            "bucket",
		"bucket.s3.dualstack.us-gov-west-1.amazonaws.com": "bucket",
		"bucket.s3.cn-north-1.amazonaws.com.cn":           "bucket",
		"a.dotted.bucket.s3.us-east-1.amazonaws.com":      "a.dotted.bucket",
		"x.s3.y.s3.us-east-1.amazonaws.com":               "x.s3.y",
		"BUCKET.S3.AMAZONAWS.COM.":                        "bucket",
		"bucket.s3.amazonaws.com:443":                     "bucket",
		"s3.amazonaws.com":                                "",
		"s3.eu-central-1.amazonaws.com":                   "",
		"acm.eu-central-1.amazonaws.com":                  "",
		"id.execute-api.eu-central-1.amazonaws.com":       "",
		"bucket.s3.amazonaws.com.evil.example":            "",
		"bucket.s3.evil.com":                              "",
		"bucket.localhost":                                "bucket",
		"bucket.localhost:4566":                           "bucket",
		"my.bucket.localhost":                             "my.bucket",
		"bucket.s3.localhost":                             "bucket",
		"bucket.s3.eu-west-1.localhost:4566":              "bucket",
		"s3.localhost":                                    "",
		"s3.eu-west-1.localhost":                          "",
		"localhost":                                       "",
		"localhost:4566":                                  "",
		"ab.localhost":                                    "",
		"under_score.localhost":                           "",
		"id.execute-api.eu-west-1.localhost":              "",
		"bucket.cs.test":                                  "bucket",
		"bucket.s3.cs.test":                               "bucket",
		"bucket.s3.eu-west-1.cs.test":                     "bucket",
		"cs.test":                                         "",
		"s3.cs.test":                                      "",
		"notcs.test":                                      "",
		"bucket.other.example":                            "bucket",
		"api.example.com":                                 "",
		"custom.domain":                                   "",
		"127.0.0.1":                                       "",
		"127.0.0.1:4566":                                  "",
		"[::1]:4566":                                      "",
		"[::1]":                                           "",
		"":                                                "",
	} {
		if got := b.bucket(host); got != want {
			t.Errorf("%q: bucket %q, want %q", host, got, want)
		}
	}
}

// Every operation of the S3 model is recognised, in the form its own model
// gives it and with whatever the SDKs add.
func TestEveryS3OperationIsRecognised(t *testing.T) {
	t.Parallel()
	m, ok := shape.Service("s3")
	if !ok {
		t.Fatal("there is no model")
	}
	newer := map[string]string{
		"GetBucketLifecycle":    "GetBucketLifecycleConfiguration",
		"GetBucketNotification": "GetBucketNotificationConfiguration",
		"PutBucketLifecycle":    "PutBucketLifecycleConfiguration",
		"PutBucketNotification": "PutBucketNotificationConfiguration",
	}
	for name, op := range m.Operations {
		path := strings.NewReplacer("{Bucket}", "bucket", "{Key+}", "a/key").Replace(op.Path)
		q := url.Values{"x-id": {name}}
		for _, p := range op.Query {
			q.Set(p.Name, p.Value)
		}
		if op.Input != nil {
			for _, in := range op.Input.Members {
				if in.Required && in.Location == shape.QueryString {
					q.Set(in.Wire, "1")
				}
			}
		}
		r := httptest.NewRequest(op.Method, "http://localhost"+path+"?"+q.Encode(), nil)
		if strings.Contains(name, "Copy") {
			r.Header.Set("X-Amz-Copy-Source", "other/key")
		}
		level, err := s3PathLevel(path)
		if err != nil {
			t.Fatal(err)
		}
		want := name
		if n := newer[name]; n != "" {
			want = n
		}
		got, err := s3Operation(m, r, level, r.URL.Query())
		if err != nil || got.Name != want {
			t.Errorf("%s %s: got %v, %v, want %s", r.Method, r.URL, got, err, want)
		}
	}
}

func TestS3Selection(t *testing.T) {
	t.Parallel()
	m, _ := shape.Service("s3")
	for _, tt := range []struct{ method, target, copySource, want string }{
		{"GET", "/", "", "ListBuckets"},
		{"GET", "/?x-id=ListBuckets", "", "ListBuckets"},
		{"GET", "/b", "", "ListObjects"},
		{"GET", "/b/", "", "ListObjects"},
		{"GET", "/b?list-type=2&prefix=x", "", "ListObjectsV2"},
		{"GET", "/b?list-type=1", "", "ListObjects"},
		{"GET", "/b?versions&prefix=", "", "ListObjectVersions"},
		{"GET", "/b?uploads", "", "ListMultipartUploads"},
		{"GET", "/b?location", "", "GetBucketLocation"},
		{"GET", "/b?inventory", "", "ListBucketInventoryConfigurations"},
		{"GET", "/b?inventory&id=x", "", "GetBucketInventoryConfiguration"},
		{"GET", "/b?whatever=1", "", "ListObjects"},
		{"HEAD", "/b", "", "HeadBucket"},
		{"PUT", "/b", "", "CreateBucket"},
		{"PUT", "/b?versioning", "", "PutBucketVersioning"},
		{"PUT", "/b?policy=", "", "PutBucketPolicy"},
		{"DELETE", "/b?policy", "", "DeleteBucketPolicy"},
		{"POST", "/b?delete", "", "DeleteObjects"},
		{"GET", "/b//", "", "GetObject"},
		{"GET", "/b/k", "", "GetObject"},
		{"GET", "/b/k?versionId=x&response-content-type=y", "", "GetObject"},
		{"GET", "/b/k?attributes", "", "GetObjectAttributes"},
		{"GET", "/b/k?tagging&versionId=1", "", "GetObjectTagging"},
		{"GET", "/b/k?uploadId=1", "", "ListParts"},
		{"HEAD", "/b/k", "", "HeadObject"},
		{"PUT", "/b/k", "", "PutObject"},
		{"PUT", "/b/k", "other/k", "CopyObject"},
		{"PUT", "/b/k?partNumber=1&uploadId=1", "", "UploadPart"},
		{"PUT", "/b/k?partNumber=1&uploadId=1", "other/k", "UploadPartCopy"},
		{"PUT", "/b/k?acl", "", "PutObjectAcl"},
		{"POST", "/b/k?uploads", "", "CreateMultipartUpload"},
		{"POST", "/b/k?uploadId=1", "", "CompleteMultipartUpload"},
		{"POST", "/b/k?select&select-type=2", "", "SelectObjectContent"},
		{"DELETE", "/b/k", "", "DeleteObject"},
		{"DELETE", "/b/k?versionId=1", "", "DeleteObject"},
		{"DELETE", "/b/k?uploadId=1", "", "AbortMultipartUpload"},
		{"POST", "/b", "", ""},
		{"POST", "/b/k", "", ""},
		{"PATCH", "/b/k", "", ""},
		{"DELETE", "/", "", ""},
	} {
		r := httptest.NewRequest(tt.method, tt.target, nil)
		if tt.copySource != "" {
			r.Header.Set("X-Amz-Copy-Source", tt.copySource)
		}
		level, err := s3PathLevel(escapedPath(r))
		if err != nil {
			t.Fatal(err)
		}
		got, err := s3Operation(m, r, level, r.URL.Query())
		name := ""
		if err == nil {
			name = got.Name
		}
		if name != tt.want {
			t.Errorf("%s %s: got %q (%v), want %q", tt.method, tt.target, name, err, tt.want)
		}
	}
}

// Every operation of the REST services is found by its own method and path.
func TestEveryRESTOperationIsFound(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"apigateway", "apigatewayv2", "lambda", "route53"} {
		m, ok := shape.Service(id)
		if !ok {
			t.Fatalf("there is no model of %s", id)
		}
		rs := newRoutes(m)
		for name, op := range m.Operations {
			parts := strings.Split(op.Path, "/")
			for i, p := range parts {
				if strings.HasPrefix(p, "{") {
					parts[i] = "arn%3Aaws%2Fx"
				}
			}
			path := strings.Join(parts, "/")
			q := url.Values{}
			for _, p := range op.Query {
				q.Set(p.Name, p.Value)
			}
			for _, variant := range []string{path, strings.TrimSuffix(path, "/"), strings.TrimSuffix(path, "/") + "/"} {
				if got := rs.match(op.Method, variant, q); got != op {
					t.Errorf("%s %s %s: got %v, want %s", id, op.Method, variant, got, name)
				}
			}
		}
	}
}

func TestRESTPathsThatMatchNothing(t *testing.T) {
	t.Parallel()
	m, _ := shape.Service("apigatewayv2")
	rs := newRoutes(m)
	for _, path := range []string{"/", "", "/v2", "/v2/apis//", "/v2/apis//stages", "/v2/apis/a/b/c/d/e/f/g/h", "/v3/apis", "//v2/apis", "/v2/apis%2Fx", "*"} {
		if op := rs.match("GET", path, nil); op != nil {
			t.Errorf("%q is %s", path, op.Name)
		}
	}
	if op := rs.match("GET", "/%762/apis", nil); op == nil || op.Name != "GetApis" {
		t.Errorf("an escaped literal: %v", op)
	}
}

func TestServiceRouting(t *testing.T) {
	t.Parallel()
	n := startNode(t, (*httptest.Server).Start)
	for _, tt := range []struct {
		name, method, target string
		header               []string
		scope                string // signing name; empty: not signed
		want                 string
	}{
		{"scope", "POST", "/", nil, "acm", "acm"},
		{"scope beats target", "POST", "/", []string{"X-Amz-Target", "CertificateManager.ListCertificates"}, "s3", "s3"},
		{"scope beats host", "GET", "http://bucket.s3.amazonaws.com/", nil, "sts", "sts"},
		{"v2 path", "GET", "/v2/apis", nil, "apigateway", "apigatewayv2"},
		{"v2 itself", "GET", "/v2", nil, "apigateway", "apigatewayv2"},
		{"v1 path", "GET", "/restapis", nil, "apigateway", ""},
		{"v1 domain names", "GET", "/domainnames", nil, "apigateway", ""},
		{"v1 path that looks like v2", "GET", "/v2x/apis", nil, "apigateway", ""},
		{"unknown scope", "GET", "/v2/apis", nil, "dynamodb", ""},
		{"target", "POST", "/", []string{"X-Amz-Target", "CertificateManager.ListCertificates"}, "", "acm"},
		{"unknown target", "POST", "/", []string{"X-Amz-Target", "Teapot.Boil"}, "", ""},
		{"action", "GET", "/?Action=GetCallerIdentity&Version=2011-06-15", nil, "", "sts"},
		{"action of another version", "GET", "/?Action=ListUsers&Version=2010-05-08", nil, "", ""},
		{"form", "POST", "/", []string{"Content-Type", "application/x-www-form-urlencoded"}, "", "sts"},
		{"lambda path", "GET", "/2015-03-31/functions", nil, "", "lambda"},
		{"route53 path", "GET", "/2013-04-01/hostedzone", nil, "", "route53"},
		{"gateway path", "GET", "/v2/apis", nil, "", "apigatewayv2"},
		{"host", "GET", "http://lambda.eu-west-1.amazonaws.com/nowhere", nil, "", "lambda"},
		{"everything else", "GET", "/bucket/key", nil, "", "s3"},
	} {
		r := httptest.NewRequest(tt.method, tt.target, nil)
		for i := 0; i < len(tt.header); i += 2 {
			r.Header.Set(tt.header[i], tt.header[i+1])
		}
		var claim *sigv4.Claim
		if tt.scope != "" {
			claim = &sigv4.Claim{Service: tt.scope}
		}
		got := ""
		if v := n.api.route(r, claim); v != nil {
			got = v.model.ID
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	changes := map[string][]string{}
	for _, id := range []string{"acm", "acm-pca", "sts"} {
		m, _ := shape.Service(id)
		for _, name := range slices.Sorted(maps.Keys(m.Operations)) {
			if !readOnly(m.Operations[name]) {
				changes[id] = append(changes[id], name)
			}
		}
	}
	for id, names := range map[string][]string{
		"acm":     {"RequestCertificate", "ImportCertificate", "DeleteCertificate", "AddTagsToCertificate", "RenewCertificate"},
		"acm-pca": {"CreateCertificateAuthority", "IssueCertificate", "RevokeCertificate", "UpdateCertificateAuthority", "PutPolicy", "TagCertificateAuthority"},
	} {
		for _, name := range names {
			if !slices.Contains(changes[id], name) {
				t.Errorf("%s %s counts as read-only", id, name)
			}
		}
	}
	s3, _ := shape.Service("s3")
	for name, want := range map[string]bool{"GetObject": true, "HeadBucket": true, "ListBuckets": true, "PutObject": false, "DeleteObjects": false, "CreateBucket": false} {
		if got := readOnly(s3.Operations[name]); got != want {
			t.Errorf("s3 %s: %v", name, got)
		}
	}
}
