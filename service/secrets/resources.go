package secrets

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"

	"countersign/service/stacks/resource"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

// ResourceTypes are the CloudFormation resource types of Secrets Manager and Parameter Store.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_SecretsManager.html
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ssm-parameter.html
func (s *Service) ResourceTypes() []resource.Type {
	x, r, p := secretResources{s}, policyResources{s}, parameterResources{s}
	return []resource.Type{
		resource.Define(resource.Spec[secretProperties]{
			Name: "AWS::SecretsManager::Secret", Attributes: []string{"Id"}, Tags: "Tags", Known: []string{"ReplicaRegions", "Type"},
			Naming: &resource.Naming{Property: "Name", Make: func(_, logicalID, random string) string { return logicalID + "-" + random }},
			Check:  checkSecret, Create: x.create, Update: x.update, Delete: x.delete, Find: x.find,
		}),
		resource.Define(resource.Spec[policyProperties]{
			Name: "AWS::SecretsManager::ResourcePolicy", Attributes: []string{"Id"},
			Create: r.put, Update: r.put, Delete: r.delete,
		}),
		resource.Define(resource.Spec[parameterProperties]{
			Name: "AWS::SSM::Parameter", Attributes: []string{"Type", "Value"}, Tags: "Tags", Known: []string{"Policies"},
			Naming: &resource.Naming{Property: "Name", Make: func(_, logicalID, random string) string { return "CFN-" + logicalID + "-" + random }},
			Check:  checkParameter, Create: p.create, Update: p.update, Delete: p.delete, Find: p.find,
		}),
	}
}

type secretProperties struct {
	Name                 string `cfn:"replace"`
	Description          *string
	KmsKeyId             *string
	SecretString         *string
	GenerateSecretString *generatedString
	Tags                 []resource.Tag
}

// A generatedString is GetRandomPassword's input, and where in a JSON object the password goes.
type generatedString struct {
	ExcludeCharacters       *string
	ExcludeLowercase        *bool
	ExcludeNumbers          *bool
	ExcludePunctuation      *bool
	ExcludeUppercase        *bool
	GenerateStringKey       *string
	IncludeSpace            *bool
	PasswordLength          *int64
	RequireEachIncludedType *bool
	SecretStringTemplate    *string
}

func checkSecret(p *secretProperties) []resource.Problem {
	g := p.GenerateSecretString
	switch {
	case g == nil:
		return nil
	case p.SecretString != nil:
		return []resource.Problem{{Message: "Only one of SecretString and GenerateSecretString can be given"}}
	case (g.SecretStringTemplate == nil) != (g.GenerateStringKey == nil):
		return []resource.Problem{{Path: []string{"GenerateSecretString"}, Message: "SecretStringTemplate and GenerateStringKey are needed both, or neither"}}
	}
	return nil
}

// secretResources is AWS::SecretsManager::Secret.
type secretResources struct{ *Service }

// create makes the secret under the change's token. One that an earlier attempt made keeps the
// value that was generated then.
func (s secretResources) create(ctx context.Context, c *resource.Change[secretProperties]) (resource.Result, error) {
	p := &c.Properties
	value, err := s.value(ctx, p)
	if err != nil {
		return resource.Result{}, err
	}
	in := &secretsmanager.CreateSecretInput{Name: &p.Name, ClientRequestToken: &c.Token, Description: p.Description, KmsKeyId: p.KmsKeyId, SecretString: value}
	for _, t := range p.Tags {
		in.Tags = append(in.Tags, smtypes.Tag{Key: &t.Key, Value: &t.Value})
	}
	out, err := resource.Do(ctx, s.CreateSecret, in)
	if resource.IsExists(err) {
		if id, failed := s.find(ctx, c); failed != nil || id != "" {
			return secretResult(id), failed
		}
	}
	if err != nil {
		return resource.Result{}, err
	}
	return secretResult(*out.ARN), nil
}

func secretResult(arn string) resource.Result {
	return resource.Result{PhysicalID: arn, Attributes: map[string]any{"Id": arn}}
}

// value is what the secret is to hold: given, generated, or nothing.
func (s secretResources) value(ctx context.Context, p *secretProperties) (*string, error) {
	g := p.GenerateSecretString
	if g == nil {
		return p.SecretString, nil
	}
	out, err := resource.Do(ctx, s.GetRandomPassword, &secretsmanager.GetRandomPasswordInput{
		ExcludeCharacters: g.ExcludeCharacters, ExcludeLowercase: g.ExcludeLowercase, ExcludeNumbers: g.ExcludeNumbers, ExcludePunctuation: g.ExcludePunctuation,
		ExcludeUppercase: g.ExcludeUppercase, IncludeSpace: g.IncludeSpace, PasswordLength: g.PasswordLength, RequireEachIncludedType: g.RequireEachIncludedType,
	})
	if err != nil {
		return nil, err
	}
	if g.SecretStringTemplate == nil {
		return out.RandomPassword, nil
	}
	return fill(*g.SecretStringTemplate, aws.ToString(g.GenerateStringKey), *out.RandomPassword)
}

