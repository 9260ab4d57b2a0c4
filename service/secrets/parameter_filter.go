package secrets

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// A parameterFilter lets some parameters through.
type parameterFilter struct {
	key, option string
	values      []string
}

// What filters of the two operations may be.
// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_ParameterStringFilter.html
var (
	describeKeys = []string{"Path", "Name", "Type", "KeyId", "Tier", "DataType"} // and tag:KEY
	pathKeys     = []string{"Type", "KeyId", "Label"}
)

// parseFilters checks filters against the keys that an operation takes.
func parseFilters(in []ssmtypes.ParameterStringFilter, keys []string, tags bool) ([]parameterFilter, error) {
	var out []parameterFilter
	for _, f := range in {
		key := aws.ToString(f.Key)
		isTag := tags && strings.HasPrefix(key, "tag:")
		switch {
		case !slices.Contains(keys, key) && !isTag:
			return nil, coded("InvalidFilterKey", "The following filter key is not valid: %s. Valid filter keys include: [%s].", key, strings.Join(keys, ", "))
		case slices.ContainsFunc(out, func(o parameterFilter) bool { return o.key == key }):
			return nil, coded("InvalidFilterKey", "The following filter is duplicated in the request: %s. A request can contain only one occurrence of a specific filter.", key)
		case len(f.Values) == 0 && !isTag:
			return nil, &ssmtypes.InvalidFilterValue{Message: aws.String("The following filter values are missing : null for filter key " + key + ".")}
		}
		options := []string{"Equals", "BeginsWith"}
		switch {
		case key == "Path":
			options = []string{"OneLevel", "Recursive"}
		case key == "Name":
			options = append(options, "Contains")
		case key == "Label" || isTag:
			options = options[:1]
		}
		option := options[0]
		if f.Option != nil {
			option = *f.Option
		}
		if !slices.Contains(options, option) {
			return nil, filterOption("The following filter option is not valid: %s. Valid options include: [%s].", option, strings.Join(options, ", "))
		}
		for _, v := range f.Values {
			if err := checkFilterValue(key, v); err != nil {
				return nil, err
			}
		}
		out = append(out, parameterFilter{key, option, f.Values})
	}
	return out, nil
}

func filterOption(format string, args ...any) error {
	return &ssmtypes.InvalidFilterOption{Message: aws.String(fmt.Sprintf(format, args...))}
}

func checkFilterValue(key, value string) error {
	var valid []string
	switch key {
	case "Path":
		if lower := strings.ToLower(value); strings.HasPrefix(lower, "/aws") || strings.HasPrefix(lower, "/ssm") {
			return validation("Filters for common parameters can't be prefixed with \"aws\" or \"ssm\" (case-insensitive). When using global parameters, please specify within a global namespace.")
		}
		if !parameterPath.MatchString(value) {
			return validation(pathRule)
		}
		return nil
	case "Type":
		valid = []string{"String", "StringList", "SecureString"}
	case "Tier":
		valid = []string{"Standard", "Advanced", "Intelligent-Tiering"}
	default:
		return nil
	}
	if !slices.Contains(valid, value) {
		return filterOption("The following filter value is not valid: %s. Valid values include: [%s].", value, strings.Join(valid, ", "))
	}
	return nil
}

// passes reports whether a parameter passes the filter.
func (f parameterFilter) passes(p *parameter) bool {
	v := &p.Newest
	switch f.key {
	case "Name":
		if f.option == "Contains" {
			return f.one(func(value string) bool { return strings.Contains(rooted(p.Name), value) })
		}
		return f.one(func(value string) bool { return f.compare(rooted(p.Name), rooted(value)) })
	case "Path":
		return f.one(func(value string) bool { return under(p.Name, value, f.option == "Recursive") })
	case "Type":
		return f.one(func(value string) bool { return f.compare(v.Type, value) })
	case "KeyId":
		return v.KeyID != "" && f.one(func(value string) bool { return f.compare(v.KeyID, value) })
	case "Tier":
		return f.one(func(value string) bool { return f.compare(v.Tier, value) })
	case "DataType":
		return f.one(func(value string) bool { return f.compare("text", value) })
	case "Label":
		return f.one(func(value string) bool { return p.Labels[value] != 0 })
	}
	have, ok := p.Tags[strings.TrimPrefix(f.key, "tag:")]
	return ok && (len(f.values) == 0 || slices.Contains(f.values, have))
}

func (f parameterFilter) one(fits func(value string) bool) bool {
	return slices.ContainsFunc(f.values, fits)
}

func (f parameterFilter) compare(have, value string) bool {
	if f.option == "BeginsWith" {
		return strings.HasPrefix(have, value)
	}
	return have == value
}

// under reports whether a name lies below a path: right below, or at any depth.
func under(name, path string, recursive bool) bool {
	rest, ok := strings.CutPrefix(rooted(name), strings.TrimSuffix(path, "/")+"/")
	return ok && (recursive || !strings.Contains(rest, "/"))
}

