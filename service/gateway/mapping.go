package gateway

import (
	"cmp"
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"

	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
)

// mappingKey: https://docs.aws.amazon.com/apigateway/latest/developerguide/rest-api-mappings.html
var mappingKey = regexp.MustCompile(`^[A-Za-z0-9$\-_.+!*'()/]{1,300}$`)

func checkMappingKey(key string) error {
	if key == "" {
		return nil
	}
	if !mappingKey.MatchString(key) || strings.HasPrefix(key, "/") || strings.HasSuffix(key, "/") || strings.Contains(key, "//") {
		return badRequest("Invalid API mapping key %q: it may hold letters, digits and $-_.+!*'() between single slashes, at most 300 characters, with no slash at either end", key)
	}
	return nil
}

// mappingTarget demands that API and stage are there, and that they still are
// when the batch is committed. It writes the API's record as it stands, for its
// revision: whoever deletes the stage at the same time has to look for mappings again.
func (s *Service) mappingTarget(ctx context.Context, m mapping, b *store.Batch) error {
	a, revision, err := s.getAPI(ctx, m.API)
	var missing *types.NotFoundException
	if errors.As(err, &missing) {
		if m.Stage == "" {
			return badRequest("Invalid stage identifier specified")
		}
		return s.restTarget(ctx, m, b)
	}
	if err != nil {
		return err
	}
	if _, err := a.stage(m.Stage); err != nil {
		return badRequest("Invalid stage identifier specified")
	}
	b.Replace(KindAPI, apiKey(a.Account, a.Region, a.ID), encode(a), revision)
	return nil
}

// restTarget is mappingTarget for REST APIs, whose mappings may leave the stage to callers.
func (s *Service) restTarget(ctx context.Context, m mapping, b *store.Batch) error {
	a, revision, err := s.getREST(ctx, m.API)
	var missing *types.NotFoundException
	if errors.As(err, &missing) {
		return badRequest("Invalid API identifier specified %s", m.API)
	}
	if err != nil {
		return err
	}
	if m.Stage != "" {
		if _, err := a.stage(m.Stage); err != nil {
			return badRequest("Invalid stage identifier specified")
		}
	}
	b.Replace(KindREST, a.key(), encode(a), revision)
	return nil
}

func uniqueMapping(d *domain, m mapping) error {
	for _, other := range d.Mappings {
		if other.Key == m.Key && other.ID != m.ID {
			return conflict("ApiMapping key already exists for this domain name")
		}
	}
	return nil
}

// CreateApiMapping sends requests below a path prefix of a domain name to a stage.
func (s *Service) CreateApiMapping(ctx context.Context, in *apigatewayv2.CreateApiMappingInput) (*apigatewayv2.CreateApiMappingOutput, error) {
	m := mapping{API: aws.ToString(in.ApiId), Stage: aws.ToString(in.Stage), Key: aws.ToString(in.ApiMappingKey)}
	var err error
	if m.ID, err = s.newID(ctx, mappingIDLength); err != nil {
		return nil, err
	}
	_, err = s.editDomain(ctx, aws.ToString(in.DomainName), func(d *domain, b *store.Batch) error {
		if n, err := d.mapping(m.ID); err == nil && madeBy(ctx) != nil {
			m = d.Mappings[n] // of an earlier attempt
			return nil
		}
		if err := checkMappingKey(m.Key); err != nil {
			return err
		}
		if err := s.mappingTarget(ctx, m, b); err != nil {
			return err
		}
		if err := uniqueMapping(d, m); err != nil {
			return err
		}
		d.Mappings = append(d.Mappings, m)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return fill[apigatewayv2.CreateApiMappingOutput](m.sdk()), nil
}

// GetApiMapping reads one API mapping.
func (s *Service) GetApiMapping(ctx context.Context, in *apigatewayv2.GetApiMappingInput) (*apigatewayv2.GetApiMappingOutput, error) {
	d, _, err := s.getDomain(ctx, aws.ToString(in.DomainName))
	if err != nil {
		return nil, err
	}
	n, err := d.mapping(aws.ToString(in.ApiMappingId))
	if err != nil {
		return nil, err
	}
	return fill[apigatewayv2.GetApiMappingOutput](d.Mappings[n].sdk()), nil
}

// GetApiMappings lists a domain name's API mappings.
func (s *Service) GetApiMappings(ctx context.Context, in *apigatewayv2.GetApiMappingsInput) (*apigatewayv2.GetApiMappingsOutput, error) {
	d, _, err := s.getDomain(ctx, aws.ToString(in.DomainName))
	if err != nil {
		return nil, err
	}
	d.sortMappings()
	items, next, err := page(d.Mappings, func(m mapping) string { return m.ID }, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &apigatewayv2.GetApiMappingsOutput{NextToken: next, Items: []types.ApiMapping{}}
	for _, m := range items {
		out.Items = append(out.Items, m.sdk())
	}
	return out, nil
}

// UpdateApiMapping changes what the input names.
func (s *Service) UpdateApiMapping(ctx context.Context, in *apigatewayv2.UpdateApiMappingInput) (*apigatewayv2.UpdateApiMappingOutput, error) {
	var updated mapping
	_, err := s.editDomain(ctx, aws.ToString(in.DomainName), func(d *domain, b *store.Batch) error {
		n, err := d.mapping(aws.ToString(in.ApiMappingId))
		if err != nil {
			return err
		}
		m := &d.Mappings[n]
		set(&m.API, in.ApiId)
		set(&m.Stage, in.Stage)
		set(&m.Key, in.ApiMappingKey)
		if err := checkMappingKey(m.Key); err != nil {
			return err
		}
		if err := s.mappingTarget(ctx, *m, b); err != nil {
			return err
		}
		updated = *m
		return uniqueMapping(d, *m)
	})
	if err != nil {
		return nil, err
	}
	return fill[apigatewayv2.UpdateApiMappingOutput](updated.sdk()), nil
}

// DeleteApiMapping removes an API mapping.
func (s *Service) DeleteApiMapping(ctx context.Context, in *apigatewayv2.DeleteApiMappingInput) (*apigatewayv2.DeleteApiMappingOutput, error) {
	_, err := s.editDomain(ctx, aws.ToString(in.DomainName), func(d *domain, _ *store.Batch) error {
		n, err := d.mapping(aws.ToString(in.ApiMappingId))
		if err != nil {
			return err
		}
		d.drop(d.Mappings[n].ID)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &apigatewayv2.DeleteApiMappingOutput{}, nil
}

func (d *domain) mapping(id string) (int, error) {
	n := slices.IndexFunc(d.Mappings, func(m mapping) bool { return m.ID == id })
	if n < 0 {
		return 0, notFound("API mapping", id)
	}
	return n, nil
}

func (d *domain) sortMappings() {
	slices.SortFunc(d.Mappings, func(x, y mapping) int { return cmp.Compare(x.ID, y.ID) })
}

func (d *domain) drop(id string) {
	d.Mappings = slices.DeleteFunc(d.Mappings, func(m mapping) bool { return m.ID == id })
}

func (m mapping) sdk() types.ApiMapping {
	return types.ApiMapping{ApiMappingId: &m.ID, ApiId: &m.API, Stage: &m.Stage, ApiMappingKey: &m.Key}
}
