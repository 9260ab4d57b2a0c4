package api

import "countersign/service/functions"

// Lambda is AWS Lambda (2015-03-31).
func Lambda(s *functions.Service) Service {
	return Service{ID: "lambda", Operations: []Operation{
		op("AddPermission", s.AddPermission),
		op("CreateAlias", s.CreateAlias),
		op("CreateFunction", s.CreateFunction),
		op("DeleteAlias", s.DeleteAlias),
		op("DeleteFunction", s.DeleteFunction),
		op("DeleteFunctionConcurrency", s.DeleteFunctionConcurrency),
		op("DeleteFunctionEventInvokeConfig", s.DeleteFunctionEventInvokeConfig),
		op("GetAccountSettings", s.GetAccountSettings),
		op("GetAlias", s.GetAlias),
		op("GetFunction", s.GetFunction),
		op("GetFunctionCodeSigningConfig", s.GetFunctionCodeSigningConfig),
		op("GetFunctionConcurrency", s.GetFunctionConcurrency),
		op("GetFunctionConfiguration", s.GetFunctionConfiguration),
		op("GetFunctionEventInvokeConfig", s.GetFunctionEventInvokeConfig),
		op("GetPolicy", s.GetPolicy),
		op("Invoke", s.Invoke),
		op("ListAliases", s.ListAliases),
		op("ListFunctions", s.ListFunctions),
		op("ListTags", s.ListTags),
		op("ListVersionsByFunction", s.ListVersionsByFunction),
		op("PublishVersion", s.PublishVersion),
		op("PutFunctionConcurrency", s.PutFunctionConcurrency),
		op("PutFunctionEventInvokeConfig", s.PutFunctionEventInvokeConfig),
		op("RemovePermission", s.RemovePermission),
		op("TagResource", s.TagResource),
		op("UntagResource", s.UntagResource),
		op("UpdateFunctionCode", s.UpdateFunctionCode),
		op("UpdateFunctionConfiguration", s.UpdateFunctionConfiguration),
		op("UpdateAlias", s.UpdateAlias),
	}}
}
