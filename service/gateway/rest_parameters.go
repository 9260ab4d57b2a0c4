package gateway

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"

	"countersign/edge/snapshot"
)

// Mapping expressions of REST APIs.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/request-response-data-mappings.html

// integrationParameter: what a mapping sets.
var integrationParameter = regexp.MustCompile(`^integration\.request\.(header|querystring|path)\.([^ "(),/:;<=>?@\[\\\]{}\x00-\x1f\x7f]+)$`)

// reservedHeaders are the gateway's own, beside those that begin with x-amzn- or x-forwarded-.
var reservedHeaders = []string{
	"connection", "content-length", "expect", "forwarded", "host", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding",
	"upgrade", "via",
}

// parameters takes the request parameters of an integration apart.
func (i *restIntegration) parameters(m *restMethod) ([]snapshot.Parameter, error) {
	wrong := func(text string) error {
		return badRequest("Invalid mapping expression specified: Validation Result: warnings : [], errors : [%s]", text)
	}
	var all []snapshot.Parameter
	for _, key := range slices.Sorted(maps.Keys(i.Parameters)) {
		expression := i.Parameters[key]
		found := integrationParameter.FindStringSubmatch(key)
		if found == nil {
			return nil, wrong("Invalid mapping expression specified: " + key)
		}
		p := snapshot.Parameter{To: found[1], Name: found[2]}
		if p.To == snapshot.FromHeader {
			name := strings.ToLower(p.Name)
			if slices.Contains(reservedHeaders, name) || strings.HasPrefix(name, "x-amzn-") || strings.HasPrefix(name, "x-forwarded-") || !validHeaderName(p.Name) {
				return nil, wrong("Invalid mapping expression specified: " + key + ": the gateway sets this header itself")
			}
		}
		if i.Type == snapshot.AWSProxy && p.To == snapshot.FromQuery {
			return nil, notBuilt("integration.request.querystring for AWS_PROXY")
		}
		source, err := restSource(expression)
		if err != nil {
			return nil, err
		}
		switch source.From {
		case snapshot.FromHeader, snapshot.FromQuery, snapshot.FromPath:
			if !m.declares(expression) {
				return nil, wrong("Invalid mapping expression parameter specified: " + expression)
			}
		}
		p.Value = source
		all = append(all, p)
	}
	slices.SortStableFunc(all, func(x, y snapshot.Parameter) int { return cmp.Or(cmp.Compare(x.To, y.To), cmp.Compare(x.Name, y.Name)) })
	return all, nil
}

// restSource takes an expression such as method.request.header.X, context.identity.sourceIp or 'text' apart.
func restSource(expression string) (snapshot.Source, error) {
	if strings.HasPrefix(expression, "'") {
		text, err := quoted(expression)
		return snapshot.Source{From: snapshot.FromLiteral, Name: text}, err
	}
	if strings.HasPrefix(expression, "method.request.body") || strings.HasPrefix(expression, "method.request.multivalue") {
		return snapshot.Source{}, notBuilt("the mapping expression " + expression)
	}
	for prefix, from := range map[string]string{
		"method.request.header.": snapshot.FromHeader, "method.request.querystring.": snapshot.FromQuery, "method.request.path.": snapshot.FromPath,
		"context.": snapshot.FromContext, "stageVariables.": snapshot.FromStageVariable,
	} {
		name, ok := strings.CutPrefix(expression, prefix)
		if !ok || name == "" || len(expression) > maxIdentifier {
			continue
		}
		switch from {
		case snapshot.FromHeader:
			ok = validHeaderName(name)
		case snapshot.FromContext:
			if ok = slices.Contains(snapshot.RESTContextVariables(), name) || strings.HasPrefix(name, "authorizer."); !ok {
				return snapshot.Source{}, notBuilt("the context variable " + name)
			}
		case snapshot.FromStageVariable:
			ok = variableName.MatchString(name)
		}
		if ok {
			return snapshot.Source{From: from, Name: name}, nil
		}
	}
	return snapshot.Source{}, badRequest("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: %s]", expression)
}

// restSources takes the identity source of a REQUEST authorizer apart: expressions with commas between them.
func restSources(text string) ([]snapshot.Source, error) {
	var all []snapshot.Source
	for expression := range strings.SplitSeq(text, ",") {
		if expression = strings.TrimSpace(expression); expression == "" {
			continue
		}
		source, err := restSource(expression)
		if err != nil {
			return nil, err
		}
		if source.From == snapshot.FromPath || source.From == snapshot.FromLiteral || strings.HasPrefix(expression, "context.authorizer.") {
			return nil, badRequest("Invalid identity source %q: give method.request.header.<name>, method.request.querystring.<name>, stageVariables.<name> or context.<name>", expression)
		}
		all = append(all, source)
	}
	if len(all) > maxSources {
		return nil, badRequest("Too many identity sources: at most %d", maxSources)
	}
	return all, nil
}
