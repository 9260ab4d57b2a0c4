package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"countersign/wire/shape"
	"countersign/wire/sigv4"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
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
)

// fuzzTime bounds the random part of TestNoOperationFails.
const fuzzTime = 12 * time.Second

// No input makes an operation fail from within. Every operation is called with
// its required members only, then with random ones that the model allows, and with
// the bodies of those calls damaged; what answers bring is used in later calls. An
// answer of 500 is a bug, whatever was asked.
func TestNoOperationFails(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("FUZZ_SEED"); text != "" { // of a run that failed
		seed = must(strconv.ParseUint(text, 10, 64))(t)
	}
	t.Logf("FUZZ_SEED=%d", seed)
	s := start(t)
	f := &opFuzzer{t: t, rnd: rand.New(rand.NewPCG(seed, 1)), pool: map[string][]string{}, blobs: map[string][][]byte{}, statuses: map[int]int{}, succeeded: map[string]bool{}}
	id, secret := s.node.Credentials().AccessKeyID, s.node.Credentials().SecretAccessKey
	config := aws.Config{
		Region: region, BaseEndpoint: aws.String(s.node.Endpoints().Endpoint), Credentials: credentials.NewStaticCredentialsProvider(id, secret, ""),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
		HTTPClient: &http.Client{Transport: &damager{f: f, creds: sigv4.Credentials{AccessKeyID: id, SecretAccessKey: secret}},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	}
	clients := map[string]any{
		"acm": acm.NewFromConfig(config), "acm-pca": acmpca.NewFromConfig(config), "apigatewayv2": apigatewayv2.NewFromConfig(config), "apigateway": apigateway.NewFromConfig(config),
		"lambda": lambda.NewFromConfig(config), "route53": route53.NewFromConfig(config), "sts": sts.NewFromConfig(config),
		"iam": iam.NewFromConfig(config), "secretsmanager": secretsmanager.NewFromConfig(config), "ssm": ssm.NewFromConfig(config), "logs": cloudwatchlogs.NewFromConfig(config),
		"cloudformation": cloudformation.NewFromConfig(config),
		"s3":             s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = true }),
	}
	f.seedWorld(s)

	names := listed()
	began := time.Now()
	for _, name := range names {
		if _, operation, _ := strings.Cut(name, " "); !strings.HasPrefix(operation, "Delete") { // they come later
			f.call(clients, name, 0)
		}
	}
	t.Logf("%d operations with required members only: %v", len(names), time.Since(began))
	rounds := 0
	for end := time.Now().Add(fuzzTime); ; rounds++ {
		f.rnd.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		for _, name := range names {
			if rounds > 0 && time.Now().After(end) {
				t.Logf("%d rounds; %d requests; answers by status: %v; %d operations of %d succeeded", rounds, f.requests, f.statuses, len(f.succeeded), len(names))
				return
			}
			// What is deleted cannot be tried on: leave most of it.
			_, operation, _ := strings.Cut(name, " ")
			if strings.HasPrefix(operation, "Delete") && f.rnd.IntN(60) > 0 {
				continue
			}
			f.call(clients, name, []float64{0.02, 0.1, 0.3, 0.9}[f.rnd.IntN(4)])
		}
	}
}

// An opFuzzer makes inputs by the service models.
type opFuzzer struct {
	t         *testing.T
	rnd       *rand.Rand
	keep      float64             // share of optional members to fill
	sober     float64             // share of values that mean something
	pool      map[string][]string // values that mean something, by the name of the member, in lower case
	blobs     map[string][][]byte
	current   string // operation under way
	input     any
	requests  int
	statuses  map[int]int
	succeeded map[string]bool // operations
}

