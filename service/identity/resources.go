package identity

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"countersign/call"
	"countersign/service/stacks/resource"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// ResourceTypes are the CloudFormation types of roles and policies. What they make
// they make once, however often an attempt is cut off: see newID.
func (s *Service) ResourceTypes() []resource.Type {
	return []resource.Type{s.roleResource(), s.policyResource(), s.managedPolicyResource(), s.rolePolicyResource()}
}

// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-role.html
type roleProperties struct {
	RoleName                 string  `cfn:"replace"`
	Path                     *string `cfn:"replace"`
	AssumeRolePolicyDocument any     `cfn:"required"`
	Description              *string
	MaxSessionDuration       *int32
	ManagedPolicyArns        []string
	PermissionsBoundary      *string
	Policies                 []struct {
		PolicyName     string `cfn:"required"`
		PolicyDocument any    `cfn:"required"`
	}
	Tags []resource.Tag
}

func (s *Service) roleResource() resource.Type {
	return resource.Define(resource.Spec[roleProperties]{
		Name: "AWS::IAM::Role", Attributes: []string{"Arn", "RoleId"}, IAM: true, Tags: "Tags",
		Naming: &resource.Naming{Property: "RoleName", Limit: 64},
		Create: func(ctx context.Context, c *resource.Change[roleProperties]) (resource.Result, error) {
			p := &c.Properties
			trust, err := documentOf(p.AssumeRolePolicyDocument)
			if err != nil {
				return resource.Result{}, err
			}
			out, err := resource.Do(making(ctx, c.Token), s.CreateRole, &iam.CreateRoleInput{
				RoleName: &p.RoleName, Path: p.Path, AssumeRolePolicyDocument: &trust, Description: p.Description,
				MaxSessionDuration: p.MaxSessionDuration, PermissionsBoundary: p.PermissionsBoundary, Tags: userTags(p.Tags),
			})
			if err != nil {
				return resource.Result{}, err
			}
			if err := c.Initiated(p.RoleName); err != nil {
				return resource.Result{}, err
			}
			return roleResult(out.Role), s.givePolicies(ctx, p)
		},
		Update: s.updateRole,
		Delete: func(ctx context.Context, c *resource.Change[roleProperties]) error {
			// What others have attached stays in the way, as on AWS.
			if err := s.takePolicies(ctx, c.PhysicalID, &c.Properties, nil); err != nil {
				return err
			}
			_, err := resource.Do(ctx, s.DeleteRole, &iam.DeleteRoleInput{RoleName: &c.PhysicalID})
			return gone(err)
		},
		Find: func(ctx context.Context, c *resource.Change[roleProperties]) (string, error) {
			out, err := resource.Do(ctx, s.GetRole, &iam.GetRoleInput{RoleName: &c.Properties.RoleName})
			if err != nil || *out.Role.RoleId != madeID("AROA", c.Token) {
				return "", gone(err)
			}
			return c.Properties.RoleName, nil
		},
	})
}

func roleResult(r *types.Role) resource.Result {
	return resource.Result{PhysicalID: *r.RoleName, Attributes: map[string]any{"Arn": *r.Arn, "RoleId": *r.RoleId}}
}

// givePolicies gives a role the policies of its properties.
func (s *Service) givePolicies(ctx context.Context, p *roleProperties) error {
	for _, inline := range p.Policies {
		if err := s.putInline(ctx, p.RoleName, inline.PolicyName, inline.PolicyDocument); err != nil {
			return err
		}
	}
	for _, arn := range p.ManagedPolicyArns {
		if _, err := resource.Do(ctx, s.AttachRolePolicy, &iam.AttachRolePolicyInput{RoleName: &p.RoleName, PolicyArn: &arn}); err != nil {
			return err
		}
	}
	return nil
}

// takePolicies takes from a role the policies that it had and that keep, which may be
// nil, has not. What is gone already is no error.
func (s *Service) takePolicies(ctx context.Context, roleName string, had, keep *roleProperties) error {
	if keep == nil {
		keep = &roleProperties{}
	}
	for _, arn := range had.ManagedPolicyArns {
		if slices.Contains(keep.ManagedPolicyArns, arn) {
			continue
		}
		if _, err := resource.Do(ctx, s.DetachRolePolicy, &iam.DetachRolePolicyInput{RoleName: &roleName, PolicyArn: &arn}); gone(err) != nil {
			return err
		}
	}
	kept := map[string]bool{}
	for _, inline := range keep.Policies {
		kept[inline.PolicyName] = true
	}
	for _, inline := range had.Policies {
		if kept[inline.PolicyName] {
			continue
		}
		if err := s.dropInline(ctx, roleName, inline.PolicyName); err != nil {
			return err
		}
	}
	return nil
}

