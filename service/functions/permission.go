package functions

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"

	"countersign/arn"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// maxPolicy is Lambda's limit for a resource-based policy in bytes.
const maxPolicy = 20480

// A principal is who a statement is for: anybody, a service, or an ARN.
type principal struct {
	any     bool
	service string
	aws     string
}

// MarshalJSON writes "*", {"Service":…} or {"AWS":…}.
func (p principal) MarshalJSON() ([]byte, error) {
	switch {
	case p.any:
		return json.Marshal("*")
	case p.service != "":
		return json.Marshal(map[string]string{"Service": p.service})
	}
	return json.Marshal(map[string]string{"AWS": p.aws})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (p *principal) UnmarshalJSON(b []byte) error {
	if string(b) == `"*"` {
		*p = principal{any: true}
		return nil
	}
	var m struct{ Service, AWS string }
	if err := json.Unmarshal(b, &m); err != nil {
		return err
	}
	*p = principal{service: m.Service, aws: m.AWS}
	return nil
}

var (
	statementID   = regexp.MustCompile(`^[a-zA-Z0-9-_]{1,100}$`)
	actionForm    = regexp.MustCompile(`^(lambda:[*]|lambda:[a-zA-Z]+|[*])$`)
	accountForm   = regexp.MustCompile(`^\d{12}$`)
	servicesForm  = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.com(\.cn)?$`)
	principalForm = regexp.MustCompile(`^arn:aws[a-z-]*:(iam|sts)::\d{12}:[^\s*]+$`)
)

// parsePrincipal reads AddPermission's Principal. An account means its root, in the partition of region.
func parsePrincipal(s, region string) (principal, error) {
	switch {
	case s == "*":
		return principal{any: true}, nil
	case accountForm.MatchString(s):
		return principal{aws: "arn:" + arn.Partition(region) + ":iam::" + s + ":root"}, nil
	case servicesForm.MatchString(s):
		return principal{service: s}, nil
	case principalForm.MatchString(s):
		return principal{aws: s}, nil
	}
	return principal{}, invalid("The provided principal was invalid. Please check the principal and try again.")
}

// AddPermission adds a statement to the policy of a function, version or alias.
// It is in force for every invocation that begins after it has returned.
func (s *Service) AddPermission(ctx context.Context, in *lambda.AddPermissionInput) (*lambda.AddPermissionOutput, error) {
	ref, err := resolve(ctx, aws.ToString(in.FunctionName), aws.ToString(in.Qualifier))
	if err != nil {
		return nil, err
	}
	st := statement{Sid: aws.ToString(in.StatementId), Effect: "Allow", Action: aws.ToString(in.Action)}
	switch {
	case ref.qualifier == latest:
		return nil, invalid("We currently do not support adding policies for $LATEST.")
	case !statementID.MatchString(st.Sid):
		return nil, constraint(st.Sid, "statementId", "Member must satisfy regular expression pattern: ([a-zA-Z0-9-_]+)")
	case !actionForm.MatchString(st.Action):
		return nil, constraint(st.Action, "action", "Member must satisfy regular expression pattern: (lambda:[*]|lambda:[a-zA-Z]+|[*])")
	}
	if st.Principal, err = parsePrincipal(aws.ToString(in.Principal), ref.region); err != nil {
		return nil, err
	}
	if st.Condition, err = conditions(in); err != nil {
		return nil, err
	}
	_, err = s.change(ctx, ref, func(f *function, _ *store.Batch) error {
		v := f.version(ref.qualifier)
		if v == nil {
			return functionNotFound(ref.arn())
		}
		if in.RevisionId != nil && *in.RevisionId != v.RevisionID {
			return stale()
		}
		st.Resource = f.qualified(ref.qualifier)
		held := f.Policies[ref.qualifier]
		if slices.ContainsFunc(held, func(o statement) bool { return o.Sid == st.Sid }) {
			return conflict("The statement id (%s) provided already exists. Please provide a new statement id, or remove the existing statement.", st.Sid)
		}
		held = append(held, st)
		text, err := render(held)
		if err != nil {
			return err
		}
		if len(text) > maxPolicy {
			return &types.PolicyLengthExceededException{Type: user, Message: aws.String(fmt.Sprintf("The final policy size (%d) is bigger than the limit (%d).", len(text), maxPolicy))}
		}
		if f.Policies == nil {
			f.Policies = make(map[string][]statement)
		}
		f.Policies[ref.qualifier] = held
		return s.touchRevision(v)
	})
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(st)
	if err != nil {
		return nil, err
	}
	return &lambda.AddPermissionOutput{Statement: aws.String(string(text))}, nil
}

// conditions are the statement's, as AWS writes them.
func conditions(in *lambda.AddPermissionInput) (map[string]map[string]string, error) {
	c := make(map[string]map[string]string)
	set := func(operator, key string, value *string) {
		if value == nil {
			return
		}
		if c[operator] == nil {
			c[operator] = make(map[string]string)
		}
		c[operator][key] = *value
	}
	if in.SourceArn != nil {
		if _, err := arn.Parse(*in.SourceArn); err != nil {
			return nil, constraint(*in.SourceArn, "sourceArn", `Member must satisfy regular expression pattern: arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:([a-z]{2}(-gov)?-[a-z]+-\d{1})?:(\d{12})?:(.*)`)
		}
	}
	if in.SourceAccount != nil && !accountForm.MatchString(*in.SourceAccount) {
		return nil, constraint(*in.SourceAccount, "sourceAccount", `Member must satisfy regular expression pattern: \d{12}`)
	}
	set(arnLike, sourceARN, in.SourceArn)
	set(stringEquals, sourceAccount, in.SourceAccount)
	// Recorded and shown; no caller here can meet them.
	set(stringEquals, "aws:PrincipalOrgID", in.PrincipalOrgID)
	set(stringEquals, "lambda:EventSourceToken", in.EventSourceToken)
	if in.FunctionUrlAuthType != "" || in.InvokedViaFunctionUrl != nil {
		return nil, notBuilt("FunctionUrlAuthType and InvokedViaFunctionUrl (function URLs)")
	}
	if len(c) == 0 {
		return nil, nil
	}
	return c, nil
}

// touchRevision notes a write that is not one of code or configuration.
func (s *Service) touchRevision(v *version) (err error) {
	v.RevisionID, err = s.newID()
	return err
}

// RemovePermission removes a statement. What was permitted by it alone is
// refused for every invocation that begins after it has returned.
func (s *Service) RemovePermission(ctx context.Context, in *lambda.RemovePermissionInput) (*lambda.RemovePermissionOutput, error) {
	ref, err := resolve(ctx, aws.ToString(in.FunctionName), aws.ToString(in.Qualifier))
	if err != nil {
		return nil, err
	}
	_, err = s.change(ctx, ref, func(f *function, _ *store.Batch) error {
		v := f.version(ref.qualifier)
		if v == nil {
			return functionNotFound(ref.arn())
		}
		held := f.Policies[ref.qualifier]
		i := slices.IndexFunc(held, func(st statement) bool { return st.Sid == aws.ToString(in.StatementId) })
		switch {
		case len(held) == 0:
			return notFound("No policy is associated with the given resource.")
		case i < 0:
			return notFound("Statement %s is not found in resource policy.", aws.ToString(in.StatementId))
		case in.RevisionId != nil && *in.RevisionId != v.RevisionID:
			return stale()
		}
		if f.Policies[ref.qualifier] = slices.Delete(held, i, i+1); len(f.Policies[ref.qualifier]) == 0 {
			delete(f.Policies, ref.qualifier)
		}
		return s.touchRevision(v)
	})
	if err != nil {
		return nil, err
	}
	return &lambda.RemovePermissionOutput{}, nil
}

// GetPolicy shows the policy of a function, version or alias.
func (s *Service) GetPolicy(ctx context.Context, in *lambda.GetPolicyInput) (*lambda.GetPolicyOutput, error) {
	ref, err := resolve(ctx, aws.ToString(in.FunctionName), aws.ToString(in.Qualifier))
	if err != nil {
		return nil, err
	}
	f, v, err := s.find(ctx, ref)
	if err != nil {
		return nil, err
	}
	held := f.Policies[ref.qualifier]
	if len(held) == 0 {
		return nil, notFound("The resource you requested does not exist.")
	}
	text, err := render(held)
	if err != nil {
		return nil, err
	}
	return &lambda.GetPolicyOutput{Policy: aws.String(string(text)), RevisionId: aws.String(v.RevisionID)}, nil
}

func render(held []statement) ([]byte, error) {
	return json.Marshal(document{Version: "2012-10-17", Id: "default", Statement: held})
}
