package sam

import (
	"cmp"
	"slices"
	"strings"
)

// An event is what makes a function run. The kinds built here are Api, HttpApi and Schedule.
type event interface {
	// add makes what the event needs beside the function, and writes the
	// function into the definition of the API that calls it.
	add(t *transform, s *source, f functionTarget) error
}

// functionTarget is the function, or its alias, that an event calls.
type functionTarget struct {
	id         string // logical id
	uri        string // how Fn::Sub refers to its ARN
	arn        object
	permission object // the FunctionName of permissions
	condition  any    // of the resource; nil when it has none
}

// otherEvents are SAM's event types that are not built here.
var otherEvents = strings.Fields(`AlexaSkill CloudWatchEvent CloudWatchLogs Cognito DocumentDB DynamoDB
	EventBridgeRule IoTRule Kinesis MQ MSK S3 SNS SQS ScheduleV2 SelfManagedKafka`)

// readEvents checks the events of a function and gives them in the order in
// which AWS works through them: by path, or by name where there is none.
func (t *transform) readEvents(s *source) ([]event, error) {
	type ordered struct {
		key   string
		event event
	}
	var all []ordered
	given := asMap(s.props["Events"])
	for _, name := range sorted(given) {
		e, err := t.readEvent(s, name, asMap(given[name]))
		if err != nil {
			return nil, err
		}
		key := name
		if path, ok := asMap(asMap(given[name])["Properties"])["Path"].(string); ok {
			key = path
		}
		all = append(all, ordered{key, e})
	}
	slices.SortStableFunc(all, func(a, b ordered) int { return cmp.Compare(a.key, b.key) })
	events := make([]event, len(all))
	for i, o := range all {
		events[i] = o.event
	}
	return events, nil
}

func (t *transform) readEvent(s *source, name string, given object) (event, error) {
	kind, _ := given["Type"].(string)
	var table []property
	switch {
	case kind == "Api":
		table = apiEventProperties
	case kind == "HttpApi":
		table = httpAPIEventProperties
	case kind == "Schedule":
		table = scheduleEventProperties
	case slices.Contains(otherEvents, kind):
		return nil, badEvent(name, "Event type %s is not supported.", kind)
	default:
		return nil, badEvent(name, "Resource dict has missing or invalid value for key Type. Event Type is: %s.", show(given["Type"]))
	}
	id := s.id + name
	if err := checkLogicalID(id); err != nil {
		return nil, err
	}
	props, ok := given["Properties"].(object)
	if _, isGiven := given["Properties"]; isGiven && !ok {
		return nil, badResource(id, "Properties of a resource must be an object.")
	}
	if err := check(id, kind, table, props); err != nil {
		return nil, err
	}
	switch kind {
	case "Api":
		return t.readAPIEvent(id, name, props)
	case "HttpApi":
		return t.readHTTPAPIEvent(id, name, props)
	}
	return &scheduleEvent{id, name, props}, nil
}

// addPermission lets a service call the function. The suffix tells permissions of
// one event apart.
func (s *source) addPermission(eventID, suffix, principal string, sourceARN any, f functionTarget) error {
	_, err := s.add(withSuffix(eventID+"Permission", suffix, ""), "AWS::Lambda::Permission", object{
		"Action":       "lambda:InvokeFunction",
		"FunctionName": f.permission,
		"Principal":    principal,
		"SourceArn":    sourceARN,
	})
	return err
}

// addAuthorizerPermission lets an API call the function of one of its authorizers.
func (s *source) addAuthorizerPermission(partition, authorizer string, functionARN any) error {
	_, err := s.add(s.id+authorizer+"AuthorizerPermission", "AWS::Lambda::Permission", object{
		"Action":       "lambda:InvokeFunction",
		"FunctionName": functionARN,
		"Principal":    "apigateway.amazonaws.com",
		"SourceArn":    executeARN(partition, "authorizers/*", ref(s.id), nil),
	})
	return err
}

// scheduleEvent runs a function at times.
type scheduleEvent struct {
	id, name string
	props    object
}

func (e *scheduleEvent) add(t *transform, s *source, f functionTarget) error {
	p := e.props
	rule := object{
		"ScheduleExpression": p["Schedule"],
		"Name":               p["Name"],
		"Description":        p["Description"],
	}
	switch {
	case truthy(p["State"]) && p["Enabled"] != nil:
		return badEvent(e.name, "State and Enabled Properties cannot both be specified.")
	case p["Enabled"] != nil && !truthy(p["Enabled"]):
		rule["State"] = "DISABLED"
	case p["Enabled"] != nil:
		rule["State"] = "ENABLED"
	case truthy(p["State"]):
		rule["State"] = p["State"]
	}
	const longest, end = 64, "LambdaTarget" // EventBridge's limit on ids of targets
	target := object{"Arn": f.arn, "Id": e.id[:min(len(e.id), longest-len(end))] + end}
	if p["Input"] != nil {
		target["Input"] = p["Input"]
	}
	if p["RetryPolicy"] != nil {
		target["RetryPolicy"] = p["RetryPolicy"]
	}
	if queue, ok := p["DeadLetterConfig"].(object); ok {
		_, hasARN := queue["Arn"]
		_, hasType := queue["Type"]
		switch {
		case hasARN && hasType:
			return badEvent(e.id, "You can either define 'Arn' or 'Type' property of DeadLetterConfig.")
		case hasType && queue["Type"] != "SQS":
			return badEvent(e.id, "The only valid value for 'Type' property of DeadLetterConfig is 'SQS'.")
		case hasType:
			return badEvent(e.id, "'Type' in DeadLetterConfig is not supported; give the 'Arn' of a queue.")
		case !hasARN:
			return badEvent(e.id, "No 'Arn' or 'Type' property provided for DeadLetterConfig.")
		}
		target["DeadLetterConfig"] = object{"Arn": queue["Arn"]}
	}
	rule["Targets"] = []any{target}
	if _, err := s.add(e.id, "AWS::Events::Rule", rule); err != nil {
		return err
	}
	return s.addPermission(e.id, "", "events.amazonaws.com", getAtt(e.id, "Arn"), f)
}
