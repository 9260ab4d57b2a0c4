// Command crlauthorizer is a Lambda authorizer of the type REQUEST that refuses
// clients whose certificate is revoked: API Gateway's mutual TLS does not look at
// revocation. It serves HTTP APIs (payload formats 1.0 and 2.0) and REST APIs,
// and runs on provided.al2023, arm64 and x86_64, here and on AWS.
//
// # What it does
//
// It takes the client certificate from the event, looks for its path to the
// trust store, and checks every certificate of the path but the root against
// the CRLs, which must be signed by the issuer and current. The certificate's own
// issuer must have a usable CRL; another CA of the path must when CRL names one
// of its issuer or its certificate names a distribution point. A list that names
// a certificate revokes it even when the list is out of date.
//
// Lists are kept between invocations until shortly before their next update (a
// tenth of their period, at most five minutes), or for CRL_MAX_AGE. A CA that
// publishes a new list after each revocation, as ACM Private CA does, announces
// the next update days ahead: set CRL_MAX_AGE to how late a revocation may be
// noticed. When a list cannot be fetched anew, the one at hand is used while it
// is current, and the next attempts come after 1 s, 2 s, 4 s, up to five minutes;
// up to ten seconds when no current one is at hand. A list older than the one at
// hand is not taken.
//
// With no usable CRL clients are refused, unless WITHOUT_CRL says otherwise. A
// client without a certificate, or with one that does not lead to the trust
// store, is refused always.
//
// The answer is a policy for all routes of the stage, since what was judged is
// the client and not the route; or, for format 2.0 and with RESPONSE=simple, the
// simple response. RESPONSE must be what the authorizer's EnableSimpleResponses
// says. The context, all strings: serial (lower-case hex, as in ARNs), subject,
// issuer, reason (Valid, ClientCertCrlHit and the other codes of package pki, or
// TrustStoreUnavailable) and detail, a sentence. Give the authorizer no result
// cache (AuthorizerResultTtlInSeconds: 0): API Gateway's would hand one client's
// answer to another that sends the same identity source, and keep it beyond a
// revocation.
//
// It leaves out OCSP, delta and indirect CRLs, LDAP, HTTP redirects, and TOKEN
// authorizers, whose events have no client certificate. Extended key usage is the
// gateway's to judge.
//
// # Environment
//
//	TRUST_STORE    required: s3://bucket/key of the API's trust store, or the PEM
//	               text of the issuers itself. An object is read again after five
//	               minutes. With a self-signed certificate in it paths must
//	               reach one; else every certificate in it is trusted as it is.
//	CRL            places of the CRLs, separated by spaces: s3://bucket/key or a
//	               URL, each DER, or PEM with any number of lists. Default: the
//	               distribution points of the certificates.
//	RESPONSE       policy (default) or simple.
//	WITHOUT_CRL    refuse (default) or allow: clients whose CRL cannot be had.
//	CRL_MAX_AGE    how long a list is used before it is fetched again, at most: 15m.
//	               Default: until shortly before its next update.
//	CRL_TIMEOUT    limit of one fetch; default 3s. API Gateway waits 10 s in all.
//	CRL_MAX_BYTES  limit of one CRL; default 16777216.
//
// The usual variables of the AWS SDK hold.
//
// # Permissions
//
// s3:GetObject on the objects that TRUST_STORE and CRL name. A distribution
// point that is an object in S3 is read with the function's role, so that the
// bucket can be private; where the role may not, like any other URL. Logs:
// AWSLambdaBasicExecutionRole. API Gateway must be allowed to invoke the function
// (lambda:InvokeFunction for apigateway.amazonaws.com with the SourceArn
// arn:aws:execute-api:REGION:ACCOUNT:API/authorizers/ID).
//
// # Deployment
//
// A timeout of 10 seconds; memory of 128 MB, and four times CRL_MAX_BYTES more for
// long lists.
//
//	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 go build -tags lambda.norpc -o bootstrap ./lambda/crlauthorizer
//	zip crlauthorizer.zip bootstrap
//	aws lambda create-function --function-name crlauthorizer --runtime provided.al2023 --architectures arm64 \
//	  --handler bootstrap --timeout 10 --zip-file fileb://crlauthorizer.zip --role ROLE_ARN \
//	  --environment 'Variables={TRUST_STORE=s3://BUCKET/truststore.pem,CRL_MAX_AGE=15m,RESPONSE=simple}'
//	aws apigatewayv2 create-authorizer --api-id API --name crl --authorizer-type REQUEST \
//	  --authorizer-payload-format-version 2.0 --enable-simple-responses --authorizer-result-ttl-in-seconds 0 \
//	  --authorizer-uri arn:aws:apigateway:REGION:lambda:path/2015-03-31/functions/FUNCTION_ARN/invocations
package main
