package wire

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"countersign/wire/shape"

	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// fuzzed is an operation and the type it decodes into.
type fuzzed struct {
	op *shape.Operation
	in reflect.Type
}

func fuzzedOps(f *testing.F, list map[string]any) []fuzzed {
	var out []fuzzed
	for _, id := range shape.Services() { // in a fixed order: seeds refer to it
		m := model(f, id)
		for _, name := range []string{"AssumeRole", "ChangeResourceRecordSets", "CreateApi", "CreateCertificateAuthority", "CreateFunction", "DeleteObjects", "GetObject",
			"ImportCertificate", "IssueCertificate", "PutBucketAcl", "PutBucketLifecycleConfiguration", "PutBucketMetricsConfiguration", "SearchCertificates", "UpdateApi"} {
			if in, ok := list[id+" "+name]; ok {
				out = append(out, fuzzed{m.Operations[name], reflect.TypeOf(in)})
			}
		}
	}
	if len(out) != len(list) {
		f.Fatalf("%d operations of %d found", len(out), len(list))
	}
	return out
}

// decodes runs Decode, and wants an error to be one for the client. Only what
// passes without the constraints comes back.
func (x fuzzed) decodes(t *testing.T, req *Request) (reflect.Value, bool) {
	in := reflect.New(x.in)
	err := Decode(x.op, req, in.Interface())
	var api smithy.APIError
	if err != nil && !errors.As(err, &api) {
		t.Fatalf("an error that is not for the client: %v", err)
	}
	if err != nil {
		if res := EncodeError(x.op.Model, err, ErrorContext{}); res.Status < 400 || res.Status > 499 {
			t.Fatalf("status %d for %v", res.Status, err)
		}
	}
	in = reflect.New(x.in)
	return in.Elem(), decodeAnd(x.op, req, in.Interface(), unchecked) == nil
}

func FuzzJSON(f *testing.F) {
	ops := fuzzedOps(f, map[string]any{
		"acm SearchCertificates": acm.SearchCertificatesInput{}, "acm ImportCertificate": acm.ImportCertificateInput{},
		"acm-pca IssueCertificate": acmpca.IssueCertificateInput{}, "acm-pca CreateCertificateAuthority": acmpca.CreateCertificateAuthorityInput{},
		"apigatewayv2 CreateApi": apigatewayv2.CreateApiInput{}, "lambda CreateFunction": lambda.CreateFunctionInput{},
	})
	paths := map[string]string{"CreateApi": "/v2/apis", "CreateFunction": "/2015-03-31/functions"}
	for i := range ops {
		for _, s := range []string{``, `{}`, `{"Name":null,"name":"a","Tags":[{"Key":"a","Value":"b"}],"tags":{"a":"b"}}`,
			`{"FilterStatement":{"And":[{"Not":{"Filter":{"CertificateArn":"x"}}},{"Filter":{"X509AttributeFilter":{"NotAfter":{"Start":1.5e9}}}}]}}`,
			`{"Csr":"YQ==","Validity":{"Type":"DAYS","Value":1e2},"Certificate":"YQ=="}`, `{"a":[1,-0.5e-7,"\u00e9\ud83d\ude00\n",true,{"b":null}]}`,
			`{"Code":{"ZipFile":"UEsDBA=="},"Environment":{"Variables":{"A":"b"}},"Timeout":3}`, `[`, `{"":`, `{"a":"\ud800"}`} {
			f.Add(uint8(i), s)
		}
	}
	f.Fuzz(func(t *testing.T, n uint8, body string) {
		x := ops[int(n)%len(ops)]
		req := &Request{Path: paths[x.op.Name], Query: url.Values{}, Header: http.Header{}, Body: []byte(body)}
		first, ok := x.decodes(t, req)
		if !ok {
			return
		}
		if strings.TrimSpace(body) != "" && !json.Valid([]byte(body)) {
			t.Fatalf("accepted what is not JSON: %q", body)
		}
		// What was read and written is read and written the same again.
		p, err := planFor(x.op.Input, x.in)
		if err != nil {
			t.Fatal(err)
		}
		write := func(v reflect.Value) []byte {
			w := jsonWriter{timestamps: "unixTimestamp"}
			if err := w.structure(p, v, nil); err != nil {
				t.Fatal(err)
			}
			return w.buf
		}
		written := write(first)
		second := reflect.New(x.in).Elem()
		if err := decodeJSON(p, written, second, &check{model: x.op.Model}); err != nil {
			t.Fatalf("read %q, wrote %q: %v", body, written, err)
		}
		if again := write(second); string(again) != string(written) {
			t.Fatalf("read %q, wrote %q and then %q", body, written, again)
		}
	})
}

