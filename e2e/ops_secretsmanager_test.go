package e2e

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/keys"
	"countersign/node"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"
)

// Every operation of Secrets Manager that is built, and its most important refusals.
func TestSecretsManager(t *testing.T) {
	t.Parallel()
	start(t).parts(map[string]func(*system){
		"values":   secretValues,
		"deletion": secretDeletion,
		"settings": secretSettings,
	})
}

func secretValues(s *system) {
	t, ctx := s.t, context.Background()
	id := aws.String("values/db")
	made := must(s.secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: id, SecretString: aws.String(`{"user":"ä <b>"}`)}))(t)
	if !strings.HasPrefix(*made.ARN, "arn:aws:secretsmanager:"+region+":"+account+":secret:values/db-") {
		t.Errorf("ARN %s", *made.ARN)
	}
	got := must(s.secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: made.ARN}))(t)
	same(t, "value", *got.SecretString, `{"user":"ä <b>"}`)
	same(t, "version", *got.VersionId, *made.VersionId)
	if since := time.Since(*got.CreatedDate); since < -time.Minute || since > time.Minute {
		t.Errorf("created at %v", got.CreatedDate)
	}
	_, err := s.secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: id})
	var exists *smtypes.ResourceExistsException
	if !errors.As(err, &exists) || exists.ErrorMessage() != "The operation failed because the secret values/db already exists." {
		t.Errorf("create again: %v", err)
	}
	binary := []byte{0, 0xff, 'x'}
	put := must(s.secrets.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: id, SecretBinary: binary, VersionStages: []string{"AWSPENDING"}}))(t)
	got = must(s.secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: id, VersionStage: aws.String("AWSPENDING")}))(t)
	same(t, "binary value", string(got.SecretBinary), string(binary))
	must(s.secrets.UpdateSecretVersionStage(ctx, &secretsmanager.UpdateSecretVersionStageInput{
		SecretId: id, VersionStage: aws.String("AWSCURRENT"), MoveToVersionId: put.VersionId, RemoveFromVersionId: made.VersionId,
	}))(t)
	must(s.secrets.UpdateSecret(ctx, &secretsmanager.UpdateSecretInput{SecretId: id, SecretString: aws.String("third"), Description: aws.String("about")}))(t)
	described := must(s.secrets.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: id}))(t)
	same(t, "description", *described.Description, "about")
	same(t, "versions with labels", len(described.VersionIdsToStages), 2)
	versions := must(s.secrets.ListSecretVersionIds(ctx, &secretsmanager.ListSecretVersionIdsInput{SecretId: id, IncludeDeprecated: aws.Bool(true)}))(t).Versions
	same(t, "versions", len(versions), 3)
	batch := must(s.secrets.BatchGetSecretValue(ctx, &secretsmanager.BatchGetSecretValueInput{SecretIdList: []string{*id, "values/absent"}}))(t)
	if len(batch.SecretValues) != 1 || *batch.SecretValues[0].SecretString != "third" || len(batch.Errors) != 1 || *batch.Errors[0].ErrorCode != "ResourceNotFoundException" {
		t.Errorf("batch: %+v %+v", batch.SecretValues, batch.Errors)
	}
	_, err = s.secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String("values/absent")})
	var absent *smtypes.ResourceNotFoundException
	if !errors.As(err, &absent) || absent.ErrorMessage() != "Secrets Manager can't find the specified secret." {
		t.Errorf("an absent secret: %v", err)
	}
	password := *must(s.secrets.GetRandomPassword(ctx, &secretsmanager.GetRandomPasswordInput{PasswordLength: aws.Int64(20), ExcludePunctuation: aws.Bool(true)}))(t).RandomPassword
	if len(password) != 20 || strings.ContainsAny(password, "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ ") {
		t.Errorf("password %q", password)
	}
}

func secretDeletion(s *system) {
	t, ctx := s.t, context.Background()
	id := aws.String("deletion/one")
	must(s.secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: id, SecretString: aws.String("x")}))(t)
	out := must(s.secrets.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: id, RecoveryWindowInDays: aws.Int64(7)}))(t)
	if days := out.DeletionDate.Sub(s.clock.now()).Hours() / 24; days < 6.99 || days > 7.01 {
		t.Errorf("deleted in %v days", days)
	}
	_, err := s.secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: id})
	wantCode(t, err, "InvalidRequestException")
	must(s.secrets.RestoreSecret(ctx, &secretsmanager.RestoreSecretInput{SecretId: id}))(t)
	must(s.secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: id}))(t)
	must(s.secrets.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: id, ForceDeleteWithoutRecovery: aws.Bool(true)}))(t)
	_, err = s.secrets.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: id})
	wantCode(t, err, "ResourceNotFoundException")
}

