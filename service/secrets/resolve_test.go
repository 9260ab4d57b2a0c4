package secrets

import (
	"context"
	"errors"
	"testing"

	"countersign/service/stacks/resource"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

func TestResolve(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.put("plain", "1")
	b.put("plain", "2")
	b.put("/deep/er", "3")
	do(b, b.PutParameter, &ssm.PutParameterInput{Name: aws.String("/secure"), Value: aws.String("4"), Type: "SecureString"})
	arn, first := b.secret("db", `{"user":"admin","port":5432,"tls":true,"big":12345678901234567890,"none":null,"list":[1],"of":{"a":1},"":"empty"}`)
	second := do(b, b.PutSecretValue, &secretsmanager.PutSecretValueInput{SecretId: arn, SecretString: aws.String(`{"user":"next"}`), ClientRequestToken: token(), VersionStages: []string{"AWSPENDING"}}).VersionId
	b.secret("text", "no JSON")
	do(b, b.CreateSecret, &secretsmanager.CreateSecretInput{Name: aws.String("binary"), SecretBinary: []byte{1}, ClientRequestToken: token()})

	asked := 0
	ctx := resource.WithGate(b.ctx, func(ctx context.Context, input any) (context.Context, error) {
		asked++
		if in, ok := input.(*secretsmanager.GetSecretValueInput); ok && *in.SecretId == "forbidden" {
			return ctx, coded("AccessDeniedException", "no")
		}
		return ctx, nil
	})
	for reference, want := range map[[2]string]string{
		{"ssm", "plain"}: "2", {"ssm", "plain:1"}: "1", {"ssm", "/deep/er"}: "3", {"ssm-secure", "/secure"}: "4", {"ssm-secure", "/secure:1"}: "4",
		{"secretsmanager", "db:SecretString:user"}: "admin", {"secretsmanager", "db::user"}: "admin", {"secretsmanager", *arn + ":SecretString:user"}: "admin",
		{"secretsmanager", (*arn)[:len(*arn)-7] + ":SecretString:port"}: "5432", {"secretsmanager", "db:SecretString:tls"}: "true", {"secretsmanager", "db:SecretString:big"}: "12345678901234567890",
		{"secretsmanager", "db:SecretString:user:AWSPENDING"}: "next", {"secretsmanager", "db:SecretString:user::" + *second}: "next", {"secretsmanager", "db:SecretString:user:AWSCURRENT:"}: "admin",
		{"secretsmanager", "text"}: "no JSON", {"secretsmanager", "text:SecretString"}: "no JSON", {"secretsmanager", "text:SecretString::AWSCURRENT"}: "no JSON", {"secretsmanager", "db::::" + *second}: `{"user":"next"}`,
	} {
		before := asked
		if got, err := b.Resolve(ctx, reference[0], reference[1]); err != nil || got != want || asked != before+1 {
			t.Errorf("%s: %q, %v (asked %d times), want %q", reference, got, err, asked-before, want)
		}
	}
	for reference, want := range map[[2]string][2]string{
		{"ssm", "/secure"}:                                               {"ValidationException", "refer to it as {{resolve:ssm-secure:/secure}}"},
		{"ssm-secure", "plain"}:                                          {"ValidationException", "refer to it as {{resolve:ssm:plain}}"},
		{"ssm", "absent"}:                                                {"ParameterNotFound", "absent"},
		{"ssm", "plain:9"}:                                               {"ParameterVersionNotFound", "9"},
		{"ssm", "plain:label"}:                                           {"ValidationException", "the version a number"},
		{"ssm", "plain:"}:                                                {"ValidationException", "the version a number"},
		{"ssm", ""}:                                                      {"ValidationException", ""},
		{"ssm", "plain:1:2"}:                                             {"ValidationException", "the version a number"},
		{"s3", "x"}:                                                      {"ValidationException", `"s3" are not built`},
		{"secretsmanager", ""}:                                           {"ValidationException", "names no secret"},
		{"secretsmanager", ":"}:                                          {"ValidationException", "names no secret"},
		{"secretsmanager", "gone"}:                                       {"ResourceNotFoundException", "can't find the specified secret"},
		{"secretsmanager", "forbidden"}:                                  {"AccessDeniedException", "no"},
		{"secretsmanager", "binary"}:                                     {"ValidationException", "binary"},
		{"secretsmanager", "text:SecretString:key"}:                      {"ValidationException", "Could not parse SecretString JSON"},
		{"secretsmanager", "db:SecretString:password"}:                   {"ValidationException", "Could not find a value associated with JSONKey"},
		{"secretsmanager", "db:SecretString:none"}:                       {"ValidationException", "no text, number or boolean"},
		{"secretsmanager", "db:SecretString:list"}:                       {"ValidationException", "no text, number or boolean"},
		{"secretsmanager", "db:SecretString:of"}:                         {"ValidationException", "no text, number or boolean"},
		{"secretsmanager", "db:SecretBinary:user"}:                       {"ValidationException", "only SecretString"},
		{"secretsmanager", "db:SecretString:user:a:b:c"}:                 {"ValidationException", "too many parts"},
		{"secretsmanager", "db:SecretString:user:AWSCURRENT:" + *first}:  {"ValidationException", "both a version stage and a version id"},
		{"secretsmanager", "arn:aws:secretsmanager:x:SecretString:user"}: {"ValidationException", "incomplete ARN"},
	} {
		got, err := b.Resolve(ctx, reference[0], reference[1])
		wantError(t, reference[0]+":"+reference[1], err, want[0], want[1])
		if got != "" {
			t.Errorf("%s: a failure gives %q", reference, got)
		}
	}
	if _, err := b.Resolve(b.ctx, "ssm", "plain"); !errors.Is(err, resource.ErrNoGate) {
		t.Errorf("without a gate: %v", err)
	}
}
