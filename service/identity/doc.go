// Package identity answers who is calling, and keeps the roles and policies of the
// account. It answers for AWS IAM (iam) as far as roles and managed policies go, and for AWS STS (sts):
// GetCallerIdentity, AssumeRole and GetSessionToken.
//
// Callers are the root key pair of the installation and sessions of roles. Temporary credentials
// are kept nowhere: the session token holds all that there is to know, sealed, so every node
// with the same token key accepts it; only whether the role is still there is looked up.
//
// Trust policies decide who may assume a role, Lambda included. What a
// session may then do they do not limit, and nothing else does yet: permission policies and
// boundaries are checked, kept and shown, and not evaluated. Every principal of the account may do everything in it.
//
// Absent for that reason: users, groups and access keys, which would all be administrators; session
// policies and tags. Absent besides: service-linked roles, instance profiles, identity providers and the
// STS operations for them, the policy simulator, access advisor (RoleLastUsed), multi-factor
// authentication, and sessions that end before their time other than by deleting the role
// or changing the token key.
package identity
