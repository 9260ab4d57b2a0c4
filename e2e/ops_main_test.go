package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"countersign/api"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
)

// TestMain runs the tests; or, when a test has started this binary as its
// victim, a node. After a run of the whole package it demands that every
// operation that api lists was called.
func TestMain(m *testing.M) {
	if text := os.Getenv(victimVariable); text != "" {
		fmt.Fprintln(os.Stderr, "victim:", runVictim(text))
		os.Exit(3)
	}
	code := m.Run()
	if code == 0 && wholePackage() {
		if missing := called.missing(listed()); len(missing) > 0 {
			fmt.Printf("FAIL: api lists operations that no test of this package has called with success: %s\n", strings.Join(missing, ", "))
			code = 1
		}
	}
	os.Exit(code)
}

// wholePackage reports whether every test was to run.
func wholePackage() bool {
	for _, filter := range []string{"test.run", "test.skip", "test.list", "test.fuzz", "test.bench"} {
		if f := flag.Lookup(filter); f != nil && f.Value.String() != "" {
			return false
		}
	}
	return true
}

// listed are the operations that a node answers, as "<service> <operation>".
func listed() []string {
	var all []string
	for _, s := range []api.Service{
		api.ACMPCA(nil), api.ACM(nil), api.S3(nil), api.Route53(nil), api.APIGatewayV2(nil), api.APIGateway(nil), api.Lambda(nil), api.STS(nil), api.IAM(nil), api.CloudFormation(nil),
		api.SecretsManager(nil), api.SSM(nil), api.Logs(nil),
	} {
		for _, o := range s.Operations {
			all = append(all, s.ID+" "+o.Name)
		}
	}
	return all
}

// refusedOnly are the operations that read what cannot be set, or need what cannot be made
// here: they fail with these codes always.
var refusedOnly = map[string]string{
	"cloudformation ContinueUpdateRollback": "ValidationError", // of a rollback that did not fail; service/stacks has one that did
	"s3 GetBucketCors":                      "NoSuchCORSConfiguration",
	"s3 GetBucketReplication":               "ReplicationConfigurationNotFoundError",
	"s3 GetBucketWebsite":                   "NoSuchWebsiteConfiguration",
	"s3 GetObjectLockConfiguration":         "ObjectLockConfigurationNotFoundError",
}

// called are the operations that this run has seen succeed.
var called = &calls{seen: map[string]bool{}}

type calls struct {
	mu   sync.Mutex
	seen map[string]bool
}

// record adds to a client's calls the note of their success.
func (c *calls) record(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("RecordCall", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleInitialize(ctx, in)
		name := operationName(awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx))
		var refused smithy.APIError
		if err == nil || errors.As(err, &refused) && refusedOnly[name] == refused.ErrorCode() && refused.ErrorCode() != "" {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.seen[name] = true
		}
		return out, metadata, err
	}), middleware.After)
}

// operationName spells an operation as listed does, given the SDK's name of its service ("ACM PCA", "Route 53").
func operationName(service, operation string) string {
	switch service {
	case "ACM PCA":
		return "acm-pca " + operation
	case "CloudWatch Logs":
		return "logs " + operation
	}
	return strings.ToLower(strings.ReplaceAll(service, " ", "")) + " " + operation
}

func (c *calls) missing(all []string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(all), func(name string) bool { return c.seen[name] })
}