// fill adds a password to a JSON object, under a key.
func fill(template, key, password string) (*string, error) {
	d := json.NewDecoder(strings.NewReader(template))
	d.UseNumber()
	var object map[string]any
	if d.Decode(&object) != nil || object == nil || d.More() {
		return nil, invalidParameter("SecretStringTemplate must be a JSON object.")
	}
	object[key] = password
	text, err := resource.JSON(object)
	return &text, err
}

func (s secretResources) update(ctx context.Context, c *resource.Change[secretProperties]) (resource.Result, error) {
	p, old := &c.Properties, &c.Old
	in := &secretsmanager.UpdateSecretInput{SecretId: &c.PhysicalID, ClientRequestToken: &c.Token}
	changed := false
	for _, f := range []struct {
		now, was *string
		into     **string
	}{{p.Description, old.Description, &in.Description}, {p.KmsKeyId, old.KmsKeyId, &in.KmsKeyId}} {
		if aws.ToString(f.now) != aws.ToString(f.was) {
			changed, *f.into = true, aws.String(aws.ToString(f.now))
		}
	}
	if !reflect.DeepEqual(p.SecretString, old.SecretString) || !reflect.DeepEqual(p.GenerateSecretString, old.GenerateSecretString) {
		done, err := s.has(ctx, c.PhysicalID, c.Token)
		if err != nil {
			return resource.Result{}, err
		}
		if !done { // an earlier attempt may have generated a value
			if in.SecretString, err = s.value(ctx, p); err != nil {
				return resource.Result{}, err
			}
			changed = changed || in.SecretString != nil
		}
	}
	if changed {
		if _, err := resource.Do(ctx, s.UpdateSecret, in); err != nil {
			return resource.Result{}, err
		}
	}
	set, removed := resource.TagChanges(old.Tags, p.Tags)
	if len(removed) > 0 {
		if _, err := resource.Do(ctx, s.UntagResource, &secretsmanager.UntagResourceInput{SecretId: &c.PhysicalID, TagKeys: removed}); err != nil {
			return resource.Result{}, err
		}
	}
	if len(set) > 0 {
		in := &secretsmanager.TagResourceInput{SecretId: &c.PhysicalID}
		for _, t := range set {
			in.Tags = append(in.Tags, smtypes.Tag{Key: &t.Key, Value: &t.Value})
		}
		if _, err := resource.Do(ctx, s.TagResource, in); err != nil {
			return resource.Result{}, err
		}
	}
	return secretResult(c.PhysicalID), nil
}

// has reports whether a secret has a version.
func (s secretResources) has(ctx context.Context, id, version string) (bool, error) {
	out, err := resource.Do(ctx, s.DescribeSecret, &secretsmanager.DescribeSecretInput{SecretId: &id})
	if err != nil {
		return false, err
	}
	return len(out.VersionIdsToStages[version]) > 0, nil
}

func (s secretResources) delete(ctx context.Context, c *resource.Change[secretProperties]) error {
	_, err := resource.Do(ctx, s.DeleteSecret, &secretsmanager.DeleteSecretInput{SecretId: &c.PhysicalID, ForceDeleteWithoutRecovery: aws.Bool(true)})
	return unlessGone(err)
}

// unlessGone is err, but nil where it says that there is nothing to delete any more.
func unlessGone(err error) error {
	if resource.IsNotFound(err) {
		return nil
	}
	return err
}

func (s secretResources) find(ctx context.Context, c *resource.Change[secretProperties]) (string, error) {
	out, err := resource.Do(ctx, s.DescribeSecret, &secretsmanager.DescribeSecretInput{SecretId: &c.Properties.Name})
	if err != nil {
		return "", unlessGone(err)
	}
	var tags []resource.Tag
	for _, t := range out.Tags {
		tags = append(tags, resource.Tag{Key: *t.Key, Value: *t.Value})
	}
	if out.DeletedDate != nil || !c.Ours(tags) {
		return "", nil
	}
	return *out.ARN, nil
}

type policyProperties struct {
	SecretId          string `cfn:"required,replace"`
	ResourcePolicy    any    `cfn:"required"`
	BlockPublicPolicy *bool
}

// policyResources is AWS::SecretsManager::ResourcePolicy.
type policyResources struct{ *Service }

func (s policyResources) put(ctx context.Context, c *resource.Change[policyProperties]) (resource.Result, error) {
	text, err := resource.JSON(c.Properties.ResourcePolicy)
	if err != nil {
		return resource.Result{}, err
	}
	out, err := resource.Do(ctx, s.PutResourcePolicy, &secretsmanager.PutResourcePolicyInput{
		SecretId: &c.Properties.SecretId, ResourcePolicy: &text, BlockPublicPolicy: c.Properties.BlockPublicPolicy,
	})
	if err != nil {
		return resource.Result{}, err
	}
	return secretResult(*out.ARN), nil
}

func (s policyResources) delete(ctx context.Context, c *resource.Change[policyProperties]) error {
	_, err := resource.Do(ctx, s.DeleteResourcePolicy, &secretsmanager.DeleteResourcePolicyInput{SecretId: &c.PhysicalID})
	return unlessGone(err)
}