func secretSettings(s *system) {
	t, ctx := s.t, context.Background()
	id := aws.String("settings/one")
	tag := func(k, v string) smtypes.Tag { return smtypes.Tag{Key: &k, Value: &v} }
	must(s.secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: id, Tags: []smtypes.Tag{tag("a", "1")}}))(t)
	must(s.secrets.TagResource(ctx, &secretsmanager.TagResourceInput{SecretId: id, Tags: []smtypes.Tag{tag("settings", "mine")}}))(t)
	must(s.secrets.UntagResource(ctx, &secretsmanager.UntagResourceInput{SecretId: id, TagKeys: []string{"a"}}))(t)
	list := must(s.secrets.ListSecrets(ctx, &secretsmanager.ListSecretsInput{Filters: []smtypes.Filter{{Key: smtypes.FilterNameStringTypeTagKey, Values: []string{"settings"}}}}))(t).SecretList
	if len(list) != 1 || *list[0].Name != *id || len(list[0].Tags) != 1 || *list[0].Tags[0].Value != "mine" {
		t.Errorf("listed: %+v", list)
	}
	policy := aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}]}`)
	same(t, "the policy passes", must(s.secrets.ValidateResourcePolicy(ctx, &secretsmanager.ValidateResourcePolicyInput{ResourcePolicy: policy}))(t).PolicyValidationPassed, true)
	must(s.secrets.PutResourcePolicy(ctx, &secretsmanager.PutResourcePolicyInput{SecretId: id, ResourcePolicy: policy, BlockPublicPolicy: aws.Bool(true)}))(t)
	same(t, "policy", *must(s.secrets.GetResourcePolicy(ctx, &secretsmanager.GetResourcePolicyInput{SecretId: id}))(t).ResourcePolicy, *policy)
	must(s.secrets.DeleteResourcePolicy(ctx, &secretsmanager.DeleteResourcePolicyInput{SecretId: id}))(t)
	_, err := s.secrets.PutResourcePolicy(ctx, &secretsmanager.PutResourcePolicyInput{SecretId: id, ResourcePolicy: aws.String("{}")})
	wantCode(t, err, "MalformedPolicyDocumentException")
	for what, call := range map[string]func() error{
		"secretsmanager RotateSecret is not built": func() error {
			_, err := s.secrets.RotateSecret(ctx, &secretsmanager.RotateSecretInput{SecretId: id})
			return err
		},
		"secretsmanager ReplicateSecretToRegions is not built": func() error {
			_, err := s.secrets.ReplicateSecretToRegions(ctx, &secretsmanager.ReplicateSecretToRegionsInput{SecretId: id, AddReplicaRegions: []smtypes.ReplicaRegionType{{Region: aws.String("us-east-1")}}})
			return err
		},
	} {
		err := call()
		wantCode(t, err, "NotImplementedException")
		if !strings.Contains(err.Error(), what) {
			t.Errorf("%v does not say %q", err, what)
		}
	}
}

// What was acknowledged survives kill -9, opens with the master key it was sealed
// with, and with no other.
func TestSecretsSurviveKill(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	v := newVictim(t)
	clients := func() (*secretsmanager.Client, *ssm.Client, func()) {
		transport := &http.Transport{}
		config := awsConfig("http://"+v.Listen, v.ID, v.Secret)
		config.HTTPClient = &http.Client{Transport: transport}
		return secretsmanager.NewFromConfig(config), ssm.NewFromConfig(config), transport.CloseIdleConnections
	}
	v.start(t)
	sm, params, done := clients()
	const value = "an unmistakable value"
	must(sm.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("s"), SecretString: aws.String(value)}))(t)
	must(params.PutParameter(ctx, &ssm.PutParameterInput{Name: aws.String("/p"), Value: aws.String(value), Type: "SecureString"}))(t)
	v.kill(t)
	done()

	v.start(t)
	sm, params, done = clients()
	same(t, "secret", *must(sm.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String("s")}))(t).SecretString, value)
	same(t, "parameter", *must(params.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String("/p"), WithDecryption: aws.Bool(true)}))(t).Parameter.Value, value)
	v.kill(t)
	done()

	// Nothing on disk shows the value.
	err := filepath.WalkDir(v.Data, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		if strings.Contains(string(must(os.ReadFile(path))(t)), value) {
			t.Errorf("%s holds the value", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	_, other, err := keys.NewMaster(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	n, err := node.Start(ctx, node.Config{
		Data: v.Data, Listen: "127.0.0.1:0", GatewayListen: "127.0.0.1:0", DNSListen: "127.0.0.1:0", RootAccessKeyID: v.ID, RootSecretAccessKey: v.Secret,
		MasterKey: other, Now: time.Now, Rand: rand.Reader, Logger: logger(t),
	})
	if err == nil {
		n.Close()
		t.Error("the node starts with another master key")
	} else if !strings.Contains(err.Error(), "master key") || errors.As(err, new(smithy.APIError)) {
		t.Errorf("with another master key: %v", err)
	}
}

// A stack makes secrets, parameters and log groups, and its templates refer to values of them.
func TestSecretsInStacks(t *testing.T) {
	t.Parallel()
	s := start(t)
	ctx := context.Background()
	stacks := cloudformation.NewFromConfig(s.aws(s.node.Credentials().AccessKeyID, s.node.Credentials().SecretAccessKey))
	must(s.ssm.PutParameter(ctx, &ssm.PutParameterInput{Name: aws.String("/stacks/color"), Value: aws.String("blue"), Type: "String"}))(t)
	must(s.secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("stacks/db"), SecretString: aws.String(`{"user":"admin","port":5432}`)}))(t)
	template := `
