package gateway

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"countersign/service/stacks/resource"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

type restResourceProperties struct {
	RestApiId string `cfn:"required,replace"`
	ParentId  string `cfn:"required,replace"`
	PathPart  string `cfn:"required,replace"`
}

// resourceResource is AWS::ApiGateway::Resource. Every change makes another one.
func (r *REST) resourceResource() resource.Type {
	return resource.Define(resource.Spec[restResourceProperties]{
		Name: "AWS::ApiGateway::Resource", Attributes: []string{"ResourceId"},
		Create: func(ctx context.Context, c *resource.Change[restResourceProperties]) (resource.Result, error) {
			p := &c.Properties
			out, err := resource.Do(inStack(ctx, c), r.CreateResource, &apigateway.CreateResourceInput{RestApiId: &p.RestApiId, ParentId: &p.ParentId, PathPart: &p.PathPart})
			if err != nil {
				return resource.Result{}, err
			}
			return made(out.Id, "ResourceId"), nil
		},
		Delete: func(ctx context.Context, c *resource.Change[restResourceProperties]) error {
			_, err := resource.Do(ctx, r.DeleteResource, &apigateway.DeleteResourceInput{RestApiId: &c.Properties.RestApiId, ResourceId: &c.PhysicalID})
			return gone(err)
		},
		Find: func(ctx context.Context, c *resource.Change[restResourceProperties]) (string, error) {
			id := makingOf(c).id(resourceIDSize)
			_, err := resource.Do(ctx, r.GetResource, &apigateway.GetResourceInput{RestApiId: &c.Properties.RestApiId, ResourceId: &id})
			return found(id, err)
		},
	})
}

type methodProperties struct {
	RestApiId         string `cfn:"required,replace"`
	ResourceId        string `cfn:"required,replace"`
	HttpMethod        string `cfn:"required,replace"`
	AuthorizationType string
	AuthorizerId      string
	ApiKeyRequired    *bool
	OperationName     string
	RequestParameters map[string]bool
	RequestModels     map[string]string
	MethodResponses   []struct {
		StatusCode         string
		ResponseModels     map[string]string
		ResponseParameters map[string]bool
	}
	Integration *methodIntegration
}

type methodIntegration struct {
	Type, Uri, IntegrationHttpMethod, ConnectionType, PassthroughBehavior, ContentHandling, CacheNamespace, ResponseTransferMode string
	CacheKeyParameters                                                                                                           []string
	TimeoutInMillis                                                                                                              *int32
	RequestParameters, RequestTemplates                                                                                          map[string]string
	IntegrationResponses                                                                                                         []struct {
		StatusCode, ContentHandling           string
		SelectionPattern                      *string
		ResponseParameters, ResponseTemplates map[string]string
	}
}

// methodResource is AWS::ApiGateway::Method: a method with its responses and its integration. An update makes it
// anew; what is deployed does not change by that.
func (r *REST) methodResource() resource.Type {
	remove := func(ctx context.Context, p *methodProperties) error {
		_, err := resource.Do(ctx, r.DeleteMethod, &apigateway.DeleteMethodInput{RestApiId: &p.RestApiId, ResourceId: &p.ResourceId, HttpMethod: &p.HttpMethod})
		return gone(err)
	}
	id := func(p *methodProperties) string { return p.RestApiId + "|" + p.ResourceId + "|" + p.HttpMethod }
	return resource.Define(resource.Spec[methodProperties]{
		Name: "AWS::ApiGateway::Method",
		Known: []string{
			"AuthorizationScopes", "RequestValidatorId", "Integration.ConnectionId", "Integration.Credentials", "Integration.IntegrationTarget",
		},
		Create: func(ctx context.Context, c *resource.Change[methodProperties]) (resource.Result, error) {
			return resource.Result{PhysicalID: id(&c.Properties)}, r.makeMethod(inStack(ctx, c), &c.Properties)
		},
		Update: func(ctx context.Context, c *resource.Change[methodProperties]) (resource.Result, error) {
			if err := remove(ctx, &c.Properties); err != nil {
				return resource.Result{}, err
			}
			return resource.Result{PhysicalID: c.PhysicalID}, r.makeMethod(inStack(ctx, c), &c.Properties)
		},
		Delete: func(ctx context.Context, c *resource.Change[methodProperties]) error {
			return remove(ctx, &c.Properties)
		},
		Find: func(ctx context.Context, c *resource.Change[methodProperties]) (string, error) {
			p := &c.Properties
			if _, err := resource.Do(ctx, r.GetMethod, &apigateway.GetMethodInput{RestApiId: &p.RestApiId, ResourceId: &p.ResourceId, HttpMethod: &p.HttpMethod}); err != nil {
				return "", gone(err)
			}
			a, _, err := r.s.getREST(ctx, p.RestApiId)
			if err != nil {
				return "", gone(err)
			}
			if m, err := a.method(p.ResourceId, p.HttpMethod); err != nil || m.Made != c.Token {
				return "", nil // somebody else's
			}
			return id(p), nil
		},
	})
}

