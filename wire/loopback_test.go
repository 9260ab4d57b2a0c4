package wire

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/wire/shape"

	"github.com/aws/aws-sdk-go-v2/aws"
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

// clients makes a client of every service, by the id of its model.
func clients(cfg aws.Config) map[string]any {
	return map[string]any{
		"acm":            acm.NewFromConfig(cfg),
		"acm-pca":        acmpca.NewFromConfig(cfg),
		"apigateway":     apigateway.NewFromConfig(cfg),
		"apigatewayv2":   apigatewayv2.NewFromConfig(cfg),
		"cloudformation": cloudformation.NewFromConfig(cfg),
		"iam":            iam.NewFromConfig(cfg),
		"lambda":         lambda.NewFromConfig(cfg),
		"logs":           cloudwatchlogs.NewFromConfig(cfg),
		"route53":        route53.NewFromConfig(cfg),
		"secretsmanager": secretsmanager.NewFromConfig(cfg),
		"ssm":            ssm.NewFromConfig(cfg),
		"s3":             s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true; o.DisableS3ExpressSessionAuth = aws.Bool(true) }),
		"sts":            sts.NewFromConfig(cfg),
	}
}

// method finds the client's method of an operation and the types it takes and
// gives. Only a test may look methods up by name: it keeps the linker from
// dropping any.
func method(t testing.TB, client any, op *shape.Operation) (call reflect.Value, in, out reflect.Type) {
	t.Helper()
	call = reflect.ValueOf(client).MethodByName(op.Name)
	if !call.IsValid() {
		t.Fatalf("the SDK has no method %s", op.Name)
	}
	return call, call.Type().In(1).Elem(), call.Type().Out(0).Elem()
}

// unchecked leaves the constraints: filled values do not meet them.
func unchecked(*check, *plan, reflect.Value) error { return nil }

// exchange is what the server is to see and to answer in one call.
type exchange struct {
	op       *shape.Operation
	input    reflect.Value // *Input that the client is given
	output   reflect.Value // *Output that the server gives
	problems []string
}

func (x *exchange) problem(format string, args ...any) {
	x.problems = append(x.problems, fmt.Sprintf(format, args...))
}

func (x *exchange) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	req := &Request{Path: r.URL.EscapedPath(), Query: r.URL.Query(), Header: r.Header}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		x.problem("read the body: %v", err)
	}
	if x.op.StreamsInput() {
		req.Stream = strings.NewReader(string(body))
	} else {
		req.Body = body
	}
	m := x.op.Model
	switch m.Protocol {
	case shape.JSON:
		if got := r.Header.Get("X-Amz-Target"); got != m.TargetPrefix+"."+x.op.Name {
			x.problem("X-Amz-Target: got %q", got)
		}
	case shape.Query:
		if form, err := url.ParseQuery(string(body)); err != nil || form.Get("Action") != x.op.Name || form.Get("Version") != m.APIVersion {
			x.problem("Action and Version: got %q", body)
		}
	default:
		found, ok := m.Route(r.Method, req.Path, req.Query, r.Header)
		if (!ok || found != x.op) && x.op.Name != "ListDirectoryBuckets" { // the same request as ListBuckets, but for the host
			x.problem("route: got %v for %s %s", found, r.Method, r.URL)
		}
	}
	got := reflect.New(x.input.Type().Elem())
	if x.op.Input == nil {
		// Nothing is to be read, and decoding must not mind.
		if err := Decode(x.op, req, got.Interface()); err != nil {
			x.problem("decode: %v", err)
		}
	} else if err := decodeAnd(x.op, req, got.Interface(), unchecked); err != nil {
		x.problem("decode: %v\n%s %s\n%s", err, r.Method, r.URL, body)
	} else if p, err := planFor(x.op.Input, got.Type().Elem()); err != nil {
		x.problem("plan: %v", err)
	} else {
		for _, d := range diff(p, x.input.Elem(), got.Elem(), "Input") {
			x.problem("%s", d)
		}
	}
	res, err := Encode(x.op, x.output.Interface(), "request-id")
	if err != nil {
		x.problem("encode: %v", err)
		return
	}
	for k, v := range res.Header {
		w.Header()[k] = v
	}
	w.WriteHeader(res.Status)
	if res.Stream != nil {
		io.Copy(w, res.Stream)
		return
	}
	w.Write(res.Body)
}

