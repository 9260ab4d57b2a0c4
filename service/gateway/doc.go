// Package gateway keeps HTTP APIs, their routes, integrations, authorizers, CORS,
// stages and deployments, custom domain names with mutual TLS, and the mappings
// between the two; it imports them from OpenAPI documents and has CloudFormation
// types for them. It answers for the control plane of API Gateway v2
// (apigatewayv2); package edge serves the traffic, from what compile.go makes of
// these records.
//
// Absent, and refused with an error that says so: WebSocket APIs, the
// authorization type AWS_IAM, roles for invoking integrations and authorizers
// (credentialsArn, authorizerCredentialsArn), VPC links, parameter mapping, access
// logs, detailed metrics, routing rules, OpenAPI export,
// edge-optimised endpoints and TLS 1.0.
package gateway
