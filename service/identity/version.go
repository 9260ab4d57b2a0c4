package identity

import (
	"context"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

const maxVersions = 5

func noSuchVersion(arn, id string) error {
	return noSuchEntity("Policy %s version %s does not exist or is not attachable.", arn, id)
}

// CreatePolicyVersion adds a version to a policy, and puts it in force if asked.
func (s *Service) CreatePolicyVersion(ctx context.Context, in *iam.CreatePolicyVersionInput) (*iam.CreatePolicyVersionOutput, error) {
	if isAWS(*in.PolicyArn) {
		return nil, outside()
	}
	if err := checkManaged(*in.PolicyDocument); err != nil {
		return nil, err
	}
	p, err := s.editPolicy(ctx, *in.PolicyArn, func(p *managedPolicy) error {
		if len(p.Versions) >= maxVersions {
			return limitExceeded("A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", maxVersions)
		}
		p.Last++
		v := policyVersion{"v" + strconv.Itoa(p.Last), *in.PolicyDocument, s.now().UTC()}
		p.Versions = append(p.Versions, v)
		p.Updated = v.Created
		if in.SetAsDefault {
			p.Default = v.ID
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	made := p.show(p.Versions[len(p.Versions)-1])
	return &iam.CreatePolicyVersionOutput{PolicyVersion: &made}, nil
}

// show is a version without its document.
func (p *managedPolicy) show(v policyVersion) types.PolicyVersion {
	return types.PolicyVersion{VersionId: aws.String(v.ID), IsDefaultVersion: v.ID == p.Default, CreateDate: aws.Time(v.Created)}
}

// GetPolicyVersion shows a version and its document.
func (s *Service) GetPolicyVersion(ctx context.Context, in *iam.GetPolicyVersionInput) (*iam.GetPolicyVersionOutput, error) {
	if isAWS(*in.PolicyArn) {
		p := awsPolicies[*in.PolicyArn]
		if p == nil {
			return nil, noSuchPolicy(*in.PolicyArn)
		}
		if *in.VersionId != awsVersion {
			return nil, noSuchVersion(*in.PolicyArn, *in.VersionId)
		}
		v := p.version()
		v.Document = shownDocument(p.document)
		return &iam.GetPolicyVersionOutput{PolicyVersion: &v}, nil
	}
	p, _, err := s.policy(ctx, *in.PolicyArn, noSuchPolicy)
	if err != nil {
		return nil, err
	}
	v := p.version(*in.VersionId)
	if v == nil {
		return nil, noSuchVersion(*in.PolicyArn, *in.VersionId)
	}
	out := p.show(*v)
	out.Document = shownDocument(v.Document)
	return &iam.GetPolicyVersionOutput{PolicyVersion: &out}, nil
}

// ListPolicyVersions lists a policy's versions, the newest first.
func (s *Service) ListPolicyVersions(ctx context.Context, in *iam.ListPolicyVersionsInput) (*iam.ListPolicyVersionsOutput, error) {
	if isAWS(*in.PolicyArn) {
		p := awsPolicies[*in.PolicyArn]
		if p == nil {
			return nil, noSuchPolicy(*in.PolicyArn)
		}
		return &iam.ListPolicyVersionsOutput{Versions: []types.PolicyVersion{p.version()}}, nil
	}
	p, _, err := s.policy(ctx, *in.PolicyArn, noSuchPolicy)
	if err != nil {
		return nil, err
	}
	slices.Reverse(p.Versions)
	// Keys rise as the list does: the newest version has the least.
	key := func(v policyVersion) string {
		n, _ := strconv.Atoi(v.ID[1:])
		return strconv.Itoa(1<<30 - n)
	}
	shown, next, err := pageOf(p.Versions, key, p.show, in.Marker, in.MaxItems)
	return &iam.ListPolicyVersionsOutput{Versions: shown, Marker: next, IsTruncated: next != nil}, err
}

// SetDefaultPolicyVersion puts a version in force for everybody who has the policy.
func (s *Service) SetDefaultPolicyVersion(ctx context.Context, in *iam.SetDefaultPolicyVersionInput) (*iam.SetDefaultPolicyVersionOutput, error) {
	_, err := s.editPolicy(ctx, *in.PolicyArn, func(p *managedPolicy) error {
		if p.version(*in.VersionId) == nil {
			return noSuchVersion(*in.PolicyArn, *in.VersionId)
		}
		p.Default, p.Updated = *in.VersionId, s.now().UTC()
		return nil
	})
	return &iam.SetDefaultPolicyVersionOutput{}, err
}

// DeletePolicyVersion removes a version that is not the default one.
func (s *Service) DeletePolicyVersion(ctx context.Context, in *iam.DeletePolicyVersionInput) (*iam.DeletePolicyVersionOutput, error) {
	_, err := s.editPolicy(ctx, *in.PolicyArn, func(p *managedPolicy) error {
		if p.version(*in.VersionId) == nil {
			return noSuchVersion(*in.PolicyArn, *in.VersionId)
		}
		if *in.VersionId == p.Default {
			return deleteConflict("Cannot delete the default version of a policy.")
		}
		p.Versions = slices.DeleteFunc(p.Versions, func(v policyVersion) bool { return v.ID == *in.VersionId })
		return nil
	})
	return &iam.DeletePolicyVersionOutput{}, err
}