func (r *REST) makeMethod(ctx context.Context, p *methodProperties) error {
	_, err := resource.Do(ctx, r.PutMethod, &apigateway.PutMethodInput{
		RestApiId: &p.RestApiId, ResourceId: &p.ResourceId, HttpMethod: &p.HttpMethod, AuthorizationType: aws.String(orDefault(p.AuthorizationType, authorizationNone)),
		AuthorizerId: optional(p.AuthorizerId), ApiKeyRequired: aws.ToBool(p.ApiKeyRequired), OperationName: optional(p.OperationName),
		RequestParameters: p.RequestParameters, RequestModels: p.RequestModels,
	})
	if err != nil {
		return err
	}
	for _, m := range p.MethodResponses {
		if _, err := resource.Do(ctx, r.PutMethodResponse, &apigateway.PutMethodResponseInput{
			RestApiId: &p.RestApiId, ResourceId: &p.ResourceId, HttpMethod: &p.HttpMethod, StatusCode: &m.StatusCode,
			ResponseModels: m.ResponseModels, ResponseParameters: m.ResponseParameters,
		}); err != nil {
			return err
		}
	}
	i := p.Integration
	if i == nil {
		return nil
	}
	if _, err := resource.Do(ctx, r.PutIntegration, &apigateway.PutIntegrationInput{
		RestApiId: &p.RestApiId, ResourceId: &p.ResourceId, HttpMethod: &p.HttpMethod, Type: types.IntegrationType(i.Type), Uri: optional(i.Uri),
		IntegrationHttpMethod: optional(i.IntegrationHttpMethod), ConnectionType: types.ConnectionType(i.ConnectionType), PassthroughBehavior: optional(i.PassthroughBehavior),
		ContentHandling: types.ContentHandlingStrategy(i.ContentHandling), CacheNamespace: optional(i.CacheNamespace), CacheKeyParameters: i.CacheKeyParameters,
		ResponseTransferMode: types.ResponseTransferMode(i.ResponseTransferMode), TimeoutInMillis: i.TimeoutInMillis,
		RequestParameters: i.RequestParameters, RequestTemplates: i.RequestTemplates,
	}); err != nil {
		return err
	}
	for _, m := range i.IntegrationResponses {
		if _, err := resource.Do(ctx, r.PutIntegrationResponse, &apigateway.PutIntegrationResponseInput{
			RestApiId: &p.RestApiId, ResourceId: &p.ResourceId, HttpMethod: &p.HttpMethod, StatusCode: &m.StatusCode, SelectionPattern: m.SelectionPattern,
			ContentHandling: types.ContentHandlingStrategy(m.ContentHandling), ResponseParameters: m.ResponseParameters, ResponseTemplates: m.ResponseTemplates,
		}); err != nil {
			return err
		}
	}
	return nil
}