// scan lists parameters whose keys begin with prefix and that keep lets through.
func (s *Service) scan(ctx context.Context, prefix string, token *string, limit int, keep func(*parameter) bool) (list []*parameter, next *string, err error) {
	const step = 200
	after, ok := decodePage(token)
	if !ok {
		return nil, nil, invalidParameterToken()
	}
	for {
		records, err := s.store.List(ctx, kindParameter, prefix, after, step)
		if err != nil {
			return nil, nil, err
		}
		for _, r := range records {
			after = r.Key
			p, err := decodeParameter(r)
			if err != nil {
				return nil, nil, err
			}
			if !keep(p) {
				continue
			}
			if len(list) == limit {
				return list, encodePage(list[limit-1].key()), nil
			}
			list = append(list, p)
		}
		if len(records) < step {
			return list, nil, nil
		}
	}
}

func invalidParameterToken() error {
	return &ssmtypes.InvalidNextToken{Message: aws.String("The specified token isn't valid.")}
}

// GetParametersByPath reads the parameters below a path, by name.
func (s *Service) GetParametersByPath(ctx context.Context, in *ssm.GetParametersByPathInput) (*ssm.GetParametersByPathOutput, error) {
	path := strings.TrimSpace(aws.ToString(in.Path))
	if !parameterPath.MatchString(path) {
		return nil, validation(pathRule)
	}
	filters, err := parseFilters(in.ParameterFilters, pathKeys, false)
	if err != nil {
		return nil, err
	}
	limit := 10
	if in.MaxResults != nil {
		limit = int(*in.MaxResults)
	}
	list, next, err := s.scan(ctx, scope(ctx)+strings.TrimSuffix(path, "/")+"/", in.NextToken, limit, func(p *parameter) bool {
		return under(p.Name, path, aws.ToBool(in.Recursive)) && !slices.ContainsFunc(filters, func(f parameterFilter) bool { return !f.passes(p) })
	})
	if err != nil {
		return nil, err
	}
	out := &ssm.GetParametersByPathOutput{Parameters: []ssmtypes.Parameter{}, NextToken: next}
	for _, p := range list {
		v, label := &p.Newest, labelled(p, filters)
		if label != "" {
			if v, err = s.parameterVersion(ctx, p, p.Labels[label]); err != nil {
				return nil, err
			}
		}
		one, err := s.shown(p, v, aws.ToBool(in.WithDecryption))
		if err != nil {
			return nil, err
		}
		if label != "" {
			one.Selector = aws.String(":" + label)
		}
		out.Parameters = append(out.Parameters, *one)
	}
	return out, nil
}

// labelled is the label that a parameter passed a filter by; empty if there is no such filter.
func labelled(p *parameter, filters []parameterFilter) string {
	for _, f := range filters {
		if f.key != "Label" {
			continue
		}
		for _, v := range f.values {
			if p.Labels[v] != 0 {
				return v
			}
		}
	}
	return ""
}

// DescribeParameters lists parameters without their values, by name.
func (s *Service) DescribeParameters(ctx context.Context, in *ssm.DescribeParametersInput) (*ssm.DescribeParametersOutput, error) {
	if len(in.Filters) > 0 && len(in.ParameterFilters) > 0 {
		return nil, validation("You can use either Filters or ParameterFilters in a single request.")
	}
	given := in.ParameterFilters
	for _, f := range in.Filters { // the older form
		option := "Equals"
		if f.Key == ssmtypes.ParametersFilterKeyName {
			option = "BeginsWith"
		}
		given = append(given, ssmtypes.ParameterStringFilter{Key: aws.String(string(f.Key)), Option: &option, Values: f.Values})
	}
	filters, err := parseFilters(given, describeKeys, true)
	if err != nil {
		return nil, err
	}
	out := &ssm.DescribeParametersOutput{Parameters: []ssmtypes.ParameterMetadata{}}
	if aws.ToBool(in.Shared) { // there is one account, so nobody shares
		return out, nil
	}
	limit := 10
	if in.MaxResults != nil {
		limit = int(*in.MaxResults)
	}
	list, next, err := s.scan(ctx, scope(ctx), in.NextToken, limit, func(p *parameter) bool {
		return !slices.ContainsFunc(filters, func(f parameterFilter) bool { return !f.passes(p) })
	})
	if err != nil {
		return nil, err
	}
	out.NextToken = next
	for _, p := range list {
		v := &p.Newest
		out.Parameters = append(out.Parameters, ssmtypes.ParameterMetadata{
			Name: &p.Name, ARN: aws.String(p.arn()), Type: ssmtypes.ParameterType(v.Type), KeyId: optional(v.KeyID), Version: v.Version, Tier: ssmtypes.ParameterTier(v.Tier),
			Description: optional(v.Description), AllowedPattern: optional(v.AllowedPattern), LastModifiedDate: &v.Modified, LastModifiedUser: optional(v.User),
			Policies: []ssmtypes.ParameterInlinePolicy{}, DataType: aws.String("text"),
		})
	}
	return out, nil
}
