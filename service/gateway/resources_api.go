package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"countersign/service/gateway/openapi"
	"countersign/service/stacks/resource"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

type apiProperties struct {
	Body                      any // an OpenAPI document, as an object or as text
	BodyS3Location            *bodyLocation
	BasePath                  string
	FailOnWarnings            *bool
	Name                      string
	ProtocolType              string `cfn:"replace"`
	Description               string
	Version                   string
	CorsConfiguration         *types.Cors
	DisableExecuteApiEndpoint *bool
	IpAddressType             string
	RouteSelectionExpression  string
	Target, RouteKey          string // quick create
	Tags                      map[string]string
}

type bodyLocation struct {
	Bucket, Key, Version, Etag string
}

// apiResource is AWS::ApiGatewayV2::Api. An API with a Body is imported, and what
// else there is to say of it stands in the document.
func (s *Service) apiResource() resource.Type {
	return resource.Define(resource.Spec[apiProperties]{
		Name: "AWS::ApiGatewayV2::Api", Attributes: []string{"ApiId", "ApiEndpoint"}, Tags: "Tags",
		Known: []string{"ApiKeySelectionExpression", "CredentialsArn", "DisableSchemaValidation"},
		Check: checkAPIProperties,
		Create: func(ctx context.Context, c *resource.Change[apiProperties]) (resource.Result, error) {
			ctx = withMaking(ctx, making{token: c.Token, tags: c.Properties.Tags})
			p := &c.Properties
			if p.imported() {
				body, err := s.document(ctx, p)
				if err != nil {
					return resource.Result{}, err
				}
				out, err := resource.Do(ctx, s.ImportApi, &apigatewayv2.ImportApiInput{Body: &body, Basepath: optional(p.BasePath), FailOnWarnings: p.FailOnWarnings})
				if err != nil {
					return resource.Result{}, err
				}
				return apiResult(out.ApiId, out.ApiEndpoint), nil
			}
			out, err := resource.Do(ctx, s.CreateApi, &apigatewayv2.CreateApiInput{
				Name: optional(p.Name), ProtocolType: types.ProtocolType(p.ProtocolType), Description: optional(p.Description), Version: optional(p.Version),
				CorsConfiguration: p.CorsConfiguration, DisableExecuteApiEndpoint: p.DisableExecuteApiEndpoint, IpAddressType: types.IpAddressType(p.IpAddressType),
				RouteSelectionExpression: optional(p.RouteSelectionExpression), Target: optional(p.Target), RouteKey: optional(p.RouteKey), Tags: p.Tags,
			})
			if err != nil {
				return resource.Result{}, err
			}
			return apiResult(out.ApiId, out.ApiEndpoint), nil
		},
		Update: func(ctx context.Context, c *resource.Change[apiProperties]) (resource.Result, error) {
			ctx = withMaking(ctx, making{token: c.Token, tags: c.Properties.Tags, oldTags: c.Old.Tags})
			if !c.Properties.imported() {
				return s.updateAPIResource(ctx, c)
			}
			body, err := s.document(ctx, &c.Properties)
			if err != nil {
				return resource.Result{}, err
			}
			out, err := resource.Do(ctx, s.ReimportApi, &apigatewayv2.ReimportApiInput{
				ApiId: &c.PhysicalID, Body: &body, Basepath: optional(c.Properties.BasePath), FailOnWarnings: c.Properties.FailOnWarnings,
			})
			if err != nil {
				return resource.Result{}, err
			}
			return apiResult(out.ApiId, out.ApiEndpoint), nil
		},
		Delete: func(ctx context.Context, c *resource.Change[apiProperties]) error {
			_, err := resource.Do(ctx, s.DeleteApi, &apigatewayv2.DeleteApiInput{ApiId: &c.PhysicalID})
			return gone(err)
		},
		Find: func(ctx context.Context, c *resource.Change[apiProperties]) (string, error) {
			id := makingOf(c).id(apiIDLength)
			_, err := resource.Do(ctx, s.GetApi, &apigatewayv2.GetApiInput{ApiId: &id})
			return found(id, err)
		},
	})
}

func apiResult(id, endpoint *string) resource.Result {
	return resource.Result{PhysicalID: *id, Attributes: map[string]any{"ApiId": *id, "ApiEndpoint": *endpoint}}
}

func (p *apiProperties) imported() bool { return p.Body != nil || p.BodyS3Location != nil }

// redundant are the properties that a document speaks for. AWS refuses them beside one.
func (p *apiProperties) redundant() []string {
	var names []string
	for _, of := range []struct {
		name  string
		given bool
	}{
		{"name", p.Name != ""}, {"protocolType", p.ProtocolType != ""}, {"description", p.Description != ""}, {"version", p.Version != ""},
		{"corsConfiguration", p.CorsConfiguration != nil}, {"disableExecuteApiEndpoint", p.DisableExecuteApiEndpoint != nil},
		{"ipAddressType", p.IpAddressType != ""}, {"routeSelectionExpression", p.RouteSelectionExpression != ""},
		{"target", p.Target != ""}, {"routeKey", p.RouteKey != ""},
	} {
		if of.given {
			names = append(names, of.name)
		}
	}
	return names
}

