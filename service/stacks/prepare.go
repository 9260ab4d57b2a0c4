package stacks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"countersign/arn"
	"countersign/service/stacks/resource"
	"countersign/service/stacks/sam"
	"countersign/service/stacks/template"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Limits of a template's text, in bytes.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
const (
	maxTemplateBody = 51_200
	maxTemplateURL  = 1_000_000
)

// mask stands for the value of a NoEcho parameter.
const mask = "****"

// A wish is what a caller wants a stack to be.
type wish struct {
	body, url    *string
	previous     bool // the template that the stack has
	parameters   []types.Parameter
	tags         []types.Tag
	keepTags     bool // tags were not given
	capabilities []types.Capability
	roleARN      *string
	direct       bool // CreateStack and UpdateStack: a transform needs CAPABILITY_AUTO_EXPAND
}

// A prepared is a target that was read and checked.
type prepared struct {
	target   *target
	template *template.Template
	bound    *template.Bound
	shown    []parameter
	secrets  []string                               // values of NoEcho parameters
	at       func(path ...string) template.Position // nil: not known any more
}

// A transformError is what a transform makes of a template. It fails the change set, not the call.
type transformError struct{ err error }

func (e *transformError) Error() string { return e.err.Error() }
func (e *transformError) Unwrap() error { return e.err }

// text reads a template from the call or from a bucket.
func (s *Service) text(ctx context.Context, body, from *string) (string, error) {
	switch {
	case body != nil && from != nil:
		return "", invalid("You cannot specify both TemplateBody and TemplateURL")
	case body != nil:
		if len(*body) > maxTemplateBody {
			return "", invalid("1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to %d", maxTemplateBody)
		}
		return *body, nil
	case from == nil || *from == "":
		return "", invalid("Either Template URL or Template Body must be specified.")
	}
	in, err := s.locate(*from)
	if err != nil {
		return "", err
	}
	out, err := resource.Do(resource.WithGate(ctx, s.Gate), s.Objects.GetObject, in)
	if err != nil {
		return "", invalid("S3 error: %s. For more information check http://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html", message(err))
	}
	defer out.Body.Close()
	text, err := io.ReadAll(io.LimitReader(out.Body, maxTemplateURL+1))
	if err != nil {
		return "", fmt.Errorf("read template %s: %w", *from, err)
	}
	if len(text) > maxTemplateURL {
		return "", invalid("Template may not exceed %d bytes in size.", maxTemplateURL)
	}
	return string(text), nil
}

// Hosts of S3's own, in the form bucket.s3.region and s3.region/bucket, with the older dashes too.
var s3Host = regexp.MustCompile(`^(?:(.+)\.)?s3(?:[.-]([a-z0-9-]+))?\.amazonaws\.com(?:\.cn)?$`)

// locate finds the object that a template URL names: below S3's own hosts, below this node's
// endpoint in path style, or as an s3:// URL. Nothing is fetched from elsewhere.
func (s *Service) locate(text string) (*s3.GetObjectInput, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, invalid("TemplateURL must be a supported URL.")
	}
	bucket, key := "", strings.TrimPrefix(u.Path, "/")
	split := func() { bucket, key, _ = strings.Cut(key, "/") }
	host := strings.ToLower(u.Hostname())
	endpoint, _ := url.Parse(s.Endpoint)
	switch m := s3Host.FindStringSubmatch(host); {
	case u.Scheme == "s3":
		bucket = u.Host
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, invalid("TemplateURL must be a supported URL.")
	case m != nil && m[1] != "":
		bucket = m[1]
	case m != nil:
		split()
	case endpoint != nil && (u.Host == endpoint.Host || u.Port() == endpoint.Port() && (host == "localhost" || host == "127.0.0.1" || host == "::1")):
		split()
	case endpoint != nil && u.Port() == endpoint.Port() && strings.HasSuffix(host, ".localhost"):
		bucket = strings.TrimSuffix(strings.TrimSuffix(host, ".localhost"), ".s3")
	default:
		return nil, invalid("TemplateURL must be a supported URL: an object of a bucket here, as https://<bucket>.s3.<region>.amazonaws.com/<key> or %s/<bucket>/<key>", s.Endpoint)
	}
	if bucket == "" || key == "" {
		return nil, invalid("TemplateURL must be a supported URL.")
	}
	in := &s3.GetObjectInput{Bucket: &bucket, Key: &key}
	if v := u.Query().Get("versionId"); v != "" {
		in.VersionId = &v
	}
	return in, nil
}

