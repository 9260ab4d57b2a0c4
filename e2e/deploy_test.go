package e2e

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"countersign/deploy"
	"countersign/wire"
	"countersign/wire/shape"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/route53"
)

// A detour takes requests that are addressed to AWS to a node instead, as they are, and notes them.
type detour struct {
	node string
	mu   sync.Mutex
	seen []string // "host Operation"
	bad  []string
}

// operations of query and REST services that deploy may use, with the inputs that they are decoded into.
var deployInputs = map[string]func() any{
	"CreateChangeSet": func() any { return new(cloudformation.CreateChangeSetInput) }, "DescribeChangeSet": func() any { return new(cloudformation.DescribeChangeSetInput) },
	"ExecuteChangeSet": func() any { return new(cloudformation.ExecuteChangeSetInput) }, "DeleteChangeSet": func() any { return new(cloudformation.DeleteChangeSetInput) },
	"DescribeStacks": func() any { return new(cloudformation.DescribeStacksInput) }, "DescribeStackEvents": func() any { return new(cloudformation.DescribeStackEventsInput) },
	"ListStackResources": func() any { return new(cloudformation.ListStackResourcesInput) }, "GetTemplate": func() any { return new(cloudformation.GetTemplateInput) },
	"DeleteStack": func() any { return new(cloudformation.DeleteStackInput) },
}

func (d *detour) Do(r *http.Request) (*http.Response, error) {
	host, name := r.URL.Host, r.Method
	if r.URL.Scheme != "https" || !strings.HasSuffix(host, ".amazonaws.com") {
		d.note(&d.bad, "a request to "+r.URL.String())
	}
	if r.Body != nil && strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, err
		}
		name = form.Get("Action")
		if strings.HasPrefix(host, "cloudformation.") {
			d.check(name, body, r.Header)
		}
	}
	d.note(&d.seen, host+" "+name)
	to, err := url.Parse(d.node)
	if err != nil {
		return nil, err
	}
	detoured := r.Clone(r.Context())
	detoured.Host = host // what was signed
	detoured.URL.Scheme, detoured.URL.Host = to.Scheme, to.Host
	return http.DefaultClient.Do(detoured)
}

// check holds a request against AWS's model: the operation, and every constraint of its input.
func (d *detour) check(name string, body []byte, header http.Header) {
	model, _ := shape.Service("cloudformation")
	op, input := model.Operations[name], deployInputs[name]
	if op == nil || input == nil {
		d.note(&d.bad, "the operation "+name)
		return
	}
	if err := wire.Decode(op, &wire.Request{Path: "/", Query: url.Values{}, Header: header, Body: body}, input()); err != nil {
		d.note(&d.bad, name+": "+err.Error())
	}
}

func (d *detour) note(list *[]string, text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	*list = append(*list, text)
}

// "countersign deploy" against AWS: with the usual configuration its requests go to the hosts of AWS, are of
// public operations, and are what AWS's models ask for. Here they are detoured to a node, where the folder is really deployed,
// changed and deleted.
func TestDeployTalksToAWS(t *testing.T) {
	t.Parallel()
	s, ctx := start(t), context.Background()
	zone := must(s.route53.CreateHostedZone(ctx, &route53.CreateHostedZoneInput{Name: aws.String("deploy.test"), CallerReference: aws.String("1")}))(t)
	d := &detour{node: s.node.Endpoints().Endpoint}
	config := s.aws(s.node.Credentials().AccessKeyID, s.node.Credentials().SecretAccessKey)
	config.BaseEndpoint, config.HTTPClient = nil, d

	folder, err := deploy.Open("../templates/http-api")
	if err != nil {
		t.Fatal(err)
	}
	var plans []deploy.Plan
	var told []deploy.Event
	o := deploy.Options{
		Stack: "deployed", Report: func(v any) {
			switch v := v.(type) {
			case deploy.Plan:
				plans = append(plans, v)
			case deploy.Event:
				told = append(told, v)
			}
		},
		Parameters: map[string]string{
			"DomainName": "api.deploy.test", "HostedZoneId": strings.TrimPrefix(*zone.HostedZone.Id, "/hostedzone/"),
			"Architecture": map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH],
		},
	}
	run := func() *deploy.Outcome {
		t.Helper()
		out, err := deploy.New(folder, config, o).Run(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	out := run()
	same(t, "domains", strings.Join(out.Domains, " "), "api.deploy.test")
	if len(plans) != 1 || !plans[0].New || len(plans[0].Changes) != 20 {
		t.Errorf("plan: %+v", plans)
	}
	outputs := map[string]string{}
	for _, v := range out.Outputs {
		outputs[v.Key] = v.Value
	}
	client := s.exported(outputs["ClientOneCertArn"])
	s.caller(client).get("api.deploy.test", "", "/").want(t, 200, `"subjectDN":"CN=api.deploy.test"`)
	if made := slices.ContainsFunc(told, func(e deploy.Event) bool {
		return e.LogicalID == "TrustStore" && e.Status == "CREATE_COMPLETE" && e.Took > 0
	}); !made {
		t.Error("no event tells how long the trust store took")
	}

	// The same again is nothing; what is uploaded already is not sent again.
	d.seen = nil
	if again := run(); again.Changed {
		t.Error("the same folder changed something")
	}
	if slices.ContainsFunc(d.seen, func(s string) bool { return strings.HasSuffix(s, " PUT") }) {
		t.Errorf("something was uploaded again: %v", d.seen)
	}

	// A failure is told with its first cause, in the template's own line.
	delete(o.Parameters, "Architecture")
	o.Parameters["DomainName"] = "elsewhere.test" // is not in the zone
	_, err = deploy.New(folder, config, o).Run(ctx)
	var failed *deploy.FailedError
	if !errors.As(err, &failed) || failed.Line == 0 || failed.Cause.LogicalID == "" || !strings.Contains(err.Error(), "template.yaml:") {
		t.Errorf("a deployment that cannot succeed: %v", err)
	}
	s.caller(client).get("api.deploy.test", "", "/").want(t, 200, `"subjectDN":"CN=api.deploy.test"`)

	if gone, err := deploy.Delete(ctx, config, "deployed", nil, nil); err != nil || !gone {
		t.Fatalf("delete: %v, %v", gone, err)
	}
	if len(d.bad) > 0 {
		t.Errorf("not what AWS knows: %v", d.bad)
	}
	if !slices.Contains(d.seen, "cloudformation.eu-west-1.amazonaws.com CreateChangeSet") {
		t.Errorf("no change set was made at AWS's host: %v", d.seen)
	}
}
