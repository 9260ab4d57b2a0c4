package sam

import (
	"regexp"
	"strings"
)

// aliasName is what Lambda allows, names of digits only apart.
var aliasName = regexp.MustCompile(`^[a-zA-Z0-9\-_]+$`)

// publish adds the version and the alias of AutoPublishAlias and gives the
// alias's logical id. The version's id changes with the code, so that CloudFormation
// publishes a new one. The code's references to parameters are
// replaced by values for that, in the function itself as well: AWS does so.
func (t *transform) publish(s *source, function object) (string, error) {
	resolved, err := t.params.resolve(s.props["AutoPublishAlias"])
	if err != nil {
		return "", err
	}
	name, ok := resolved.(string)
	if !ok {
		return "", badResource(s.id, "'AutoPublishAlias' must be a string or a Ref to a template parameter")
	}
	var sha string
	if given := s.props["AutoPublishCodeSha256"]; truthy(given) {
		if sha, err = t.describeWithHash(s, function, given); err != nil {
			return "", err
		}
	}
	version, err := t.addVersion(s, function, sha)
	if err != nil {
		return "", err
	}

	if name == "" {
		return "", badResource(s.id, "Alias name is required to create an alias")
	}
	if !aliasName.MatchString(name) || strings.Trim(name, "0123456789") == "" {
		return "", badResource(s.id, "AutoPublishAlias name ('%s') must contain only alphanumeric characters, hyphens, or underscores matching (?!^[0-9]+$)([a-zA-Z0-9-_]+) pattern.", name)
	}
	id := s.id + "Alias" + strings.NewReplacer("-", "D", "_", "U").Replace(name)
	props := object{"Name": name, "FunctionName": ref(s.id), "FunctionVersion": getAtt(version, "Version")}
	if truthy(s.props["ProvisionedConcurrencyConfig"]) {
		props["ProvisionedConcurrencyConfig"] = s.props["ProvisionedConcurrencyConfig"]
	}
	_, err = s.add(id, "AWS::Lambda::Alias", props)
	return id, err
}

// describeWithHash writes the hash of the code, which the template gives, behind
// the function's description.
func (t *transform) describeWithHash(s *source, function object, given any) (string, error) {
	resolved, err := t.params.resolve(given)
	if err != nil {
		return "", err
	}
	sha, ok := resolved.(string)
	if !ok {
		return "", badResource(s.id, "AutoPublishCodeSha256 must be a string")
	}
	description, err := t.params.resolve(s.props["Description"])
	if err != nil {
		return "", err
	}
	switch text, isText := description.(string); {
	case !truthy(description):
		function["Description"] = sha
	case isText:
		function["Description"] = text + " " + sha
	default:
		function["Description"] = object{"Fn::Join": []any{" ", []any{description, sha}}}
	}
	return sha, nil
}

func (t *transform) addVersion(s *source, function object, sha string) (string, error) {
	code, err := t.params.resolve(function["Code"])
	if err != nil {
		return "", err
	}
	function["Code"] = code

	hash := sha
	if len(hash) > shortHash {
		hash = hash[:shortHash]
	}
	if hash == "" {
		hash = hashOf(versionInput(s, function))
	}
	props := object{"FunctionName": ref(s.id), "Description": s.props["VersionDescription"]}
	id := s.id + "Version" + hash
	version, err := s.add(id, "AWS::Lambda::Version", props)
	if err != nil {
		return "", err
	}
	if _, ok := version["DeletionPolicy"]; !ok {
		version["DeletionPolicy"] = "Retain"
		if policy := s.props["VersionDeletionPolicy"]; policy != nil {
			version["DeletionPolicy"] = policy
		}
	}
	return id, nil
}

// versionInput is what a new version is published for: the code and, of the
// configuration, the environment, memory and snapshots, or all properties.
func versionInput(s *source, function object) object {
	input := object{}
	if all, _ := s.props["AutoPublishAliasAllProperties"].(bool); all {
		for name, value := range function {
			if value != nil {
				input[name] = value
			}
		}
		return input
	}
	for name, value := range asMap(function["Code"]) {
		input[name] = value
	}
	for name, value := range asMap(function["Environment"]) {
		input[name] = value
	}
	if memory := function["MemorySize"]; truthy(memory) {
		input["MemorySize"] = memory
	}
	if snap := asMap(function["SnapStart"]); len(snap) > 0 {
		if on, ok := snap["ApplyOn"]; ok && on != "None" {
			input["SnapStart"] = snap
		}
	}
	return input
}
