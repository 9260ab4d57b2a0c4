package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// An event is a request of CloudFormation to a custom resource.
type event struct {
	RequestType        string
	RequestID          string `json:"RequestId"`
	ResponseURL        string
	StackID            string `json:"StackId"`
	LogicalResourceID  string `json:"LogicalResourceId"`
	PhysicalResourceID string `json:"PhysicalResourceId"`
	// ResourceProperties is read on its own: whatever is wrong with it, the event
	// says where to answer.
	ResourceProperties json.RawMessage
}

// parseEvent reads what is needed to answer.
func parseEvent(data []byte) (*event, error) {
	var e event
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, fmt.Errorf("this is no request of CloudFormation: %w", err)
	}
	for _, field := range [...]struct{ name, value string }{
		{"ResponseURL", e.ResponseURL}, {"RequestId", e.RequestID}, {"StackId", e.StackID}, {"LogicalResourceId", e.LogicalResourceID},
	} {
		if field.value == "" {
			return nil, fmt.Errorf("this is no request of CloudFormation: it has no %s", field.name)
		}
	}
	return &e, nil
}

// Properties are where the trust store goes and what goes into it.
type properties struct {
	bucket, key string
	certs       []string // PEM texts, as given
}

// parsePlace reads only where the trust store goes.
func parsePlace(data json.RawMessage) (properties, error) {
	var raw struct {
		TrustStoreBucket string
		TrustStoreKey    string
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return properties{}, fmt.Errorf("the properties cannot be read: %w", err)
	}
	p := properties{bucket: raw.TrustStoreBucket, key: raw.TrustStoreKey}
	switch {
	case p.bucket == "":
		return properties{}, errors.New("the property TrustStoreBucket is missing")
	case len(p.bucket) > 63 || strings.ContainsFunc(p.bucket, func(r rune) bool {
		return r != '.' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z')
	}):
		return properties{}, fmt.Errorf("the property TrustStoreBucket, %.80q, is not the name of a bucket", p.bucket)
	case p.key == "":
		return properties{}, errors.New("the property TrustStoreKey is missing")
	case len(p.key) > 1024 || !utf8.ValidString(p.key) || strings.ContainsFunc(p.key, unicode.IsControl):
		return properties{}, errors.New("the property TrustStoreKey is not a key: it is longer than 1024 bytes or has control characters")
	}
	return p, nil
}

// parseProperties reads all of them.
func parseProperties(data json.RawMessage) (properties, error) {
	p, err := parsePlace(data)
	if err != nil {
		return properties{}, err
	}
	var raw struct{ Certs json.RawMessage }
	if err := json.Unmarshal(data, &raw); err != nil {
		return properties{}, fmt.Errorf("the properties cannot be read: %w", err)
	}
	var one string
	if json.Unmarshal(raw.Certs, &one) == nil && one != "" {
		p.certs = []string{one}
	} else if json.Unmarshal(raw.Certs, &p.certs) != nil || len(p.certs) == 0 {
		return properties{}, errors.New("the property Certs is missing or not a list of PEM texts")
	}
	return p, nil
}

func (p properties) uri() string { return "s3://" + p.bucket + "/" + p.key }

// physicalID is the same for the same bucket and key: a repeated Create does
// not make a second resource, and CloudFormation sees a replacement exactly when
// one of the two changes.
func (p properties) physicalID() string {
	// CloudFormation takes 1 KB, and the whole answer must stay below 4 KB.
	if id := p.uri(); len(id) <= 512 {
		return id
	}
	return "s3://" + p.bucket + "/sha256-" + digest(p.key)
}