func checkAPIProperties(p *apiProperties) []resource.Problem {
	problem := func(path []string, format string, args ...any) []resource.Problem {
		return []resource.Problem{{Path: path, Message: fmt.Sprintf(format, args...)}}
	}
	if p.Body != nil && p.BodyS3Location != nil {
		return problem([]string{"BodyS3Location"}, "Only one of Body and BodyS3Location can be specified")
	}
	if !p.imported() {
		if p.BasePath != "" {
			return problem([]string{"BasePath"}, "BasePath needs a Body or a BodyS3Location")
		}
		return nil
	}
	if names := p.redundant(); len(names) > 0 {
		return problem(nil, "Redundant fields [%s] provided when either Body or BodyS3Location is not empty: say it in the document", strings.Join(names, ", "))
	}
	if p.Body == nil || !complete(p.Body) {
		return nil
	}
	d, err := readBody(p.Body)
	if err == nil && d.Swagger {
		err = fmt.Errorf("an HTTP API is imported from an OpenAPI 3.0 document; this one is Swagger %s", d.Version)
	}
	if err != nil {
		return problem([]string{"Body"}, "Invalid OpenAPI input. %v", err)
	}
	return nil
}

// complete tells a tree in which everything is known already.
func complete(v any) bool {
	switch v := v.(type) {
	case resource.Unknown:
		return false
	case []any:
		for _, e := range v {
			if !complete(e) {
				return false
			}
		}
	case map[string]any:
		for _, e := range v {
			if !complete(e) {
				return false
			}
		}
	}
	return true
}

func readBody(body any) (*openapi.Document, error) {
	if text, ok := body.(string); ok {
		return openapi.Parse([]byte(text), openapi.Options{})
	}
	return openapi.Read(body, openapi.Options{})
}

// document is the text of the OpenAPI document that the properties give or lead to.
func (s *Service) document(ctx context.Context, p *apiProperties) (string, error) {
	if problems := checkAPIProperties(p); len(problems) > 0 {
		return "", badRequest("%s", (&resource.PropertyError{Problem: problems[0]}).Error())
	}
	if at := p.BodyS3Location; at != nil {
		return s.documentAt(ctx, at)
	}
	if text, ok := p.Body.(string); ok {
		return text, nil
	}
	text, err := json.Marshal(p.Body)
	if err != nil {
		return "", badRequest("property Body: %v", err)
	}
	return string(text), nil
}

// documentAt reads an object as the caller may.
func (s *Service) documentAt(ctx context.Context, at *bodyLocation) (string, error) {
	uri := "s3://" + at.Bucket + "/" + at.Key
	if at.Bucket == "" || at.Key == "" {
		return "", badRequest("property BodyS3Location: Bucket and Key are required")
	}
	out, err := resource.Do(ctx, s.objects.GetObject, &s3.GetObjectInput{
		Bucket: &at.Bucket, Key: &at.Key, VersionId: optional(at.Version), IfMatch: optional(at.Etag),
	})
	if err != nil {
		return "", objectError("property BodyS3Location", uri, err)
	}
	defer out.Body.Close()
	text, err := io.ReadAll(io.LimitReader(out.Body, openapi.MaxBytes+1))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", uri, err)
	}
	if len(text) > openapi.MaxBytes {
		return "", badRequest("property BodyS3Location: %s is too large: at most %d bytes", uri, openapi.MaxBytes)
	}
	return string(text), nil
}

// updateAPIResource updates an API that has no document.
func (s *Service) updateAPIResource(ctx context.Context, c *resource.Change[apiProperties]) (resource.Result, error) {
	p, old := &c.Properties, &c.Old
	if (p.Target == "") != (old.Target == "") {
		return resource.Result{}, badRequest("property Target: what quick create made cannot be added to an API, or taken from it; give the resource another logical id")
	}
	in := &apigatewayv2.UpdateApiInput{
		ApiId: &c.PhysicalID, Name: optional(p.Name), Description: &p.Description, Version: &p.Version, CorsConfiguration: p.CorsConfiguration,
		DisableExecuteApiEndpoint: orFalse(p.DisableExecuteApiEndpoint), IpAddressType: types.IpAddressType(orDefault(p.IpAddressType, string(types.IpAddressTypeIpv4))),
		RouteSelectionExpression: optional(p.RouteSelectionExpression),
	}
	if p.Target != old.Target {
		in.Target = &p.Target
	}
	if p.RouteKey != old.RouteKey && p.Target != "" {
		in.RouteKey = aws.String(orDefault(p.RouteKey, "$default"))
	}
	out, err := resource.Do(ctx, s.UpdateApi, in)
	if err != nil {
		return resource.Result{}, err
	}
	if p.CorsConfiguration == nil && out.CorsConfiguration != nil {
		if _, err := resource.Do(ctx, s.DeleteCorsConfiguration, &apigatewayv2.DeleteCorsConfigurationInput{ApiId: &c.PhysicalID}); err != nil {
			return resource.Result{}, err
		}
	}
	if err := s.retag(ctx, resourceARN(c.Stack, "/apis/"+c.PhysicalID), old.Tags, p.Tags); err != nil {
		return resource.Result{}, err
	}
	return apiResult(out.ApiId, out.ApiEndpoint), nil
}
