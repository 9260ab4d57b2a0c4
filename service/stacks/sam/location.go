package sam

import (
	"net/url"
	"regexp"
	"strings"
)

// dynamicReference is one whose value would hold a slash where an S3 URI has its own.
var dynamicReference = regexp.MustCompile(`{{resolve:(ssm|ssm-secure|secretsmanager):[a-zA-Z0-9_.\-/]+(:\d+)?}}`)

// codeLocation reads a CodeUri: a mapping of Bucket, Key and Version, or an s3:// URI.
func codeLocation(id string, given any) (object, error) {
	location, ok := given.(object)
	switch uri, isText := given.(string); {
	case ok:
		if !truthy(location["Bucket"]) || !truthy(location["Key"]) {
			return nil, badResource(id, "'CodeUri' requires Bucket and Key properties to be specified.")
		}
	case isText:
		if strings.Contains(dynamicReference.FindString(uri), "/") {
			return nil, badResource(id, "Unsupported dynamic reference detected in 'CodeUri'. Please consider using alternative 'FunctionCode' object format.")
		}
		if location = parseS3URI(uri); location == nil {
			return nil, badResource(id, "'CodeUri' is not a valid S3 Uri of the form 's3://bucket/key' with optional versionId query parameter.")
		}
	default:
		return nil, badResource(id, "'CodeUri' must be of type dict or string.")
	}
	code := object{"S3Bucket": location["Bucket"], "S3Key": location["Key"]}
	if version, ok := location["Version"]; ok {
		code["S3ObjectVersion"] = version
	}
	return code, nil
}

// bodyLocation reads a DefinitionUri, which has the forms of a CodeUri.
func bodyLocation(id string, given any) (object, error) {
	location, ok := given.(object)
	if ok {
		if !truthy(location["Bucket"]) || !truthy(location["Key"]) {
			return nil, badResource(id, "'DefinitionUri' requires Bucket and Key properties to be specified.")
		}
	} else {
		uri, _ := given.(string)
		if location = parseS3URI(uri); location == nil {
			return nil, badResource(id, "'DefinitionUri' is not a valid S3 Uri of the form 's3://bucket/key' with optional versionId query parameter.")
		}
	}
	body := object{"Bucket": location["Bucket"], "Key": location["Key"]}
	if version, ok := location["Version"]; ok {
		body["Version"] = version
	}
	return body, nil
}

// parseS3URI takes s3://bucket/key?versionId=version apart; nil when it is none.
func parseS3URI(uri string) object {
	if len(uri) < 5 || !strings.EqualFold(uri[:5], "s3://") {
		return nil
	}
	rest, _, _ := strings.Cut(uri[5:], "#")
	rest, query, _ := strings.Cut(rest, "?")
	bucket, key, ok := strings.Cut(rest, "/")
	if bucket == "" || !ok {
		return nil
	}
	location := object{"Bucket": bucket, "Key": strings.TrimLeft(key, "/")}
	values, _ := url.ParseQuery(query)
	if versions := values["versionId"]; len(versions) == 1 && versions[0] != "" {
		location["Version"] = versions[0]
	}
	return location
}
