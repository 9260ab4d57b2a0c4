// Package secrets keeps values that are not for everybody. It answers for AWS
// Secrets Manager (secretsmanager, 2017-10-17) and for Parameter Store, which is a
// part of Systems Manager (ssm, 2014-11-06): secrets with versions and staging
// labels, and parameters with versions, labels and a hierarchy of names. It also
// resolves the dynamic references of templates to both (Resolve).
//
// # At rest
//
// Every value is sealed under the master key, those of parameters that are no
// secrets too, and bound to the ARN and version that it belongs to. KMS key ids are
// kept and shown as labels: there is no KMS, and they choose no key.
//
// # Left out
//
// Of Secrets Manager: rotation, replicas in other Regions, and external secrets.
// Resource policies are checked and kept. Of Systems Manager: everything but
// Parameter Store; of that, parameter policies (Expiration, notifications), the data
// types aws:ec2:image and aws:ssm:integration, public and shared parameters. Each is refused by name.
//
// # Decisions where AWS is silent
//
// A label filter of GetParametersByPath answers the labelled version. AllowedPattern must
// match the whole value, in the syntax of RE2. UpdateSecret with the token of a version that
// has the same value does nothing, as PutSecretValue, so that a call may be
// repeated. A SecureString that is read without decryption is its sealed form in base64.
package secrets
