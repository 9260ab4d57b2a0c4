package secrets

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

// ListSecrets lists secrets, by default those that are not scheduled for deletion, oldest first.
func (s *Service) ListSecrets(ctx context.Context, in *secretsmanager.ListSecretsInput) (*secretsmanager.ListSecretsOutput, error) {
	for _, f := range in.Filters {
		if f.Key == "" || len(f.Values) == 0 {
			return nil, invalidParameter("A filter needs a Key and Values.")
		}
	}
	after, ok := decodePage(in.NextToken)
	if !ok {
		return nil, invalidToken()
	}
	records, err := s.store.List(ctx, kindSecret, scope(ctx), "", 0)
	if err != nil {
		return nil, err
	}
	var list []*secret
	for _, r := range records {
		x, err := decodeSecret(r)
		if err != nil {
			return nil, err
		}
		if (x.Deletion.IsZero() || aws.ToBool(in.IncludePlannedDeletion)) && x.matches(in.Filters) {
			list = append(list, x)
		}
	}
	direction := 1
	if in.SortOrder == smtypes.SortOrderTypeDesc {
		direction = -1
	}
	place := func(x *secret) string { return x.place(in.SortBy) }
	slices.SortFunc(list, func(a, b *secret) int { return direction * cmp.Compare(place(a), place(b)) })
	if after != "" {
		list = slices.DeleteFunc(list, func(x *secret) bool { return direction*cmp.Compare(place(x), after) <= 0 })
	}
	limit := 100
	if in.MaxResults != nil {
		limit = int(*in.MaxResults)
	}
	out := &secretsmanager.ListSecretsOutput{SecretList: []smtypes.SecretListEntry{}}
	if len(list) > limit {
		list = list[:limit]
		out.NextToken = encodePage(place(list[limit-1]))
	}
	for _, x := range list {
		out.SecretList = append(out.SecretList, smtypes.SecretListEntry{
			ARN: aws.String(x.arn()), Name: &x.Name, Description: optional(x.Description), KmsKeyId: optional(x.KMSKey), Tags: x.tagList(),
			CreatedDate: &x.Created, LastChangedDate: &x.Changed, LastAccessedDate: date(x.Accessed), DeletedDate: date(x.Deletion), SecretVersionsToStages: x.stages(),
		})
	}
	return out, nil
}

// place is where a secret stands in a list; no two have the same.
func (x *secret) place(by smtypes.SortByType) string {
	at := x.Created
	switch by {
	case smtypes.SortByTypeName:
		return x.Name
	case smtypes.SortByTypeLastAccessedDate:
		at = x.Accessed
	case smtypes.SortByTypeLastChangedDate:
		at = x.Changed
	}
	return at.UTC().Format("2006-01-02T15:04:05.000000000") + " " + x.Name
}

// matches reports whether a secret passes all filters.
func (x *secret) matches(filters []smtypes.Filter) bool {
	return !slices.ContainsFunc(filters, func(f smtypes.Filter) bool { return !x.passes(f) })
}

// passes reports whether one of a filter's values fits, and none of those that are negated by "!".
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_Filter.html
func (x *secret) passes(f smtypes.Filter) bool {
	fits, wanted := false, false
	for _, value := range f.Values {
		value, negated := strings.CutPrefix(value, "!")
		switch hit := x.fits(f.Key, value); {
		case negated && hit:
			return false
		case !negated:
			wanted = true
			fits = fits || hit
		}
	}
	return fits || !wanted
}

func (x *secret) fits(key smtypes.FilterNameStringType, value string) bool {
	folded := func(text, part string, has func(string, string) bool) bool {
		return has(strings.ToLower(text), strings.ToLower(part))
	}
	switch key {
	case smtypes.FilterNameStringTypeName:
		return strings.HasPrefix(x.Name, value)
	case smtypes.FilterNameStringTypeDescription:
		return folded(x.Description, value, strings.HasPrefix)
	case smtypes.FilterNameStringTypeTagKey:
		for k := range x.Tags {
			if strings.HasPrefix(k, value) {
				return true
			}
		}
	case smtypes.FilterNameStringTypeTagValue:
		for _, v := range x.Tags {
			if strings.HasPrefix(v, value) {
				return true
			}
		}
	case smtypes.FilterNameStringTypeAll:
		texts := []string{x.Name, x.Description}
		for k, v := range x.Tags {
			texts = append(texts, k, v)
		}
		words := strings.Fields(value)
		for _, word := range words {
			if !slices.ContainsFunc(texts, func(text string) bool { return folded(text, word, strings.Contains) }) {
				return false
			}
		}
		return len(words) > 0
	}
	return false // there are no replicas, and no services that own secrets
}
