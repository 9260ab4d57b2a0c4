package sam

// convertFunction expands AWS::Serverless::Function: the function, its role, the
// version and alias that are published, and what its events need.
func (t *transform) convertFunction(s *source) error {
	var err error
	if s.props["Policies"], err = expandPolicyTemplates(s.id, s.props["Policies"]); err != nil {
		return err
	}
	if err = check(s.id, functionType, functionProperties, s.props); err != nil {
		return err
	}
	events, err := t.readEvents(s)
	if err != nil {
		return ofResource(s.id, err)
	}
	if err := t.noteFunctionName(s, events); err != nil {
		return err
	}
	props, err := t.functionProps(s)
	if err != nil {
		return err
	}
	function := s.replace("AWS::Lambda::Function", props)
	target := functionTarget{
		id:         s.id,
		uri:        s.id + ".Arn",
		arn:        getAtt(s.id, "Arn"),
		permission: ref(s.id),
		condition:  s.attributes["Condition"],
	}
	if truthy(s.props["ProvisionedConcurrencyConfig"]) && !truthy(s.props["AutoPublishAlias"]) {
		return badResource(s.id, "To set ProvisionedConcurrencyConfig AutoPublishALias must be defined on the function")
	}
	if truthy(s.props["AutoPublishAlias"]) {
		alias, err := t.publish(s, asMap(function["Properties"]))
		if err != nil {
			return err
		}
		target = functionTarget{
			id:         alias,
			uri:        alias,
			arn:        ref(alias),
			permission: ref(alias),
			condition:  s.passed["Condition"],
		}
	}
	if err := t.addRole(s, asMap(function["Properties"])); err != nil {
		return err
	}
	for _, event := range events {
		if err := event.add(t, s, target); err != nil {
			return ofResource(s.id, err)
		}
	}
	if truthy(s.props["PropagateTags"]) {
		s.propagateTags(asMap(s.props["Tags"]))
	}
	for _, m := range s.made {
		switch typeOf(m.resource) {
		case "AWS::Lambda::Version":
			t.refs.add(s.id, "Version", m.id)
		case "AWS::Lambda::Alias":
			t.refs.add(s.id, "Alias", m.id)
		}
	}
	t.place(s)
	return nil
}

// functionProps gives the properties of the AWS::Lambda::Function.
func (t *transform) functionProps(s *source) (object, error) {
	p := s.props
	if p["VersionDeletionPolicy"] != nil && p["AutoPublishAlias"] == nil {
		return nil, badResource(s.id, "'VersionDeletionPolicy' requires 'AutoPublishAlias'.")
	}
	if err := checkDeadLetterQueue(s.id, asMap(p["DeadLetterQueue"])); err != nil {
		return nil, err
	}
	if err := checkTenancy(s); err != nil {
		return nil, err
	}
	code, err := functionCode(s.id, p)
	if err != nil {
		return nil, err
	}
	tags, err := createdTags(s.id, asMap(p["Tags"]))
	if err != nil {
		return nil, err
	}
	props := object{"Code": code, "Tags": tags}
	for _, name := range []string{
		"Handler", "Runtime", "Description", "MemorySize", "Timeout", "VpcConfig", "Role", "Environment",
		"KmsKeyArn", "ReservedConcurrentExecutions", "Layers", "FileSystemConfigs", "ImageConfig", "PackageType",
		"Architectures", "SnapStart", "EphemeralStorage", "CodeSigningConfigArn", "RuntimeManagementConfig",
		"LoggingConfig", "TenancyConfig", "RecursiveLoop", "DurableConfig", "PublishToLatestPublished",
	} {
		props[name] = p[name]
	}
	if truthy(p["FunctionName"]) {
		props["FunctionName"] = p["FunctionName"]
	}
	if traced, err := t.traced(p); err != nil {
		return nil, err
	} else if traced {
		mode, err := t.params.keepRef(p["Tracing"])
		if err != nil {
			return nil, err
		}
		props["TracingConfig"] = object{"Mode": mode}
	}
	if queue := asMap(p["DeadLetterQueue"]); len(queue) > 0 {
		props["DeadLetterConfig"] = object{"TargetArn": queue["TargetArn"]}
	}
	return props, checkPackage(s.id, props)
}

