package gateway

import (
	"context"
	"encoding/json"
	"net/url"

	"countersign/service/stacks/resource"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
)

type stageProperties struct {
	ApiId                string `cfn:"required,replace"`
	StageName            string `cfn:"required,replace"`
	AutoDeploy           *bool
	DeploymentId         string
	Description          string
	StageVariables       any // an object, or its text
	DefaultRouteSettings *types.RouteSettings
	RouteSettings        map[string]types.RouteSettings
	Tags                 map[string]string
}

// stageResource is AWS::ApiGatewayV2::Stage.
func (s *Service) stageResource() resource.Type {
	result := func(name *string) resource.Result { return made(name, "Id") }
	return resource.Define(resource.Spec[stageProperties]{
		Name: "AWS::ApiGatewayV2::Stage", Attributes: []string{"Id"}, Tags: "Tags", Known: []string{"AccessLogSettings", "ClientCertificateId"},
		Create: func(ctx context.Context, c *resource.Change[stageProperties]) (resource.Result, error) {
			p := &c.Properties
			variables, err := p.variables()
			if err != nil {
				return resource.Result{}, err
			}
			out, err := resource.Do(inStack(ctx, c), s.CreateStage, &apigatewayv2.CreateStageInput{
				ApiId: &p.ApiId, StageName: &p.StageName, AutoDeploy: p.AutoDeploy, DeploymentId: optional(p.DeploymentId), Description: optional(p.Description),
				StageVariables: variables, DefaultRouteSettings: p.DefaultRouteSettings, RouteSettings: p.RouteSettings, Tags: p.Tags,
			})
			if err != nil {
				return resource.Result{}, err
			}
			return result(out.StageName), nil
		},
		Update: func(ctx context.Context, c *resource.Change[stageProperties]) (resource.Result, error) {
			ctx = inStack(ctx, c)
			p := &c.Properties
			variables, err := p.variables()
			if err != nil {
				return resource.Result{}, err
			}
			in := &apigatewayv2.UpdateStageInput{
				ApiId: &p.ApiId, StageName: &c.PhysicalID, AutoDeploy: orFalse(p.AutoDeploy), Description: &p.Description,
				StageVariables: variables, DefaultRouteSettings: p.DefaultRouteSettings, RouteSettings: p.RouteSettings,
			}
			if in.DefaultRouteSettings == nil { // a template that leaves them out again wants none
				in.DefaultRouteSettings = &types.RouteSettings{}
			}
			for key := range c.Old.RouteSettings {
				if _, keep := p.RouteSettings[key]; keep {
					continue
				}
				_, err := resource.Do(ctx, s.DeleteRouteSettings, &apigatewayv2.DeleteRouteSettingsInput{ApiId: &p.ApiId, StageName: &c.PhysicalID, RouteKey: &key})
				if err := gone(err); err != nil {
					return resource.Result{}, err
				}
			}
			if p.DeploymentId != c.Old.DeploymentId {
				in.DeploymentId = optional(p.DeploymentId)
			}
			out, err := resource.Do(ctx, s.UpdateStage, in)
			if err != nil {
				return resource.Result{}, err
			}
			// The name of the $default stage is escaped inside of an ARN's path.
			return result(out.StageName), s.retag(ctx, resourceARN(c.Stack, "/apis/"+p.ApiId+"/stages/"+url.PathEscape(c.PhysicalID)), c.Old.Tags, p.Tags)
		},
		Delete: func(ctx context.Context, c *resource.Change[stageProperties]) error {
			_, err := resource.Do(ctx, s.DeleteStage, &apigatewayv2.DeleteStageInput{ApiId: &c.Properties.ApiId, StageName: &c.PhysicalID})
			return gone(err)
		},
		Find: func(ctx context.Context, c *resource.Change[stageProperties]) (string, error) {
			p := &c.Properties
			if _, err := resource.Do(ctx, s.GetStage, &apigatewayv2.GetStageInput{ApiId: &p.ApiId, StageName: &p.StageName}); err != nil {
				return "", gone(err)
			}
			a, _, err := s.getAPI(ctx, p.ApiId)
			if err != nil {
				return "", gone(err)
			}
			if n, err := a.stage(p.StageName); err != nil || a.Stages[n].Made != c.Token {
				return "", nil // somebody else's
			}
			return p.StageName, nil
		},
	})
}

// variables are never nil, so that an update can take the last one away.
func (p *stageProperties) variables() (map[string]string, error) {
	return variablesOf("StageVariables", p.StageVariables)
}