func FuzzXML(f *testing.F) {
	ops := fuzzedOps(f, map[string]any{
		"s3 DeleteObjects": s3.DeleteObjectsInput{}, "s3 PutBucketAcl": s3.PutBucketAclInput{},
		"s3 PutBucketLifecycleConfiguration": s3.PutBucketLifecycleConfigurationInput{}, "s3 PutBucketMetricsConfiguration": s3.PutBucketMetricsConfigurationInput{},
		"route53 ChangeResourceRecordSets": route53.ChangeResourceRecordSetsInput{},
	})
	for i := range ops {
		for _, s := range []string{``, `<a/>`, `<Delete><Object><Key>a</Key></Object><Quiet>true</Quiet></Delete>`,
			`<AccessControlPolicy><AccessControlList><Grant><Grantee xmlns:xsi="x" xsi:type="Group"><URI>u</URI></Grantee></Grant></AccessControlList></AccessControlPolicy>`,
			`<LifecycleConfiguration><Rule><ID>a</ID><Expiration><Date>2026-01-02T03:04:05Z</Date></Expiration><Filter><And><Tag><Key>k</Key></Tag></And></Filter></Rule></LifecycleConfiguration>`,
			`<MetricsConfiguration><Id>a</Id><Filter><Prefix>p</Prefix></Filter></MetricsConfiguration>`,
			`<ChangeResourceRecordSetsRequest><ChangeBatch><Changes><Change><Action>CREATE</Action><ResourceRecordSet><TTL>1</TTL><ResourceRecords><ResourceRecord><Value>v</Value></ResourceRecord></ResourceRecords></ResourceRecordSet></Change></Changes></ChangeBatch></ChangeResourceRecordSetsRequest>`,
			`<!DOCTYPE a><a/>`, `<a><![CDATA[x]]></a>`, `<?xml version="1.0" encoding="UTF-16"?><a/>`} {
			f.Add(uint8(i), s)
		}
	}
	f.Fuzz(func(t *testing.T, n uint8, body string) {
		x := ops[int(n)%len(ops)]
		path := "/bucket"
		if x.op.Model.ID == "route53" {
			path = "/2013-04-01/hostedzone/Z/rrset"
		}
		first, ok := x.decodes(t, &Request{Path: path, Query: url.Values{"id": {"i"}}, Header: http.Header{}, Body: []byte(body)})
		if !ok {
			return
		}
		p, err := planFor(x.op.Input, x.in)
		if err != nil {
			t.Fatal(err)
		}
		write := func(v reflect.Value) []byte {
			e := xmlEncoder{w: newXML(), timestamps: iso8601Millis}
			e.w.open("root", "")
			if err := e.members(p, v); err != nil {
				t.Fatal(err)
			}
			e.w.close("root")
			return e.w.buf
		}
		written := write(first)
		root, err := parseXML(written)
		if err != nil {
			t.Fatalf("read %q, wrote %q: %v", body, written, err)
		}
		second := reflect.New(x.in).Elem()
		d := xmlDecoder{check: &check{model: x.op.Model}, timestamps: "iso8601"}
		if err := d.structure(p, root, second); err != nil {
			t.Fatalf("read %q, wrote %q: %v", body, written, err)
		}
		if again := write(second); string(again) != string(written) {
			t.Fatalf("read %q, wrote %q and then %q", body, written, again)
		}
	})
}

func FuzzQuery(f *testing.F) {
	ops := fuzzedOps(f, map[string]any{"sts AssumeRole": sts.AssumeRoleInput{}})
	for _, s := range []string{"", "Action=AssumeRole&RoleArn=a&Tags.member.1.Key=k&Tags.member.1.Value=v&TransitiveTagKeys.member.2=x", "Tags.member.x=1", "Tags.=&.=&..=", "DurationSeconds=900", "a=%zz", "Tags=&PolicyArns.member.99999999999999999999.arn=a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		v, ok := ops[0].decodes(t, &Request{Path: "/", Query: url.Values{}, Header: http.Header{}, Body: []byte(body)})
		if ok && strings.HasPrefix(body, "RoleArn=") && !strings.ContainsAny(body, "&%+;") && v.Interface().(sts.AssumeRoleInput).RoleArn == nil {
			t.Fatalf("%q: no RoleArn", body)
		}
	})
}

// FuzzBindings reads labels, query and headers.
func FuzzBindings(f *testing.F) {
	ops := fuzzedOps(f, map[string]any{"s3 GetObject": s3.GetObjectInput{}, "apigatewayv2 UpdateApi": apigatewayv2.UpdateApiInput{}})
	f.Add(uint8(0), "/b/k", "versionId=v&partNumber=1", "Range", "bytes=0-1")
	f.Add(uint8(0), "/b//%2e%2e/%zz", "partNumber=x", "If-Modified-Since", "Wed, 04 Mar 2026 05:06:07 GMT")
	f.Add(uint8(1), "/v2/apis/a%2Fb", "", "Content-Type", "application/json")
	f.Add(uint8(1), "/v2/apis//", "%", "", "")
	f.Fuzz(func(t *testing.T, n uint8, path, query, key, value string) {
		x := ops[int(n)%len(ops)]
		q, _ := url.ParseQuery(query)
		h := http.Header{}
		h.Set(key, value)
		x.op.Model.Route(x.op.Method, path, q, h)
		v, ok := x.decodes(t, &Request{Path: path, Query: q, Header: h})
		if !ok {
			return
		}
		// A label is decoded once: encoding it gives back the same text.
		if in, ok := v.Interface().(apigatewayv2.UpdateApiInput); ok {
			label := strings.TrimSuffix(strings.TrimPrefix(path, "/v2/apis/"), "/")
			if want, err := url.PathUnescape(label); err != nil || in.ApiId == nil || *in.ApiId != want {
				t.Fatalf("%q: got %v", path, in.ApiId)
			}
		}
	})
}