// updateRole puts all that is wanted: what an attempt that failed has changed is not known.
func (s *Service) updateRole(ctx context.Context, c *resource.Change[roleProperties]) (resource.Result, error) {
	p, old, name := &c.Properties, &c.Old, c.PhysicalID
	p.RoleName = name
	trust, err := documentOf(p.AssumeRolePolicyDocument)
	if err != nil {
		return resource.Result{}, err
	}
	if _, err := resource.Do(ctx, s.UpdateAssumeRolePolicy, &iam.UpdateAssumeRolePolicyInput{RoleName: &name, PolicyDocument: &trust}); err != nil {
		return resource.Result{}, err
	}
	update := &iam.UpdateRoleInput{RoleName: &name, Description: aws.String(aws.ToString(p.Description)), MaxSessionDuration: p.MaxSessionDuration}
	if update.MaxSessionDuration == nil {
		update.MaxSessionDuration = aws.Int32(defaultSession)
	}
	if _, err := resource.Do(ctx, s.UpdateRole, update); err != nil {
		return resource.Result{}, err
	}
	if p.PermissionsBoundary != nil {
		_, err = resource.Do(ctx, s.PutRolePermissionsBoundary, &iam.PutRolePermissionsBoundaryInput{RoleName: &name, PermissionsBoundary: p.PermissionsBoundary})
	} else if old.PermissionsBoundary != nil {
		_, err = resource.Do(ctx, s.DeleteRolePermissionsBoundary, &iam.DeleteRolePermissionsBoundaryInput{RoleName: &name})
	}
	if err != nil {
		return resource.Result{}, err
	}
	// First away with what is not wanted: there may be no room for more.
	if err := s.takePolicies(ctx, name, old, p); err != nil {
		return resource.Result{}, err
	}
	if err := s.givePolicies(ctx, p); err != nil {
		return resource.Result{}, err
	}
	set, removed := resource.TagChanges(old.Tags, p.Tags)
	if removed = slices.DeleteFunc(removed, call.SystemTag); len(removed) > 0 {
		if _, err := resource.Do(ctx, s.UntagRole, &iam.UntagRoleInput{RoleName: &name, TagKeys: removed}); err != nil {
			return resource.Result{}, err
		}
	}
	if tags := userTags(set); len(tags) > 0 {
		if _, err := resource.Do(ctx, s.TagRole, &iam.TagRoleInput{RoleName: &name, Tags: tags}); err != nil {
			return resource.Result{}, err
		}
	}
	out, err := resource.Do(ctx, s.GetRole, &iam.GetRoleInput{RoleName: &name})
	if err != nil {
		return resource.Result{}, err
	}
	return roleResult(out.Role), nil
}

// userTags are those of the template and the stack. CloudFormation does not put its own on roles.
func userTags(tags []resource.Tag) []types.Tag {
	var out []types.Tag
	for _, t := range tags {
		if !call.SystemTag(t.Key) {
			out = append(out, types.Tag{Key: &t.Key, Value: &t.Value})
		}
	}
	return out
}

// An inline policy that stands for itself, in any number of roles.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-policy.html
type policyProperties struct {
	PolicyName     string `cfn:"required"`
	PolicyDocument any    `cfn:"required"`
	Roles          []string
}

