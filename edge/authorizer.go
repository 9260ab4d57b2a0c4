package edge

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"countersign/edge/snapshot"
)

// A guard is an authorizer of a stage, prepared for use.
type guard struct {
	*snapshot.Authorizer
	headers []string          // canonical names, for the sources that are headers
	cache   [sha256.Size]byte // what its remembered answers are filed under
	issuer  *issuer           // of a JWTAuthorizer
	pattern *regexp.Regexp    // of a TokenAuthorizer; nil: any token
}

type guardKey struct {
	stage      *snapshot.Stage
	authorizer *snapshot.Authorizer
}

// compileGuard checks an authorizer and prepares it. A type that is not known
// here makes the API unservable: its routes are never left open.
func (e *Edge) compileGuard(v *view, api *snapshot.API, stage *snapshot.Stage, a *snapshot.Authorizer) error {
	key := guardKey{stage, a}
	if v.guards[key] != nil {
		return nil
	}
	g := &guard{Authorizer: a, headers: make([]string, len(a.Sources))}
	for i, source := range a.Sources {
		if source.From == snapshot.FromHeader {
			g.headers[i] = http.CanonicalHeaderKey(source.Name)
		}
	}
	switch a.Type {
	case snapshot.RequestAuthorizer, snapshot.TokenAuthorizer:
		known := a.Payload == "1.0" || a.Payload == "2.0"
		if api.REST {
			known = a.Payload == ""
		}
		if a.Function == "" || !known {
			return fmt.Errorf("no function, or the unknown payload format %q", a.Payload)
		}
		if a.Type == snapshot.TokenAuthorizer && (!api.REST || len(a.Sources) != 1) {
			return errors.New("it does not say where tokens are")
		}
		if a.Pattern != "" {
			var err error
			if g.pattern, err = regexp.Compile(a.Pattern); err != nil {
				return err
			}
		}
		// An answer lasts as long as nothing changes that it may depend on.
		what, err := json.Marshal(a)
		if err != nil {
			return err
		}
		g.cache = sha256.Sum256(fmt.Appendf(nil, "%q %q %d %s", api.ID, stage.Name, stage.AuthorizerEpoch, what))
	case snapshot.JWTAuthorizer:
		if len(a.Sources) != 1 || a.Issuer == "" || len(a.Audience) == 0 {
			return errors.New("it does not say where tokens are, who issues them and for whom")
		}
		g.issuer = e.issuerFor(v, a.Issuer)
	default:
		return fmt.Errorf("no authorizer type %q", a.Type)
	}
	v.guards[key] = g
	return nil
}

// A grant is why a caller was let in, as integrations are told. It is shared
// by requests and never changed.
type grant struct {
	lambda    json.RawMessage // the context of a REQUEST authorizer: an object, or nil
	principal string          // of an answer with a policy
	jwt       *jwtV2          // nil: a function decided
}

type authorizerV2 struct {
	JWT    *jwtV2
	Lambda json.RawMessage
}

type jwtV2 struct {
	Claims map[string]string `json:"claims"`
	Scopes []string          `json:"scopes"`
}

// MarshalJSON writes the one member that there is. A function that gave no
// context is shown as null.
func (a *authorizerV2) MarshalJSON() ([]byte, error) {
	if a.JWT != nil {
		return marshalEvent(map[string]*jwtV2{"jwt": a.JWT})
	}
	return marshalEvent(map[string]json.RawMessage{"lambda": a.Lambda})
}

// v2 is requestContext.authorizer in payload format 2.0; nil-safe.
func (g *grant) v2() *authorizerV2 {
	if g == nil {
		return nil
	}
	return &authorizerV2{JWT: g.jwt, Lambda: g.lambda}
}

// v1 is requestContext.authorizer in payload format 1.0: a token's claims and
// scopes, or a function's context with the principal among it; nil-safe.
func (g *grant) v1() any {
	switch {
	case g == nil:
		return nil
	case g.jwt != nil:
		return g.jwt
	}
	members := map[string]json.RawMessage{}
	if g.lambda != nil && json.Unmarshal(g.lambda, &members) != nil {
		members = map[string]json.RawMessage{} // readContext has made sure that it is an object
	}
	if g.principal != "" {
		members["principalId"], _ = marshalEvent(g.principal) // text always can be written
	}
	return members
}