type restDeploymentProperties struct {
	RestApiId        string `cfn:"required,replace"`
	Description      string
	StageName        string
	StageDescription *struct {
		Description string
		Variables   map[string]string
	}
}

// deploymentResource is AWS::ApiGateway::Deployment. With StageName it makes that stage or takes it over. When the
// deployment goes, the stage goes back to the deployment that it was taken from, and away if there is none any more.
func (r *REST) deploymentResource() resource.Type {
	return resource.Define(resource.Spec[restDeploymentProperties]{
		Name: "AWS::ApiGateway::Deployment", Attributes: []string{"DeploymentId"},
		Known: []string{
			"DeploymentCanarySettings", "StageDescription.AccessLogSetting", "StageDescription.CacheClusterEnabled", "StageDescription.CacheClusterSize",
			"StageDescription.CacheDataEncrypted", "StageDescription.CacheTtlInSeconds", "StageDescription.CachingEnabled", "StageDescription.CanarySetting",
			"StageDescription.ClientCertificateId", "StageDescription.DataTraceEnabled", "StageDescription.DocumentationVersion", "StageDescription.LoggingLevel",
			"StageDescription.MethodSettings", "StageDescription.MetricsEnabled", "StageDescription.Tags", "StageDescription.ThrottlingBurstLimit",
			"StageDescription.ThrottlingRateLimit", "StageDescription.TracingEnabled",
		},
		Check: func(p *restDeploymentProperties) []resource.Problem {
			if p.StageDescription != nil && p.StageName == "" {
				return []resource.Problem{{Path: []string{"StageDescription"}, Message: "StageDescription needs a StageName"}}
			}
			return nil
		},
		Create: func(ctx context.Context, c *resource.Change[restDeploymentProperties]) (resource.Result, error) {
			p := &c.Properties
			in := &apigateway.CreateDeploymentInput{RestApiId: &p.RestApiId, Description: optional(p.Description), StageName: optional(p.StageName)}
			if d := p.StageDescription; d != nil {
				in.StageDescription, in.Variables = optional(d.Description), d.Variables
			}
			out, err := resource.Do(inStack(ctx, c), r.CreateDeployment, in)
			if err != nil {
				return resource.Result{}, err
			}
			return made(out.Id, "DeploymentId"), nil
		},
		Update: func(ctx context.Context, c *resource.Change[restDeploymentProperties]) (resource.Result, error) {
			p := &c.Properties
			out, err := resource.Do(ctx, r.UpdateDeployment, &apigateway.UpdateDeploymentInput{
				RestApiId: &p.RestApiId, DeploymentId: &c.PhysicalID, PatchOperations: []types.PatchOperation{{Op: types.OpReplace, Path: aws.String("/description"), Value: &p.Description}},
			})
			if err == nil && p.StageName != "" && p.StageName != c.Old.StageName {
				err = r.pointStage(ctx, p.RestApiId, p.StageName, c.PhysicalID)
				if resource.IsNotFound(err) {
					_, err = resource.Do(inStack(ctx, c), r.CreateStage, &apigateway.CreateStageInput{RestApiId: &p.RestApiId, StageName: &p.StageName, DeploymentId: &c.PhysicalID})
				}
			}
			if err != nil {
				return resource.Result{}, err
			}
			return made(out.Id, "DeploymentId"), nil
		},
		Delete: func(ctx context.Context, c *resource.Change[restDeploymentProperties]) error {
			p := &c.Properties
			if p.StageName != "" {
				if err := gone(r.releaseStage(ctx, p.RestApiId, p.StageName, c.PhysicalID)); err != nil {
					return err
				}
			}
			_, err := resource.Do(ctx, r.DeleteDeployment, &apigateway.DeleteDeploymentInput{RestApiId: &p.RestApiId, DeploymentId: &c.PhysicalID})
			return gone(err)
		},
		Find: func(ctx context.Context, c *resource.Change[restDeploymentProperties]) (string, error) {
			id := makingOf(c).id(deploymentIDLength)
			_, err := resource.Do(ctx, r.GetDeployment, &apigateway.GetDeploymentInput{RestApiId: &c.Properties.RestApiId, DeploymentId: &id})
			return found(id, err)
		},
	})
}