// eventStreams are the operations that package wire does not speak.
var eventStreams = map[string]bool{
	"lambda InvokeWithResponseStream": true,
	"logs GetLogObject":               true,
	"logs StartLiveTail":              true,
	"s3 SelectObjectContent":          true,
}

// TestLoopback sends every operation of every service with the real client to
// a server that decodes and answers by this package: with all members, with the
// required ones only, and with random choices.
func TestLoopback(t *testing.T) {
	t.Parallel()
	for _, id := range shape.Services() {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			m, _ := shape.Service(id)
			var mu sync.Mutex
			var current *exchange
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				current.ServeHTTP(w, r)
			}))
			defer server.Close()
			client := clients(testConfig(server))[id]
			if client == nil {
				t.Fatal("no client of this service in the test")
			}
			for name, op := range m.Operations {
				if op.EventStream() {
					if !eventStreams[id+" "+name] {
						t.Errorf("%s: unexpectedly an event stream", name)
					}
					continue
				}
				call, inType, outType := method(t, client, op)
				for round, keep := range []float64{1, 0, 0.7, 0.7, 0.4, 0.4} {
					x := &exchange{op: op, input: reflect.New(inType), output: reflect.New(outType)}
					if op.Input != nil {
						fillStruct(t, op, newFiller(uint64(round), keep, true), op.Input, x.input)
					}
					if op.Output != nil {
						fillStruct(t, op, newFiller(uint64(100+round), keep, false), op.Output, x.output)
					}
					mu.Lock()
					current = x
					mu.Unlock()
					results := call.Call([]reflect.Value{reflect.ValueOf(context.Background()), x.input})
					mu.Lock()
					if err, _ := results[1].Interface().(error); err != nil {
						x.problem("client: %v", err)
					} else if op.Output != nil {
						p, _ := planFor(op.Output, outType)
						for _, d := range diff(p, x.output.Elem(), results[0].Elem(), "Output") {
							x.problem("%s", d)
						}
					}
					for _, p := range x.problems {
						t.Errorf("%s, round %d: %s", name, round, p)
					}
					mu.Unlock()
				}
			}
		})
	}
}

func fillStruct(t *testing.T, op *shape.Operation, f *filler, s *shape.Shape, v reflect.Value) {
	t.Helper()
	p, err := planFor(s, v.Type().Elem())
	if err != nil {
		t.Fatal(err)
	}
	f.structure(p, v.Elem())
	adjust(op, v.Elem(), f.in)
}

// adjust makes filled values ones that the SDK's clients let pass.
func adjust(op *shape.Operation, v reflect.Value, in bool) {
	if op.Model.ID == "apigateway" && op.Name == "GetExport" && in {
		// The client writes this over whatever it was given.
		v.FieldByName("Accepts").Set(reflect.ValueOf(aws.String("application/json")))
	}
	if op.Model.ID != "s3" {
		return
	}
	// Some checksums the client cannot compute.
	if f := v.FieldByName(op.ChecksumAlgorithmMember); in && f.IsValid() && f.Len() > 0 {
		f.SetString("SHA256")
	}
	// Two members for one header.
	if f := v.FieldByName("ExpiresString"); f.IsValid() {
		f.SetZero()
		if t := v.FieldByName("Expires").Interface().(*time.Time); t != nil {
			f.Set(reflect.ValueOf(aws.String(t.Format(http.TimeFormat))))
		}
	}
	// A stream has a length and a type, even when it is empty.
	if op.StreamsInput() && in || op.StreamsOutput() && !in {
		n := int64(0)
		if body := v.FieldByName("Body"); !body.IsNil() {
			n = int64(len(body.Interface().(seekCloser).all))
		}
		if f := v.FieldByName("ContentLength"); f.IsValid() {
			f.Set(reflect.ValueOf(&n))
		}
		if f := v.FieldByName("ContentType"); f.IsValid() {
			f.Set(reflect.ValueOf(aws.String("text/x-test")))
		}
	}
}

// testConfig sends whatever host a client thinks of to one server.
func testConfig(server *httptest.Server) aws.Config {
	addr := server.Listener.Addr().String()
	return aws.Config{
		Region:       "eu-west-1",
		BaseEndpoint: aws.String("http://" + addr),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}, nil
		}),
		HTTPClient: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, addr)
			},
		}},
		Retryer:                    func() aws.Retryer { return aws.NopRetryer{} },
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	}
}
