package identity

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// Policies that AWS manages, for templates and roles that name them. The documents say
// what AWS's say of the services that are here, by the managed policy reference; statements
// about other services are left out, and so are ids, dates and version numbers of AWS's.
// https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html

// awsVersion is the one version that each of them has here.
const awsVersion = "v1"

const awsPrefix = "arn:aws:iam::aws:policy/"

func isAWS(policyARN string) bool { return strings.HasPrefix(policyARN, awsPrefix) }

type awsPolicy struct{ arn, path, name, document string }

// A statement of one of these policies, in the form of the language.
type statement struct {
	Sid       string `json:",omitempty"`
	Effect    string
	Action    []string                       `json:",omitempty"`
	NotAction []string                       `json:",omitempty"`
	Resource  any                            // a string, or several
	Condition map[string]map[string][]string `json:",omitempty"`
}

func allow(resource any, actions ...string) statement {
	return statement{Effect: "Allow", Action: actions, Resource: resource}
}

func deny(resource any, actions ...string) statement {
	return statement{Effect: "Deny", Action: actions, Resource: resource}
}

func (s statement) when(operator, key string, values ...string) statement {
	s.Condition = map[string]map[string][]string{operator: {key: values}}
	return s
}

var awsPolicies, awsPoliciesByName = func() (map[string]*awsPolicy, []*awsPolicy) {
	byARN := map[string]*awsPolicy{}
	var all []*awsPolicy
	for path, statements := range awsStatements() {
		document, err := json.Marshal(struct {
			Version   string
			Statement []statement
		}{"2012-10-17", statements})
		if err != nil {
			panic(err) // strings always can be
		}
		p := &awsPolicy{arn: awsPrefix + path, document: string(document)}
		p.path, p.name = pathOf(p.arn), nameOf(p.arn)
		byARN[p.arn] = p
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *awsPolicy) int { return strings.Compare(policyKey(a.arn), policyKey(b.arn)) })
	return byARN, all
}()

func (p *awsPolicy) summary(used map[string]usage) types.Policy {
	sum := sha256.Sum256([]byte(p.arn))
	u := used[p.arn]
	return types.Policy{
		Arn: aws.String(p.arn), PolicyName: aws.String(p.name), Path: aws.String(p.path), DefaultVersionId: aws.String(awsVersion), IsAttachable: true,
		PolicyId:        aws.String("ANPA" + base32.StdEncoding.EncodeToString(sum[:])[:17]), // always the same
		AttachmentCount: aws.Int32(int32(u.attached)), PermissionsBoundaryUsageCount: aws.Int32(int32(u.bounds)),
	}
}

func (p *awsPolicy) version() types.PolicyVersion {
	return types.PolicyVersion{VersionId: aws.String(awsVersion), IsDefaultVersion: true}
}

const (
	anyCA       = "arn:aws:acm-pca:*:*:certificate-authority/*"
	lambdaLogs  = "arn:aws:logs:*:*:log-group:/aws/lambda/*"
	endEntityV  = "arn:aws:acm-pca:*:*:template/EndEntityCertificate/V*"
	anyCACertV  = "arn:aws:acm-pca:*:*:template/*CACertificate*/V*"
	templateKey = "acm-pca:TemplateArn"
)

