// Package openapi reads API definitions as API Gateway imports them: Swagger 2.0
// and OpenAPI 3.0, as JSON, as YAML or decoded already, with the x-amazon-apigateway-*
// extensions. It answers for no AWS API: ImportApi and its siblings for REST APIs, and the CloudFormation
// types with a Body, make APIs of what it reads. It is pure: text in, values out.
//
// Absent: OpenAPI 3.1, references that lead out of the document, documentation
// parts, and every judgement of what an API may be, which is its importer's.
package openapi