// seedWorld makes one of everything.
func (f *opFuzzer) seedWorld(s *system) {
	ca, certificate := s.authority("ROOT", "fuzz root", "", "RootCACertificate", "")
	const managed = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
	role := s.lambdaRole("fuzz")
	s.bucket("fuzz-bucket")
	version := s.put("fuzz-bucket", "trust.pem", []byte(certificate))
	server := s.serverCertificate("fuzz.example", "*.fuzz.example")
	api := s.echoAPI("fuzz-function")
	s.domain("api.fuzz.example", server, api, "s3://fuzz-bucket/trust.pem")
	ctx := context.Background()
	must(s.secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("fuzz-secret"), SecretString: aws.String("x")}))(f.t)
	must(s.ssm.PutParameter(ctx, &ssm.PutParameterInput{Name: aws.String("/fuzz/parameter"), Value: aws.String("x"), Type: "SecureString"}))(f.t)
	must(s.logs.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("fuzz-log")}))(f.t)
	must(s.logs.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: aws.String("fuzz-log"), LogStreamName: aws.String("fuzz-stream")}))(f.t)
	for name, values := range map[string][]string{
		"certificateauthorityarn": {ca}, "arn": {ca, server}, "certificatearn": {server}, "bucket": {"fuzz-bucket", "fuzz-second"}, "key": {"trust.pem", "k/é", "/"},
		"versionid": {version, "null"}, "apiid": {api}, "domainname": {"api.fuzz.example", "new.fuzz.example", "*.fuzz.example"}, "functionname": {"fuzz-function"},
		"name": {"fuzz.example", "api.fuzz.example", "$default"}, "truststoreuri": {"s3://fuzz-bucket/trust.pem"}, "hostedzoneid": {},
		"stagename": {"$default", "one"}, "stage": {"$default", "one"}, "routekey": {"$default", "GET /a/{b}", "ANY /{p+}"}, "integrationuri": {"http://127.0.0.1:1/{p}"},
		"secretid": {"fuzz-secret"}, "ssm name": {"/fuzz/parameter", "/fuzz/parameter:1", "fuzz"}, "ssm path": {"/fuzz", "/"}, "ssm type": {"String", "SecureString"}, "resourceid": {"/fuzz/parameter"}, "resourcetype": {"Parameter"},
		"loggroupname": {"fuzz-log", "/aws/lambda/fuzz-function"}, "logstreamname": {"fuzz-stream"}, "filterpattern": {"a -b", `{ $.a = 1 }`}, "versionstage": {"AWSCURRENT", "AWSPENDING", "fuzz"},
		"credentialsarn": {}, "role": {role}, "rolearn": {role}, "rolename": {"fuzz", "fuzz-second"}, "policyname": {"fuzz"}, "permissionsboundary": {managed},
		"policyarn": {managed, "arn:aws:iam::" + account + ":policy/fuzz"}, "policydocument": {`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`},
		"assumerolepolicydocument": {lambdaTrust}, "rolesessionname": {"fuzz"}, "pathprefix": {"/"}, "path": {"/", "/fuzz/"}, "handler": {"bootstrap"}, "runtime": {"provided.al2023"},
		"templatearn": {"arn:aws:acm-pca:::template/EndEntityCertificate/V1", "arn:aws:acm-pca:::template/BlankEndEntityCertificate_APIPassthrough/V1"},
		"copysource":  {"fuzz-bucket/trust.pem", "/fuzz-bucket/trust.pem?versionId=" + version}, "country": {"DE"}, "value": {"192.0.2.1", "x"},
		"signingalgorithm": {"SHA256WITHRSA"}, "version": {"$LATEST", "1"}, "qualifier": {"$LATEST", "1", "a"}, "functionversion": {"1", "$LATEST"},
		"protocoltype": {"HTTP"}, "integrationtype": {"HTTP_PROXY", "AWS_PROXY"}, "payloadformatversion": {"1.0", "2.0"}, "principal": {"acm.amazonaws.com", "apigateway.amazonaws.com"},
		"lambda action": {"lambda:InvokeFunction"}, "route53 action": {"UPSERT", "CREATE", "DELETE"}, "type": {"A", "TXT", "CNAME", "YEARS", "DAYS"}, "partnumber": {"1"}, "range": {"bytes=0-3"},
		"resource": {ca, server}, "policy": {`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::fuzz-bucket/*"}]}`},
	} {
		f.pool[name] = values
	}
	pem := []byte(certificate)
	f.blobs["csr"], f.blobs["certificate"], f.blobs["certificatechain"] = [][]byte{newCSR(f.t, "fuzz", "api.fuzz.example")}, [][]byte{pem}, [][]byte{pem}
	f.blobs["privatekey"] = [][]byte{[]byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")}
	code, err := zipped("bootstrap", []byte("#!/bin/sh\nexit 1\n"))
	if err != nil {
		f.t.Fatal(err)
	}
	f.blobs["zipfile"], f.blobs["payload"] = [][]byte{code}, [][]byte{[]byte(`{"a":1}`)}
	f.blobs["passphrase"] = [][]byte{[]byte("a passphrase")}
}

