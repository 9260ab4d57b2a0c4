package edge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// authorizeToken lets in who has a token of the issuer (api-gateway.md §13).
func (x *exchange) authorizeToken(g *guard) *answer {
	values := x.sourceValues(g.Sources[0], g.headers[0])
	if len(values) == 0 || len(values) == 1 && values[0] == "" {
		refused := answerUnauthorized
		refused.challenge = "Bearer"
		return &refused
	}
	if len(values) > 1 { // a backend may look at another one than we do
		return x.refuseToken(errors.New("more than one token"))
	}
	token := values[0]
	if scheme, rest, ok := strings.Cut(token, " "); ok && strings.EqualFold(scheme, "Bearer") {
		token = strings.TrimLeft(rest, " ")
	}
	claims, err := g.verify(x.r.Context(), token, x.now)
	if err != nil {
		return x.refuseToken(err)
	}
	granted := &grant{jwt: &jwtV2{Claims: make(map[string]string, len(claims))}}
	if len(x.route.Scopes) > 0 {
		has := scopesOf(claims)
		for _, scope := range x.route.Scopes {
			if slices.Contains(has, scope) {
				granted.jwt.Scopes = append(granted.jwt.Scopes, scope)
			}
		}
		if granted.jwt.Scopes == nil {
			refused := answerDenied
			refused.challenge = x.challenge("insufficient_scope", "the token has none of the scopes of the route")
			return &refused
		}
	}
	for name, value := range claims {
		if value != nil {
			granted.jwt.Claims[name] = fmt.Sprint(value) // lists as "[a b]", as on AWS
		}
	}
	x.granted = granted
	return nil
}

// A tokenError is what is wrong with a token, in words that the client is told.
type tokenError string

func (e tokenError) Error() string { return string(e) }

// refuseToken answers 401. What is not about the token itself, the client is
// not told in detail.
func (x *exchange) refuseToken(err error) *answer {
	var known tokenError
	if !errors.As(err, &known) {
		known = "the token cannot be verified"
	}
	x.edge.log.Info("token refused", "request", x.id, "api", x.api.ID, "route", x.route.Key, "error", err)
	refused := answerUnauthorized
	refused.challenge = x.challenge("invalid_token", string(known))
	return &refused
}

// challenge is a value of WWW-Authenticate (RFC 6750, section 3).
func (x *exchange) challenge(code, description string) string {
	return `Bearer scope="` + strings.Join(x.route.Scopes, " ") + `" error="` + code + `" error_description="` + description + `"`
}

// algorithms are those of API Gateway. A token of any other, "none" among them,
// does not parse.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512}

// verify checks a token's signature, issuer, audience and times, and gives its claims.
func (g *guard) verify(ctx context.Context, token string, now time.Time) (map[string]any, error) {
	signed, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", tokenError("the token is malformed or signed with an algorithm other than RS256, RS384 and RS512"), err)
	}
	header := signed.Signatures[0].Protected
	if header.KeyID == "" {
		return nil, tokenError("the token does not name its key")
	}
	keys, err := g.issuer.keysFor(ctx, header.KeyID, now)
	if err != nil {
		return nil, err
	}
	var payload []byte
	err = tokenError("the token's key is not one of the issuer's")
	for _, key := range keys {
		if key.Algorithm != "" && key.Algorithm != header.Algorithm {
			continue
		}
		if payload, err = signed.Verify(key.Key); err == nil {
			break
		}
		err = fmt.Errorf("%w: %w", tokenError("the token's signature is invalid"), err)
	}
	if err != nil {
		return nil, err
	}
	var claims map[string]any
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.UseNumber() // as text numbers stay what they are
	if err := decoder.Decode(&claims); err != nil || claims == nil || decoder.More() {
		return nil, tokenError("the token's claims are not a JSON object")
	}
	return claims, g.checkClaims(claims, now)
}

func (g *guard) checkClaims(claims map[string]any, now time.Time) error {
	if iss, _ := claims["iss"].(string); iss != g.Issuer {
		return tokenError("the token does not have a valid issuer")
	}
	// client_id counts only where there is no aud (OAuth 2.0 access tokens of Amazon Cognito).
	audience, present := claims["aud"]
	if !present {
		audience = claims["client_id"]
		if _, text := audience.(string); !text {
			return tokenError("the token does not have a valid audience")
		}
	}
	if !slices.ContainsFunc(texts(audience), func(a string) bool { return slices.Contains(g.Audience, a) }) {
		return tokenError("the token does not have a valid audience")
	}
	seconds := float64(now.UnixMilli()) / 1000
	if exp, err := numericDate(claims, "exp"); err != nil || exp == nil || seconds >= *exp {
		return tokenError("the token has expired")
	}
	for _, name := range []string{"nbf", "iat"} {
		if at, err := numericDate(claims, name); err != nil || at != nil && seconds < *at {
			return tokenError("the token is not valid yet")
		}
	}
	return nil
}

// numericDate reads seconds since 1970 (RFC 7519, section 2); nil: the claim is missing.
func numericDate(claims map[string]any, name string) (*float64, error) {
	value, ok := claims[name]
	if !ok {
		return nil, nil
	}
	number, ok := value.(json.Number)
	if !ok {
		return nil, fmt.Errorf("%s is not a number", name)
	}
	f, err := number.Float64()
	return &f, err
}

// scopesOf reads the scopes of a token: text parted by spaces, or a list.
func scopesOf(claims map[string]any) []string {
	value, ok := claims["scope"]
	if !ok {
		value = claims["scp"]
	}
	if text, ok := value.(string); ok {
		return strings.Fields(text)
	}
	return texts(value)
}

// texts are a text itself, or the texts of a list.
func texts(value any) []string {
	switch v := value.(type) {
	case string:
		return []string{v}
	case []any:
		var all []string
		for _, member := range v {
			if text, ok := member.(string); ok {
				all = append(all, text)
			}
		}
		return all
	}
	return nil
}
