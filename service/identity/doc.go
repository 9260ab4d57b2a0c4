// Package identity answers who is calling: the root key pair of the
// installation, and temporary credentials for roles, which Lambda's execution
// environments work under. It answers for AWS STS (sts), GetCallerIdentity.
//
// Temporary credentials are kept nowhere: the session token holds all that
// there is to know, sealed, so every node with the same token key accepts it.
//
// Absent: IAM users, groups, roles and policies as records; AssumeRole and the
// other STS operations that hand out credentials to callers; revocation of a
// session before its end, other than a change of the token key.
package identity
