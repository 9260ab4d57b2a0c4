package objects

import (
	"cmp"
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// checkACL accepts the ACLs that give nobody but the owner anything.
func checkACL(canned string, grants ...*string) error {
	refused := refuse(400, "AccessControlListNotSupported", "The bucket does not allow ACLs")
	switch canned {
	case "", "private", "bucket-owner-full-control":
	default:
		return refused
	}
	for _, g := range grants {
		if g != nil {
			return refused
		}
	}
	return nil
}

// checkPolicyACL is checkACL for an ACL given as a document.
func checkPolicyACL(account string, p *types.AccessControlPolicy) error {
	if p == nil {
		return nil
	}
	for _, g := range p.Grants {
		if g.Grantee == nil || aws.ToString(g.Grantee.ID) != canonicalID(account) {
			return checkACL("public-read")
		}
	}
	return nil
}

func ownerGrants(account string) []types.Grant {
	return []types.Grant{{
		Grantee:    &types.Grantee{ID: aws.String(canonicalID(account)), Type: types.TypeCanonicalUser},
		Permission: types.PermissionFullControl,
	}}
}

// GetBucketAcl shows what every bucket has: the owner in full control.
func (s *Service) GetBucketAcl(ctx context.Context, in *s3.GetBucketAclInput) (*s3.GetBucketAclOutput, error) {
	bk, err := s.bucket(ctx, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	return &s3.GetBucketAclOutput{Owner: owner(bk.Account), Grants: ownerGrants(bk.Account)}, nil
}

// PutBucketAcl accepts what changes nothing: private.
func (s *Service) PutBucketAcl(ctx context.Context, in *s3.PutBucketAclInput) (*s3.PutBucketAclOutput, error) {
	bk, err := s.bucket(ctx, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if err := checkACL(string(in.ACL), in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWrite, in.GrantWriteACP); err != nil {
		return nil, err
	}
	return &s3.PutBucketAclOutput{}, checkPolicyACL(bk.Account, in.AccessControlPolicy)
}

// objectACL is checkACL for an object, which may also be readable by everybody
// where its bucket allows that (see place).
func objectACL(canned string, grants ...*string) (readable bool, err error) {
	if canned == string(types.ObjectCannedACLPublicRead) {
		return true, checkACL("", grants...)
	}
	return false, checkACL(canned, grants...)
}

// admitsACL decides whether objects of the bucket may be made readable by everybody.
func (bk *bucket) admitsACL() error {
	if !bk.hasACLs() {
		return checkACL(string(types.ObjectCannedACLPublicRead))
	}
	if bk.PublicAccess != nil && bk.PublicAccess.BlockACLs {
		return refuse(403, "AccessDenied", "Access Denied: public ACLs are prevented by the BlockPublicAcls setting in S3 Block Public Access.")
	}
	return nil
}

// hasACLs reports whether ACLs count at all. They do not by default, since April 2023.
func (bk *bucket) hasACLs() bool {
	return bk.Ownership != string(types.ObjectOwnershipBucketOwnerEnforced)
}

const everybody = "http://acs.amazonaws.com/groups/global/AllUsers"

// GetObjectAcl shows the bucket's owner in full control, and everybody as
// readers of an object that was made public.
func (s *Service) GetObjectAcl(ctx context.Context, in *s3.GetObjectAclInput) (*s3.GetObjectAclOutput, error) {
	bk, err := s.bucket(ctx, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	v, err := s.lookup(ctx, bk, aws.ToString(in.Key), in.VersionId, "GET")
	if err != nil {
		return nil, err
	}
	grants := ownerGrants(bk.Account)
	if v.Public && bk.hasACLs() {
		grants = append(grants, types.Grant{Grantee: &types.Grantee{Type: types.TypeGroup, URI: aws.String(everybody)}, Permission: types.PermissionRead})
	}
	return &s3.GetObjectAclOutput{Owner: owner(bk.Account), Grants: grants}, nil
}

// PutObjectAcl takes private, bucket-owner-full-control and, where the bucket
// allows it, public-read. Durable on return.
func (s *Service) PutObjectAcl(ctx context.Context, in *s3.PutObjectAclInput) (*s3.PutObjectAclOutput, error) {
	readable, err := objectACL(string(in.ACL), in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWrite, in.GrantWriteACP)
	if err != nil {
		// A bucket, or an object, that is not there is the first thing S3 says.
		bk, missing := s.bucket(ctx, in.Bucket, in.ExpectedBucketOwner)
		if missing == nil {
			_, missing = s.lookup(ctx, bk, aws.ToString(in.Key), in.VersionId, "PUT")
		}
		return nil, cmp.Or(missing, err)
	}
	_, err = s.alter(ctx, in.Bucket, in.ExpectedBucketOwner, aws.ToString(in.Key), in.VersionId, "PUT", func(bk *bucket, v *version) error {
		if err := checkPolicyACL(bk.Account, in.AccessControlPolicy); err != nil {
			return err
		}
		if readable {
			if err := bk.admitsACL(); err != nil {
				return err
			}
		}
		v.Public = readable
		return nil
	})
	return &s3.PutObjectAclOutput{}, err
}