// awsStatements are the policies by what follows "policy/" in their ARNs.
func awsStatements() map[string][]statement {
	xray := []string{"xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:GetSamplingStatisticSummaries"}
	caRead := []string{
		"acm-pca:DescribeCertificateAuthority", "acm-pca:DescribeCertificateAuthorityAuditReport", "acm-pca:ListCertificateAuthorities",
		"acm-pca:GetCertificateAuthorityCsr", "acm-pca:GetCertificateAuthorityCertificate", "acm-pca:GetCertificate", "acm-pca:GetPolicy",
		"acm-pca:ListPermissions", "acm-pca:ListTags",
	}
	// Users of a CA issue with some templates and with no others.
	caUser := func(templates string) []statement {
		return []statement{
			allow(anyCA, "acm-pca:IssueCertificate").when("ArnLike", templateKey, templates),
			deny(anyCA, "acm-pca:IssueCertificate").when("ArnNotLike", templateKey, templates),
			allow(anyCA, "acm-pca:RevokeCertificate", "acm-pca:GetCertificate", "acm-pca:ListPermissions"),
			allow("*", "acm-pca:ListCertificateAuthorities"),
		}
	}
	caAuditor := []statement{
		allow(anyCA, slices.DeleteFunc(append([]string{"acm-pca:CreateCertificateAuthorityAuditReport"}, caRead...),
			func(a string) bool { return a == "acm-pca:ListCertificateAuthorities" })...),
		allow("*", "acm-pca:ListCertificateAuthorities"),
	}
	caFull := []statement{allow("*", "acm-pca:*")}
	lambdaSees := []string{
		"cloudformation:DescribeStacks", "cloudformation:ListStackResources", "iam:GetPolicy", "iam:GetPolicyVersion", "iam:GetRole", "iam:GetRolePolicy",
		"iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:ListRoles", "logs:DescribeLogGroups",
	}
	return map[string][]statement{
		"AdministratorAccess": {allow("*", "*")},
		"PowerUserAccess": {
			{Effect: "Allow", NotAction: []string{"iam:*", "organizations:*", "account:*"}, Resource: "*"},
			allow("*", "iam:CreateServiceLinkedRole", "iam:DeleteServiceLinkedRole", "iam:ListRoles", "organizations:DescribeOrganization", "account:ListRegions"),
		},
		"ReadOnlyAccess": {allow("*",
			"acm:Describe*", "acm:Get*", "acm:List*", "acm:SearchCertificates", "acm-pca:Describe*", "acm-pca:Get*", "acm-pca:List*", "apigateway:GET",
			"cloudformation:Describe*", "cloudformation:Get*", "cloudformation:List*", "cloudformation:ValidateTemplate", "elasticloadbalancing:Describe*",
			"iam:Get*", "iam:List*", "lambda:Get*", "lambda:List*", "logs:Describe*", "logs:Get*", "logs:List*", "logs:FilterLogEvents",
			"route53:Get*", "route53:List*", "route53:Test*", "s3:Get*", "s3:List*", "secretsmanager:Describe*", "secretsmanager:GetResourcePolicy",
			"secretsmanager:List*", "ssm:Describe*", "ssm:Get*", "ssm:List*", "sts:GetAccessKeyInfo", "sts:GetCallerIdentity", "sts:GetSessionToken")},
		"AWSDenyAll": {{Sid: "DenyAll", Effect: "Deny", Action: []string{"*"}, Resource: "*"}},

		"IAMFullAccess":     {allow("*", "iam:*")},
		"IAMReadOnlyAccess": {allow("*", "iam:Get*", "iam:List*", "iam:SimulateCustomPolicy", "iam:SimulatePrincipalPolicy")},

		"service-role/AWSLambdaBasicExecutionRole": {allow("*", "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")},
		"service-role/AWSLambdaVPCAccessExecutionRole": {allow("*", "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents",
			"ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:DeleteNetworkInterface",
			"ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses")},
		"service-role/AWSLambdaRole": {allow([]string{"*"}, "lambda:InvokeFunction")},
		"AWSLambdaExecute":           {allow("arn:aws:logs:*:*:*", "logs:*"), allow("arn:aws:s3:::*", "s3:GetObject", "s3:PutObject")},
		"AWSLambda_FullAccess": {
			allow("*", append([]string{"lambda:*"}, lambdaSees...)...),
			allow("*", "iam:PassRole").when("StringEquals", "iam:PassedToService", "lambda.amazonaws.com"),
			allow(lambdaLogs, "logs:DescribeLogStreams", "logs:GetLogEvents", "logs:FilterLogEvents"),
		},
		"AWSLambda_ReadOnlyAccess": {
			allow("*", append([]string{"lambda:Get*", "lambda:List*", "cloudformation:ListStacks"}, lambdaSees...)...),
			allow(lambdaLogs, "logs:DescribeLogStreams", "logs:GetLogEvents", "logs:FilterLogEvents"),
		},
		"AWSXrayWriteOnlyAccess":   {allow([]string{"*"}, xray...)},
		"AWSXRayDaemonWriteAccess": {allow([]string{"*"}, xray...)},

		"AmazonS3FullAccess":     {allow("*", "s3:*")},
		"AmazonS3ReadOnlyAccess": {allow("*", "s3:Get*", "s3:List*", "s3:Describe*")},

		"AWSCertificateManagerFullAccess": {allow("*", "acm:*")},
		"AWSCertificateManagerReadOnly": {allow("*", "acm:DescribeCertificate", "acm:ListCertificates", "acm:SearchCertificates", "acm:GetCertificate",
			"acm:ListTagsForCertificate", "acm:GetAccountConfiguration")},
		"AWSPrivateCAFullAccess":                       caFull,
		"AWSPrivateCAReadOnly":                         {allow("*", caRead...)},
		"AWSPrivateCAUser":                             caUser(endEntityV),
		"AWSPrivateCAPrivilegedUser":                   caUser(anyCACertV),
		"AWSPrivateCAAuditor":                          caAuditor,
		"AWSCertificateManagerPrivateCAFullAccess":     caFull, // the older names of the same
		"AWSCertificateManagerPrivateCAReadOnly":       {allow("*", caRead...)},
		"AWSCertificateManagerPrivateCAUser":           caUser(endEntityV),
		"AWSCertificateManagerPrivateCAPrivilegedUser": caUser(anyCACertV),
		"AWSCertificateManagerPrivateCAAuditor":        caAuditor,

		"AmazonRoute53FullAccess": {
			allow("*", "route53:*", "elasticloadbalancing:DescribeLoadBalancers", "s3:ListBucket", "s3:GetBucketLocation", "s3:GetBucketWebsite"),
			allow("arn:aws:apigateway:*::/domainnames", "apigateway:GET"),
		},
		"AmazonRoute53ReadOnlyAccess": {allow([]string{"*"}, "route53:Get*", "route53:List*", "route53:TestDNSAnswer")},

		"AmazonAPIGatewayAdministrator":    {allow("arn:aws:apigateway:*::/*", "apigateway:*")},
		"AmazonAPIGatewayInvokeFullAccess": {allow("arn:aws:execute-api:*:*:*", "execute-api:Invoke", "execute-api:ManageConnections")},
		"service-role/AmazonAPIGatewayPushToCloudWatchLogs": {allow("*", "logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogGroups",
			"logs:DescribeLogStreams", "logs:PutLogEvents", "logs:GetLogEvents", "logs:FilterLogEvents")},

		"AWSCloudFormationFullAccess": {allow("*", "cloudformation:*")},
		"AWSCloudFormationReadOnlyAccess": {allow("*", "cloudformation:Describe*", "cloudformation:EstimateTemplateCost", "cloudformation:Get*",
			"cloudformation:List*", "cloudformation:ValidateTemplate", "cloudformation:Detect*")},

		"CloudWatchLogsFullAccess": {allow("*", "logs:*")},
		"CloudWatchLogsReadOnlyAccess": {allow("*", "logs:Describe*", "logs:Get*", "logs:List*", "logs:StartQuery", "logs:StopQuery",
			"logs:TestMetricFilter", "logs:FilterLogEvents", "logs:StartLiveTail", "logs:StopLiveTail")},

		"SecretsManagerReadWrite": {
			allow("*", "secretsmanager:*", "cloudformation:CreateChangeSet", "cloudformation:DescribeChangeSet", "cloudformation:DescribeStackResource",
				"cloudformation:DescribeStacks", "cloudformation:ExecuteChangeSet", "lambda:ListFunctions"),
			allow("arn:aws:lambda:*:*:function:SecretsManager*", "lambda:AddPermission", "lambda:CreateFunction", "lambda:GetFunction", "lambda:InvokeFunction",
				"lambda:UpdateFunctionConfiguration"),
		},
		"AmazonSSMFullAccess":     {allow("*", "ssm:*", "logs:*")},
		"AmazonSSMReadOnlyAccess": {allow("*", "ssm:Describe*", "ssm:Get*", "ssm:List*")},

		"ElasticLoadBalancingFullAccess": {allow("*", "elasticloadbalancing:*")},
		"ElasticLoadBalancingReadOnly":   {allow("*", "elasticloadbalancing:Describe*", "elasticloadbalancing:Get*")},
	}
}
