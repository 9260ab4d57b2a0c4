// Package gateway keeps HTTP APIs, their routes, integrations, authorizers, CORS,
// stages and deployments, REST APIs with their resources and methods, custom domain
// names with mutual TLS, and the mappings between the two; it imports APIs from OpenAPI
// documents and has CloudFormation types for them. It answers for the control planes of
// API Gateway v2 (a [Service]; apigatewayv2) and v1 (a [REST]; apigateway), which share
// domain names and mappings. Package edge serves the traffic, from what compile.go and
// rest_compile.go make of these records.
//
// Absent, and refused with an error that says so: WebSocket APIs, the
// authorization type AWS_IAM, roles for invoking integrations and authorizers
// (credentialsArn, authorizerCredentialsArn), VPC links, parameter mapping, access
// logs, detailed metrics, routing rules, OpenAPI export,
// edge-optimised and private domain names and TLS 1.0. Of REST APIs also: Cognito
// authorizers, API keys and usage plans, models and validators, gateway responses,
// the integration types AWS and HTTP, templates that use VTL, client certificates, canary
// releases, caches, documentation, and the operations that test a method or an authorizer.
package gateway
