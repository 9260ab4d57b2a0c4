package identity

import (
	"context"
	"slices"
	"strconv"
	"time"

	"countersign/service/stacks/resource"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-managedpolicy.html
type managedProperties struct {
	ManagedPolicyName string  `cfn:"replace"`
	Path              *string `cfn:"replace"`
	Description       *string `cfn:"replace"`
	PolicyDocument    any     `cfn:"required"`
	Roles             []string
}

func (s *Service) managedPolicyResource() resource.Type {
	return resource.Define(resource.Spec[managedProperties]{
		Name: "AWS::IAM::ManagedPolicy", IAM: true, Known: []string{"Users", "Groups"},
		Attributes: []string{"PolicyArn", "PolicyId", "DefaultVersionId", "AttachmentCount", "PermissionsBoundaryUsageCount", "IsAttachable", "CreateDate", "UpdateDate"},
		Naming:     &resource.Naming{Property: "ManagedPolicyName", Limit: 128},
		Create: func(ctx context.Context, c *resource.Change[managedProperties]) (resource.Result, error) {
			p := &c.Properties
			text, err := documentOf(p.PolicyDocument)
			if err != nil {
				return resource.Result{}, err
			}
			out, err := resource.Do(making(ctx, c.Token), s.CreatePolicy, &iam.CreatePolicyInput{
				PolicyName: &p.ManagedPolicyName, Path: p.Path, Description: p.Description, PolicyDocument: &text,
			})
			if err != nil {
				return resource.Result{}, err
			}
			if err := c.Initiated(*out.Policy.Arn); err != nil {
				return resource.Result{}, err
			}
			if err := s.attachTo(ctx, *out.Policy.Arn, p.Roles); err != nil {
				return resource.Result{}, err
			}
			return s.managedResult(ctx, *out.Policy.Arn)
		},
		Update: func(ctx context.Context, c *resource.Change[managedProperties]) (resource.Result, error) {
			if err := s.replaceVersion(ctx, c.PhysicalID, c.Properties.PolicyDocument); err != nil {
				return resource.Result{}, err
			}
			if err := s.attachTo(ctx, c.PhysicalID, c.Properties.Roles); err != nil {
				return resource.Result{}, err
			}
			if err := s.detachFrom(ctx, c.PhysicalID, c.Old.Roles, c.Properties.Roles); err != nil {
				return resource.Result{}, err
			}
			return s.managedResult(ctx, c.PhysicalID)
		},
		Delete: func(ctx context.Context, c *resource.Change[managedProperties]) error {
			if err := s.detachFrom(ctx, c.PhysicalID, c.Properties.Roles, nil); err != nil {
				return err
			}
			versions, err := s.versionsOf(ctx, c.PhysicalID)
			if err != nil {
				return gone(err)
			}
			for _, v := range versions {
				if v.IsDefaultVersion {
					continue
				}
				if err := s.dropVersion(ctx, c.PhysicalID, *v.VersionId); err != nil {
					return err
				}
			}
			_, err = resource.Do(ctx, s.DeletePolicy, &iam.DeletePolicyInput{PolicyArn: &c.PhysicalID})
			return gone(err)
		},
		Find: func(ctx context.Context, c *resource.Change[managedProperties]) (string, error) {
			own := managedPolicy{Account: c.Stack.Account, Path: path(c.Properties.Path), Name: c.Properties.ManagedPolicyName}
			out, err := resource.Do(ctx, s.GetPolicy, &iam.GetPolicyInput{PolicyArn: aws.String(own.arn())})
			if err != nil || *out.Policy.PolicyId != madeID("ANPA", c.Token) {
				return "", gone(err)
			}
			return own.arn(), nil
		},
	})
}

func (s *Service) managedResult(ctx context.Context, arn string) (resource.Result, error) {
	out, err := resource.Do(ctx, s.GetPolicy, &iam.GetPolicyInput{PolicyArn: &arn})
	if err != nil {
		return resource.Result{}, err
	}
	p := out.Policy
	return resource.Result{PhysicalID: arn, Attributes: map[string]any{
		"PolicyArn": arn, "PolicyId": *p.PolicyId, "DefaultVersionId": *p.DefaultVersionId, "IsAttachable": strconv.FormatBool(p.IsAttachable),
		"AttachmentCount": strconv.Itoa(int(*p.AttachmentCount)), "PermissionsBoundaryUsageCount": strconv.Itoa(int(*p.PermissionsBoundaryUsageCount)),
		"CreateDate": p.CreateDate.UTC().Format(time.RFC3339), "UpdateDate": p.UpdateDate.UTC().Format(time.RFC3339),
	}}, nil
}

func (s *Service) attachTo(ctx context.Context, arn string, roles []string) error {
	for _, name := range roles {
		if _, err := resource.Do(ctx, s.AttachRolePolicy, &iam.AttachRolePolicyInput{RoleName: &name, PolicyArn: &arn}); err != nil {
			return err
		}
	}
	return nil
}

// detachFrom takes a policy from the roles that are not among keep; that it, or the
// role, is gone is a success.
func (s *Service) detachFrom(ctx context.Context, arn string, roles, keep []string) error {
	for _, name := range roles {
		if slices.Contains(keep, name) {
			continue
		}
		if _, err := resource.Do(ctx, s.DetachRolePolicy, &iam.DetachRolePolicyInput{RoleName: &name, PolicyArn: &arn}); gone(err) != nil {
			return err
		}
	}
	return nil
}

// replaceVersion puts a document in force as a new version, unless it is already. Where there is
// no room for one the oldest that is not in force goes, as CloudFormation does it.
func (s *Service) replaceVersion(ctx context.Context, arn string, document any) error {
	text, err := documentOf(document)
	if err != nil {
		return err
	}
	versions, err := s.versionsOf(ctx, arn)
	if err != nil {
		return err
	}
	spare := ""
	for _, v := range versions { // the newest first
		if !v.IsDefaultVersion {
			spare = *v.VersionId
			continue
		}
		out, err := resource.Do(ctx, s.GetPolicyVersion, &iam.GetPolicyVersionInput{PolicyArn: &arn, VersionId: v.VersionId})
		if err != nil {
			return err
		}
		if *out.PolicyVersion.Document == *shownDocument(text) {
			return nil
		}
	}
	if len(versions) >= maxVersions {
		if err := s.dropVersion(ctx, arn, spare); err != nil {
			return err
		}
	}
	_, err = resource.Do(ctx, s.CreatePolicyVersion, &iam.CreatePolicyVersionInput{PolicyArn: &arn, PolicyDocument: &text, SetAsDefault: true})
	return err
}

func (s *Service) versionsOf(ctx context.Context, arn string) ([]types.PolicyVersion, error) {
	out, err := resource.Do(ctx, s.ListPolicyVersions, &iam.ListPolicyVersionsInput{PolicyArn: &arn})
	if err != nil {
		return nil, err
	}
	return out.Versions, nil
}

func (s *Service) dropVersion(ctx context.Context, arn, id string) error {
	_, err := resource.Do(ctx, s.DeletePolicyVersion, &iam.DeletePolicyVersionInput{PolicyArn: &arn, VersionId: &id})
	return gone(err)
}
