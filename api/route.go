package api

import (
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"countersign/wire/shape"
	"countersign/wire/sigv4"
)

// Limits of a body that is read whole. Lambda's holds a zip of 50 MB in base64.
const (
	maxBody       = 8 << 20
	maxLambdaBody = 70 << 20
)

func (v *service) bodyLimit() int64 {
	if v.model.ID == "lambda" {
		return maxLambdaBody
	}
	return maxBody
}

// route finds the service that a request is for. The signed scope decides
// alone when there is one: an operation of a service can only be called with a
// signature for that service. Without one the answer is a refusal, and what is
// left to choose is its form. Nil: none of ours.
func (s *Server) route(r *http.Request, claim *sigv4.Claim) *service {
	if claim == nil {
		return s.guess(r)
	}
	for _, v := range s.services {
		if v.model.SigningName == claim.Service && (claim.Service != "apigateway" || isV2(r) == (v.model.ID == "apigatewayv2")) {
			return v
		}
	}
	return nil
}

// isV2 tells HTTP and WebSocket APIs (apigatewayv2) from REST APIs
// (apigateway), which share a signing name.
func isV2(r *http.Request) bool {
	p := escapedPath(r)
	return p == "/v2" || strings.HasPrefix(p, "/v2/")
}

// guess goes by what a request without a readable signature shows of itself:
// X-Amz-Target, an Action, the path, the Host, and S3 for all that is left.
func (s *Server) guess(r *http.Request) *service {
	find := func(is func(*service) bool) *service {
		if i := slices.IndexFunc(s.services, is); i >= 0 {
			return s.services[i]
		}
		return nil
	}
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		prefix, _, _ := cutLast(target, ".")
		return find(func(v *service) bool { return v.family == familyJSON && v.model.TargetPrefix == prefix })
	}
	if r.URL.Query().Get("Action") != "" || isForm(r) {
		version := r.URL.Query().Get("Version")
		return find(func(v *service) bool {
			return v.family == familyQuery && (version == "" || version == v.model.APIVersion)
		})
	}
	if awsHost.MatchString(hostname(r.Host)) {
		return find(func(v *service) bool { return v.family == familyS3 }) // whatever its objects are called
	}
	path := escapedPath(r)
	if v := find(func(v *service) bool { return v.routes != nil && v.routes.match(r.Method, path, nil) != nil }); v != nil {
		return v
	}
	label, _, _ := strings.Cut(hostname(r.Host), ".")
	if v := find(func(v *service) bool { return v.model.EndpointPrefix == label }); v != nil {
		return v
	}
	return find(func(v *service) bool { return v.family == familyS3 })
}

// fallback lends its error form to a request for a service that is not there.
func (s *Server) fallback(r *http.Request) *service {
	want := []family{familyREST, familyJSON}
	switch {
	case r.Header.Get("X-Amz-Target") != "":
		want = []family{familyJSON}
	case isForm(r) || r.URL.Query().Get("Action") != "":
		want = []family{familyQuery}
	}
	for _, f := range want {
		for _, v := range s.services {
			if v.family == f {
				return v
			}
		}
	}
	return s.services[0]
}

func isForm(r *http.Request) bool {
	t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && r.Method == http.MethodPost && t == "application/x-www-form-urlencoded"
}

// hostname is a Host header without its port, in lower case, without a dot at
// the end.
func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.TrimSuffix(strings.ToLower(host), ".")
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// operation finds the operation of every service but S3.
func (v *service) operation(r *http.Request, body []byte) (*shape.Operation, error) {
	switch v.family {
	case familyJSON:
		target := r.Header.Get("X-Amz-Target")
		prefix, name, _ := cutLast(target, ".")
		if op, ok := v.model.Operations[name]; ok && prefix == v.model.TargetPrefix {
			return op, nil
		}
		return nil, v.family.unknownOperation(fmt.Sprintf("%s has no operation %s", v.model.ID, quote(target)))
	case familyQuery:
		form := r.URL.Query()
		if isForm(r) {
			var err error
			if form, err = url.ParseQuery(string(body)); err != nil {
				return nil, apiError{"MalformedQueryString", "The query string contains a syntax error.", http.StatusNotFound, nil}
			}
		}
		action, version := form.Get("Action"), form.Get("Version")
		if action == "" {
			return nil, apiError{"MissingAction", "The request must contain the parameter Action.", http.StatusBadRequest, nil}
		}
		if version == "" {
			version = "NO_VERSION_SPECIFIED"
		}
		if op, ok := v.model.Operations[action]; ok && version == v.model.APIVersion {
			return op, nil
		}
		return nil, v.family.unknownOperation(fmt.Sprintf("Could not find operation %s for version %s", clip(action), clip(version)))
	}
	if op := v.routes.match(r.Method, escapedPath(r), r.URL.Query()); op != nil {
		return op, nil
	}
	return nil, v.family.unknownOperation(fmt.Sprintf("%s has no operation %s %s", v.model.ID, clip(r.Method), clip(escapedPath(r))))
}

func quote(s string) string { return fmt.Sprintf("%q", clip(s)) }

// clip shortens what a caller sent before it is repeated to them.
func clip(s string) string {
	if len(s) > 200 {
		s = s[:200] + "…"
	}
	return strings.ToValidUTF8(s, "?")
}

// readOnly reports whether an operation changes nothing that a data plane
// shows. Models say so for few operations; for the others AWS's own naming does.
func readOnly(op *shape.Operation) bool {
	if op.ReadOnly || op.Method == http.MethodGet || op.Method == http.MethodHead {
		return true
	}
	if op.Model.ID == "lambda" && strings.HasPrefix(op.Name, "Invoke") {
		return true // it changes what the function changes, through calls of its own
	}
	if op.Model.ID == "sts" {
		return true // credentials are kept nowhere
	}
	for _, prefix := range []string{"Describe", "List", "Get", "Export"} {
		if strings.HasPrefix(op.Name, prefix) {
			return true
		}
	}
	return false
}