// call makes one call. Errors are expected; damager looks at the status.
func (f *opFuzzer) call(clients map[string]any, name string, keep float64) {
	service, operation, _ := strings.Cut(name, " ")
	method := reflect.ValueOf(clients[service]).MethodByName(operation)
	if !method.IsValid() {
		f.t.Fatalf("the SDK has no %s", name)
	}
	model, _ := shape.Service(service)
	in := reflect.New(method.Type().In(1).Elem())
	f.keep, f.current, f.input = keep, name, in.Interface()
	f.sober = []float64{0.6, 0.97}[f.rnd.IntN(2)]
	if s := model.Operations[operation].Input; s != nil {
		f.structure(s, in.Elem(), 0)
	}
	ctx, cancel := context.WithTimeout(f.t.Context(), 5*time.Second)
	defer cancel()
	out := method.Call([]reflect.Value{reflect.ValueOf(ctx), in})
	if out[1].IsNil() {
		f.succeeded[name] = true
		f.harvest("", out[0], 0)
		if body := out[0].Elem().FieldByName("Body"); body.IsValid() {
			if r, ok := body.Interface().(io.ReadCloser); ok {
				io.Copy(io.Discard, r)
				r.Close()
			}
		}
	}
}

func (f *opFuzzer) structure(s *shape.Shape, v reflect.Value, depth int) {
	for _, m := range s.Members {
		if field := v.FieldByName(m.Field); field.IsValid() && (m.Required || depth < 5 && f.rnd.Float64() < f.keep) {
			f.value(m.Name, m, field, depth)
		}
	}
}

func (f *opFuzzer) value(name string, m *shape.Member, v reflect.Value, depth int) {
	s := m.Shape
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if v.Kind() == reflect.String && s.Type != shape.String { // here and there the SDK has another type than the model
		v.SetString(fmt.Sprint(f.number(s)))
		return
	}
	if v.CanInt() && s.Type == shape.String {
		v.SetInt(f.number(s))
		return
	}
	switch s.Type {
	case shape.Structure:
		if !s.Union {
			f.structure(s, v, depth+1)
			return
		}
		if one := s.Members[f.rnd.IntN(len(s.Members))]; one.Variant != nil && depth < 6 {
			u := reflect.New(one.Variant)
			f.value(one.Name, one, u.Elem().FieldByName("Value"), depth+1)
			v.Set(u)
		}
	case shape.List:
		n := f.count(s)
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			f.value(strings.TrimSuffix(name, "s"), s.Member, v.Index(i), depth+1)
		}
	case shape.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range f.count(s) {
			k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			f.value(name+"key", s.Key, k, depth+1)
			f.value(name, s.Member, e, depth+1)
			v.SetMapIndex(k, e)
		}
	case shape.String:
		v.SetString(f.text(name, s))
	case shape.Blob:
		data := f.blob(name)
		if m.IsStream() {
			v.Set(reflect.ValueOf(bytes.NewReader(data)))
		} else {
			v.SetBytes(data)
		}
	case shape.Boolean:
		v.SetBool(f.rnd.IntN(2) == 0)
	case shape.Integer, shape.Long:
		v.SetInt(f.number(s))
	case shape.Float, shape.Double:
		v.SetFloat(float64(f.number(s)))
	case shape.Timestamp:
		v.Set(reflect.ValueOf([]time.Time{{}, time.Unix(0, 0), time.Now(), time.Now().AddDate(1, 0, 0), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}[f.rnd.IntN(5)]))
	}
}

func (f *opFuzzer) count(s *shape.Shape) int {
	n := f.rnd.IntN(3)
	if s.HasMin {
		n = max(n, int(s.Min))
	}
	if s.HasMax {
		n = min(n, int(s.Max))
	}
	return n
}

