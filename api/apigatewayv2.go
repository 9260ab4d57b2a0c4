package api

import "countersign/service/gateway"

// APIGatewayV2 lists the operations of API Gateway v2 that are built: HTTP
// APIs and custom domain names.
func APIGatewayV2(s *gateway.Service) Service {
	return Service{ID: "apigatewayv2", Operations: []Operation{
		op("CreateApi", s.CreateApi),
		op("GetApi", s.GetApi),
		op("GetApis", s.GetApis),
		op("UpdateApi", s.UpdateApi),
		op("DeleteApi", s.DeleteApi),
		op("DeleteCorsConfiguration", s.DeleteCorsConfiguration),
		op("CreateRoute", s.CreateRoute),
		op("GetRoute", s.GetRoute),
		op("GetRoutes", s.GetRoutes),
		op("UpdateRoute", s.UpdateRoute),
		op("DeleteRoute", s.DeleteRoute),
		op("CreateIntegration", s.CreateIntegration),
		op("GetIntegration", s.GetIntegration),
		op("GetIntegrations", s.GetIntegrations),
		op("UpdateIntegration", s.UpdateIntegration),
		op("DeleteIntegration", s.DeleteIntegration),
		op("CreateStage", s.CreateStage),
		op("GetStage", s.GetStage),
		op("GetStages", s.GetStages),
		op("UpdateStage", s.UpdateStage),
		op("DeleteStage", s.DeleteStage),
		op("CreateDeployment", s.CreateDeployment),
		op("GetDeployment", s.GetDeployment),
		op("GetDeployments", s.GetDeployments),
		op("UpdateDeployment", s.UpdateDeployment),
		op("DeleteDeployment", s.DeleteDeployment),
		op("CreateDomainName", s.CreateDomainName),
		op("GetDomainName", s.GetDomainName),
		op("GetDomainNames", s.GetDomainNames),
		op("UpdateDomainName", s.UpdateDomainName),
		op("DeleteDomainName", s.DeleteDomainName),
		op("CreateApiMapping", s.CreateApiMapping),
		op("GetApiMapping", s.GetApiMapping),
		op("GetApiMappings", s.GetApiMappings),
		op("UpdateApiMapping", s.UpdateApiMapping),
		op("DeleteApiMapping", s.DeleteApiMapping),
		op("TagResource", s.TagResource),
		op("UntagResource", s.UntagResource),
		op("GetTags", s.GetTags),
	}}
}
