package main

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"countersign/pki"
)

// A request is what of an authorizer's event counts here.
type request struct {
	format2     bool   // payload format 2.0
	arn         string // of the method or route that is called
	certificate string // PEM; empty: none was presented
}

// parseRequest reads an event of payload format 1.0 or 2.0, or of a REST API,
// whose events are of format 1.0 without saying so.
func parseRequest(data []byte) (request, error) {
	type clientCert struct{ ClientCertPem string }
	var e struct {
		Version        string
		Type           string
		MethodArn      string
		RouteArn       string
		RequestContext struct {
			Identity       struct{ ClientCert clientCert }
			Authentication struct{ ClientCert clientCert }
		}
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return request{}, fmt.Errorf("this is no event of an authorizer: %w", err)
	}
	if e.Type != "REQUEST" {
		return request{}, fmt.Errorf("this is no event of a REQUEST authorizer: its type is %.40q", e.Type)
	}
	switch e.Version {
	case "2.0":
		return request{true, e.RouteArn, e.RequestContext.Authentication.ClientCert.ClientCertPem}, nil
	case "1.0", "":
		return request{false, e.MethodArn, e.RequestContext.Identity.ClientCert.ClientCertPem}, nil
	}
	return request{}, fmt.Errorf("the payload format version %.40q is not known; want 1.0 or 2.0", e.Version)
}

const maxCertificate = 64 << 10

// parseCertificate reads the certificate of an event: one block of PEM.
func parseCertificate(text string) (*x509.Certificate, error) {
	if len(text) > maxCertificate {
		return nil, fmt.Errorf("it has %d bytes; the limit is %d", len(text), maxCertificate)
	}
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != pki.PEMCertificate || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("it is not one block of PEM of type CERTIFICATE")
	}
	return x509.ParseCertificate(block.Bytes)
}

// An answer is a policy.
type answer struct {
	PrincipalID    string            `json:"principalId"`
	PolicyDocument document          `json:"policyDocument"`
	Context        map[string]string `json:"context"`
}

type document struct {
	Version   string
	Statement []statement
}

type statement struct{ Action, Effect, Resource string }

// A simpleAnswer is what format 2.0 allows in its place.
type simpleAnswer struct {
	IsAuthorized bool              `json:"isAuthorized"`
	Context      map[string]string `json:"context"`
}

// answerFor puts a decision in the form that the authorizer is configured for.
func answerFor(r request, d decision, simple bool) (any, error) {
	if simple && r.format2 {
		return simpleAnswer{d.allowed, d.context()}, nil
	}
	resource, err := stageOf(r.arn)
	if err != nil {
		return nil, err
	}
	effect, principal := "Deny", d.serial
	if d.allowed {
		effect = "Allow"
	}
	if principal == "" {
		principal = "unknown"
	}
	return answer{principal, document{"2012-10-17", []statement{{"execute-api:Invoke", effect, resource}}}, d.context()}, nil
}

// stageOf turns the ARN of a route or method,
// arn:aws:execute-api:region:account:api/stage/METHOD/path, into one of all routes
// of the stage. An answer for the one route would, from a cache, refuse the same
// client on the next.
func stageOf(arn string) (string, error) {
	api, rest, _ := strings.Cut(arn, "/")
	stage, _, ok := strings.Cut(rest, "/")
	if !ok || strings.Count(api, ":") != 5 || !strings.HasPrefix(api, "arn:") || strings.HasSuffix(api, ":") || stage == "" || strings.ContainsAny(api+stage, "*? \n") {
		return "", fmt.Errorf("the event's ARN %.200q is not that of a route or method", arn)
	}
	return api + "/" + stage + "/*", nil
}
