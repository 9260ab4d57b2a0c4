package sam

import (
	"crypto/sha1"
	"encoding/hex"
	"strings"
)

// addDeployment adds the deployment, whose logical id tells what is deployed, and
// the stage. Without OpenApiVersion AWS makes a second stage, "Stage".
func (t *transform) addDeployment(s *source, api, domain object) error {
	p := s.props
	deployment := object{"RestApiId": ref(s.id)}
	if !truthy(p["OpenApiVersion"]) {
		deployment["StageName"] = "Stage"
	}
	var definition any = api["Body"]
	if definition == nil {
		definition = api["BodyS3Location"]
	}
	id := s.id + "Deployment"
	if truthy(definition) {
		hash, err := t.hashDeployment(s, definition, domain)
		if err != nil {
			return err
		}
		id += hash[:shortHash]
		deployment["Description"] = "RestApi deployment id: " + hash
	}
	if _, err := s.add(id, "AWS::ApiGateway::Deployment", deployment); err != nil {
		return err
	}
	t.refs.add(s.id, "Deployment", id)

	name, _ := p["StageName"].(string)
	stage := object{
		"RestApiId":           ref(s.id),
		"DeploymentId":        ref(id),
		"StageName":           p["StageName"],
		"CacheClusterEnabled": p["CacheClusterEnabled"],
		"CacheClusterSize":    p["CacheClusterSize"],
		"Variables":           p["Variables"],
		"MethodSettings":      p["MethodSettings"],
		"AccessLogSetting":    p["AccessLogSetting"],
		"CanarySetting":       p["CanarySetting"],
		"TracingEnabled":      p["TracingEnabled"],
	}
	if tags, ok := p["Tags"].(object); ok {
		stage["Tags"] = tagList(tags)
	}
	stageID := withSuffix(s.id, name, "Stage")
	t.refs.add(s.id, "Stage", stageID)
	_, err := s.add(stageID, "AWS::ApiGateway::Stage", stage)
	return err
}

// hashDeployment gives the hash of what is deployed or, with AlwaysDeploy, of this run.
func (t *transform) hashDeployment(s *source, definition any, domain object) (string, error) {
	if truthy(s.props["AlwaysDeploy"]) {
		if t.in.Run == "" {
			return "", badResource(s.id, "AlwaysDeploy needs something that tells this expansion from others, and nothing was given.")
		}
		return deploymentHash(t.in.Run), nil
	}
	if size, _ := measure(definition); size > maxSize {
		return "", badDocument("It expands to more than %d bytes.", maxSize)
	}
	return deploymentHash(definition, s.props["OpenApiVersion"], domain, strings.Join(t.functions[s.id], "")), nil
}

// deploymentHash stands for what a REST deployment is made of, in 40 hexadecimal
// digits: SHA-1 of the canonical JSON of the definition, the OpenAPI version, the
// custom domain and the names of the functions, as far as they are given, joined
// by "||". AWS hashes the same inputs in the form in which Python 2.7 prints
// its dictionaries, so its ids differ from these, but change when these do.
func deploymentHash(definition any, more ...any) string {
	h := sha1.New()
	writeJSON(h, definition)
	for _, v := range more {
		if !truthy(v) {
			continue
		}
		_, _ = h.Write([]byte("||"))
		if text, ok := v.(string); ok {
			_, _ = h.Write([]byte(text))
		} else {
			writeJSON(h, v)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}
