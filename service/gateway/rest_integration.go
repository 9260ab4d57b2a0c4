package gateway

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strings"

	"countersign/edge/snapshot"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

const (
	restTimeout = 29000 // milliseconds, the most and the default
	whenNoMatch = "WHEN_NO_MATCH"
)

var passthrough = map[string]bool{whenNoMatch: true, "WHEN_NO_TEMPLATES": true, "NEVER": true}

// PutIntegration gives a method its integration, in place of the one that it has.
func (r *REST) PutIntegration(ctx context.Context, in *apigateway.PutIntegrationInput) (*apigateway.PutIntegrationOutput, error) {
	switch {
	case in.ConnectionType == types.ConnectionTypeVpcLink, aws.ToString(in.ConnectionId) != "", aws.ToString(in.IntegrationTarget) != "":
		return nil, notBuilt("connectionType VPC_LINK")
	case aws.ToString(in.Credentials) != "":
		return nil, notBuilt("credentials")
	case in.ResponseTransferMode != "" && in.ResponseTransferMode != types.ResponseTransferModeBuffered:
		return nil, notBuilt("responseTransferMode " + string(in.ResponseTransferMode))
	case in.TlsConfig != nil && in.TlsConfig.InsecureSkipVerification:
		return nil, notBuilt("tlsConfig")
	}
	i := restIntegration{
		Type: string(in.Type), URI: aws.ToString(in.Uri), Method: strings.ToUpper(aws.ToString(in.IntegrationHttpMethod)), Timeout: restTimeout,
		Passthrough: orDefault(aws.ToString(in.PassthroughBehavior), whenNoMatch), ContentHandling: string(in.ContentHandling),
		CacheNamespace: orDefault(aws.ToString(in.CacheNamespace), aws.ToString(in.ResourceId)), CacheKeys: in.CacheKeyParameters,
		Parameters: in.RequestParameters, Templates: in.RequestTemplates,
	}
	set(&i.Timeout, in.TimeoutInMillis)
	_, err := r.s.editREST(ctx, aws.ToString(in.RestApiId), func(a *restAPI, _ *store.Batch) error {
		m, err := a.method(aws.ToString(in.ResourceId), aws.ToString(in.HttpMethod))
		if err != nil {
			return err
		}
		m.Integration = &i
		return m.check(a)
	})
	if err != nil {
		return nil, err
	}
	return fill[apigateway.PutIntegrationOutput](i.sdk()), nil
}

// check judges a whole integration of a method.
func (i *restIntegration) check(m *restMethod) error {
	if i.Timeout < minTimeout || i.Timeout > restTimeout {
		return badRequest("Timeout should be between %d ms and %d ms", minTimeout, restTimeout)
	}
	if !passthrough[i.Passthrough] {
		return badRequest("Invalid passthroughBehavior %q: use WHEN_NO_MATCH, WHEN_NO_TEMPLATES or NEVER", i.Passthrough)
	}
	if err := checkTemplates(i.Templates); err != nil {
		return err
	}
	if i.ContentHandling != "" && i.ContentHandling != string(types.ContentHandlingStrategyConvertToText) {
		return notBuilt("contentHandling " + i.ContentHandling)
	}
	switch i.Type {
	case snapshot.AWSProxy:
		if err := i.checkMethod(); err != nil {
			return err
		}
		if _, err := restFunction(i.URI); err != nil {
			return err
		}
	case snapshot.HTTPProxy:
		if err := i.checkMethod(); err != nil {
			return err
		}
		if err := checkBackend(i.URI); err != nil {
			return err
		}
		for _, v := range uriVariable.FindAllStringSubmatch(i.URI, -1) {
			name := strings.TrimSuffix(v[1], "+")
			if _, mapped := i.Parameters["integration.request.path."+name]; !mapped {
				return badRequest("Invalid integration URI %q: nothing stands for {%s}; give requestParameters an integration.request.path.%s", i.URI, name, name)
			}
		}
	case snapshot.Mock:
		if err := literal("requestTemplates", i.Templates); err != nil {
			return err
		}
	default:
		return badRequest("integration type %s is not built in this version of Countersign; use AWS_PROXY, HTTP_PROXY or MOCK", i.Type)
	}
	if _, err := i.parameters(m); err != nil {
		return err
	}
	for n := range i.Responses {
		if err := i.Responses[n].check(m, i.Type == snapshot.Mock); err != nil {
			return err
		}
	}
	return nil
}

