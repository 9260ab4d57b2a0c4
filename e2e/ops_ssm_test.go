package e2e

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// Every operation of Parameter Store that is built, and its most important refusals.
func TestSSM(t *testing.T) {
	t.Parallel()
	s := start(t)
	ctx := context.Background()
	put := func(name, value string, kind ssmtypes.ParameterType, overwrite bool) int64 {
		t.Helper()
		return must(s.ssm.PutParameter(ctx, &ssm.PutParameterInput{Name: &name, Value: &value, Type: kind, Overwrite: &overwrite}))(t).Version
	}
	same(t, "version", put("/app/prod/url", "one", "String", false), 1)
	same(t, "version", put("/app/prod/url", "two", "String", true), 2)
	put("/app/prod/password", "hidden", "SecureString", false)
	put("/app/prod/deep/list", "a,b", "StringList", false)
	put("top", "x", "String", false)
	_, err := s.ssm.PutParameter(ctx, &ssm.PutParameterInput{Name: aws.String("/top"), Value: aws.String("y"), Type: "String"})
	var exists *ssmtypes.ParameterAlreadyExists
	if !errors.As(err, &exists) {
		t.Errorf("put again: %v", err)
	}

	get := func(name string, decrypt bool) *ssmtypes.Parameter {
		t.Helper()
		return must(s.ssm.GetParameter(ctx, &ssm.GetParameterInput{Name: &name, WithDecryption: &decrypt}))(t).Parameter
	}
	one := get("/app/prod/url", false)
	same(t, "value", *one.Value, "two")
	same(t, "ARN", *one.ARN, "arn:aws:ssm:"+region+":"+account+":parameter/app/prod/url")
	same(t, "by ARN and version", *get(*one.ARN+":1", false).Value, "one")
	same(t, "decrypted", *get("/app/prod/password", true).Value, "hidden")
	if sealed := *get("/app/prod/password", false).Value; sealed == "hidden" || len(sealed) < 40 {
		t.Errorf("not decrypted: %q", sealed)
	}
	many := must(s.ssm.GetParameters(ctx, &ssm.GetParametersInput{Names: []string{"top", "absent"}}))(t)
	same(t, "invalid", strings.Join(many.InvalidParameters, " "), "absent")
	same(t, "valid", len(many.Parameters), 1)
	by := func(path string, recursive bool) (names []string) {
		t.Helper()
		pages := ssm.NewGetParametersByPathPaginator(s.ssm, &ssm.GetParametersByPathInput{Path: &path, Recursive: &recursive, MaxResults: aws.Int32(1)})
		for pages.HasMorePages() {
			for _, p := range must(pages.NextPage(ctx))(t).Parameters {
				names = append(names, *p.Name)
			}
		}
		return names
	}
	same(t, "by path", strings.Join(by("/app/prod", false), " "), "/app/prod/password /app/prod/url")
	same(t, "by path, recursively", strings.Join(by("/", true), " "), "/app/prod/deep/list /app/prod/password /app/prod/url top")

	labelled := must(s.ssm.LabelParameterVersion(ctx, &ssm.LabelParameterVersionInput{Name: aws.String("/app/prod/url"), ParameterVersion: aws.Int64(1), Labels: []string{"old", "9"}}))(t)
	same(t, "invalid labels", strings.Join(labelled.InvalidLabels, " "), "9")
	same(t, "by label", *get("/app/prod/url:old", false).Value, "one")
	history := must(s.ssm.GetParameterHistory(ctx, &ssm.GetParameterHistoryInput{Name: aws.String("/app/prod/url")}))(t).Parameters
	if len(history) != 2 || strings.Join(history[0].Labels, " ") != "old" {
		t.Errorf("history: %+v", history)
	}
	must(s.ssm.UnlabelParameterVersion(ctx, &ssm.UnlabelParameterVersionInput{Name: aws.String("/app/prod/url"), ParameterVersion: aws.Int64(1), Labels: []string{"old"}}))(t)
	_, err = s.ssm.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String("/app/prod/url:old")})
	wantCode(t, err, "ParameterVersionNotFound")

	described := must(s.ssm.DescribeParameters(ctx, &ssm.DescribeParametersInput{ParameterFilters: []ssmtypes.ParameterStringFilter{{Key: aws.String("Type"), Values: []string{"SecureString"}}}}))(t).Parameters
	if len(described) != 1 || *described[0].KeyId != "alias/aws/ssm" || *described[0].LastModifiedUser != "arn:aws:iam::"+account+":root" {
		t.Errorf("described: %+v", described)
	}
	_, err = s.ssm.DescribeParameters(ctx, &ssm.DescribeParametersInput{ParameterFilters: []ssmtypes.ParameterStringFilter{{Key: aws.String("Label"), Values: []string{"x"}}}})
	wantCode(t, err, "InvalidFilterKey")

	tag := ssmtypes.Tag{Key: aws.String("k"), Value: aws.String("v")}
	must(s.ssm.AddTagsToResource(ctx, &ssm.AddTagsToResourceInput{ResourceType: "Parameter", ResourceId: aws.String("top"), Tags: []ssmtypes.Tag{tag, {Key: aws.String("l"), Value: aws.String("w")}}}))(t)
	must(s.ssm.RemoveTagsFromResource(ctx, &ssm.RemoveTagsFromResourceInput{ResourceType: "Parameter", ResourceId: aws.String("top"), TagKeys: []string{"l"}}))(t)
	tags := must(s.ssm.ListTagsForResource(ctx, &ssm.ListTagsForResourceInput{ResourceType: "Parameter", ResourceId: aws.String("top")}))(t).TagList
	if len(tags) != 1 || *tags[0].Key != "k" {
		t.Errorf("tags: %+v", tags)
	}

	// A secret read as a parameter goes through the gate for the caller.
	must(s.secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("db"), SecretString: aws.String("s3cret")}))(t)
	same(t, "a secret as a parameter", *get("/aws/reference/secretsmanager/db", true).Value, "s3cret")

	must(s.ssm.DeleteParameter(ctx, &ssm.DeleteParameterInput{Name: aws.String("top")}))(t)
	_, err = s.ssm.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String("top")})
	var absent *ssmtypes.ParameterNotFound
	if !errors.As(err, &absent) {
		t.Errorf("a deleted parameter: %v", err)
	}
	gone := must(s.ssm.DeleteParameters(ctx, &ssm.DeleteParametersInput{Names: []string{"/app/prod/url", "top"}}))(t)
	same(t, "deleted", strings.Join(gone.DeletedParameters, " ")+", not "+strings.Join(gone.InvalidParameters, " "), "/app/prod/url, not top")
	_, err = s.ssm.ListCommands(ctx, &ssm.ListCommandsInput{})
	wantCode(t, err, "NotImplementedException")
}
