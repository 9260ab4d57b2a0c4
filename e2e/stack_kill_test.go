package e2e

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	pcatypes "github.com/aws/aws-sdk-go-v2/service/acmpca/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// stackKillTime is how long the test goes on killing.
const stackKillTime = 8 * time.Second

// A node that is killed in the middle of making or deleting a stack goes on with it
// when it starts again: the stack ends as it was to, and nothing is left over.
func TestKilledInTheMiddleOfAStack(t *testing.T) {
	if testing.Short() {
		t.Skip("kills a node for seconds")
	}
	t.Parallel()
	text := string(must(os.ReadFile("../templates/ca-hierarchy/template.yaml"))(t))
	template := strings.NewReplacer("DeletionPolicy: Retain # what was issued names it\n", "DeletionPolicy: Delete\n").Replace(text)
	if template == text {
		t.Fatal("the template keeps its bucket by other words")
	}
	ctx := context.Background()
	v := newVictim(t)
	type clients struct {
		cfn   *cloudformation.Client
		pca   *acmpca.Client
		s3    *s3.Client
		close func()
	}
	connect := func() clients {
		transport := &http.Transport{}
		config := awsConfig("http://"+v.Listen, v.ID, v.Secret)
		config.HTTPClient = &http.Client{Transport: transport}
		return clients{cloudformation.NewFromConfig(config), acmpca.NewFromConfig(config), s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = true }), transport.CloseIdleConnections}
	}
	// during runs a call and kills the node in the middle of what it has begun; acknowledged tells whether the call was answered.
	during := func(call func(c clients) error) (acknowledged bool) {
		v.start(t)
		c := connect()
		defer c.close()
		answered := make(chan error, 1)
		go func() { answered <- call(c) }()
		time.Sleep(time.Duration(rand.IntN(90)) * time.Millisecond)
		v.kill(t)
		err := <-answered
		var refused smithy.APIError
		if errors.As(err, &refused) {
			t.Fatalf("the call was refused: %v", err)
		}
		return err == nil
	}
	// rest waits until the stack rests; "" if there is none.
	rest := func(c clients, name string) cfntypes.StackStatus {
		for range 1000 {
			out, err := c.cfn.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &name})
			if err != nil {
				var refused smithy.APIError
				if errors.As(err, &refused) && refused.ErrorCode() == "ValidationError" {
					return ""
				}
				t.Fatal(err)
			}
			if status := out.Stacks[0].StackStatus; !strings.HasSuffix(string(status), "_IN_PROGRESS") {
				return status
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Fatalf("stack %s does not come to rest", name)
		return ""
	}
	kills, made := 0, 0
	for began := time.Now(); time.Since(began) < stackKillTime; kills += 2 {
		name := aws.String("pki")
		acknowledged := during(func(c clients) error {
			_, err := c.cfn.CreateStack(ctx, &cloudformation.CreateStackInput{StackName: name, TemplateBody: &template})
			return err
		})
		v.start(t)
		c := connect()
		switch status := rest(c, *name); {
		case status == "" && acknowledged:
			t.Fatal("a stack that was acknowledged is gone")
		case status == "":
			c.close()
			v.kill(t)
			continue
		case status != cfntypes.StackStatusCreateComplete:
			t.Fatalf("the stack ended as %s", status)
		}
		made++
		arn := *must(c.cfn.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: name}))(t).Stacks[0].StackId
		same(t, "CAs of the stack", active(t, c.pca), 2)
		c.close()
		v.kill(t)

		acknowledged = during(func(c clients) error {
			_, err := c.cfn.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: name})
			return err
		})
		v.start(t)
		c = connect()
		if status := rest(c, arn); status != cfntypes.StackStatusDeleteComplete {
			if acknowledged || status != cfntypes.StackStatusCreateComplete {
				t.Fatalf("the deleted stack ended as %s", status)
			}
			must(c.cfn.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: name}))(t)
			same(t, "status", rest(c, arn), cfntypes.StackStatusDeleteComplete)
		}
		same(t, "CAs left", active(t, c.pca), 0)
		same(t, "buckets left", len(must(c.s3.ListBuckets(ctx, &s3.ListBucketsInput{}))(t).Buckets), 0)
		c.close()
		v.kill(t)
	}
	t.Logf("%d kills, %d stacks", kills, made)
	if made == 0 {
		t.Error("no stack was made")
	}
}

// active counts the CAs that are not deleted.
func active(t *testing.T, c *acmpca.Client) int {
	t.Helper()
	n := 0
	pages := acmpca.NewListCertificateAuthoritiesPaginator(c, &acmpca.ListCertificateAuthoritiesInput{})
	for pages.HasMorePages() {
		for _, a := range must(pages.NextPage(context.Background()))(t).CertificateAuthorities {
			if a.Status != pcatypes.CertificateAuthorityStatusDeleted {
				n++
			}
		}
	}
	return n
}
