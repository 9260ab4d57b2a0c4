package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"countersign/edge"
	"countersign/policy"
)

// longestPolicyARN is what API Gateway takes as a resource in the policy of an authorizer.
const longestPolicyARN = 512

// authorizerPolicy is a policy as a Lambda authorizer answers it, without
// principals because it is about the one caller, or the resource policy of an API.
type authorizerPolicy struct{ document *policy.Document }

func parseAuthorizerPolicy(document []byte) (edge.Policy, error) {
	d, err := policy.Parse(document, policy.Identity)
	if err != nil {
		return nil, err
	}
	for _, s := range d.Statements {
		for _, resources := range [][]string{s.Resources, s.NotResources} {
			for _, r := range resources {
				if len(r) > longestPolicyARN {
					return nil, fmt.Errorf("a resource has %d characters; the limit is %d", len(r), longestPolicyARN)
				}
			}
		}
	}
	return authorizerPolicy{d}, nil
}

// parseResourcePolicy reads the resource policy of a REST API, which is asked about callers without a name.
func parseResourcePolicy(document []byte) (edge.Policy, error) {
	d, err := policy.Parse(document, policy.Resource)
	if err != nil {
		return nil, err
	}
	return authorizerPolicy{d}, nil
}

func (p authorizerPolicy) Evaluate(action, resource string, keys map[string][]string) edge.Effect {
	switch p.document.Evaluate(policy.Request{Action: action, Resource: resource, Keys: keys}).Decision {
	case policy.Allow:
		return edge.Allow
	case policy.Deny:
		return edge.Deny
	}
	return edge.Silent
}

// issuers fetches the public documents of token issuers.
type issuers struct{ client *http.Client }

// newIssuers trusts the system's roots, or the ones given. Nothing is fetched
// but over TLS, through redirections neither.
func newIssuers(roots *x509.CertPool) issuers {
	return issuers{&http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			MaxIdleConnsPerHost: -1, // they are asked every two hours
			ForceAttemptHTTP2:   true,
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if r.URL.Scheme != "https" || len(via) > 3 {
				return errors.New("redirected too often, or away from https")
			}
			return nil
		},
	}}
}

func (i issuers) Fetch(ctx context.Context, address string, limit int64) ([]byte, error) {
	if u, err := url.Parse(address); err != nil || u.Scheme != "https" {
		return nil, fmt.Errorf("%q is not an https URL", address)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	response, err := i.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", address, response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	if err == nil && int64(len(body)) > limit {
		err = fmt.Errorf("%s answers with more than %d bytes", address, limit)
	}
	return body, err
}