func (r *REST) pointStage(ctx context.Context, api, stage, deployment string) error {
	_, err := resource.Do(ctx, r.UpdateStage, &apigateway.UpdateStageInput{RestApiId: &api, StageName: &stage, PatchOperations: []types.PatchOperation{
		{Op: types.OpReplace, Path: aws.String("/deploymentId"), Value: &deployment},
	}})
	return err
}

// releaseStage takes a stage off a deployment that is about to go.
func (r *REST) releaseStage(ctx context.Context, api, stage, deployment string) error {
	got, err := resource.Do(ctx, r.GetStage, &apigateway.GetStageInput{RestApiId: &api, StageName: &stage})
	if err != nil || aws.ToString(got.DeploymentId) != deployment {
		return err
	}
	a, _, err := r.s.getREST(ctx, api)
	if err != nil {
		return err
	}
	if g, err := a.stage(stage); err == nil && g.Before != "" {
		if err := r.pointStage(ctx, api, stage, g.Before); !resource.IsNotFound(err) {
			return err
		}
	}
	_, err = resource.Do(ctx, r.DeleteStage, &apigateway.DeleteStageInput{RestApiId: &api, StageName: &stage})
	return err
}

type restStageProperties struct {
	RestApiId           string `cfn:"required,replace"`
	StageName           string `cfn:"required,replace"`
	DeploymentId        string
	Description         string
	Variables           map[string]string
	MethodSettings      []methodSetting
	TracingEnabled      *bool
	CacheClusterEnabled *bool
	Tags                []resource.Tag
}

type methodSetting struct {
	ResourcePath, HttpMethod           string
	ThrottlingBurstLimit               *int32
	ThrottlingRateLimit                *float64
	LoggingLevel                       string
	DataTraceEnabled, MetricsEnabled   *bool
	CachingEnabled, CacheDataEncrypted *bool
	CacheTtlInSeconds                  *int32
}

// key is the setting's key in a stage. A path may have its slashes written as ~1.
func (m *methodSetting) key() string {
	return strings.TrimPrefix(m.ResourcePath, "/") + "/" + m.HttpMethod
}

// operations set what a setting says, and take away what one before it said and this one does not.
func (m *methodSetting) operations() (all []types.PatchOperation) {
	add := func(setting, value string) {
		all = append(all, types.PatchOperation{Op: types.OpReplace, Path: aws.String("/" + m.key() + "/" + setting), Value: &value})
	}
	flag := func(setting string, b *bool) {
		if b != nil {
			add(setting, strconv.FormatBool(*b))
		}
	}
	burst, rate := "-1", "-1" // no limit
	if m.ThrottlingBurstLimit != nil {
		burst = strconv.Itoa(int(*m.ThrottlingBurstLimit))
	}
	if m.ThrottlingRateLimit != nil {
		rate = strconv.FormatFloat(*m.ThrottlingRateLimit, 'f', -1, 64)
	}
	add("throttling/burstLimit", burst)
	add("throttling/rateLimit", rate)
	if m.LoggingLevel != "" {
		add("logging/loglevel", m.LoggingLevel)
	}
	flag("logging/dataTrace", m.DataTraceEnabled)
	flag("metrics/enabled", m.MetricsEnabled)
	flag("caching/enabled", m.CachingEnabled)
	flag("caching/dataEncrypted", m.CacheDataEncrypted)
	if m.CacheTtlInSeconds != nil {
		add("caching/ttlInSeconds", strconv.Itoa(int(*m.CacheTtlInSeconds)))
	}
	return all
}

