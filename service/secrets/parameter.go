package secrets

import (
	"context"
	"fmt"
	"regexp"
	"slices"

	"countersign/call"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

const (
	maxHistory  = 100 // versions of a parameter that are kept
	maxStandard = 4096
	maxAdvanced = 8192
	defaultKey  = "alias/aws/ssm"
)

// nested is a value that would be taken for a reference to another parameter.
var nested = regexp.MustCompile(`\{\{.*\}\}`)

// PutParameter makes a parameter, or with Overwrite a new version of it. What the
// call leaves out a new version takes from the one before.
func (s *Service) PutParameter(ctx context.Context, in *ssm.PutParameterInput) (*ssm.PutParameterOutput, error) {
	name, err := newName(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	overwrite, value, tags := aws.ToBool(in.Overwrite), aws.ToString(in.Value), parameterTags(in.Tags)
	switch kind := aws.ToString(in.DataType); {
	case value == "":
		return nil, validation("1 validation error detected: Value '' at 'value' failed to satisfy constraint: Member must have length greater than or equal to 1.")
	case nested.MatchString(value):
		return nil, validation("Parameter value can't nest another parameter. Do not use \"{{}}\" in the value.")
	case overwrite && len(tags) > 0:
		return nil, validation("Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove overwrite flag. " +
			"To update tags for an existing parameter, please use AddTagsToResource or RemoveTagsFromResource.")
	case aws.ToString(in.Policies) != "" && aws.ToString(in.Policies) != "[]":
		return nil, validation(notBuilt, "Policies")
	case kind == "aws:ec2:image" || kind == "aws:ssm:integration":
		return nil, validation(notBuilt, "DataType "+kind)
	case kind != "" && kind != "text":
		return nil, validation("The following data type is not supported: %s (Data type names are all lowercase.)", kind)
	}
	if err := checkTags(ctx, nil, tags, validation, tooManyTags); err != nil {
		return nil, err
	}
	p, err := s.editParameter(ctx, name, func(p *parameter, b *store.Batch) error {
		if p.exists() && !overwrite {
			return &ssmtypes.ParameterAlreadyExists{Message: aws.String("The parameter already exists. To overwrite this value, set the overwrite option in the request to true.")}
		}
		v, err := p.next(in)
		if err != nil {
			return err
		}
		v.Modified, v.User = s.now().UTC(), call.From(ctx).Principal.ARN
		if v.Sealed, err = s.sealer.Seal(s.rand, []byte(value), p.valueOwner(v.Version)); err != nil {
			return err
		}
		if !p.exists() {
			p.First, p.Tags = v.Version, tags
		} else if err := p.retire(b); err != nil {
			return err
		}
		p.Newest = v
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &ssm.PutParameterOutput{Version: p.Newest.Version, Tier: ssmtypes.ParameterTier(p.Newest.Tier)}, nil
}

// next makes the version that a call asks for, but for its value.
func (p *parameter) next(in *ssm.PutParameterInput) (v parameterVersion, err error) {
	v = p.Newest
	v.Version++
	if in.Type != "" {
		v.Type = string(in.Type)
	}
	if in.Description != nil {
		v.Description = *in.Description
	}
	if in.AllowedPattern != nil {
		v.AllowedPattern = *in.AllowedPattern
	}
	secure := v.Type == string(ssmtypes.ParameterTypeSecureString)
	switch {
	case v.Type == "":
		return v, validation("A parameter type is required when you create a parameter.")
	case in.KeyId != nil && !secure:
		return v, validation("KeyId is required for SecureString type parameter only.")
	case in.KeyId != nil:
		v.KeyID = *in.KeyId
	case !secure:
		v.KeyID = ""
	case v.KeyID == "":
		v.KeyID = defaultKey
	}
	if err := checkPattern(v.AllowedPattern, *in.Value); err != nil {
		return v, err
	}
	v.Tier, err = chooseTier(in.Tier, ssmtypes.ParameterTier(p.Newest.Tier), len(*in.Value))
	return v, err
}

// checkPattern demands that a value matches as a whole.
func checkPattern(pattern, value string) error {
	if pattern == "" {
		return nil
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return &ssmtypes.InvalidAllowedPatternException{Message: aws.String("The request doesn't meet the regular expression requirement: " + err.Error())}
	}
	re.Longest() // the match of the whole value, if there is one
	if at := re.FindStringIndex(value); at == nil || at[0] != 0 || at[1] != len(value) {
		return &ssmtypes.ParameterPatternMismatchException{Message: aws.String("Parameter value, cannot be validated against allowedPattern: " + pattern)}
	}
	return nil
}

// chooseTier finds the tier of a value of a size, of a parameter that has had a tier or none.
// https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html
func chooseTier(asked, had ssmtypes.ParameterTier, size int) (string, error) {
	tier := asked
	switch {
	case had == ssmtypes.ParameterTierAdvanced && asked == ssmtypes.ParameterTierStandard:
		return "", validation("This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the advanced-parameter tier to the standard-parameter tier. " +
			"If necessary, you can delete the advanced parameter and recreate it as a standard parameter.")
	case had == ssmtypes.ParameterTierAdvanced:
		tier = had
	case asked == ssmtypes.ParameterTierIntelligentTiering && size > maxStandard:
		tier = ssmtypes.ParameterTierAdvanced
	case asked == "" || asked == ssmtypes.ParameterTierIntelligentTiering:
		tier = ssmtypes.ParameterTierStandard
	}
	if tier == ssmtypes.ParameterTierStandard && size > maxStandard {
		return "", validation("Standard tier parameters support a maximum parameter value of %d characters. To create a larger parameter value, upgrade the parameter to use the advanced-parameter tier.", maxStandard)
	}
	if size > maxAdvanced {
		return "", validation("Advanced tier parameters support a maximum parameter value of %d characters.", maxAdvanced)
	}
	return string(tier), nil
}

func (p *parameter) exists() bool { return p.revision != 0 }

// retire keeps the newest version as a former one, and lets the oldest go when there are too many.
func (p *parameter) retire(b *store.Batch) error {
	record, err := encode(p.Newest)
	if err != nil {
		return err
	}
	b.Create(kindHistory, p.historyKey(p.Newest.Version), record)
	if p.Newest.Version-p.First+2 <= maxHistory {
		return nil
	}
	if len(p.labels(p.First)) > 0 {
		return &ssmtypes.ParameterMaxVersionLimitExceeded{Message: aws.String(fmt.Sprintf(
			"You attempted to create a new version of %s by calling the PutParameter API with the overwrite flag. Version %d, the oldest version, can't be deleted "+
				"because it has a label associated with it. Move the label to another version of the parameter, and try again.", p.Name, p.First))}
	}
	b.Delete(kindHistory, p.historyKey(p.First))
	p.First++
	return nil
}

// editParameter changes a parameter, or makes it: change sees one that does not
// exist without versions. It may add to the batch, is run again when somebody else
// wrote first, and returns errors for the client, or errSame.
func (s *Service) editParameter(ctx context.Context, name string, change func(p *parameter, b *store.Batch) error) (*parameter, error) {
	c := call.From(ctx)
	for range attempts {
		p, err := s.readParameter(ctx, scope(ctx)+rooted(name))
		if err != nil {
			return nil, err
		}
		if p == nil {
			p = &parameter{Account: c.Account, Region: c.Region, Name: name}
		}
		b := new(store.Batch)
		if err := change(p, b); err == errSame {
			return p, nil
		} else if err != nil {
			return nil, err
		}
		record, err := encode(p)
		if err != nil {
			return nil, err
		}
		_, err = s.store.Commit(ctx, b.Replace(kindParameter, p.key(), record, p.revision))
		if err == nil {
			return p, nil
		}
		if !overtaken(err) {
			return nil, fmt.Errorf("write parameter %s: %w", name, err)
		}
	}
	return nil, tooManyUpdates(name)
}

// DeleteParameter deletes a parameter with all its versions.
func (s *Service) DeleteParameter(ctx context.Context, in *ssm.DeleteParameterInput) (*ssm.DeleteParameterOutput, error) {
	name, err := plainName(in.Name)
	if err != nil {
		return nil, err
	}
	gone, err := s.deleteParameter(ctx, name)
	if err != nil {
		return nil, err
	}
	if !gone {
		return nil, parameterNotFound(name)
	}
	return &ssm.DeleteParameterOutput{}, nil
}

// DeleteParameters deletes those that there are.
func (s *Service) DeleteParameters(ctx context.Context, in *ssm.DeleteParametersInput) (*ssm.DeleteParametersOutput, error) {
	out := &ssm.DeleteParametersOutput{DeletedParameters: []string{}, InvalidParameters: []string{}}
	for _, name := range in.Names {
		gone := false
		if plain, err := plainName(&name); err == nil {
			if gone, err = s.deleteParameter(ctx, plain); err != nil {
				return nil, err
			}
		}
		if gone {
			out.DeletedParameters = append(out.DeletedParameters, name)
		} else if !slices.Contains(out.DeletedParameters, name) {
			out.InvalidParameters = append(out.InvalidParameters, name)
		}
	}
	return out, nil
}

// deleteParameter reports whether there was one.
func (s *Service) deleteParameter(ctx context.Context, name string) (bool, error) {
	for range attempts {
		p, err := s.readParameter(ctx, scope(ctx)+rooted(name))
		if err != nil || p == nil {
			return false, err
		}
		b := new(store.Batch).DeleteIf(kindParameter, p.key(), p.revision)
		for n := p.First; n < p.Newest.Version; n++ {
			b.Delete(kindHistory, p.historyKey(n))
		}
		_, err = s.store.Commit(ctx, b)
		if err == nil {
			return true, nil
		}
		if !overtaken(err) {
			return false, fmt.Errorf("delete parameter %s: %w", name, err)
		}
	}
	return false, tooManyUpdates(name)
}
