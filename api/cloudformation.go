package api

import "countersign/service/stacks"

// CloudFormation lists the operations of CloudFormation that are built: stacks
// and change sets.
func CloudFormation(s *stacks.Service) Service {
	return Service{ID: "cloudformation", Operations: []Operation{
		op("CreateChangeSet", s.CreateChangeSet),
		op("DescribeChangeSet", s.DescribeChangeSet),
		op("ExecuteChangeSet", s.ExecuteChangeSet),
		op("DeleteChangeSet", s.DeleteChangeSet),
		op("ListChangeSets", s.ListChangeSets),
		op("CreateStack", s.CreateStack),
		op("UpdateStack", s.UpdateStack),
		op("DeleteStack", s.DeleteStack),
		op("RollbackStack", s.RollbackStack),
		op("ContinueUpdateRollback", s.ContinueUpdateRollback),
		op("CancelUpdateStack", s.CancelUpdateStack),
		op("UpdateTerminationProtection", s.UpdateTerminationProtection),
		op("DescribeStacks", s.DescribeStacks),
		op("ListStacks", s.ListStacks),
		op("DescribeStackEvents", s.DescribeStackEvents),
		op("DescribeStackResource", s.DescribeStackResource),
		op("DescribeStackResources", s.DescribeStackResources),
		op("ListStackResources", s.ListStackResources),
		op("ListExports", s.ListExports),
		op("ListImports", s.ListImports),
		op("GetTemplate", s.GetTemplate),
		op("GetTemplateSummary", s.GetTemplateSummary),
		op("ValidateTemplate", s.ValidateTemplate),
	}}
}