// prepare makes a target of a wish. K is the stack; one that does not exist yet has no target.
func (s *Service) prepare(ctx context.Context, k *stack, w wish) (*prepared, error) {
	var before *target
	var err error
	if id := k.current(); id != "" {
		if before, err = s.target(ctx, k.ID, id); err != nil {
			return nil, err
		}
	}
	t := &target{RoleARN: aws.ToString(w.roleARN)}
	if t.ID, err = s.newID(); err != nil {
		return nil, err
	}
	if w.previous {
		if before == nil {
			return nil, invalid("UsePreviousTemplate needs a stack that has a template")
		}
		t.Original = before.Original
	} else if t.Original, err = s.text(ctx, w.body, w.url); err != nil {
		return nil, err
	}
	if before != nil {
		if w.keepTags {
			t.Tags = before.Tags
		}
	}
	if t.RoleARN == "" {
		t.RoleARN = k.RoleARN
	}
	if !w.keepTags {
		if t.Tags, err = checkTags(w.tags); err != nil {
			return nil, err
		}
	}
	if t.RoleARN != "" && s.Roles == nil {
		return nil, notBuilt("RoleARN")
	}
	if t.Given, err = given(w.parameters, before); err != nil {
		return nil, err
	}
	for _, c := range w.capabilities {
		t.Capabilities = append(t.Capabilities, string(c))
	}
	p, err := s.process(ctx, t, k)
	if err != nil {
		return nil, err
	}
	if err := s.checkCapabilities(p, w.direct); err != nil {
		return nil, err
	}
	return p, nil
}

// process reads a target's text, transforms it and gives it its arguments.
func (s *Service) process(ctx context.Context, t *target, k *stack) (*prepared, error) {
	doc, err := template.Parse([]byte(t.Original))
	if err != nil {
		return nil, templateError(err)
	}
	t.Processed, t.Transforms = doc.Root, template.Transforms(doc.Root)
	transformed := false
	for _, name := range t.Transforms {
		switch name {
		case sam.Name:
			in, err := s.transformInput(ctx, t, k, doc)
			if err != nil {
				return nil, err
			}
			out, err := sam.Transform(t.Processed, in)
			if err != nil {
				return nil, &transformError{invalid("Transform %s failed with: %s", sam.Name, message(err))}
			}
			t.Processed, transformed = out, true
		case "AWS::LanguageExtensions": // a matter of the language
		default:
			return nil, notBuilt("Transform " + name)
		}
	}
	p, err := s.load(ctx, t, k, doc.At)
	if err != nil && transformed {
		return nil, &transformError{err}
	}
	return p, err
}

// transformInput is what the SAM transform may know: it runs before the template is
// checked as a whole, so the parameters are taken out and judged by themselves.
func (s *Service) transformInput(ctx context.Context, t *target, k *stack, doc *template.Document) (sam.Input, error) {
	in := sam.Input{Parameters: map[string]string{}, Region: k.Region, Partition: arn.Partition(k.Region), Run: t.ID}
	root := map[string]any{"Resources": map[string]any{"Nothing": map[string]any{"Type": typeCDKMetadata}}}
	if p, given := doc.Root["Parameters"]; given {
		root["Parameters"] = p
	}
	tmpl, err := template.Load(root, doc.At)
	if err != nil {
		return in, templateError(err)
	}
	arguments, err := s.arguments(ctx, tmpl, t)
	for name, a := range arguments {
		in.Parameters[name] = cmp.Or(a.Resolved, a.Text)
	}
	return in, err
}

// arguments judges a target's parameter values. SSM parameters are read once, and then the target has them.
func (s *Service) arguments(ctx context.Context, tmpl *template.Template, t *target) (template.Arguments, error) {
	if t.Arguments == nil {
		t.Arguments = map[string]string{}
	}
	arguments, err := tmpl.Arguments(ctx, t.Given, func(ctx context.Context, name string) (string, error) {
		v, read := t.Arguments[name]
		if read {
			return v, nil
		}
		v, err := s.dynamic(resource.WithGate(ctx, s.Gate), "ssm", name)
		if err == nil {
			t.Arguments[name] = v
		}
		return v, err
	})
	if err != nil {
		return nil, templateError(err)
	}
	t.Values = map[string]string{}
	for name, a := range arguments {
		t.Values[name] = a.Text
	}
	return arguments, nil
}

// bind makes a prepared of a target that was accepted before.
func (s *Service) bind(ctx context.Context, t *target, k *stack) (*prepared, error) {
	return s.load(ctx, t, k, nil)
}