func (i *restIntegration) checkMethod() error {
	switch {
	case i.Method == "":
		return badRequest("Enumeration value for HttpMethod must be non-empty")
	case !methods[i.Method]:
		return badRequest("Invalid HTTP method specified: %s", i.Method)
	}
	return nil
}

// restFunction gives the function of an AWS_PROXY integration or an authorizer, whose URI
// has API Gateway's path form. A second slash after path is taken, as on AWS.
func restFunction(uri string) (string, error) {
	if !strings.Contains(uri, ":lambda:path/") {
		return "", badRequest("AWS ARN for integration must contain path or action")
	}
	return functionARN(strings.Replace(uri, ":lambda:path//", ":lambda:path/", 1))
}

// vtl finds what the Velocity Template Language would not print as it stands.
var vtl = regexp.MustCompile(`\$!?[A-Za-z{]|#(set|if|else|elseif|end|foreach|break|stop|include|parse|macro|evaluate|define|[#*@{]|\[\[)`)

const maxTemplate = 300 << 10 // bytes, as on AWS

// checkTemplates judges what every template has to be, looked at or not.
func checkTemplates(templates map[string]string) error {
	for contentType, text := range templates {
		if !strings.Contains(contentType, "/") {
			return badRequest("Validation Result: warnings : [], errors : [Invalid content type specified: %s]", contentType)
		}
		if len(text) > maxTemplate {
			return badRequest("The mapping template of %s is too large: at most %d bytes", contentType, maxTemplate)
		}
	}
	return nil
}

// literal demands templates without anything to evaluate.
func literal(what string, templates map[string]string) error {
	for contentType, text := range templates {
		if found := vtl.FindString(text); found != "" {
			return notBuilt("a mapping template that is evaluated (" + what + " of " + contentType + ", at " + found + ")")
		}
	}
	return nil
}

// GetIntegration reads the integration of a method.
func (r *REST) GetIntegration(ctx context.Context, in *apigateway.GetIntegrationInput) (*apigateway.GetIntegrationOutput, error) {
	a, _, err := r.s.getREST(ctx, aws.ToString(in.RestApiId))
	if err != nil {
		return nil, err
	}
	_, i, err := a.integration(aws.ToString(in.ResourceId), aws.ToString(in.HttpMethod))
	if err != nil {
		return nil, err
	}
	return fill[apigateway.GetIntegrationOutput](i.sdk()), nil
}

// UpdateIntegration changes what the patch operations name; the result is judged as a whole.
func (r *REST) UpdateIntegration(ctx context.Context, in *apigateway.UpdateIntegrationInput) (*apigateway.UpdateIntegrationOutput, error) {
	var updated restIntegration
	_, err := r.s.editREST(ctx, aws.ToString(in.RestApiId), func(a *restAPI, _ *store.Batch) error {
		m, i, err := a.integration(aws.ToString(in.ResourceId), aws.ToString(in.HttpMethod))
		if err != nil {
			return err
		}
		if err := applyPatches(in.PatchOperations, i.patches()); err != nil {
			return err
		}
		updated = *i
		return m.check(a)
	})
	if err != nil {
		return nil, err
	}
	return fill[apigateway.UpdateIntegrationOutput](updated.sdk()), nil
}

func (i *restIntegration) patches() []patch {
	return []patch{
		replaceText("/uri", &i.URI),
		{"/httpMethod", replaceOnly, func(_, value string, _ []string) error { i.Method = strings.ToUpper(value); return nil }},
		{"/timeoutInMillis", replaceOnly, func(_, value string, _ []string) error { return number(&i.Timeout, "timeoutInMillis", value) }},
		replaceText("/passthroughBehavior", &i.Passthrough),
		replaceText("/contentHandling", &i.ContentHandling),
		replaceText("/cacheNamespace", &i.CacheNamespace),
		{"/cacheKeyParameters/*", addRemove, func(op, _ string, parts []string) error {
			i.CacheKeys = slices.DeleteFunc(i.CacheKeys, func(k string) bool { return k == parts[0] })
			if op == "add" {
				i.CacheKeys = append(i.CacheKeys, parts[0])
			}
			return nil
		}},
		replaceIn("/requestParameters/*", anyChange, &i.Parameters),
		replaceIn("/requestTemplates/*", anyChange, &i.Templates),
		unbuiltPatch("/connectionType", replaceOnly, "connectionType VPC_LINK", string(types.ConnectionTypeInternet)),
		unbuiltPatch("/connectionId", replaceOnly, "connectionType VPC_LINK", ""),
		unbuiltPatch("/integrationTarget", replaceOnly, "connectionType VPC_LINK", ""),
		unbuiltPatch("/credentials", replaceOnly, "credentials", ""),
		unbuiltPatch("/responseTransferMode", replaceOnly, "responseTransferMode STREAM", string(types.ResponseTransferModeBuffered)),
		unbuiltPatch("/tlsConfig/insecureSkipVerification", replaceOnly, "tlsConfig", "false"),
	}
}

