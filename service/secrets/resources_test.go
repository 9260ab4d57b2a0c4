package secrets

import (
	"encoding/json"
	"strings"
	"testing"

	"countersign/call"
	"countersign/service/stacks/resource/resourcetest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

func (b *bench) stack() *resourcetest.Stack {
	return resourcetest.New(b.t, call.Through(b.ctx, call.CloudFormation), testAccount, testRegion, b.ResourceTypes())
}

// tagged are the tags of a secret as "key=value key=value".
func (b *bench) tagged(id string) string {
	b.t.Helper()
	var list []string
	for _, t := range do(b, b.DescribeSecret, &secretsmanager.DescribeSecretInput{SecretId: &id}).Tags {
		list = append(list, *t.Key+"="+*t.Value)
	}
	return strings.Join(list, " ")
}

func TestSecretResource(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := b.stack()
	const typ = "AWS::SecretsManager::Secret"
	r := s.Create(typ, "Password", `{"SecretString": "one", "Description": "about", "KmsKeyId": "alias/k", "Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]}`)
	if !strings.HasPrefix(r.PhysicalID, "arn:aws:secretsmanager:"+testRegion+":"+testAccount+":secret:Password-") || r.Attributes["Id"] != r.PhysicalID {
		t.Errorf("made: %+v", r.Result)
	}
	s.Again(r)
	s.Found(r)
	if b.value(r.PhysicalID) != "one" || !strings.Contains(b.tagged(r.PhysicalID), "a=1 aws:cloudformation:logical-id=Password aws:cloudformation:stack-id=") {
		t.Errorf("value %q, tags %s", b.value(r.PhysicalID), b.tagged(r.PhysicalID))
	}
	s.Update(r, `{"SecretString": "two", "Tags": [{"Key": "b", "Value": "3"}]}`)
	got := do(b, b.DescribeSecret, &secretsmanager.DescribeSecretInput{SecretId: &r.PhysicalID})
	if b.value(r.PhysicalID) != "two" || got.Description != nil || got.KmsKeyId != nil || strings.HasPrefix(b.tagged(r.PhysicalID), "a=1") || !strings.HasSuffix(b.tagged(r.PhysicalID), " b=3") {
		t.Errorf("changed: %+v, value %q, tags %s", got, b.value(r.PhysicalID), b.tagged(r.PhysicalID))
	}
	// A change of something else leaves the value alone, whatever it is by then.
	do(b, b.PutSecretValue, &secretsmanager.PutSecretValueInput{SecretId: &r.PhysicalID, SecretString: aws.String("by hand"), ClientRequestToken: token()})
	s.Update(r, `{"SecretString": "two", "Description": "more"}`)
	if b.value(r.PhysicalID) != "by hand" {
		t.Errorf("value %q", b.value(r.PhysicalID))
	}
	// Users may not touch CloudFormation's tags.
	refused(b, b.UntagResource, &secretsmanager.UntagResourceInput{SecretId: &r.PhysicalID, TagKeys: []string{"aws:cloudformation:stack-id"}}, "InvalidParameterException", "reserved")
	s.Delete(r)
	b.wantNothing()

	empty := s.Create(typ, "Empty", `{"Name": "empty"}`)
	s.Again(empty)
	b.secret("somebodys", "x")
	s.Refused(typ, `{"Name": "somebodys"}`, "ResourceExistsException", "somebodys")
	s.Refused(typ, `{"SecretString": "a", "GenerateSecretString": {}}`, "", "Only one of")
	s.Refused(typ, `{"GenerateSecretString": {"GenerateStringKey": "p"}}`, "", "both")
	s.Refused(typ, `{"GenerateSecretString": {"GenerateStringKey": "p", "SecretStringTemplate": "[]"}}`, "InvalidParameterException", "must be a JSON object")
	s.Refused(typ, `{"ReplicaRegions": []}`, "", "ReplicaRegions is not built")
	s.Replaces(typ, true, "Name")
	s.Replaces(typ, false, "SecretString", "GenerateSecretString", "Description", "Tags")
}

func TestGeneratedSecret(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := b.stack()
	const properties = `{"GenerateSecretString": {"SecretStringTemplate": "{\"user\": \"<admin>\", \"port\": 5432, \"big\": 12345678901234567890}", "GenerateStringKey": "password", "PasswordLength": 20, "ExcludeCharacters": "\"@/\\"}}`
	r := s.Create("AWS::SecretsManager::Secret", "Db", properties)
	first := b.value(r.PhysicalID)
	var parsed struct {
		User, Password string
		Port           int
		Big            json.Number
	}
	if err := json.Unmarshal([]byte(first), &parsed); err != nil || parsed.User != "<admin>" || parsed.Port != 5432 || parsed.Big != "12345678901234567890" || len(parsed.Password) != 20 {
		t.Errorf("%v in %s", err, first)
	}
	// What was generated stays: after a crash, and in a change of something else.
	s.Again(r)
	s.Update(r, strings.Replace(properties, `{"Gen`, `{"Description": "d", "Gen`, 1))
	if got := b.value(r.PhysicalID); got != first {
		t.Errorf("became %s", got)
	}
	s.Update(r, `{"GenerateSecretString": {"PasswordLength": 50}}`) // twice, and yet one new version
	if got := b.value(r.PhysicalID); len(got) != 50 {
		t.Errorf("generated anew: %s", got)
	}
	if n := len(do(b, b.ListSecretVersionIds, &secretsmanager.ListSecretVersionIdsInput{SecretId: &r.PhysicalID, IncludeDeprecated: aws.Bool(true)}).Versions); n != 2 {
		t.Errorf("%d versions", n)
	}
}

func TestResourcePolicyResource(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := b.stack()
	id, _ := b.secret("s", "1")
	const typ = "AWS::SecretsManager::ResourcePolicy"
	const policy = `{"SecretId": "s", "ResourcePolicy": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "secretsmanager:GetSecretValue", "Resource": "*"}]}}`
	r := s.Create(typ, "Policy", policy)
	if r.PhysicalID != *id || r.Attributes["Id"] != *id {
		t.Errorf("made: %+v", r.Result)
	}
	s.Again(r)
	s.Update(r, strings.Replace(policy, "GetSecretValue", "DescribeSecret", 1))
	if got := do(b, b.GetResourcePolicy, &secretsmanager.GetResourcePolicyInput{SecretId: id}); !strings.Contains(*got.ResourcePolicy, "DescribeSecret") {
		t.Errorf("policy %s", *got.ResourcePolicy)
	}
	s.Delete(r)
	if got := do(b, b.GetResourcePolicy, &secretsmanager.GetResourcePolicyInput{SecretId: id}); got.ResourcePolicy != nil {
		t.Errorf("policy %s", *got.ResourcePolicy)
	}
	s.Refused(typ, strings.Replace(policy, "Allow", "Perhaps", 1), "MalformedPolicyDocumentException", "")
	s.Replaces(typ, true, "SecretId")
}

func TestParameterResource(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := b.stack()
	const typ = "AWS::SSM::Parameter"
	r := s.Create(typ, "Url", `{"Type": "String", "Value": "one", "Description": "about", "AllowedPattern": "[a-z]+", "Tags": {"a": "1", "b": "2"}}`)
	if !strings.HasPrefix(r.PhysicalID, "CFN-Url-") || r.Attributes["Type"] != "String" || r.Attributes["Value"] != "one" {
		t.Errorf("made: %+v", r.Result)
	}
	s.Again(r)
	s.Found(r)
	if got := b.get(r.PhysicalID); got.Version != 1 {
		t.Errorf("three attempts made version %d", got.Version)
	}
	tags := func() string {
		t.Helper()
		var list []string
		for _, tag := range do(b, b.ListTagsForResource, &ssm.ListTagsForResourceInput{ResourceType: "Parameter", ResourceId: &r.PhysicalID}).TagList {
			if !call.SystemTag(*tag.Key) {
				list = append(list, *tag.Key+"="+*tag.Value)
			}
		}
		return strings.Join(list, " ")
	}
	s.Update(r, `{"Type": "StringList", "Value": "1,2", "Tags": {"b": "3"}}`)
	described := do(b, b.DescribeParameters, &ssm.DescribeParametersInput{}).Parameters[0]
	if got := b.get(r.PhysicalID); *got.Value != "1,2" || got.Type != "StringList" || r.Attributes["Value"] != "1,2" || tags() != "b=3" || described.Description != nil || described.AllowedPattern != nil {
		t.Errorf("changed: %+v, %+v, tags %s", got, described, tags())
	}
	version := b.get(r.PhysicalID).Version
	s.Update(r, `{"Type": "StringList", "Value": "1,2", "Tags": {"b": "4"}}`)
	if got := b.get(r.PhysicalID); got.Version != version || tags() != "b=4" {
		t.Errorf("a change of tags made version %d of %d; tags %s", got.Version, version, tags())
	}
	refused(b, b.RemoveTagsFromResource, &ssm.RemoveTagsFromResourceInput{ResourceType: "Parameter", ResourceId: &r.PhysicalID, TagKeys: []string{"aws:cloudformation:stack-name"}}, "ValidationException", "reserved")
	s.Delete(r)
	refused(b, b.GetParameter, &ssm.GetParameterInput{Name: &r.PhysicalID}, "ParameterNotFound", "")

	b.put("/somebodys", "x")
	s.Refused(typ, `{"Type": "String", "Value": "v", "Name": "/somebodys"}`, "ParameterAlreadyExists", "")
	s.Refused(typ, `{"Type": "SecureString", "Value": "v"}`, "", "no parameters of type SecureString")
	s.Refused(typ, `{"Type": "String", "Value": "v", "Policies": "[]"}`, "", "Policies is not built")
	if id := s.Find(s.New(typ, "Absent", `{"Name": "/absent", "Type": "String", "Value": "v"}`)); id != "" {
		t.Errorf("found %s", id)
	}
	s.Replaces(typ, true, "Name")
	s.Replaces(typ, false, "Type", "Value", "Tier", "Tags")
}

// 50 tags of one's own fit beside those of CloudFormation.
func TestSystemTagsDoNotCount(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.stack().Create("AWS::SecretsManager::Secret", "Tagged", `{}`)
	var many []smtypes.Tag
	for i := range 50 {
		many = append(many, smtypes.Tag{Key: aws.String(strings.Repeat("k", i+1)), Value: aws.String("")})
	}
	do(b, b.TagResource, &secretsmanager.TagResourceInput{SecretId: &r.PhysicalID, Tags: many})
	refused(b, b.TagResource, &secretsmanager.TagResourceInput{SecretId: &r.PhysicalID, Tags: []smtypes.Tag{{Key: aws.String("one more"), Value: aws.String("")}}}, "InvalidParameterException", "at most 50")
}