// load gives a processed template its arguments.
func (s *Service) load(ctx context.Context, t *target, k *stack, at func(path ...string) template.Position) (*prepared, error) {
	tmpl, err := template.Load(t.Processed, at)
	if err != nil {
		return nil, templateError(err)
	}
	arguments, err := s.arguments(ctx, tmpl, t)
	if err != nil {
		return nil, err
	}
	bound, err := tmpl.Bind(template.Scope{
		Account: k.Account, Region: k.Region, Partition: arn.Partition(k.Region), URLSuffix: suffix(k.Region), StackID: k.arn(), StackName: k.Name, Arguments: arguments,
	})
	if err != nil {
		return nil, templateError(err)
	}
	p := &prepared{target: t, template: tmpl, bound: bound, at: at}
	for _, name := range slices.Sorted(maps.Keys(arguments)) {
		a := arguments[name]
		shown := parameter{Key: name, Value: a.Text, Resolved: a.Resolved}
		if a.NoEcho {
			shown.Value, shown.Resolved = mask, ""
			for _, secret := range []string{a.Text, a.Resolved} {
				if secret != "" {
					p.secrets = append(p.secrets, secret)
				}
			}
		}
		p.shown = append(p.shown, shown)
	}
	return p, nil
}

func suffix(region string) string {
	if arn.Partition(region) == "aws-cn" {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}

// templateError is a template's error as the API answers it.
func templateError(err error) error {
	var e *template.Error
	if errors.As(err, &e) {
		return invalid("%s", e.Error())
	}
	return err
}

// given collects parameter values; UsePreviousValue takes that of the stack.
func given(list []types.Parameter, before *target) (map[string]string, error) {
	out := map[string]string{}
	for _, p := range list {
		key := aws.ToString(p.ParameterKey)
		if key == "" {
			return nil, invalid("1 validation error detected: Value null at 'parameters' failed to satisfy constraint: every parameter needs a ParameterKey")
		}
		if _, twice := out[key]; twice {
			return nil, invalid("Parameter %s is given twice", key)
		}
		switch {
		case aws.ToBool(p.UsePreviousValue) && p.ParameterValue != nil:
			return nil, invalid("Invalid input for parameter key %s. Cannot specify usePreviousValue as true and non empty value for a parameter", key)
		case aws.ToBool(p.UsePreviousValue):
			v, had := "", false
			if before != nil {
				v, had = before.Values[key]
			}
			if !had {
				return nil, invalid("Invalid input for parameter key %s. Cannot specify usePreviousValue as true for a parameter key not in the previous template", key)
			}
			out[key] = v
		case p.ParameterValue == nil:
			return nil, invalid("Invalid value for parameter %s: a ParameterValue or UsePreviousValue is needed", key)
		default:
			out[key] = *p.ParameterValue
		}
	}
	return out, nil
}

func checkTags(list []types.Tag) ([]tag, error) {
	if len(list) > 50 {
		return nil, invalid("1 validation error detected: Value at 'tags' failed to satisfy constraint: Member must have length less than or equal to 50")
	}
	var out []tag
	seen := map[string]bool{}
	for _, t := range list {
		key := aws.ToString(t.Key)
		switch {
		case key == "":
			return nil, invalid("Tag keys must not be empty")
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return nil, invalid("Tag keys cannot start with aws:")
		case seen[key]:
			return nil, invalid("Tag key %s is given twice", key)
		}
		seen[key] = true
		out = append(out, tag{Key: key, Value: aws.ToString(t.Value)})
	}
	return out, nil
}

// neededCapabilities are those that a template's resources ask for.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html
func (s *Service) neededCapabilities(p *template.Template) (capabilities []string, reason string) {
	var iam, named []string
	for _, r := range p.Resources {
		t, ok := s.lookUp(r.Type)
		if !ok || !t.IAM {
			continue
		}
		if !slices.Contains(iam, r.Type) {
			iam = append(iam, r.Type)
		}
		if t.Naming != nil {
			if _, given := r.Properties[t.Naming.Property]; given && !slices.Contains(named, r.Type) {
				named = append(named, r.Type)
			}
		}
	}
	slices.Sort(iam)
	switch {
	case len(named) > 0:
		return []string{"CAPABILITY_NAMED_IAM"}, fmt.Sprintf("The following resource(s) require capabilities: [%s]", strings.Join(iam, ", "))
	case len(iam) > 0:
		return []string{"CAPABILITY_IAM"}, fmt.Sprintf("The following resource(s) require capabilities: [%s]", strings.Join(iam, ", "))
	}
	return nil, ""
}

func (s *Service) checkCapabilities(p *prepared, direct bool) error {
	has := func(c string) bool { return slices.Contains(p.target.Capabilities, c) }
	var missing []string
	needed, _ := s.neededCapabilities(p.template)
	for _, c := range needed {
		if !has(c) && !(c == "CAPABILITY_IAM" && has("CAPABILITY_NAMED_IAM")) {
			missing = append(missing, c)
		}
	}
	if direct && slices.Contains(p.target.Transforms, sam.Name) && !has("CAPABILITY_AUTO_EXPAND") {
		missing = append(missing, "CAPABILITY_AUTO_EXPAND")
	}
	if len(missing) > 0 {
		return &types.InsufficientCapabilitiesException{Message: aws.String(fmt.Sprintf("Requires capabilities : [%s]", strings.Join(missing, ", ")))}
	}
	return nil
}