func (s *Service) policyResource() resource.Type {
	put := func(ctx context.Context, p *policyProperties) error {
		if len(p.Roles) == 0 {
			return &resource.PropertyError{Problem: resource.Problem{Path: []string{"Roles"}, Message: "At least one of [Groups,Roles,Users] must be non-empty."}}
		}
		for _, name := range p.Roles {
			if err := s.putInline(ctx, name, p.PolicyName, p.PolicyDocument); err != nil {
				return err
			}
		}
		return nil
	}
	result := func(id string) resource.Result {
		return resource.Result{PhysicalID: id, Attributes: map[string]any{"Id": id}}
	}
	return resource.Define(resource.Spec[policyProperties]{
		Name: "AWS::IAM::Policy", Attributes: []string{"Id"}, IAM: true, Known: []string{"Users", "Groups"},
		Create: func(ctx context.Context, c *resource.Change[policyProperties]) (resource.Result, error) {
			// Its name in the account is that of the policy; as a resource it has one of its own.
			id := c.Stack.Name + "-" + c.LogicalID + "-" + madeID("", c.Token)[:12]
			if err := c.Initiated(id); err != nil {
				return resource.Result{}, err
			}
			return result(id), put(ctx, &c.Properties)
		},
		Update: func(ctx context.Context, c *resource.Change[policyProperties]) (resource.Result, error) {
			p := &c.Properties
			if err := put(ctx, p); err != nil {
				return resource.Result{}, err
			}
			for _, name := range c.Old.Roles {
				if c.Old.PolicyName == p.PolicyName && slices.Contains(p.Roles, name) {
					continue
				}
				if err := s.dropInline(ctx, name, c.Old.PolicyName); err != nil {
					return resource.Result{}, err
				}
			}
			return result(c.PhysicalID), nil
		},
		Delete: func(ctx context.Context, c *resource.Change[policyProperties]) error {
			for _, name := range c.Properties.Roles {
				if err := s.dropInline(ctx, name, c.Properties.PolicyName); err != nil {
					return err
				}
			}
			return nil
		},
	})
}

// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-rolepolicy.html
type rolePolicyProperties struct {
	PolicyName     string `cfn:"required,replace"`
	RoleName       string `cfn:"required,replace"`
	PolicyDocument any    `cfn:"required"`
}

func (s *Service) rolePolicyResource() resource.Type {
	put := func(ctx context.Context, c *resource.Change[rolePolicyProperties]) (resource.Result, error) {
		p := &c.Properties
		return resource.Result{PhysicalID: p.PolicyName + "|" + p.RoleName}, s.putInline(ctx, p.RoleName, p.PolicyName, p.PolicyDocument)
	}
	return resource.Define(resource.Spec[rolePolicyProperties]{
		Name: "AWS::IAM::RolePolicy", IAM: true,
		Create: func(ctx context.Context, c *resource.Change[rolePolicyProperties]) (resource.Result, error) {
			// One that is there already is an earlier attempt's when it says the same, else somebody's.
			p := &c.Properties
			wanted, err := documentOf(p.PolicyDocument)
			if err != nil {
				return resource.Result{}, err
			}
			there, err := resource.Do(ctx, s.GetRolePolicy, &iam.GetRolePolicyInput{RoleName: &p.RoleName, PolicyName: &p.PolicyName})
			if gone(err) != nil {
				return resource.Result{}, err
			}
			if err == nil && *there.PolicyDocument != *shownDocument(wanted) {
				return resource.Result{}, alreadyExists("The role %s has a policy with name %s already.", p.RoleName, p.PolicyName)
			}
			return put(ctx, c)
		},
		Update: put,
		Delete: func(ctx context.Context, c *resource.Change[rolePolicyProperties]) error {
			return s.dropInline(ctx, c.Properties.RoleName, c.Properties.PolicyName)
		},
	})
}

func (s *Service) putInline(ctx context.Context, roleName, name string, document any) error {
	text, err := documentOf(document)
	if err != nil {
		return err
	}
	_, err = resource.Do(ctx, s.PutRolePolicy, &iam.PutRolePolicyInput{RoleName: &roleName, PolicyName: &name, PolicyDocument: &text})
	return err
}

// dropInline deletes an inline policy; that it, or the role, is gone is a success.
func (s *Service) dropInline(ctx context.Context, roleName, name string) error {
	_, err := resource.Do(ctx, s.DeleteRolePolicy, &iam.DeleteRolePolicyInput{RoleName: &roleName, PolicyName: &name})
	return gone(err)
}

// gone turns the answer that something does not exist into a success.
func gone(err error) error {
	if resource.IsNotFound(err) {
		return nil
	}
	return err
}

// documentOf is the text of a policy, which templates give as an object or as its text.
func documentOf(v any) (string, error) {
	if text, ok := v.(string); ok {
		return text, nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}