// stageResource is AWS::ApiGateway::Stage.
func (r *REST) stageResource() resource.Type {
	return resource.Define(resource.Spec[restStageProperties]{
		Name: "AWS::ApiGateway::Stage", Tags: "Tags",
		Known: []string{"AccessLogSetting", "CacheClusterSize", "CanarySetting", "ClientCertificateId", "DocumentationVersion"},
		Create: func(ctx context.Context, c *resource.Change[restStageProperties]) (resource.Result, error) {
			p := &c.Properties
			out, err := resource.Do(inStack(ctx, c), r.CreateStage, &apigateway.CreateStageInput{
				RestApiId: &p.RestApiId, StageName: &p.StageName, DeploymentId: &p.DeploymentId, Description: optional(p.Description), Variables: p.Variables,
				TracingEnabled: aws.ToBool(p.TracingEnabled), CacheClusterEnabled: aws.ToBool(p.CacheClusterEnabled), Tags: tagMap(p.Tags),
			})
			if err != nil {
				return resource.Result{}, err
			}
			return resource.Result{PhysicalID: *out.StageName}, r.changeStage(ctx, p, settingChanges(nil, p.MethodSettings))
		},
		Update: func(ctx context.Context, c *resource.Change[restStageProperties]) (resource.Result, error) {
			p, old := &c.Properties, &c.Old
			operations := slices.Concat(mapChanges("/variables/", old.Variables, p.Variables), settingChanges(old.MethodSettings, p.MethodSettings))
			for _, of := range []struct{ path, now, was string }{
				{"/deploymentId", p.DeploymentId, old.DeploymentId}, {"/description", p.Description, old.Description},
				{"/tracingEnabled", strconv.FormatBool(aws.ToBool(p.TracingEnabled)), strconv.FormatBool(aws.ToBool(old.TracingEnabled))},
				{"/cacheClusterEnabled", strconv.FormatBool(aws.ToBool(p.CacheClusterEnabled)), strconv.FormatBool(aws.ToBool(old.CacheClusterEnabled))},
			} {
				if of.now != of.was {
					operations = append(operations, types.PatchOperation{Op: types.OpReplace, Path: aws.String(of.path), Value: aws.String(of.now)})
				}
			}
			if err := r.changeStage(ctx, p, operations); err != nil {
				return resource.Result{}, err
			}
			return resource.Result{PhysicalID: c.PhysicalID}, r.retag(ctx, resourceARN(c.Stack, "/restapis/"+p.RestApiId+"/stages/"+c.PhysicalID), old.Tags, p.Tags)
		},
		Delete: func(ctx context.Context, c *resource.Change[restStageProperties]) error {
			_, err := resource.Do(ctx, r.DeleteStage, &apigateway.DeleteStageInput{RestApiId: &c.Properties.RestApiId, StageName: &c.PhysicalID})
			return gone(err)
		},
		Find: func(ctx context.Context, c *resource.Change[restStageProperties]) (string, error) {
			p := &c.Properties
			if _, err := resource.Do(ctx, r.GetStage, &apigateway.GetStageInput{RestApiId: &p.RestApiId, StageName: &p.StageName}); err != nil {
				return "", gone(err)
			}
			a, _, err := r.s.getREST(ctx, p.RestApiId)
			if err != nil {
				return "", gone(err)
			}
			if g, err := a.stage(p.StageName); err != nil || g.Made != c.Token {
				return "", nil // somebody else's
			}
			return p.StageName, nil
		},
	})
}

func (r *REST) changeStage(ctx context.Context, p *restStageProperties, operations []types.PatchOperation) error {
	if len(operations) == 0 {
		return nil
	}
	_, err := resource.Do(ctx, r.UpdateStage, &apigateway.UpdateStageInput{RestApiId: &p.RestApiId, StageName: &p.StageName, PatchOperations: operations})
	return err
}

