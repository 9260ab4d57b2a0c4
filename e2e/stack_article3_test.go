package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	pcatypes "github.com/aws/aws-sdk-go-v2/service/acmpca/types"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// article3 is the article's template, with a function that runs here; more are members of the API.
const article3 = `
AWSTemplateFormatVersion: '2010-09-09'
Transform: AWS::Serverless-2016-10-31
Description: >
  SAM

Resources:

  MyApi:
    Type: AWS::Serverless::Api
    Properties:
      DisableExecuteApiEndpoint: true
      StageName: Prod
      MORE
      Domain:
        DomainName: api.article3.test
        CertificateArn: CERTIFICATE
        MutualTlsAuthentication:
          TruststoreUri: s3://mys3truststore/root-ca-cert.pem
        Route53:
          HostedZoneId: ZONE

  MyApiFunction:
    Type: AWS::Serverless::Function
    Properties:
      Timeout: 60
      MemorySize: 512
      Tracing: Active
      Runtime: provided.al2023
      Architectures:
        - x86_64
      Handler: bootstrap
      CodeUri: s3://mys3truststore/code
      Events:
        Get:
          Type: Api
          Properties:
            RestApiId: !Ref MyApi
            Path: PATH
            Method: get

Outputs:
  MyApiEndpoint:
    Description: "API domain name endpoint"
    Value: "https://api.article3.test/hello-world"
  Api:
    Value: !Ref MyApi
`

// The template of article 3: a REST API on its own domain with mutual TLS, deployed with SAM's transform. It
// goes up, admits who has a certificate, is changed while it serves, and goes.
func TestArticle3Template(t *testing.T) {
	t.Parallel()
	s, ctx := start(t), context.Background()
	const domain = "api.article3.test"
	ca, root := s.authority(pcatypes.CertificateAuthorityTypeRoot, "My Root CA", "", "RootCACertificate", "")
	s.bucket("mys3truststore")
	s.put("mys3truststore", "root-ca-cert.pem", []byte(root))
	must(s.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("mys3truststore"), Key: aws.String("code"), Body: bytes.NewReader(must(echo())(t))}))(t)
	certificate := s.serverCertificate("article3.test", domain)
	zones := must(s.route53.ListHostedZonesByName(ctx, &route53.ListHostedZonesByNameInput{DNSName: aws.String("article3.test")}))(t).HostedZones
	template := func(path, more string) string {
		return strings.NewReplacer("CERTIFICATE", certificate, "ZONE", strings.TrimPrefix(*zones[0].Id, "/hostedzone/"), "PATH", path, "MORE", more).Replace(article3)
	}
	stack := s.deployed("article3", template("/hello-world", ""), nil, cfntypes.StackStatusCreateComplete)
	outputs := outputsOf(stack)
	client, _ := s.clientCertificate(ca, "client.test")
	get := func(certificate *tls.Certificate, path string) reply {
		return s.caller(certificate).get(domain, "", path)
	}
	get(nil, "/hello-world").wantRefused(t, "certificate required")
	reply := get(client, "/hello-world")
	reply.want(t, 200, `"subjectDN":"CN=client.test"`)
	var event struct {
		RequestContext struct{ Stage, ResourcePath string }
	}
	if err := json.Unmarshal([]byte(reply.body), &event); err != nil {
		t.Fatal(err)
	}
	same(t, "context", [2]string{event.RequestContext.Stage, event.RequestContext.ResourcePath}, [2]string{"Prod", "/hello-world"})
	get(client, "/other").want(t, 403, `{"message":"Missing Authentication Token"}`)
	s.caller(nil).get(defaultHost(outputs["Api"]), "", "/Prod/hello-world").want(t, 403, `{"message":"Forbidden"}`)

	// Another path, and CORS: another deployment takes the stages over, and the old one goes.
	before := must(s.rest.GetDeployments(ctx, &apigateway.GetDeploymentsInput{RestApiId: aws.String(outputs["Api"])}))(t).Items
	s.deployed("article3", template("/hello/{name}", "Cors: \"'https://app.test'\""), nil, cfntypes.StackStatusUpdateComplete)
	get(client, "/hello/you").want(t, 200, `"pathParameters":{"name":"you"}`)
	get(client, "/hello-world").want(t, 403, "Missing Authentication Token")
	preflight := s.caller(client).send("OPTIONS", domain, "/hello/you", nil)
	same(t, "preflight", [2]string{preflight.header.Get("Access-Control-Allow-Origin"), preflight.header.Get("Access-Control-Allow-Methods")}, [2]string{"https://app.test", "GET,OPTIONS"})
	after := must(s.rest.GetDeployments(ctx, &apigateway.GetDeploymentsInput{RestApiId: aws.String(outputs["Api"])}))(t).Items
	if len(before) != 1 || len(after) != 1 || *before[0].Id == *after[0].Id {
		t.Errorf("deployments before %v, after %v", before, after)
	}

	must(s.cfn().DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: aws.String("article3")}))(t)
	s.settled(*stack.StackId, cfntypes.StackStatusDeleteComplete)
	same(t, "APIs left", len(must(s.rest.GetRestApis(ctx, &apigateway.GetRestApisInput{}))(t).Items), 0)
	same(t, "domain names left", len(must(s.rest.GetDomainNames(ctx, &apigateway.GetDomainNamesInput{}))(t).Items), 0)
}
