package e2e

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// articleFunctions is the package of article 1's functions: one for both, which goes by the
// handler's name, as the article's does.
var articleFunctions = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "countersign-e2e-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command("go", "build", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", dir+string(filepath.Separator), "countersign/lambda/echo", "countersign/lambda/truststore")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, name := range []string{"bootstrap", "echo", "truststore"} {
		data := []byte("#!/bin/sh\ncase \"$_HANDLER\" in\n*TrustedStoreCustomResourceHandler*) exec \"$LAMBDA_TASK_ROOT/truststore\" ;;\n*) exec \"$LAMBDA_TASK_ROOT/echo\" ;;\nesac\n")
		if name != "bootstrap" {
			if data, err = os.ReadFile(filepath.Join(dir, name)); err != nil {
				return nil, err
			}
		}
		header := &zip.FileHeader{Name: name, Method: zip.Deflate}
		header.SetMode(0o755)
		f, err := w.CreateHeader(header)
		if err != nil {
			return nil, err
		}
		if _, err := f.Write(data); err != nil {
			return nil, err
		}
	}
	err = w.Close()
	return out.Bytes(), err
})

// article1 is the article's template with its code where it was uploaded, as
// "aws cloudformation package" and "sam package" leave it.
func (s *system) article1(bucket string) string {
	s.t.Helper()
	text, err := os.ReadFile("testdata/article1.template.yaml")
	if err != nil {
		s.t.Fatal(err)
	}
	code, err := articleFunctions()
	if err != nil {
		s.t.Fatal(err)
	}
	s.bucket(bucket)
	must(s.s3.PutObject(context.Background(), &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("code"), Body: bytes.NewReader(code)}))(s.t)
	if strings.Count(string(text), "CodeUri: functions\n") != 1 {
		s.t.Fatal("the template's code is not where this test looks")
	}
	return strings.Replace(string(text), "CodeUri: functions\n", "CodeUri: s3://"+bucket+"/code\n", 1)
}

// deployed brings a stack to a template with the calls of "aws cloudformation deploy", in its order.
func (s *system) deployed(stack, template string, parameters map[string]string, want cfntypes.StackStatus) cfntypes.Stack {
	s.t.Helper()
	c, ctx := s.cfn(), context.Background()
	kind := cfntypes.ChangeSetTypeCreate
	var given []cfntypes.Parameter
	if out, err := c.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &stack}); err == nil && out.Stacks[0].StackStatus != cfntypes.StackStatusReviewInProgress {
		kind = cfntypes.ChangeSetTypeUpdate
		for _, p := range must(c.GetTemplateSummary(ctx, &cloudformation.GetTemplateSummaryInput{StackName: &stack}))(s.t).Parameters {
			if _, override := parameters[*p.ParameterKey]; !override {
				given = append(given, cfntypes.Parameter{ParameterKey: p.ParameterKey, UsePreviousValue: aws.Bool(true)})
			}
		}
	} else if err != nil && !strings.Contains(err.Error(), "Stack with id "+stack+" does not exist") {
		s.t.Fatal(err)
	}
	for k, v := range parameters {
		given = append(given, cfntypes.Parameter{ParameterKey: aws.String(k), ParameterValue: aws.String(v)})
	}
	set := must(c.CreateChangeSet(ctx, &cloudformation.CreateChangeSetInput{
		StackName: &stack, ChangeSetName: aws.String(fmt.Sprintf("awscli-cloudformation-package-deploy-%d", time.Now().UnixNano())), ChangeSetType: kind,
		TemplateBody: &template, Parameters: given, Capabilities: []cfntypes.Capability{cfntypes.CapabilityCapabilityIam},
		Description: aws.String("Created by AWS CLI"),
	}))(s.t)
	waiter := cloudformation.NewChangeSetCreateCompleteWaiter(c, func(o *cloudformation.ChangeSetCreateCompleteWaiterOptions) {
		o.MinDelay, o.MaxDelay = time.Millisecond, time.Second
	})
	if err := waiter.Wait(ctx, &cloudformation.DescribeChangeSetInput{ChangeSetName: set.Id}, time.Minute); err != nil {
		described := must(c.DescribeChangeSet(ctx, &cloudformation.DescribeChangeSetInput{ChangeSetName: set.Id}))(s.t)
		s.t.Fatalf("%v: %s", err, aws.ToString(described.StatusReason))
	}
	must(c.ExecuteChangeSet(ctx, &cloudformation.ExecuteChangeSetInput{StackName: &stack, ChangeSetName: set.Id, DisableRollback: aws.Bool(false)}))(s.t)
	return s.settled(stack, want)
}

