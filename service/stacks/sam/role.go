package sam

// addRole adds the role that a function without one runs as, and gives it to the
// function. A Role of the form Fn::If with AWS::NoValue gets the role for that case.
func (t *transform) addRole(s *source, function object) error {
	props, err := t.roleProps(s)
	if err != nil {
		return err
	}
	id := s.id + "Role"
	if function["Role"] == nil {
		function["Role"] = getAtt(id, "Arn")
		_, err := s.add(id, "AWS::IAM::Role", props)
		return err
	}
	name, _ := intrinsic(function["Role"])
	if name != "Fn::If" {
		return nil
	}
	resolved, err := t.params.resolve(function["Role"])
	if err != nil {
		return err
	}
	condition, then, otherwise, ok := ifBranches(asMap(resolved)["Fn::If"])
	if !ok {
		return badResource(s.id, "Malformed 'Role' property: Fn::If requires 3 arguments.")
	}
	function["Role"] = resolved
	if !isNoValue(then) && !isNoValue(otherwise) {
		return nil
	}
	role, err := s.add(id, "AWS::IAM::Role", props)
	if err != nil {
		return err
	}
	switch arn := getAtt(id, "Arn"); {
	case isNoValue(then) && isNoValue(otherwise):
		function["Role"] = arn
	case isNoValue(then):
		function["Role"] = object{"Fn::If": []any{condition, arn, otherwise}}
		role["Condition"] = condition
	default:
		function["Role"] = object{"Fn::If": []any{condition, then, arn}}
		not := "NOT" + show(condition)
		role["Condition"] = not
		conditions, _ := t.template["Conditions"].(object)
		if conditions == nil {
			conditions = object{}
			t.template["Conditions"] = conditions
		}
		conditions[not] = object{"Fn::Not": []any{object{"Condition": condition}}}
	}
	return nil
}

func (t *transform) roleProps(s *source) (object, error) {
	p := s.props
	trust := p["AssumeRolePolicyDocument"]
	if trust == nil {
		trust = object{"Version": "2012-10-17", "Statement": []any{object{
			"Action":    []any{"sts:AssumeRole"},
			"Effect":    "Allow",
			"Principal": object{"Service": []any{"lambda.amazonaws.com"}},
		}}}
	}
	basic := "service-role/AWSLambdaBasicExecutionRole"
	if truthy(p["DurableConfig"]) {
		basic = "service-role/AWSLambdaBasicDurableExecutionRolePolicy"
	}
	managed := []any{t.managedPolicy(basic)}
	traced, err := t.traced(p)
	if err != nil {
		return nil, err
	}
	if traced {
		name := "AWSXrayWriteOnlyAccess"
		if t.in.Partition != "aws" {
			name = "AWSXRayDaemonWriteAccess"
		}
		managed = append(managed, t.managedPolicy(name))
	}
	if truthy(p["VpcConfig"]) {
		managed = append(managed, t.managedPolicy("service-role/AWSLambdaVPCAccessExecutionRole"))
	}
	var inline []any
	if queue := asMap(p["DeadLetterQueue"]); len(queue) > 0 {
		kind, _ := queue["Type"].(string)
		inline = append(inline, object{"PolicyName": "DeadLetterQueuePolicy", "PolicyDocument": object{
			"Version":   "2012-10-17",
			"Statement": []any{object{"Action": deadLetterActions[kind], "Resource": queue["TargetArn"], "Effect": "Allow"}},
		}})
	}
	managed, inline, err = t.addPolicies(s.id, p["Policies"], managed, inline)
	if err != nil {
		return nil, err
	}
	tags, err := createdTags(s.id, asMap(p["Tags"]))
	if err != nil {
		return nil, err
	}
	props := object{
		"AssumeRolePolicyDocument": trust,
		"ManagedPolicyArns":        managed,
		"Path":                     p["RolePath"],
		"PermissionsBoundary":      p["PermissionsBoundary"],
		"Tags":                     tags,
	}
	if len(inline) > 0 {
		props["Policies"] = inline
	}
	return props, nil
}

// managedPolicy gives the ARN of a policy of AWS's from its path and name.
func (t *transform) managedPolicy(path string) string {
	return "arn:" + t.in.Partition + ":iam::aws:policy/" + path
}