// traced reports whether a function asks for X-Ray.
func (t *transform) traced(p object) (bool, error) {
	mode, err := t.params.resolve(p["Tracing"])
	return truthy(p["Tracing"]) && mode != any("Disabled"), err
}

// createdTags gives the tags of a resource as a list, led by the one that says who made it.
func createdTags(id string, tags object) ([]any, error) {
	for _, reserved := range []string{"lambda:createdBy", "serverlessrepo:applicationId", "serverlessrepo:semanticVersion"} {
		if _, ok := tags[reserved]; ok {
			return nil, badResource(id, "%s is a reserved Tag key name and cannot be set on your resource. Please change the tag key in the input.", reserved)
		}
	}
	return append([]any{object{"Key": "lambda:createdBy", "Value": "SAM"}}, tagList(tags)...), nil
}

var deadLetterActions = map[string]string{"SQS": "sqs:SendMessage", "SNS": "sns:Publish"}

func checkDeadLetterQueue(id string, queue object) error {
	if len(queue) == 0 {
		return nil
	}
	if !truthy(queue["Type"]) || !truthy(queue["TargetArn"]) {
		return badResource(id, "'DeadLetterQueue' requires Type and TargetArn properties to be specified.")
	}
	kind, err := of(id).text("DeadLetterQueue.Type", queue["Type"])
	if err != nil {
		return err
	}
	if deadLetterActions[kind] == "" {
		return badResource(id, "'DeadLetterQueue' requires Type of %s", quoted([]string{"SQS", "SNS"}))
	}
	return nil
}

// checkTenancy refuses what Lambda does not do for functions isolated by tenant.
func checkTenancy(s *source) error {
	if !truthy(s.props["TenancyConfig"]) {
		return nil
	}
	if truthy(s.props["ProvisionedConcurrencyConfig"]) {
		return badResource(s.id, "Provisioned concurrency is not supported for functions enabled with tenancy configuration.")
	}
	if truthy(s.props["SnapStart"]) {
		return badResource(s.id, "SnapStart is not supported for functions enabled with tenancy configuration.")
	}
	events := asMap(s.props["Events"])
	for _, name := range sorted(events) {
		if kind := asMap(events[name])["Type"]; kind != "Api" && kind != "HttpApi" {
			return badResource(s.id, "Event source '%s' is not supported for functions enabled with tenancy configuration. Only Api and HttpApi event sources are supported.", show(kind))
		}
	}
	return nil
}

// functionCode gives the Code property from InlineCode, CodeUri or ImageUri.
func functionCode(id string, p object) (object, error) {
	var code object
	var err error
	switch kind := p["PackageType"]; {
	case kind == "Image":
		if p["ImageUri"] == nil {
			return nil, badResource(id, "'ImageUri' must be set.")
		}
		if !truthy(p["ImageUri"]) {
			return nil, badResource(id, "'ImageUri' requires that a image hosted at a registry be specified.")
		}
		return object{"ImageUri": p["ImageUri"]}, nil
	case truthy(kind) && kind != "Zip":
		return nil, badResource(id, "invalid 'PackageType' : %s", show(kind))
	case p["InlineCode"] != nil:
		code = object{"ZipFile": p["InlineCode"]}
	case p["CodeUri"] != nil:
		code, err = codeLocation(id, p["CodeUri"])
	default:
		return nil, badResource(id, "Only one of 'InlineCode' or 'CodeUri' can be set.")
	}
	if err != nil {
		return nil, err
	}
	if truthy(p["SourceKMSKeyArn"]) {
		code["SourceKMSKeyArn"] = p["SourceKMSKeyArn"]
	}
	return code, nil
}

// checkPackage holds a function to what its kind of package needs.
func checkPackage(id string, props object) error {
	code := asMap(props["Code"])
	if props["PackageType"] == "Image" {
		if truthy(props["Handler"]) || truthy(props["Runtime"]) || truthy(props["Layers"]) {
			return badResource(id, "Runtime, Handler, Layers cannot be present when PackageType is of type `Image`")
		}
		return nil
	}
	if !truthy(props["Runtime"]) || !truthy(props["Handler"]) {
		return badResource(id, "Runtime and Handler needs to be present when PackageType is of type `Zip`")
	}
	if truthy(code["ImageUri"]) || truthy(props["ImageConfig"]) {
		return badResource(id, "ImageUri or ImageConfig cannot be present when PackageType is of type `Zip`")
	}
	return nil
}