Parameters:
  Days: {Type: Number, Default: 7}
Resources:
  Password:
    Type: AWS::SecretsManager::Secret
    Properties:
      GenerateSecretString: {SecretStringTemplate: '{"user":"{{resolve:secretsmanager:stacks/db:SecretString:user}}"}', GenerateStringKey: password, PasswordLength: 24}
      Tags: [{Key: team, Value: a}]
  Readers:
    Type: AWS::SecretsManager::ResourcePolicy
    Properties:
      SecretId: !Ref Password
      ResourcePolicy:
        Version: 2012-10-17
        Statement: [{Effect: Allow, Principal: {AWS: !Ref AWS::AccountId}, Action: secretsmanager:GetSecretValue, Resource: '*'}]
  Url:
    Type: AWS::SSM::Parameter
    Properties: {Type: String, Value: !Sub 'https://{{resolve:ssm:/stacks/color}}.example:{{resolve:secretsmanager:stacks/db:SecretString:port}}/${Days}'}
  Log:
    Type: AWS::Logs::LogGroup
    Properties: {RetentionInDays: !Ref Days}
Outputs:
  Secret: {Value: !Ref Password}
  Name: {Value: !Ref Url}
  Url: {Value: !GetAtt Url.Value}
  Log: {Value: !GetAtt Log.Arn}
`
	name := aws.String("secrets")
	must(stacks.CreateStack(ctx, &cloudformation.CreateStackInput{StackName: name, TemplateBody: &template, Tags: []cfntypes.Tag{{Key: aws.String("owner"), Value: aws.String("me")}}}))(t)
	state := func(in string) map[string]string {
		t.Helper()
		for range 500 {
			out := must(stacks.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: name}))(t).Stacks[0]
			switch status := string(out.StackStatus); {
			case status == in:
				outputs := map[string]string{}
				for _, o := range out.Outputs {
					outputs[*o.OutputKey] = *o.OutputValue
				}
				return outputs
			case !strings.HasSuffix(status, "IN_PROGRESS"):
				for _, e := range must(stacks.DescribeStackEvents(ctx, &cloudformation.DescribeStackEventsInput{StackName: name}))(t).StackEvents {
					t.Logf("%s %s %s", *e.LogicalResourceId, e.ResourceStatus, aws.ToString(e.ResourceStatusReason))
				}
				t.Fatalf("the stack is %s", status)
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Fatal("the stack does not come to an end")
		return nil
	}
	outputs := state("CREATE_COMPLETE")
	same(t, "a parameter made of references", outputs["Url"], "https://blue.example:5432/7")
	parameter := func() *ssmtypes.Parameter {
		t.Helper()
		return must(s.ssm.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String(outputs["Name"])}))(t).Parameter
	}
	same(t, "the parameter", *parameter().Value, outputs["Url"])
	secret := must(s.secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(outputs["Secret"])}))(t)
	var value map[string]string
	if err := json.Unmarshal([]byte(*secret.SecretString), &value); err != nil || value["user"] != "admin" || len(value["password"]) != 24 {
		t.Errorf("generated %s: %v", *secret.SecretString, err)
	}
	described := must(s.secrets.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: secret.ARN}))(t)
	same(t, "tags", strings.Join(names(described.Tags, func(tag smtypes.Tag) string { return *tag.Key }), " "), "aws:cloudformation:logical-id aws:cloudformation:stack-id aws:cloudformation:stack-name owner team")
	groups := must(s.logs.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{}))(t).LogGroups
	if len(groups) != 1 || *groups[0].Arn != outputs["Log"] || *groups[0].RetentionInDays != 7 {
		t.Errorf("log groups: %+v", groups)
	}

	// A change of one thing leaves the generated value alone.
	must(stacks.UpdateStack(ctx, &cloudformation.UpdateStackInput{StackName: name, UsePreviousTemplate: aws.Bool(true), Parameters: []cfntypes.Parameter{{ParameterKey: aws.String("Days"), ParameterValue: aws.String("30")}}}))(t)
	same(t, "the secret stays", state("UPDATE_COMPLETE")["Secret"], outputs["Secret"])
	if p := parameter(); *p.Value != "https://blue.example:5432/30" || p.Version != 2 {
		t.Errorf("the parameter: %+v", p)
	}
	same(t, "retention", *must(s.logs.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{}))(t).LogGroups[0].RetentionInDays, 30)
	same(t, "its value stays", *must(s.secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: secret.ARN}))(t).SecretString, *secret.SecretString)

	must(stacks.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: name}))(t)
	for range 500 {
		if len(must(s.logs.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{}))(t).LogGroups) == 0 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	_, err := stacks.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: name})
	wantCode(t, err, "ValidationError")
	_, err = s.secrets.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: secret.ARN})
	wantCode(t, err, "ResourceNotFoundException")
	_, err = s.ssm.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String(outputs["Name"])})
	wantCode(t, err, "ParameterNotFound")
}