// variablesOf reads a property that is an object of texts, or the text of one; never nil.
func variablesOf(property string, object any) (map[string]string, error) {
	if text, ok := object.(string); ok {
		object = nil
		if err := json.Unmarshal([]byte(text), &object); err != nil {
			return nil, badRequest("property %s: %v", property, err)
		}
	}
	variables := map[string]string{}
	members, ok := object.(map[string]any)
	if !ok && object != nil {
		return nil, badRequest("property %s: is not an object", property)
	}
	for name, v := range members {
		text, ok := resource.Text(v)
		if !ok {
			return nil, badRequest("property %s/%s: is not text", property, name)
		}
		variables[name] = text
	}
	return variables, nil
}

type routeProperties struct {
	ApiId               string `cfn:"required,replace"`
	RouteKey            string `cfn:"required"`
	Target              string
	OperationName       string
	AuthorizationType   string
	AuthorizerId        string
	AuthorizationScopes []string
	ApiKeyRequired      *bool
}

// routeResource is AWS::ApiGatewayV2::Route.
func (s *Service) routeResource() resource.Type {
	return resource.Define(resource.Spec[routeProperties]{
		Name: "AWS::ApiGatewayV2::Route", Attributes: []string{"RouteId"},
		Known: []string{"ModelSelectionExpression", "RequestModels", "RequestParameters", "RouteResponseSelectionExpression"},
		Create: func(ctx context.Context, c *resource.Change[routeProperties]) (resource.Result, error) {
			p := &c.Properties
			out, err := resource.Do(inStack(ctx, c), s.CreateRoute, &apigatewayv2.CreateRouteInput{
				ApiId: &p.ApiId, RouteKey: &p.RouteKey, Target: optional(p.Target), OperationName: optional(p.OperationName), ApiKeyRequired: p.ApiKeyRequired,
				AuthorizationType: types.AuthorizationType(p.AuthorizationType), AuthorizerId: optional(p.AuthorizerId), AuthorizationScopes: p.AuthorizationScopes,
			})
			if err != nil {
				return resource.Result{}, err
			}
			return made(out.RouteId, "RouteId"), nil
		},
		Update: func(ctx context.Context, c *resource.Change[routeProperties]) (resource.Result, error) {
			p := &c.Properties
			out, err := resource.Do(ctx, s.UpdateRoute, &apigatewayv2.UpdateRouteInput{
				ApiId: &p.ApiId, RouteId: &c.PhysicalID, RouteKey: &p.RouteKey, Target: &p.Target, OperationName: &p.OperationName, ApiKeyRequired: p.ApiKeyRequired,
				AuthorizationType: types.AuthorizationType(orDefault(p.AuthorizationType, string(types.AuthorizationTypeNone))),
				AuthorizerId:      &p.AuthorizerId, AuthorizationScopes: orNone(p.AuthorizationScopes),
			})
			if err != nil {
				return resource.Result{}, err
			}
			return made(out.RouteId, "RouteId"), nil
		},
		Delete: func(ctx context.Context, c *resource.Change[routeProperties]) error {
			_, err := resource.Do(ctx, s.DeleteRoute, &apigatewayv2.DeleteRouteInput{ApiId: &c.Properties.ApiId, RouteId: &c.PhysicalID})
			return gone(err)
		},
		Find: func(ctx context.Context, c *resource.Change[routeProperties]) (string, error) {
			id := makingOf(c).id(routeIDLength)
			_, err := resource.Do(ctx, s.GetRoute, &apigatewayv2.GetRouteInput{ApiId: &c.Properties.ApiId, RouteId: &id})
			return found(id, err)
		},
	})
}

type integrationProperties struct {
	ApiId                string `cfn:"required,replace"`
	IntegrationType      string `cfn:"required"`
	IntegrationUri       string
	IntegrationMethod    string
	PayloadFormatVersion string
	TimeoutInMillis      *int32
	ConnectionType       string
	Description          string
}