// The template of article 1 as it stands: it goes up, its API admits who has a
// certificate and nobody else, it is changed while it serves, a change that fails is taken back, and it goes.
func TestArticle1Template(t *testing.T) {
	t.Parallel()
	s, ctx := start(t), context.Background()
	const domain = "api.article.test"
	zone := must(s.route53.CreateHostedZone(ctx, &route53.CreateHostedZoneInput{Name: aws.String("article.test"), CallerReference: aws.String("1")}))(t)
	template := s.article1("article-code")
	began := time.Now()
	k := s.deployed("article", template, map[string]string{"HostedZoneId": strings.TrimPrefix(*zone.HostedZone.Id, "/hostedzone/"), "DomainName": domain}, cfntypes.StackStatusCreateComplete)
	t.Logf("deployed in %v", time.Since(began))
	outputs := outputsOf(k)

	client := s.exported(outputs["ClientOneCertArn"])
	s.caller(nil).get(domain, "", "/").wantRefused(t, "certificate required")
	s.caller(client).get(domain, "", "/").want(t, 200, `"subjectDN":"CN=`+domain+`"`)
	// The default endpoint is off.
	s.caller(nil).get(strings.TrimPrefix(outputs["ApiEndpoint"], "https://"), "", "/").want(t, 404, "Not Found")

	// A new trust store: the domain goes on serving all the while.
	stop, served, failed := make(chan struct{}), atomic.Int64{}, atomic.Int64{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if got := s.caller(client).get(domain, "", "/"); got.status == 200 {
				served.Add(1)
			} else {
				failed.Add(1)
			}
		}
	}()
	s.deployed("article", template, map[string]string{"TruststoreKey": "second.pem"}, cfntypes.StackStatusUpdateComplete)
	close(stop)
	<-done
	if served.Load() == 0 || failed.Load() > 0 {
		t.Errorf("during the update %d calls were served and %d were not", served.Load(), failed.Load())
	}
	d := must(s.gateway.GetDomainName(ctx, &apigatewayv2.GetDomainNameInput{DomainName: aws.String(domain)}))(t)
	if uri := *d.MutualTlsAuthentication.TruststoreUri; !strings.HasSuffix(uri, "/second.pem") {
		t.Errorf("the trust store is %s", uri)
	}

	// A trust store that is none: the custom resource fails, and all is as it was.
	broken := strings.Replace(template, "        - !GetAtt PrivateCACertificate.Certificate\n", "        - not a certificate\n", 1)
	if broken == template {
		t.Fatal("the template has no such line")
	}
	s.deployed("article", broken, nil, cfntypes.StackStatusUpdateRollbackComplete)
	s.caller(client).get(domain, "", "/").want(t, 200, `"subjectDN":"CN=`+domain+`"`)
	// And the same again is no change at all.
	c := s.cfn()
	set := must(c.CreateChangeSet(ctx, &cloudformation.CreateChangeSetInput{
		StackName: aws.String("article"), ChangeSetName: aws.String("none"), TemplateBody: &template, Capabilities: []cfntypes.Capability{cfntypes.CapabilityCapabilityIam},
		Parameters: []cfntypes.Parameter{
			{ParameterKey: aws.String("HostedZoneId"), UsePreviousValue: aws.Bool(true)}, {ParameterKey: aws.String("DomainName"), UsePreviousValue: aws.Bool(true)},
			{ParameterKey: aws.String("TruststoreKey"), UsePreviousValue: aws.Bool(true)},
		},
	}))(t)
	described := must(c.DescribeChangeSet(ctx, &cloudformation.DescribeChangeSetInput{ChangeSetName: set.Id}))(t)
	if described.Status != cfntypes.ChangeSetStatusFailed || !strings.Contains(aws.ToString(described.StatusReason), "The submitted information didn't contain changes.") {
		for _, change := range described.Changes {
			t.Logf("%+v", *change.ResourceChange)
		}
		t.Errorf("a change set without changes is %s: %s", described.Status, aws.ToString(described.StatusReason))
	}

	arn := *k.StackId
	must(c.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: aws.String("article")}))(t)
	s.settled(arn, cfntypes.StackStatusDeleteComplete)
	same(t, "APIs left", len(must(s.gateway.GetApis(ctx, &apigatewayv2.GetApisInput{}))(t).Items), 0)
	same(t, "functions left", len(must(s.lambda.ListFunctions(ctx, &lambda.ListFunctionsInput{}))(t).Functions), 0)
	same(t, "certificates left", len(must(s.acm.ListCertificates(ctx, &acm.ListCertificatesInput{}))(t).CertificateSummaryList), 0)
	same(t, "buckets left", len(must(s.s3.ListBuckets(ctx, &s3.ListBucketsInput{}))(t).Buckets), 1) // that of the code
	if gone := s.caller(client).get(domain, "", "/"); gone.refused == nil {
		t.Errorf("a domain name that is gone answers %+v", gone)
	}
}