func (f *opFuzzer) number(s *shape.Shape) int64 {
	n := []int64{0, 1, 2, 3, 5, 60, 300, 1024, 1 << 30, -1, 1<<31 - 1}[f.rnd.IntN(11)]
	if s.Type == shape.Long && f.rnd.IntN(8) == 0 {
		n = 1<<63 - 1
	}
	if s.HasMin {
		n = max(n, int64(s.Min))
	}
	if s.HasMax && s.Max < 1<<62 {
		n = min(n, int64(s.Max))
	}
	return n
}

func (f *opFuzzer) blob(name string) []byte {
	if known := f.blobs[strings.ToLower(name)]; len(known) > 0 && f.rnd.Float64() < f.sober {
		return known[f.rnd.IntN(len(known))]
	}
	data := make([]byte, f.rnd.IntN(64)+1)
	for i := range data {
		data[i] = byte(f.rnd.Uint32())
	}
	return data
}

var oddities = []string{
	"a", "0", "-1", "*", ".", "..", "/", "//", "a/b", "%", "%2F", "é", "😀", " ", "a b", "a:b", "$", "$default", "{x}", "{", "GET /", "null", "{}", "[]", `"`,
	"arn:", "arn:aws:acm-pca:eu-west-1:000000000000:certificate-authority/x", "arn:aws:lambda:eu-west-1:000000000000:function:x", "arn:aws:s3:::b", "s3://", "s3://a/b",
	"xn--a", "a.", ".a", "*.a.b", "http://", "http://[::1]:99999/", "18446744073709551616", "AAAA", "2026-01-01T00:00:00Z", "\t",
}

// text is a value that is known to mean something, one that the model names, or one that is neither.
func (f *opFuzzer) text(name string, s *shape.Shape) string {
	lower := strings.ToLower(name)
	service, _, _ := strings.Cut(f.current, " ")
	known := f.pool[service+" "+lower] // what another service calls the same is likely something else
	if len(known) == 0 {
		known = f.pool[lower]
	}
	if strings.HasSuffix(lower, "arn") && (len(known) == 0 || f.rnd.IntN(5) == 0) {
		known = f.pool["arn"]
		if own := f.pool[service+" arn"]; len(own) > 0 && f.rnd.IntN(3) > 0 {
			known = own
		}
	}
	text := ""
	switch {
	case len(known) > 0 && f.rnd.Float64() < f.sober:
		text = known[f.rnd.IntN(len(known))]
	case len(s.Enum) > 0 && f.rnd.IntN(10) > 0:
		text = s.Enum[f.rnd.IntN(len(s.Enum))]
	case f.rnd.IntN(3) == 0:
		text = fmt.Sprintf("fuzz-%d", f.rnd.IntN(6))
	default:
		text = oddities[f.rnd.IntN(len(oddities))]
		if f.rnd.IntN(12) == 0 {
			text = strings.Repeat(text, 300)
		}
	}
	if s.HasMin {
		for len(text) < int(s.Min) {
			text += "x"
		}
	}
	if s.HasMax && len(text) > int(s.Max) {
		text = strings.ToValidUTF8(text[:int(s.Max)], "")
	}
	return text
}

