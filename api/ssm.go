package api

import "countersign/service/secrets"

// SSM lists what is built of AWS Systems Manager (2014-11-06): Parameter Store.
func SSM(s *secrets.Service) Service {
	return Service{ID: "ssm", Operations: []Operation{
		op("AddTagsToResource", s.AddTagsToResource),
		op("DeleteParameter", s.DeleteParameter),
		op("DeleteParameters", s.DeleteParameters),
		op("DescribeParameters", s.DescribeParameters),
		op("GetParameter", s.GetParameter),
		op("GetParameterHistory", s.GetParameterHistory),
		op("GetParameters", s.GetParameters),
		op("GetParametersByPath", s.GetParametersByPath),
		op("LabelParameterVersion", s.LabelParameterVersion),
		op("ListTagsForResource", s.ListTagsForResource),
		op("PutParameter", s.PutParameter),
		op("RemoveTagsFromResource", s.RemoveTagsFromResource),
		op("UnlabelParameterVersion", s.UnlabelParameterVersion),
	}}
}
