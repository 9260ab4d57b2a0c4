package secrets

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"countersign/call"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

func formatVersion(n int64) string { return strconv.FormatInt(n, 10) }

// GetParameter reads a parameter by its name or ARN: its newest version, or
// the one that NAME:VERSION or NAME:LABEL selects.
func (s *Service) GetParameter(ctx context.Context, in *ssm.GetParameterInput) (*ssm.GetParameterOutput, error) {
	p, err := s.getParameter(ctx, aws.ToString(in.Name), aws.ToBool(in.WithDecryption))
	if err != nil {
		return nil, err
	}
	return &ssm.GetParameterOutput{Parameter: p}, nil
}

// GetParameters reads up to ten parameters. Those that there are none of are answered too.
func (s *Service) GetParameters(ctx context.Context, in *ssm.GetParametersInput) (*ssm.GetParametersOutput, error) {
	out := &ssm.GetParametersOutput{Parameters: []ssmtypes.Parameter{}, InvalidParameters: []string{}}
	var seen []string
	for _, name := range in.Names {
		if slices.Contains(seen, name) {
			continue
		}
		seen = append(seen, name)
		p, err := s.getParameter(ctx, name, aws.ToBool(in.WithDecryption))
		switch {
		case err == nil:
			out.Parameters = append(out.Parameters, *p)
		case errors.As(err, new(*ssmtypes.ParameterNotFound)), errors.As(err, new(*ssmtypes.ParameterVersionNotFound)):
			out.InvalidParameters = append(out.InvalidParameters, name)
		default:
			return nil, err
		}
	}
	return out, nil
}

func (s *Service) getParameter(ctx context.Context, text string, decrypt bool) (*ssmtypes.Parameter, error) {
	c := call.From(ctx)
	sel, err := parseSelector(text, c.Account, c.Region)
	if err != nil {
		return nil, err
	}
	if sel.secret != "" {
		return s.secretAsParameter(ctx, sel, decrypt)
	}
	p, err := s.readParameter(ctx, scope(ctx)+rooted(sel.name))
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, parameterNotFound(sel.name)
	}
	version := sel.version
	if sel.label != "" {
		if version = p.Labels[sel.label]; version == 0 {
			return nil, versionNotFound("label", sel.label, sel.name)
		}
	}
	v, err := s.parameterVersion(ctx, p, version)
	if err != nil {
		return nil, err
	}
	out, err := s.shown(p, v, decrypt)
	if err != nil {
		return nil, err
	}
	out.Selector = optional(sel.text)
	if !sel.byARN {
		out.Name = &sel.name // with or without the slash, as the caller calls it
	}
	return out, nil
}