// DeleteIntegration takes a method's integration away.
func (r *REST) DeleteIntegration(ctx context.Context, in *apigateway.DeleteIntegrationInput) (*apigateway.DeleteIntegrationOutput, error) {
	_, err := r.s.editREST(ctx, aws.ToString(in.RestApiId), func(a *restAPI, _ *store.Batch) error {
		m, _, err := a.integration(aws.ToString(in.ResourceId), aws.ToString(in.HttpMethod))
		if err != nil {
			return err
		}
		m.Integration = nil
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &apigateway.DeleteIntegrationOutput{}, nil
}

// PutIntegrationResponse says how a MOCK integration answers, in place of what it said of the status.
// Proxies keep it and have no use for it, as on AWS.
func (r *REST) PutIntegrationResponse(ctx context.Context, in *apigateway.PutIntegrationResponseInput) (*apigateway.PutIntegrationResponseOutput, error) {
	put := restIntegrationResponse{
		Status: aws.ToString(in.StatusCode), Pattern: in.SelectionPattern, ContentHandling: string(in.ContentHandling),
		Parameters: in.ResponseParameters, Templates: in.ResponseTemplates,
	}
	_, err := r.s.editREST(ctx, aws.ToString(in.RestApiId), func(a *restAPI, _ *store.Batch) error {
		m, i, err := a.integration(aws.ToString(in.ResourceId), aws.ToString(in.HttpMethod))
		if err != nil {
			return err
		}
		i.put(put)
		return m.check(a)
	})
	if err != nil {
		return nil, err
	}
	return fill[apigateway.PutIntegrationResponseOutput](put.sdk()), nil
}

// put adds a response in its place, instead of the one of the same status.
func (i *restIntegration) put(p restIntegrationResponse) {
	i.Responses = slices.DeleteFunc(i.Responses, func(old restIntegrationResponse) bool { return old.Status == p.Status })
	i.Responses = append(i.Responses, p)
	slices.SortFunc(i.Responses, func(x, y restIntegrationResponse) int { return cmp.Compare(x.Status, y.Status) })
}

// check judges a response; used tells whether the integration looks at it.
func (p *restIntegrationResponse) check(m *restMethod, used bool) error {
	if p.ContentHandling != "" && p.ContentHandling != string(types.ContentHandlingStrategyConvertToText) {
		return notBuilt("contentHandling " + p.ContentHandling)
	}
	if err := checkTemplates(p.Templates); err != nil {
		return err
	}
	declared := m.response(p.Status)
	for name, expression := range p.Parameters {
		wrong := ""
		switch {
		case !responseParameter.MatchString(name):
			wrong = "Invalid mapping expression specified: " + name
		case declared == nil:
			return invalid("Response status code")
		case !hasFold(declared.Parameters, name):
			wrong = "Invalid mapping expression parameter specified: " + name
		case used:
			if _, err := quoted(expression); err != nil {
				return err
			}
		}
		if wrong != "" {
			return badRequest("Invalid mapping expression specified: Validation Result: warnings : [], errors : [%s]", wrong)
		}
	}
	if !used {
		return nil
	}
	if _, err := p.selection(); err != nil {
		return err
	}
	return literal("responseTemplates", p.Templates)
}

func hasFold(m map[string]bool, name string) bool {
	for k := range m {
		if strings.EqualFold(k, name) {
			return true
		}
	}
	return false
}

// selection compiles the pattern that a status must have from end to end; nil: the default.
func (p *restIntegrationResponse) selection() (*regexp.Regexp, error) {
	if aws.ToString(p.Pattern) == "" {
		return nil, nil
	}
	re, err := regexp.Compile(`^(?:` + *p.Pattern + `)$`)
	if err != nil || len(*p.Pattern) > 1024 {
		return nil, badRequest("Invalid selectionPattern %q: it is no regular expression that can be evaluated here: %v", *p.Pattern, err)
	}
	return re, nil
}

// quoted gives the text of a literal, 'text'.
func quoted(expression string) (string, error) {
	text, ok := strings.CutPrefix(expression, "'")
	if text, ok = cutSuffix(text, ok, "'"); !ok {
		return "", notBuilt("the response parameter " + expression + " (use a literal, 'text')")
	}
	if strings.ContainsFunc(text, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
		return "", badRequest("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: %q]", expression)
	}
	return text, nil
}

func (a *restAPI) integrationResponse(resource, method, status string) (*restMethod, *restIntegrationResponse, error) {
	m, i, err := a.integration(resource, method)
	if err != nil {
		return nil, nil, err
	}
	n := slices.IndexFunc(i.Responses, func(p restIntegrationResponse) bool { return p.Status == status })
	if n < 0 {
		return nil, nil, invalid("Response status code")
	}
	return m, &i.Responses[n], nil
}

// GetIntegrationResponse reads one response of an integration.
func (r *REST) GetIntegrationResponse(ctx context.Context, in *apigateway.GetIntegrationResponseInput) (*apigateway.GetIntegrationResponseOutput, error) {
	a, _, err := r.s.getREST(ctx, aws.ToString(in.RestApiId))
	if err != nil {
		return nil, err
	}
	_, p, err := a.integrationResponse(aws.ToString(in.ResourceId), aws.ToString(in.HttpMethod), aws.ToString(in.StatusCode))
	if err != nil {
		return nil, err
	}
	return fill[apigateway.GetIntegrationResponseOutput](p.sdk()), nil
}

// UpdateIntegrationResponse changes what the patch operations name.
func (r *REST) UpdateIntegrationResponse(ctx context.Context, in *apigateway.UpdateIntegrationResponseInput) (*apigateway.UpdateIntegrationResponseOutput, error) {
	var updated restIntegrationResponse
	_, err := r.s.editREST(ctx, aws.ToString(in.RestApiId), func(a *restAPI, _ *store.Batch) error {
		m, p, err := a.integrationResponse(aws.ToString(in.ResourceId), aws.ToString(in.HttpMethod), aws.ToString(in.StatusCode))
		if err != nil {
			return err
		}
		if err := applyPatches(in.PatchOperations, []patch{
			{"/selectionPattern", replaceOnly, func(_, value string, _ []string) error { p.Pattern = &value; return nil }},
			replaceText("/contentHandling", &p.ContentHandling),
			replaceIn("/responseParameters/*", anyChange, &p.Parameters),
			replaceIn("/responseTemplates/*", anyChange, &p.Templates),
		}); err != nil {
			return err
		}
		updated = *p
		return m.check(a)
	})
	if err != nil {
		return nil, err
	}
	return fill[apigateway.UpdateIntegrationResponseOutput](updated.sdk()), nil
}

// DeleteIntegrationResponse removes one response of an integration.
func (r *REST) DeleteIntegrationResponse(ctx context.Context, in *apigateway.DeleteIntegrationResponseInput) (*apigateway.DeleteIntegrationResponseOutput, error) {
	status := aws.ToString(in.StatusCode)
	_, err := r.s.editREST(ctx, aws.ToString(in.RestApiId), func(a *restAPI, _ *store.Batch) error {
		m, _, err := a.integrationResponse(aws.ToString(in.ResourceId), aws.ToString(in.HttpMethod), status)
		if err != nil {
			return err
		}
		m.Integration.Responses = slices.DeleteFunc(m.Integration.Responses, func(p restIntegrationResponse) bool { return p.Status == status })
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &apigateway.DeleteIntegrationResponseOutput{}, nil
}

func (i restIntegration) sdk() types.Integration {
	out := types.Integration{
		Type: types.IntegrationType(i.Type), Uri: optional(i.URI), HttpMethod: optional(i.Method), TimeoutInMillis: i.Timeout,
		PassthroughBehavior: &i.Passthrough, ContentHandling: types.ContentHandlingStrategy(i.ContentHandling), CacheNamespace: &i.CacheNamespace,
		CacheKeyParameters: orNone(i.CacheKeys), RequestParameters: i.Parameters, RequestTemplates: i.Templates,
	}
	if i.Type == snapshot.HTTPProxy {
		out.ConnectionType = types.ConnectionTypeInternet
	}
	for _, p := range i.Responses {
		if out.IntegrationResponses == nil {
			out.IntegrationResponses = map[string]types.IntegrationResponse{}
		}
		out.IntegrationResponses[p.Status] = p.sdk()
	}
	return out
}

func (p restIntegrationResponse) sdk() types.IntegrationResponse {
	return types.IntegrationResponse{
		StatusCode: &p.Status, SelectionPattern: p.Pattern, ContentHandling: types.ContentHandlingStrategy(p.ContentHandling),
		ResponseParameters: p.Parameters, ResponseTemplates: p.Templates,
	}
}
