// Command truststore is the Lambda function behind a CloudFormation custom
// resource that writes the trust store of an API with mutual TLS. It runs on
// provided.al2023, arm64 and x86_64, here and on AWS.
//
// The resource, as in the first of the articles:
//
//	TrustedStoreCustomResource:
//	  Type: Custom::TrustedStore
//	  Properties:
//	    ServiceToken: !GetAtt TrustedStoreCustomResourceFunction.Arn
//	    TrustStoreBucket: !Ref TrustStoreBucket
//	    TrustStoreKey: !Ref TruststoreKey
//	    Certs:
//	      - !GetAtt MtlsCertificate.Certificate
//	      - !GetAtt PrivateCACertificate.Certificate
//
// Certs is a list of PEM texts, or one text, each with one certificate or more.
// Other properties are passed over, so that one can be changed to have the
// resource updated. The attributes are TrustStoreUri (s3://bucket/key) and
// ObjectVersion; Ref gives an id that depends on the bucket and the key alone.
//
// # What it does
//
// Create and Update join the certificates in their order, each once, and write
// them as one object. They fail, with the reason, unless every certificate is a
// CA certificate that API Gateway takes (RSA from 2048 bits or a NIST curve,
// signed with SHA-256 or stronger, within its validity) and its issuers up to a
// self-signed root are among them, in a chain of at most four. The bucket must
// have versioning enabled, since API Gateway pins a version; in a bucket that
// has not, no object stays behind. When the current object is already what would
// be written, and this resource wrote it, then it stays: so a request that
// CloudFormation or Lambda repeats gives the same version. An update that fails
// because a certificate has expired meanwhile can be a roll-back to an old trust
// store: `aws cloudformation continue-update-rollback --resources-to-skip` goes
// on from there.
//
// Delete removes the versions that this resource wrote and leaves what others
// put under the same key, another resource of the same stack among them. A
// bucket or an object that is gone is success. Where the role may not list or
// delete versions, Delete hides the object behind a delete marker, and only if
// this resource wrote the current version.
//
// CloudFormation gets its answer before the function's time is up: when the work
// is not done shortly before, the answer is FAILED and says so. An answer that
// cannot be delivered makes the invocation fail, and Lambda repeats it.
//
// It leaves out custom resources through SNS, and buckets of other Regions.
//
// # Environment
//
// None of its own. The usual variables of the AWS SDK hold; with
// AWS_ENDPOINT_URL, as functions of a Countersign node have it, buckets are
// addressed in the path.
//
// # Permissions
//
// On the bucket: s3:ListBucket. On its objects: s3:GetObject, s3:PutObject,
// s3:DeleteObject. SAM's S3CrudPolicy has these. To leave no versions behind, so
// that the stack can also delete the bucket: s3:ListBucketVersions on the
// bucket, s3:GetObjectVersion and s3:DeleteObjectVersion on its objects. Logs:
// AWSLambdaBasicExecutionRole.
//
// # Deployment
//
// A timeout of 30 seconds is plenty; 128 MB of memory are enough.
//
//	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 go build -tags lambda.norpc -o bootstrap ./lambda/truststore
//	zip truststore.zip bootstrap
//	aws lambda create-function --function-name truststore --runtime provided.al2023 --architectures arm64 \
//	  --handler bootstrap --timeout 30 --zip-file fileb://truststore.zip --role ROLE_ARN
package main
