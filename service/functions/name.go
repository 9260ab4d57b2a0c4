package functions

import (
	"context"
	"regexp"

	"countersign/arn"
	"countersign/call"

	"github.com/aws/smithy-go"
)

// A reference is what a caller means by FunctionName and Qualifier.
type reference struct {
	account, region, name string
	qualifier             string // version, alias or $LATEST; empty: none was given
}

// nameForms is every form of FunctionName: name, function:name,
// account:function:name, region:…, and the whole ARN, each with an optional qualifier.
var nameForms = regexp.MustCompile(`^(?:arn:(?:aws[a-zA-Z-]*):lambda:)?(?:([a-z]{2}(?:-[a-z]+)+-\d):)?(?:(\d{12}):)?(?:function:)?([a-zA-Z0-9-_]+)(?::(\$LATEST|[a-zA-Z0-9-_]+))?$`)

// resolve reads a FunctionName and Qualifier for the call in ctx. Functions of
// other accounts and Regions are refused.
func resolve(ctx context.Context, name, qualifier string) (reference, error) {
	c := call.From(ctx)
	m := nameForms.FindStringSubmatch(name)
	if m == nil {
		return reference{}, constraint(name, "functionName", "Member must satisfy regular expression pattern: "+
			`(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?`)
	}
	r := reference{account: c.Account, region: c.Region, name: m[3], qualifier: qualifier}
	if len(r.name) > 64 {
		return reference{}, constraint(r.name, "functionName", "Member must have length less than or equal to 64")
	}
	if m[1] != "" && m[1] != c.Region {
		return reference{}, notFound("Functions from '%s' are not reachable in this region ('%s')", m[1], c.Region)
	}
	if m[2] != "" && m[2] != c.Account {
		return reference{}, &smithy.GenericAPIError{Code: "AccessDeniedException", Fault: smithy.FaultClient,
			Message: "User: " + c.Principal.ARN + " is not authorized to perform: lambda:" + c.Operation + " on resource: " +
				arn.New("lambda", c.Region, m[2], "function:"+r.name).String() + " because functions of other accounts are not reachable"}
	}
	if m[4] != "" {
		if qualifier != "" && qualifier != m[4] {
			return reference{}, invalid("The derived qualifier from the function name does not match the specified qualifier.")
		}
		r.qualifier = m[4]
	}
	return r, nil
}

// unqualified is resolve for operations on a function as a whole.
func unqualified(ctx context.Context, name string) (reference, error) {
	r, err := resolve(ctx, name, "")
	if err == nil && r.qualifier != "" && r.qualifier != latest {
		err = invalid("Invalid function name %s: this operation takes no version or alias", name)
	}
	r.qualifier = ""
	return r, err
}

// arn names what the caller meant, qualifier and all.
func (r reference) arn() string {
	f := function{Account: r.account, Region: r.region, Name: r.name}
	return f.qualified(r.qualifier)
}

// find reads a function and the version that the reference means.
func (s *Service) find(ctx context.Context, r reference) (*function, *version, error) {
	f, err := s.read(ctx, r.account, r.region, r.name)
	if err != nil {
		return nil, nil, err
	}
	if f == nil {
		return nil, nil, functionNotFound(r.arn())
	}
	v := f.version(r.qualifier)
	if v == nil {
		return nil, nil, functionNotFound(r.arn())
	}
	return f, v, nil
}
