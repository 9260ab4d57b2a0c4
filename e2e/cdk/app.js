// A small CDK app for e2e/cdk.sh: a Lambda function behind an HTTP API. CODE is a
// folder with the function's bootstrap; GREETING changes the function's configuration.
const cdk = require('aws-cdk-lib');
const lambda = require('aws-cdk-lib/aws-lambda');
const { HttpApi, HttpMethod } = require('aws-cdk-lib/aws-apigatewayv2');
const { HttpLambdaIntegration } = require('aws-cdk-lib/aws-apigatewayv2-integrations');

const app = new cdk.App();
const stack = new cdk.Stack(app, 'CountersignCdk', {
  env: { account: process.env.CDK_DEFAULT_ACCOUNT, region: process.env.CDK_DEFAULT_REGION },
});
const echo = new lambda.Function(stack, 'Echo', {
  runtime: lambda.Runtime.PROVIDED_AL2023,
  architecture: process.arch === 'arm64' ? lambda.Architecture.ARM_64 : lambda.Architecture.X86_64,
  handler: 'bootstrap',
  code: lambda.Code.fromAsset(process.env.CODE),
  environment: { GREETING: process.env.GREETING || 'hello' },
});
const api = new HttpApi(stack, 'Api');
api.addRoutes({ path: '/', methods: [HttpMethod.GET], integration: new HttpLambdaIntegration('EchoIntegration', echo) });
new cdk.CfnOutput(stack, 'Url', { value: api.apiEndpoint });
new cdk.CfnOutput(stack, 'FunctionName', { value: echo.functionName });
