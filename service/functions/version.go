package functions

import (
	"context"
	"regexp"
	"slices"
	"strconv"

	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// publish copies $LATEST to a new version, unless the last one is the same
// already, as Lambda does. It changes f and leaves writing to the caller.
func (s *Service) publish(f *function, description *string) (*version, error) {
	if n := len(f.Published); n > 0 && f.Published[n-1].Generation == f.Latest.Generation {
		return &f.Published[n-1], nil
	}
	v := f.Latest
	f.Numbered++
	v.Number = strconv.Itoa(f.Numbered)
	if aws.ToString(description) != "" {
		v.Description = *description
	}
	id, err := s.newID()
	if err != nil {
		return nil, err
	}
	v.RevisionID = id
	f.Published = append(f.Published, v)
	return &f.Published[len(f.Published)-1], nil
}

// PublishVersion keeps $LATEST as a version that does not change any more.
func (s *Service) PublishVersion(ctx context.Context, in *lambda.PublishVersionInput) (*lambda.PublishVersionOutput, error) {
	ref, err := unqualified(ctx, aws.ToString(in.FunctionName))
	if err != nil {
		return nil, err
	}
	if in.PublishTo != "" {
		return nil, notBuilt("PublishTo")
	}
	var v *version
	f, err := s.change(ctx, ref, func(f *function, _ *store.Batch) (err error) {
		if in.RevisionId != nil && *in.RevisionId != f.Latest.RevisionID {
			return stale()
		}
		if in.CodeSha256 != nil && *in.CodeSha256 != "" && *in.CodeSha256 != f.Latest.Code.base64() {
			return invalid("CodeSHA256 (%s) is different from current CodeSHA256 in $LATEST (%s). Please try again with the CodeSHA256 in $LATEST.",
				*in.CodeSha256, f.Latest.Code.base64())
		}
		v, err = s.publish(f, in.Description)
		return err
	})
	if err != nil {
		return nil, err
	}
	return shaped[lambda.PublishVersionOutput](describe(f, v, v.Number)), nil
}

// ListVersionsByFunction lists $LATEST and the published versions, oldest first.
func (s *Service) ListVersionsByFunction(ctx context.Context, in *lambda.ListVersionsByFunctionInput) (*lambda.ListVersionsByFunctionOutput, error) {
	ref, err := unqualified(ctx, aws.ToString(in.FunctionName))
	if err != nil {
		return nil, err
	}
	f, _, err := s.find(ctx, ref)
	if err != nil {
		return nil, err
	}
	all, next, err := page(f.versions(), func(v *version) string { return v.Number }, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &lambda.ListVersionsByFunctionOutput{NextMarker: next, Versions: []types.FunctionConfiguration{}}
	for _, v := range all {
		out.Versions = append(out.Versions, describe(f, v, v.Number))
	}
	return out, nil
}

// page cuts one page out of a list; the marker names the last item of the page before.
func page[T any](all []T, name func(T) string, marker *string, asked *int32) ([]T, *string, error) {
	if marker != nil && *marker != "" {
		i := slices.IndexFunc(all, func(t T) bool { return name(t) == *marker })
		if i < 0 {
			return nil, nil, invalid("Marker %s is not valid; start again without one", *marker)
		}
		all = all[i+1:]
	}
	if n := pageSize(asked); len(all) > n {
		return all[:n], aws.String(name(all[n-1])), nil
	}
	return all, nil, nil
}

// deleteVersion deletes one published version.
func (s *Service) deleteVersion(ctx context.Context, ref reference) error {
	if number(ref.qualifier) == 0 {
		return invalid("Deletion of aliases is not currently supported.")
	}
	_, err := s.change(ctx, ref, func(f *function, _ *store.Batch) error {
		for _, a := range f.Aliases {
			if a.Version == ref.qualifier {
				return conflict("Unable to delete version because the following aliases reference it: [%s]", a.Name)
			}
		}
		i := slices.IndexFunc(f.Published, func(v version) bool { return v.Number == ref.qualifier })
		if i < 0 {
			return functionNotFound(ref.arn())
		}
		f.Published = slices.Delete(f.Published, i, i+1)
		delete(f.Policies, ref.qualifier)
		return nil
	})
	return err
}

var aliasName = regexp.MustCompile(`^[a-zA-Z0-9-_]{1,128}$`)

func (f *function) aliasShown(a *alias) types.AliasConfiguration {
	return types.AliasConfiguration{
		AliasArn: aws.String(f.qualified(a.Name)), Name: aws.String(a.Name), FunctionVersion: aws.String(a.Version),
		Description: aws.String(a.Description), RevisionId: aws.String(a.RevisionID),
	}
}

// pointAt sets an alias's version.
func (f *function) pointAt(a *alias, number string) error {
	if number != latest && !slices.ContainsFunc(f.Published, func(v version) bool { return v.Number == number }) {
		return notFound("Function not found: %s", f.qualified(number))
	}
	a.Version = number
	return nil
}

func weighted(r *types.AliasRoutingConfiguration) bool {
	return r != nil && len(r.AdditionalVersionWeights) > 0
}

// CreateAlias gives a version a name.
func (s *Service) CreateAlias(ctx context.Context, in *lambda.CreateAliasInput) (*lambda.CreateAliasOutput, error) {
	ref, err := unqualified(ctx, aws.ToString(in.FunctionName))
	if err != nil {
		return nil, err
	}
	name := aws.ToString(in.Name)
	switch {
	case weighted(in.RoutingConfig):
		return nil, notBuilt("RoutingConfig")
	case !aliasName.MatchString(name) || number(name) != 0 || name == "0":
		return nil, constraint(name, "name", `Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)`)
	}
	a := alias{Name: name, Description: aws.ToString(in.Description)}
	f, err := s.change(ctx, ref, func(f *function, _ *store.Batch) (err error) {
		if f.alias(name) != nil {
			return conflict("Alias already exists: %s", f.qualified(name))
		}
		if err := f.pointAt(&a, aws.ToString(in.FunctionVersion)); err != nil {
			return err
		}
		if a.RevisionID, err = s.newID(); err != nil {
			return err
		}
		f.Aliases = append(f.Aliases, a)
		return nil
	})
	if err != nil {
		return nil, err
	}
	c := f.aliasShown(&a)
	return &lambda.CreateAliasOutput{AliasArn: c.AliasArn, Name: c.Name, FunctionVersion: c.FunctionVersion, Description: c.Description, RevisionId: c.RevisionId}, nil
}

// UpdateAlias points an alias at another version, or describes it anew.
func (s *Service) UpdateAlias(ctx context.Context, in *lambda.UpdateAliasInput) (*lambda.UpdateAliasOutput, error) {
	ref, err := unqualified(ctx, aws.ToString(in.FunctionName))
	if err != nil {
		return nil, err
	}
	if weighted(in.RoutingConfig) {
		return nil, notBuilt("RoutingConfig")
	}
	name := aws.ToString(in.Name)
	f, err := s.change(ctx, ref, func(f *function, _ *store.Batch) (err error) {
		a := f.alias(name)
		switch {
		case a == nil:
			return notFound("Alias not found: %s", f.qualified(name))
		case in.RevisionId != nil && *in.RevisionId != a.RevisionID:
			return stale()
		}
		if in.FunctionVersion != nil {
			if err := f.pointAt(a, *in.FunctionVersion); err != nil {
				return err
			}
		}
		if in.Description != nil {
			a.Description = *in.Description
		}
		a.RevisionID, err = s.newID()
		return err
	})
	if err != nil {
		return nil, err
	}
	c := f.aliasShown(f.alias(name))
	return &lambda.UpdateAliasOutput{AliasArn: c.AliasArn, Name: c.Name, FunctionVersion: c.FunctionVersion, Description: c.Description, RevisionId: c.RevisionId}, nil
}

// GetAlias describes an alias.
func (s *Service) GetAlias(ctx context.Context, in *lambda.GetAliasInput) (*lambda.GetAliasOutput, error) {
	ref, err := unqualified(ctx, aws.ToString(in.FunctionName))
	if err != nil {
		return nil, err
	}
	f, _, err := s.find(ctx, ref)
	if err != nil {
		return nil, err
	}
	a := f.alias(aws.ToString(in.Name))
	if a == nil {
		return nil, notFound("Cannot find alias arn: %s", f.qualified(aws.ToString(in.Name)))
	}
	c := f.aliasShown(a)
	return &lambda.GetAliasOutput{AliasArn: c.AliasArn, Name: c.Name, FunctionVersion: c.FunctionVersion, Description: c.Description, RevisionId: c.RevisionId}, nil
}

// DeleteAlias deletes an alias with its permissions. That there is none is no error, as on AWS.
func (s *Service) DeleteAlias(ctx context.Context, in *lambda.DeleteAliasInput) (*lambda.DeleteAliasOutput, error) {
	ref, err := unqualified(ctx, aws.ToString(in.FunctionName))
	if err != nil {
		return nil, err
	}
	name := aws.ToString(in.Name)
	_, err = s.change(ctx, ref, func(f *function, _ *store.Batch) error {
		if f.alias(name) != nil {
			delete(f.Policies, name)
		}
		f.Aliases = slices.DeleteFunc(f.Aliases, func(a alias) bool { return a.Name == name })
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &lambda.DeleteAliasOutput{}, nil
}

// ListAliases lists a function's aliases, or those of one version.
func (s *Service) ListAliases(ctx context.Context, in *lambda.ListAliasesInput) (*lambda.ListAliasesOutput, error) {
	ref, err := unqualified(ctx, aws.ToString(in.FunctionName))
	if err != nil {
		return nil, err
	}
	f, _, err := s.find(ctx, ref)
	if err != nil {
		return nil, err
	}
	wanted := slices.DeleteFunc(slices.Clone(f.Aliases), func(a alias) bool {
		return aws.ToString(in.FunctionVersion) != "" && a.Version != *in.FunctionVersion
	})
	all, next, err := page(wanted, func(a alias) string { return a.Name }, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &lambda.ListAliasesOutput{NextMarker: next, Aliases: []types.AliasConfiguration{}}
	for i := range all {
		out.Aliases = append(out.Aliases, f.aliasShown(&all[i]))
	}
	return out, nil
}