// settingChanges are the operations that turn one list of method settings into another.
func settingChanges(old, now []methodSetting) (operations []types.PatchOperation) {
	kept := map[string]bool{}
	for n := range now {
		kept[now[n].key()] = true
		operations = append(operations, now[n].operations()...)
	}
	for n := range old {
		if key := old[n].key(); !kept[key] {
			kept[key] = true
			operations = append(operations, types.PatchOperation{Op: types.OpRemove, Path: aws.String("/" + key)})
		}
	}
	return operations
}

type restAuthorizerProperties struct {
	RestApiId                    string `cfn:"required,replace"`
	Name                         string `cfn:"required"`
	Type                         string `cfn:"required"`
	AuthorizerUri                string
	IdentitySource               string
	IdentityValidationExpression string
	AuthorizerResultTtlInSeconds *int32
	AuthType                     string
}

// authorizerResource is AWS::ApiGateway::Authorizer.
func (r *REST) authorizerResource() resource.Type {
	return resource.Define(resource.Spec[restAuthorizerProperties]{
		Name: "AWS::ApiGateway::Authorizer", Attributes: []string{"AuthorizerId"}, Known: []string{"AuthorizerCredentials", "ProviderARNs"},
		Create: func(ctx context.Context, c *resource.Change[restAuthorizerProperties]) (resource.Result, error) {
			p := &c.Properties
			out, err := resource.Do(inStack(ctx, c), r.CreateAuthorizer, &apigateway.CreateAuthorizerInput{
				RestApiId: &p.RestApiId, Name: &p.Name, Type: types.AuthorizerType(p.Type), AuthorizerUri: optional(p.AuthorizerUri), IdentitySource: optional(p.IdentitySource),
				IdentityValidationExpression: optional(p.IdentityValidationExpression), AuthorizerResultTtlInSeconds: p.AuthorizerResultTtlInSeconds, AuthType: optional(p.AuthType),
			})
			if err != nil {
				return resource.Result{}, err
			}
			return made(out.Id, "AuthorizerId"), nil
		},
		Update: func(ctx context.Context, c *resource.Change[restAuthorizerProperties]) (resource.Result, error) {
			p := &c.Properties
			ttl := int32(defaultCacheTTL)
			set(&ttl, p.AuthorizerResultTtlInSeconds)
			var operations []types.PatchOperation
			for _, of := range []struct{ path, value string }{
				{"/name", p.Name}, {"/type", p.Type}, {"/authorizerUri", p.AuthorizerUri}, {"/identitySource", p.IdentitySource},
				{"/identityValidationExpression", p.IdentityValidationExpression}, {"/authorizerResultTtlInSeconds", strconv.Itoa(int(ttl))}, {"/authType", p.AuthType},
			} {
				operations = append(operations, types.PatchOperation{Op: types.OpReplace, Path: aws.String(of.path), Value: aws.String(of.value)})
			}
			out, err := resource.Do(ctx, r.UpdateAuthorizer, &apigateway.UpdateAuthorizerInput{RestApiId: &p.RestApiId, AuthorizerId: &c.PhysicalID, PatchOperations: operations})
			if err != nil {
				return resource.Result{}, err
			}
			return made(out.Id, "AuthorizerId"), nil
		},
		Delete: func(ctx context.Context, c *resource.Change[restAuthorizerProperties]) error {
			_, err := resource.Do(ctx, r.DeleteAuthorizer, &apigateway.DeleteAuthorizerInput{RestApiId: &c.Properties.RestApiId, AuthorizerId: &c.PhysicalID})
			return gone(err)
		},
		Find: func(ctx context.Context, c *resource.Change[restAuthorizerProperties]) (string, error) {
			id := makingOf(c).id(authorizerIDLength)
			_, err := resource.Do(ctx, r.GetAuthorizer, &apigateway.GetAuthorizerInput{RestApiId: &c.Properties.RestApiId, AuthorizerId: &id})
			return found(id, err)
		},
	})
}
