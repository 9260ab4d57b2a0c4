package gateway

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"countersign/edge/snapshot"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
)

// Limits of a CORS configuration. Those of the lists are ours: the answer to a
// preflight has to fit into the headers that clients accept.
const (
	maxCORSEntries = 100
	maxCORSEntry   = 256   // bytes
	maxCORSAge     = 86400 // seconds, as on AWS
)

// newCORS checks a CORS configuration. One that says nothing is none.
func newCORS(in *types.Cors) (*cors, error) {
	if in == nil {
		return nil, nil
	}
	c := &cors{
		Origins: in.AllowOrigins, Methods: in.AllowMethods, Headers: in.AllowHeaders, Expose: in.ExposeHeaders,
		Credentials: aws.ToBool(in.AllowCredentials), MaxAge: in.MaxAge,
	}
	for _, list := range []struct {
		name    string
		entries []string
		valid   func(string) bool
		want    string
	}{
		{"allowOrigins", c.Origins, validOrigin, "give *, http://*, https://*, or scheme://host[:port]"},
		{"allowMethods", c.Methods, validCORSMethod, "give *, GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS"},
		{"allowHeaders", c.Headers, validHeaderName, "give * or names of headers"},
		{"exposeHeaders", c.Expose, validHeaderName, "give * or names of headers"},
	} {
		if len(list.entries) > maxCORSEntries {
			return nil, badRequest("Too many %s: at most %d", list.name, maxCORSEntries)
		}
		for _, entry := range list.entries {
			if len(entry) > maxCORSEntry || entry != "*" && !list.valid(entry) {
				return nil, badRequest("Invalid value %q for %s: %s", entry, list.name, list.want)
			}
		}
	}
	// Browsers refuse the combination (Fetch standard, CORS protocol and credentials).
	if c.Credentials && slices.Contains(c.Origins, "*") {
		return nil, badRequest("allow-credentials is not supported for origin *")
	}
	if c.MaxAge != nil && (*c.MaxAge < -1 || *c.MaxAge > maxCORSAge) {
		return nil, badRequest("Invalid value %d for maxAge: give -1 to %d seconds", *c.MaxAge, maxCORSAge)
	}
	if len(c.Origins)+len(c.Methods)+len(c.Headers)+len(c.Expose) == 0 && !c.Credentials && c.MaxAge == nil {
		return nil, nil
	}
	return c, nil
}

// validOrigin takes scheme://host[:port], and a whole scheme as http://* or https://*.
func validOrigin(origin string) bool {
	if origin == "http://*" || origin == "https://*" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Scheme != "" && u.Hostname() != "" && origin == u.Scheme+"://"+u.Host && !strings.ContainsAny(origin, "* ,\"<>")
}

func validCORSMethod(method string) bool { return methods[method] && method != "ANY" }

// validHeaderName is RFC 9110's token; a * has a meaning only by itself.
func validHeaderName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"(),/:;<=>?@[\\]{}*", r)
	})
}

// DeleteCorsConfiguration leaves preflights and their headers to the backends again.
func (s *Service) DeleteCorsConfiguration(ctx context.Context, in *apigatewayv2.DeleteCorsConfigurationInput) (*apigatewayv2.DeleteCorsConfigurationOutput, error) {
	_, err := s.editAPI(ctx, aws.ToString(in.ApiId), true, func(a *api, _ *store.Batch) error {
		a.CORS = nil
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &apigatewayv2.DeleteCorsConfigurationOutput{}, nil
}

func (c *cors) sdk() *types.Cors {
	if c == nil {
		return nil
	}
	return &types.Cors{
		AllowOrigins: c.Origins, AllowMethods: c.Methods, AllowHeaders: c.Headers, ExposeHeaders: c.Expose,
		AllowCredentials: aws.Bool(c.Credentials), MaxAge: c.MaxAge,
	}
}

func (c *cors) compile() *snapshot.CORS {
	if c == nil {
		return nil
	}
	return &snapshot.CORS{Origins: c.Origins, Methods: c.Methods, Headers: c.Headers, Expose: c.Expose, Credentials: c.Credentials, MaxAge: c.MaxAge}
}