// harvest keeps the strings of an answer for later calls.
func (f *opFuzzer) harvest(name string, v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() && depth < 8 {
			f.harvest(name, v.Elem(), depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.IsExported() && field.Name != "ResultMetadata" {
				f.harvest(name, v.Field(i), depth+1)
				if v.Field(i).Kind() == reflect.Pointer && v.Field(i).Type().Elem().Kind() == reflect.String && !v.Field(i).IsNil() {
					f.learn(field.Name, v.Field(i).Elem().String())
					f.learn(v.Type().Name()+field.Name, v.Field(i).Elem().String()) // HostedZone.Id is HostedZoneId
				}
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() != reflect.Uint8 {
			for i := range min(v.Len(), 10) {
				f.harvest(name, v.Index(i), depth+1)
			}
		}
	}
}

func (f *opFuzzer) learn(name, value string) {
	if value == "" || len(value) > 1000 {
		return
	}
	lower := strings.ToLower(name)
	service, _, _ := strings.Cut(f.current, " ")
	if service == "route53" {
		value = value[strings.LastIndexByte(value, '/')+1:] // "/hostedzone/Z…" is longer than an id may be
	}
	names := []string{lower, service + " " + lower}
	if strings.HasPrefix(value, "arn:") {
		names = append(names, "arn", "resource", service+" arn", service+" resource")
	}
	for _, n := range names {
		switch known := f.pool[n]; {
		case slices.Contains(known, value):
		case len(known) < 24:
			f.pool[n] = append(known, value)
		default:
			known[f.rnd.IntN(len(known))] = value
		}
	}
}

// A damager sends every request once as it is and once more with a damaged
// body, signed anew.
type damager struct {
	f     *opFuzzer
	creds sigv4.Credentials
}

func (d *damager) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body.Close()
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	sent := r.Clone(r.Context())
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	d.look(res, sent, body)
	if damaged := d.damage(body); d.f.keep > 0 && damaged != nil {
		service := strings.Split(sent.Header.Get("Authorization"), "/")[3]
		for _, h := range []string{"Authorization", "Content-Length", "Content-Md5"} {
			sent.Header.Del(h)
		}
		for h := range sent.Header {
			if strings.HasPrefix(h, "X-Amz-Checksum-") || strings.HasPrefix(h, "X-Amz-Sdk-") || h == "X-Amz-Trailer" {
				sent.Header.Del(h)
			}
		}
		sent.Body, sent.ContentLength = io.NopCloser(bytes.NewReader(damaged)), int64(len(damaged))
		sigv4.Sign(sent, d.creds, region, service, time.Now(), sigv4.HashPayload(damaged))
		second, err := http.DefaultTransport.RoundTrip(sent)
		if err == nil {
			d.look(second, sent, damaged)
			second.Body.Close()
		}
	}
	return res, nil
}

// look demands that an answer is no failure of the server's own.
func (d *damager) look(res *http.Response, r *http.Request, body []byte) {
	f := d.f
	f.requests++
	f.statuses[res.StatusCode]++
	if res.StatusCode < 500 || res.StatusCode == http.StatusNotImplemented {
		return
	}
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		answer = []byte(err.Error())
	}
	res.Body = io.NopCloser(bytes.NewReader(answer))
	input, _ := json.Marshal(f.input)
	f.t.Errorf("%s answered %d: %s\n%s %s\nbody %.2000q\ninput %.2000s", f.current, res.StatusCode, answer, r.Method, r.URL, body, input)
}

var xmlLeaf = regexp.MustCompile(`<([A-Za-z]+)>[^<]*</[A-Za-z]+>`)

// damage makes another body of one in JSON or XML; nil for anything else.
func (d *damager) damage(body []byte) []byte {
	rnd := d.f.rnd
	var document any
	if json.Unmarshal(body, &document) == nil {
		if m, ok := document.(map[string]any); ok && len(m) > 0 {
			out, err := json.Marshal(d.other(m, 0))
			if err == nil {
				return out
			}
		}
		return nil
	}
	if leaves := xmlLeaf.FindAllIndex(body, -1); len(leaves) > 0 {
		at := leaves[rnd.IntN(len(leaves))]
		return slices.Concat(body[:at[0]], body[at[1]:])
	}
	return nil
}

// other is a JSON value with one of its parts replaced.
func (d *damager) other(v any, depth int) any {
	rnd := d.f.rnd
	stop := depth > 0 && rnd.IntN(3) == 0
	switch v := v.(type) {
	case map[string]any:
		if len(v) > 0 && !stop {
			keys := make([]string, 0, len(v))
			for k := range v {
				keys = append(keys, k)
			}
			slices.Sort(keys)
			k := keys[rnd.IntN(len(keys))]
			v[k] = d.other(v[k], depth+1)
			return v
		}
	case []any:
		if len(v) > 0 && !stop {
			i := rnd.IntN(len(v))
			v[i] = d.other(v[i], depth+1)
			return v
		}
	}
	return []any{nil, "", "x", 0, -1, 1.5, true, []any{}, []any{nil}, map[string]any{}, []any{map[string]any{}}}[rnd.IntN(11)]
}