// parameterVersion finds a version of a parameter; 0 stands for the newest.
func (s *Service) parameterVersion(ctx context.Context, p *parameter, version int64) (*parameterVersion, error) {
	if version == 0 || version == p.Newest.Version {
		return &p.Newest, nil
	}
	r, err := s.store.Get(ctx, kindHistory, p.historyKey(version))
	if errors.Is(err, store.ErrNotFound) {
		return nil, versionNotFound("version", formatVersion(version), p.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("read version %d of parameter %s: %w", version, p.Name, err)
	}
	return decodeVersion(r)
}

func decodeVersion(r store.Record) (*parameterVersion, error) {
	v := new(parameterVersion)
	if err := json.Unmarshal(r.Value, v); err != nil {
		return nil, fmt.Errorf("decode record %s %s: %w", r.Kind, r.Key, err)
	}
	return v, nil
}

// text is a version's value, sealed where it is a secret that is not to be decrypted.
func (s *Service) text(p *parameter, v *parameterVersion, decrypt bool) (string, error) {
	if v.Type == string(ssmtypes.ParameterTypeSecureString) && !decrypt {
		return base64.StdEncoding.EncodeToString(v.Sealed), nil
	}
	return s.parameterValue(p, v)
}

func (s *Service) shown(p *parameter, v *parameterVersion, decrypt bool) (*ssmtypes.Parameter, error) {
	value, err := s.text(p, v, decrypt)
	if err != nil {
		return nil, err
	}
	return &ssmtypes.Parameter{
		Name: &p.Name, ARN: aws.String(p.arn()), Type: ssmtypes.ParameterType(v.Type), Value: &value, Version: v.Version, LastModifiedDate: &v.Modified, DataType: aws.String("text"),
	}, nil
}

// secretAsParameter reads a secret for whoever may read it, under /aws/reference/secretsmanager/.
// https://docs.aws.amazon.com/systems-manager/latest/userguide/integration-ps-secretsmanager.html
func (s *Service) secretAsParameter(ctx context.Context, sel selector, decrypt bool) (*ssmtypes.Parameter, error) {
	if !decrypt {
		return nil, validation("WithDecryption flag must be True for retrieving a Secret Manager secret.")
	}
	in := &secretsmanager.GetSecretValueInput{SecretId: &sel.secret}
	switch {
	case len(sel.label) >= 32: // only ids of versions are so long
		in.VersionId = &sel.label
	case sel.label != "":
		in.VersionStage = &sel.label
	}
	got, err := inner(ctx, s, s.GetSecretValue, in)
	if isSecretNotFound(err) {
		return nil, &ssmtypes.ParameterNotFound{Message: aws.String("An error occurred (ParameterNotFound) when referencing Secrets Manager: Secret " + sel.name + " not found.")}
	}
	if err != nil {
		return nil, err
	}
	if got.SecretString == nil {
		return nil, validation("The secret %s holds no text, and parameters are texts.", sel.secret)
	}
	source, err := encode(map[string]any{
		"ARN": *got.ARN, "name": *got.Name, "versionId": *got.VersionId, "versionStages": got.VersionStages,
		"createdDate": got.CreatedDate.Format(time.RFC3339), "secretString": *got.SecretString,
	})
	if err != nil {
		return nil, err
	}
	c := call.From(ctx)
	return &ssmtypes.Parameter{
		Name: &sel.name, ARN: aws.String(parameterARN(c.Account, c.Region, sel.name)), Type: ssmtypes.ParameterTypeSecureString, Value: got.SecretString,
		LastModifiedDate: got.CreatedDate, Selector: optional(sel.text), SourceResult: aws.String(string(source)), DataType: aws.String("text"),
	}, nil
}

// GetParameterHistory lists the versions of a parameter that are kept, oldest first.
func (s *Service) GetParameterHistory(ctx context.Context, in *ssm.GetParameterHistoryInput) (*ssm.GetParameterHistoryOutput, error) {
	c := call.From(ctx)
	sel, err := parseSelector(aws.ToString(in.Name), c.Account, c.Region)
	if err != nil {
		return nil, err
	}
	if sel.text != "" || sel.secret != "" {
		return nil, validation(nameRule)
	}
	var after int64
	if in.NextToken != nil {
		if after, err = strconv.ParseInt(*in.NextToken, 10, 64); err != nil {
			return nil, invalidParameterToken()
		}
	}
	limit := int64(50)
	if in.MaxResults != nil {
		limit = int64(*in.MaxResults)
	}
	p, err := s.readParameter(ctx, scope(ctx)+rooted(sel.name))
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, parameterNotFound(sel.name)
	}
	out := &ssm.GetParameterHistoryOutput{Parameters: []ssmtypes.ParameterHistory{}}
	first := max(p.First, after+1)
	for n := first; n <= p.Newest.Version; n++ {
		if n == first+limit {
			out.NextToken = aws.String(formatVersion(n - 1))
			break
		}
		v, err := s.parameterVersion(ctx, p, n)
		if errors.As(err, new(*ssmtypes.ParameterVersionNotFound)) { // it has gone since
			continue
		}
		if err != nil {
			return nil, err
		}
		value, err := s.text(p, v, aws.ToBool(in.WithDecryption))
		if err != nil {
			return nil, err
		}
		out.Parameters = append(out.Parameters, ssmtypes.ParameterHistory{
			Name: &p.Name, Type: ssmtypes.ParameterType(v.Type), KeyId: optional(v.KeyID), Value: &value, Version: v.Version, Labels: append([]string{}, p.labels(n)...),
			Description: optional(v.Description), AllowedPattern: optional(v.AllowedPattern), Tier: ssmtypes.ParameterTier(v.Tier),
			LastModifiedDate: &v.Modified, LastModifiedUser: optional(v.User), Policies: []ssmtypes.ParameterInlinePolicy{}, DataType: aws.String("text"),
		})
	}
	return out, nil
}
