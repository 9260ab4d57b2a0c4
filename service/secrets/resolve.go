package secrets

import (
	"context"
	"encoding/json"
	"strings"

	"countersign/service/stacks/resource"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// Resolve gives the value of a dynamic reference of a template,
// {{resolve:service:reference}}. Services are
//
//	ssm             NAME[:VERSION] of a String or StringList
//	ssm-secure      NAME[:VERSION] of a SecureString
//	secretsmanager  ID[:SecretString[:JSON-KEY[:VERSION-STAGE[:VERSION-ID]]]], ID a name or an ARN
//
// It goes through the operations, as ctx's gate lets the caller: see resource.Do. Its errors are
// theirs, or say what is wrong with the reference, and never hold a value.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html
func (s *Service) Resolve(ctx context.Context, service, reference string) (string, error) {
	switch service {
	case "ssm", "ssm-secure":
		return s.resolveParameter(ctx, service, reference)
	case "secretsmanager":
		return s.resolveSecret(ctx, reference)
	}
	return "", validation("Dynamic references to %q are not built in this version of Countersign; ssm, ssm-secure and secretsmanager are.", service)
}

func (s *Service) resolveParameter(ctx context.Context, service, reference string) (string, error) {
	name, version, given := strings.Cut(reference, ":")
	if given && strings.Trim(version, "0123456789") != "" || given && version == "" {
		return "", validation("The dynamic reference {{resolve:%s:%s}} must be {{resolve:%s:parameter-name}} or {{resolve:%s:parameter-name:version}}, the version a number.", service, reference, service, service)
	}
	secure := service == "ssm-secure"
	out, err := resource.Do(ctx, s.GetParameter, &ssm.GetParameterInput{Name: &reference, WithDecryption: &secure})
	if err != nil {
		return "", err
	}
	if is := out.Parameter.Type == ssmtypes.ParameterTypeSecureString; is != secure {
		other := map[bool]string{true: "ssm-secure", false: "ssm"}[is]
		return "", validation("The parameter %s is a %s: refer to it as {{resolve:%s:%s}}.", name, out.Parameter.Type, other, reference)
	}
	return aws.ToString(out.Parameter.Value), nil
}

// A secretReference is a reference to a secret, taken apart. Empty parts were not given.
type secretReference struct{ id, key, stage, version string }

// parseSecretReference takes apart what stands behind "secretsmanager:". The colons of an
// ARN belong to it.
func parseSecretReference(text string) (r secretReference, err error) {
	wrong := func(why string) (secretReference, error) {
		return secretReference{}, validation("The dynamic reference {{resolve:secretsmanager:%s}} %s. It must be {{resolve:secretsmanager:secret-id:SecretString:json-key:version-stage:version-id}}; all but secret-id may be left out.", text, why)
	}
	parts := strings.Split(text, ":")
	if parts[0] == "arn" {
		if len(parts) < 7 {
			return wrong("names a secret by an incomplete ARN")
		}
		parts = append([]string{strings.Join(parts[:7], ":")}, parts[7:]...)
	}
	if parts[0] == "" {
		return wrong("names no secret")
	}
	if len(parts) > 5 {
		return wrong("has too many parts")
	}
	part := func(i int) string {
		if i < len(parts) {
			return parts[i]
		}
		return ""
	}
	if p := part(1); p != "" && p != "SecretString" {
		return wrong("asks for " + p + ", and only SecretString can be had")
	}
	r = secretReference{parts[0], part(2), part(3), part(4)}
	if r.stage != "" && r.version != "" {
		return wrong("has both a version stage and a version id")
	}
	return r, nil
}

func (s *Service) resolveSecret(ctx context.Context, reference string) (string, error) {
	r, err := parseSecretReference(reference)
	if err != nil {
		return "", err
	}
	out, err := resource.Do(ctx, s.GetSecretValue, &secretsmanager.GetSecretValueInput{SecretId: &r.id, VersionStage: optional(r.stage), VersionId: optional(r.version)})
	if err != nil {
		return "", err
	}
	if out.SecretString == nil {
		return "", validation("The secret %s holds binary data, and a dynamic reference needs text.", r.id)
	}
	if r.key == "" {
		return *out.SecretString, nil
	}
	return jsonValue(r, *out.SecretString)
}

// jsonValue is the value of a key of a secret that is a JSON object: a text, or a number or
// boolean as it is written.
func jsonValue(r secretReference, text string) (string, error) {
	var object map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &object) != nil { // the error would repeat some of the secret
		return "", validation("Could not parse SecretString JSON of the secret %s.", r.id)
	}
	raw, ok := object[r.key]
	if !ok {
		return "", validation("Could not find a value associated with JSONKey %q in SecretString of the secret %s.", r.key, r.id)
	}
	var value string
	if json.Unmarshal(raw, &value) == nil && raw[0] == '"' {
		return value, nil
	}
	if strings.ContainsRune("{[n", rune(raw[0])) {
		return "", validation("The value associated with JSONKey %q in SecretString of the secret %s is no text, number or boolean.", r.key, r.id)
	}
	return string(raw), nil
}