// integrationResource is AWS::ApiGatewayV2::Integration.
func (s *Service) integrationResource() resource.Type {
	return resource.Define(resource.Spec[integrationProperties]{
		Name: "AWS::ApiGatewayV2::Integration", Attributes: []string{"IntegrationId"},
		Known: []string{
			"ConnectionId", "ContentHandlingStrategy", "CredentialsArn", "IntegrationSubtype", "PassthroughBehavior", "RequestParameters",
			"RequestTemplates", "ResponseParameters", "TemplateSelectionExpression", "TlsConfig",
		},
		Create: func(ctx context.Context, c *resource.Change[integrationProperties]) (resource.Result, error) {
			p := &c.Properties
			out, err := resource.Do(inStack(ctx, c), s.CreateIntegration, &apigatewayv2.CreateIntegrationInput{
				ApiId: &p.ApiId, IntegrationType: types.IntegrationType(p.IntegrationType), IntegrationUri: optional(p.IntegrationUri),
				IntegrationMethod: optional(p.IntegrationMethod), PayloadFormatVersion: optional(p.PayloadFormatVersion), TimeoutInMillis: p.TimeoutInMillis,
				ConnectionType: types.ConnectionType(p.ConnectionType), Description: optional(p.Description),
			})
			if err != nil {
				return resource.Result{}, err
			}
			return made(out.IntegrationId, "IntegrationId"), nil
		},
		Update: func(ctx context.Context, c *resource.Change[integrationProperties]) (resource.Result, error) {
			p := &c.Properties
			in := &apigatewayv2.UpdateIntegrationInput{
				ApiId: &c.Properties.ApiId, IntegrationId: &c.PhysicalID, IntegrationType: types.IntegrationType(p.IntegrationType), IntegrationUri: &p.IntegrationUri,
				IntegrationMethod: &p.IntegrationMethod, PayloadFormatVersion: &p.PayloadFormatVersion, TimeoutInMillis: p.TimeoutInMillis,
				ConnectionType: types.ConnectionType(p.ConnectionType), Description: &p.Description,
			}
			if in.TimeoutInMillis == nil {
				in.TimeoutInMillis = aws.Int32(defaultTimeout)
			}
			out, err := resource.Do(ctx, s.UpdateIntegration, in)
			if err != nil {
				return resource.Result{}, err
			}
			return made(out.IntegrationId, "IntegrationId"), nil
		},
		Delete: func(ctx context.Context, c *resource.Change[integrationProperties]) error {
			_, err := resource.Do(ctx, s.DeleteIntegration, &apigatewayv2.DeleteIntegrationInput{ApiId: &c.Properties.ApiId, IntegrationId: &c.PhysicalID})
			return gone(err)
		},
		Find: func(ctx context.Context, c *resource.Change[integrationProperties]) (string, error) {
			id := makingOf(c).id(integrationIDLength)
			_, err := resource.Do(ctx, s.GetIntegration, &apigatewayv2.GetIntegrationInput{ApiId: &c.Properties.ApiId, IntegrationId: &id})
			return found(id, err)
		},
	})
}

type authorizerProperties struct {
	ApiId                          string `cfn:"required,replace"`
	AuthorizerType                 string `cfn:"required"`
	Name                           string `cfn:"required"`
	AuthorizerUri                  string
	AuthorizerPayloadFormatVersion string
	AuthorizerResultTtlInSeconds   *int32
	EnableSimpleResponses          *bool
	IdentitySource                 []string
	IdentityValidationExpression   string
	JwtConfiguration               *types.JWTConfiguration
}

