package secrets

import (
	"context"
	"regexp"
	"strconv"
	"strings"

	"countersign/arn"
	"countersign/call"

	"github.com/aws/aws-sdk-go-v2/aws"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// Names of parameters: one part, with or without a slash in front, which makes no
// difference; or a path from the root.
// https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html
var (
	parameterName  = regexp.MustCompile(`^(/?[A-Za-z0-9_.-]+|(/[A-Za-z0-9_.-]+)+)$`)
	parameterPath  = regexp.MustCompile(`^/$|^(/[A-Za-z0-9_.-]+)+/?$`)
	parameterLabel = regexp.MustCompile(`^[A-Za-z_.-][A-Za-z0-9_.-]{0,99}$`)
)

const (
	maxLevels = 15
	maxARN    = 1011 // characters of a parameter's ARN

	nameRule = `Parameter name: can't be prefixed with "ssm" (case-insensitive). If formed as a path, it can consist of sub-paths divided by slash symbol; ` +
		`each sub-path can be formed as a mix of letters, numbers and the following 3 symbols .-_`
	pathRule = `The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward slash "/". ` +
		`It can't be prefixed with "aws" or "ssm" (case-insensitive). It must use only letters, numbers, or the following symbols: . (period), - (hyphen), _ (underscore). ` +
		`Special characters are not allowed. All sub-paths, if specified, must use the forward slash symbol "/". Valid example: /get/parameters2-/by1./path0_.`
)

// rooted is a name with a slash in front, as keys and ARNs have it.
func rooted(name string) string { return "/" + strings.TrimPrefix(name, "/") }

func parameterARN(account, region, name string) string {
	return arn.New("ssm", region, account, "parameter"+rooted(name)).String()
}

// plainName reads a name where neither ARN nor selector may stand.
func plainName(text *string) (string, error) {
	name := strings.TrimSpace(aws.ToString(text))
	if !parameterName.MatchString(name) {
		return "", validation(nameRule)
	}
	return name, nil
}

// newName is plainName for a parameter that is to be written.
func newName(ctx context.Context, text *string) (string, error) {
	name := strings.TrimSpace(aws.ToString(text))
	lower, path := strings.ToLower(strings.TrimPrefix(name, "/")), strings.Count(name, "/") > 1
	switch {
	case !strings.HasPrefix(name, "/") && strings.Contains(name, "/"):
		return "", validation("Parameter name must be a fully qualified name.")
	case !parameterName.MatchString(name):
		return "", validation(nameRule)
	case path && strings.HasPrefix(lower, "aws"):
		return "", coded("AccessDeniedException", "No access to reserved parameter name: %s.", name)
	case path && strings.HasPrefix(lower, "ssm"):
		return "", validation(nameRule)
	case strings.HasPrefix(lower, "aws"), strings.HasPrefix(lower, "ssm"):
		return "", validation(`Parameter name: can't be prefixed with "aws" or "ssm" (case-insensitive).`)
	case strings.Count(rooted(name), "/") > maxLevels:
		return "", &ssmtypes.HierarchyLevelLimitExceededException{Message: aws.String("A hierarchy can have a maximum of 15 levels.")}
	}
	c := call.From(ctx)
	if n := len(parameterARN(c.Account, c.Region, name)); n > maxARN {
		return "", validation("The ARN of a parameter has at most %d characters, and that of this one would have %d: choose a shorter name.", maxARN, n)
	}
	return name, nil
}

// referencePath is what the names of secrets have in front that are read as parameters.
const referencePath = "/aws/reference/secretsmanager/"

// A selector is a parameter's name or ARN as operations that read take it, and
// which version they mean by NAME:VERSION or NAME:LABEL.
type selector struct {
	name    string // without what follows the colon
	byARN   bool
	secret  string // the id of a secret that is read as a parameter; empty: of none
	version int64  // 0: not given
	label   string // empty: not given
	text    string // ":3", ":label", or empty
}

// parseSelector reads what a caller in an account and Region calls a parameter. An ARN of another account or
// Region names nothing.
func parseSelector(text, account, region string) (sel selector, err error) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "arn:") {
		a, err := arn.Parse(text)
		rest, ok := strings.CutPrefix(a.Resource, "parameter")
		if err != nil || a.Service != "ssm" || !ok || !strings.HasPrefix(rest, "/") {
			return sel, validation("%q is not the ARN of a parameter.", text)
		}
		if a.Account != account || a.Region != region || a.Partition != arn.Partition(region) {
			return sel, parameterNotFound(text)
		}
		sel.byARN, text = true, rest
	}
	name, which, given := strings.Cut(text, ":")
	sel.name = name
	if given {
		sel.text = ":" + which
	}
	if secret, ok := strings.CutPrefix(name, referencePath); ok && secretName.MatchString(secret) {
		sel.secret, sel.label = secret, which
		return sel, nil
	}
	if !parameterName.MatchString(name) {
		return sel, validation(nameRule)
	}
	switch n, err := strconv.ParseInt(which, 10, 64); {
	case !given:
	case err == nil && n > 0 && which[0] != '+':
		sel.version = n
	case parameterLabel.MatchString(which):
		sel.label = which
	default:
		return sel, validation("%q is neither a version nor a label of a parameter.", which)
	}
	return sel, nil
}