// authorize lets the caller in, or says how it is refused.
func (x *exchange) authorize() *answer {
	otherwise := Silent
	if x.stage.Policy != nil {
		var refused *answer
		if otherwise, refused = x.resourcePolicy(); refused != nil || x.route.Authorizer == nil {
			return refused
		}
	}
	g := x.view.guards[guardKey{x.stage, x.route.Authorizer}]
	switch {
	case g == nil:
		x.fault("authorizer cannot decide", errors.New("it was not prepared"))
		return &answerInternal
	case g.Type == snapshot.JWTAuthorizer:
		return x.authorizeToken(g)
	}
	return x.authorizeRequest(g, otherwise)
}

// identity reads the identity sources of a request: the values of each joined
// as events have them, and, through h, a digest under which no two different
// identities fall. ok is false when a source is missing or empty.
func (x *exchange) identity(g *guard, h hash.Hash) (values []string, ok bool) {
	var size [8]byte
	number := func(n int) {
		binary.BigEndian.PutUint64(size[:], uint64(n))
		h.Write(size[:])
	}
	for i := range g.Sources {
		all := x.sourceValues(g.Sources[i], g.headers[i])
		joined := strings.Join(all, ",")
		if joined == "" {
			return nil, false
		}
		number(len(all))
		for _, v := range all {
			number(len(v))
			h.Write([]byte(v))
		}
		values = append(values, joined)
	}
	return values, true
}

// sourceValues reads a part of the request; header is the canonical name of one that is a header.
func (x *exchange) sourceValues(source snapshot.Source, header string) []string {
	value := ""
	switch source.From {
	case snapshot.FromHeader:
		if header == "Host" { // net/http keeps it elsewhere
			return []string{x.r.Host}
		}
		return x.r.Header[header]
	case snapshot.FromQuery:
		var all []string
		for _, q := range x.query() {
			if q.name == source.Name {
				all = append(all, q.value)
			}
		}
		return all
	case snapshot.FromStageVariable:
		value = x.stage.Variables[source.Name]
	case snapshot.FromContext:
		value = x.contextVariable(source.Name)
	}
	return []string{value}
}

// contextVariable is the value of $context.<name>; "" for one that has none here.
func (x *exchange) contextVariable(name string) string {
	if field, ok := strings.CutPrefix(name, "identity.clientCert."); ok {
		cert := x.client.described()
		if cert == nil {
			return ""
		}
		switch field {
		case "clientCertPem":
			return cert.PEM
		case "issuerDN":
			return cert.Issuer
		case "serialNumber":
			return cert.Serial
		case "subjectDN":
			return cert.Subject
		case "validity.notAfter":
			return cert.Validity.NotAfter
		case "validity.notBefore":
			return cert.Validity.NotBefore
		}
		return ""
	}
	switch name {
	case "accountId":
		return x.api.Account
	case "apiId":
		return x.api.ID
	case "domainName":
		return x.host
	case "domainPrefix":
		return domainPrefix(x.host)
	case "httpMethod":
		return x.r.Method
	case "identity.sourceIp":
		return x.sourceIP()
	case "identity.userAgent":
		return x.r.Header.Get("User-Agent")
	case "path":
		if x.api.REST {
			return x.contextPath()
		}
		return x.stageURL
	case "protocol":
		return eventProtocol
	case "routeKey":
		return x.route.Key
	case "stage":
		return x.stage.Name
	}
	return x.restVariable(name)
}

// requestARN is what a request is called in policies: the stage, the method
// and the path that was asked for. Letters that the client has percent-encoded
// without need are decoded, so that no spelling slips past a policy that
// route selection takes for the same path. What would part segments, or be a
// wildcard or a variable in a policy that a function makes of the ARN, is encoded.
func (x *exchange) requestARN() string {
	path := x.stageURL
	if x.stage.Name != defaultRoute {
		path = strings.TrimPrefix(path, "/"+x.stage.Name)
	}
	if strings.ContainsAny(path, "%*$") {
		segments := strings.Split(path, "/")
		for i, s := range segments {
			if plain, err := url.PathUnescape(s); err == nil {
				s = plain
			}
			for _, c := range [][2]string{{"/", "%2F"}, {"*", "%2A"}, {"?", "%3F"}, {"${", "%24{"}} {
				s = strings.ReplaceAll(s, c[0], c[1])
			}
			segments[i] = s
		}
		path = strings.Join(segments, "/")
	}
	return x.executeARN() + "/" + x.stage.Name + "/" + x.r.Method + path
}