// authorizerResource is AWS::ApiGatewayV2::Authorizer.
func (s *Service) authorizerResource() resource.Type {
	return resource.Define(resource.Spec[authorizerProperties]{
		Name: "AWS::ApiGatewayV2::Authorizer", Attributes: []string{"AuthorizerId"}, Known: []string{"AuthorizerCredentialsArn"},
		Create: func(ctx context.Context, c *resource.Change[authorizerProperties]) (resource.Result, error) {
			p := &c.Properties
			out, err := resource.Do(inStack(ctx, c), s.CreateAuthorizer, &apigatewayv2.CreateAuthorizerInput{
				ApiId: &p.ApiId, AuthorizerType: types.AuthorizerType(p.AuthorizerType), Name: &p.Name, AuthorizerUri: optional(p.AuthorizerUri),
				AuthorizerPayloadFormatVersion: optional(p.AuthorizerPayloadFormatVersion), AuthorizerResultTtlInSeconds: p.AuthorizerResultTtlInSeconds,
				EnableSimpleResponses: p.EnableSimpleResponses, IdentitySource: orNone(p.IdentitySource),
				IdentityValidationExpression: optional(p.IdentityValidationExpression), JwtConfiguration: p.JwtConfiguration,
			})
			if err != nil {
				return resource.Result{}, err
			}
			return made(out.AuthorizerId, "AuthorizerId"), nil
		},
		Update: func(ctx context.Context, c *resource.Change[authorizerProperties]) (resource.Result, error) {
			p := &c.Properties
			in := &apigatewayv2.UpdateAuthorizerInput{
				ApiId: &p.ApiId, AuthorizerId: &c.PhysicalID, AuthorizerType: types.AuthorizerType(p.AuthorizerType), Name: &p.Name, AuthorizerUri: &p.AuthorizerUri,
				AuthorizerPayloadFormatVersion: &p.AuthorizerPayloadFormatVersion, AuthorizerResultTtlInSeconds: p.AuthorizerResultTtlInSeconds,
				EnableSimpleResponses: orFalse(p.EnableSimpleResponses), IdentitySource: orNone(p.IdentitySource),
				IdentityValidationExpression: optional(p.IdentityValidationExpression),
				JwtConfiguration:             &types.JWTConfiguration{Issuer: aws.String(""), Audience: []string{}},
			}
			if in.AuthorizerResultTtlInSeconds == nil {
				in.AuthorizerResultTtlInSeconds = aws.Int32(0)
			}
			if j := p.JwtConfiguration; j != nil {
				in.JwtConfiguration = &types.JWTConfiguration{Issuer: aws.String(aws.ToString(j.Issuer)), Audience: orNone(j.Audience)}
			}
			out, err := resource.Do(ctx, s.UpdateAuthorizer, in)
			if err != nil {
				return resource.Result{}, err
			}
			return made(out.AuthorizerId, "AuthorizerId"), nil
		},
		Delete: func(ctx context.Context, c *resource.Change[authorizerProperties]) error {
			_, err := resource.Do(ctx, s.DeleteAuthorizer, &apigatewayv2.DeleteAuthorizerInput{ApiId: &c.Properties.ApiId, AuthorizerId: &c.PhysicalID})
			return gone(err)
		},
		Find: func(ctx context.Context, c *resource.Change[authorizerProperties]) (string, error) {
			id := makingOf(c).id(authorizerIDLength)
			_, err := resource.Do(ctx, s.GetAuthorizer, &apigatewayv2.GetAuthorizerInput{ApiId: &c.Properties.ApiId, AuthorizerId: &id})
			return found(id, err)
		},
	})
}

type deploymentProperties struct {
	ApiId       string `cfn:"required,replace"`
	Description string
	StageName   string
}

// deploymentResource is AWS::ApiGatewayV2::Deployment.
func (s *Service) deploymentResource() resource.Type {
	return resource.Define(resource.Spec[deploymentProperties]{
		Name: "AWS::ApiGatewayV2::Deployment", Attributes: []string{"DeploymentId"},
		Create: func(ctx context.Context, c *resource.Change[deploymentProperties]) (resource.Result, error) {
			p := &c.Properties
			out, err := resource.Do(inStack(ctx, c), s.CreateDeployment, &apigatewayv2.CreateDeploymentInput{ApiId: &p.ApiId, Description: optional(p.Description), StageName: optional(p.StageName)})
			if err != nil {
				return resource.Result{}, err
			}
			return made(out.DeploymentId, "DeploymentId"), nil
		},
		Update: func(ctx context.Context, c *resource.Change[deploymentProperties]) (resource.Result, error) {
			p := &c.Properties
			out, err := resource.Do(ctx, s.UpdateDeployment, &apigatewayv2.UpdateDeploymentInput{ApiId: &p.ApiId, DeploymentId: &c.PhysicalID, Description: &p.Description})
			if err == nil && p.StageName != "" && p.StageName != c.Old.StageName {
				_, err = resource.Do(ctx, s.UpdateStage, &apigatewayv2.UpdateStageInput{ApiId: &p.ApiId, StageName: &p.StageName, DeploymentId: &c.PhysicalID})
			}
			if err != nil {
				return resource.Result{}, err
			}
			return made(out.DeploymentId, "DeploymentId"), nil
		},
		Delete: func(ctx context.Context, c *resource.Change[deploymentProperties]) error {
			_, err := resource.Do(ctx, s.DeleteDeployment, &apigatewayv2.DeleteDeploymentInput{ApiId: &c.Properties.ApiId, DeploymentId: &c.PhysicalID})
			return gone(err)
		},
		Find: func(ctx context.Context, c *resource.Change[deploymentProperties]) (string, error) {
			id := makingOf(c).id(deploymentIDLength)
			_, err := resource.Do(ctx, s.GetDeployment, &apigatewayv2.GetDeploymentInput{ApiId: &c.Properties.ApiId, DeploymentId: &id})
			return found(id, err)
		},
	})
}
