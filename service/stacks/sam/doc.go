// Package sam is the transform AWS::Serverless-2016-10-31: it takes a template
// that holds AWS::Serverless::Function, HttpApi and Api resources and gives the
// CloudFormation template that AWS gives for it, with the same logical ids, so
// that a stack made here and one made on AWS have the same resources.
//
// It is pure: a tree in, a tree out. Trees are map[string]any, []any, string,
// json.Number, bool and nil, with intrinsic functions in their long form. It
// reads no files, no clock, and knows no service.
//
// The rules are those of the public translator (aws-sam-translator 1.110.0),
// whose expansions are recorded in testdata. Where it differs:
//
//   - A tree has no order, so what AWS lists in the order of the template (tags,
//     record sets of a shared group) comes in the order of the sorted keys.
//   - The hash in the logical id of a REST deployment is another one (see
//     deploymentHash). It changes when AWS's changes.
//   - A DefaultAuthorizer of an Api has to be one of its authorizers, even when there
//     are none: AWS would leave that API open.
//   - What is not built is refused with a problem that names it, and never
//     left out in silence: other AWS::Serverless types, connectors, events other
//     than Api, HttpApi and Schedule, function URLs, destinations of asynchronous
//     calls, gradual deployments, capacity providers, usage plans, and private
//     custom domains.
//
// https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-specification.html
package sam
