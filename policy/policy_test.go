package policy

import (
	"errors"
	"strings"
	"testing"
)

func parse(t testing.TB, document string, kind Kind) *Document {
	t.Helper()
	d, err := Parse([]byte(document), kind)
	if err != nil {
		t.Fatalf("%s: %v", document, err)
	}
	return d
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	good := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"*"}}`
	parse(t, good, Resource)
	swap := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for document, want := range map[string]Fault{
		``:          FaultJSON,
		`[]`:        FaultJSON,
		good + `x`:  FaultJSON,
		good + good: FaultJSON,
		`{"Version":"2012-10-17","Version":"2012-10-17"}`: FaultJSON,
		strings.Repeat(" ", maxDocument) + good:           FaultSize,
		swap("2012-10-17", "2012-10-18"):                  FaultVersion,
		swap(`"Statement"`, `"statement"`):                FaultElement,
		swap(`"Effect"`, `"Effort"`):                      FaultElement,
		`{"Statement":[]}`:                                FaultStatement,
		`{}`:                                              FaultStatement,
		swap(`"Allow"`, `"allow"`):                        FaultEffect,
		swap(`"Effect":"Allow",`, ``):                     FaultEffect,
		swap(`"Principal":"*",`, ``):                      FaultPrincipal,
		swap(`"Principal":"*"`, `"Principal":"me"`):       FaultPrincipal,
		swap(`"Principal":"*"`, `"Principal":{}`):         FaultPrincipal,
		swap(`"Principal":"*"`, `"Principal":{"AWS":"arn:aws:iam::*:root"}`):             FaultPrincipal,
		swap(`"Principal":"*"`, `"Principal":{"AWS":"me"}`):                              FaultPrincipal,
		swap(`"Principal":"*"`, `"Principal":{"Service":"*"}`):                           FaultPrincipal,
		swap(`"Principal":"*"`, `"Principal":{"User":"me"}`):                             FaultPrincipal,
		swap(`"Principal"`, `"NotPrincipal":"*","Principal"`):                            FaultPrincipal,
		swap(`"s3:GetObject"`, `[]`):                                                     FaultAction,
		swap(`"s3:GetObject"`, `"GetObject"`):                                            FaultAction,
		swap(`"s3:GetObject"`, `[1]`):                                                    FaultAction,
		swap(`"Action"`, `"NotAction":"s3:*","Action"`):                                  FaultAction,
		swap(`,"Resource":"*"`, ``):                                                      FaultResource,
		swap(`"Resource":"*"`, `"Resource":""`):                                          FaultResource,
		swap(`"Resource"`, `"Condition":[],"Resource"`):                                  FaultCondition,
		swap(`"Resource"`, `"Condition":{"StringsEqual":{"a":"b"}},"Resource"`):          FaultCondition,
		swap(`"Resource"`, `"Condition":{"NullIfExists":{"a":"true"}},"Resource"`):       FaultCondition,
		swap(`"Resource"`, `"Condition":{"ForNoValue:StringLike":{"a":"b"}},"Resource"`): FaultCondition,
		swap(`"Resource"`, `"Condition":{"Bool":{"a":"maybe"}},"Resource"`):              FaultCondition,
		swap(`"Resource"`, `"Condition":{"IpAddress":{"a":"10.0.0.0/33"}},"Resource"`):   FaultCondition,
		swap(`"Resource"`, `"Condition":{"NumericEquals":{"a":"ten"}},"Resource"`):       FaultCondition,
		swap(`"Resource"`, `"Condition":{"DateEquals":{"a":"today"}},"Resource"`):        FaultCondition,
		swap(`"Resource"`, `"Condition":{"StringEquals":{"a":null}},"Resource"`):         FaultCondition,
	} {
		_, err := Parse([]byte(document), Resource)
		var refused *ParseError
		if !errors.As(err, &refused) || refused.Fault != want {
			t.Errorf("%.120s: got %v, want a fault of %s", strings.TrimSpace(document), err, want)
		}
	}
	var refused *ParseError
	if _, err := Parse([]byte(good), Identity); !errors.As(err, &refused) || refused.Fault != FaultPrincipal {
		t.Errorf("a principal in a policy of an identity: %v", err)
	}
}

// TestEvaluate asks one statement about one request.
func TestEvaluate(t *testing.T) {
	t.Parallel()
	const alice = "arn:aws:iam::111122223333:user/alice"
	base := Request{
		Principal: Principal{ARN: alice, Account: "111122223333"},
		Action:    "s3:GetObject", Resource: "arn:aws:s3:::bucket/crl/a.crl",
		Keys: map[string][]string{"aws:username": {"alice"}, "aws:sourceip": {"192.0.2.7"}, "aws:securetransport": {"true"}, "s3:max-keys": {"10"},
			"aws:currenttime": {"2026-05-01T12:00:00Z"}, "aws:tagkeys": {"a", "b"}, "aws:sourcearn": {"arn:aws:acm-pca:eu-west-1:111122223333:certificate-authority/x"}, "wild": {"*"}},
	}
	const all = `"Principal":"*","Action":"*","Resource":"*"`
	condition := func(c string) string { return all + `,"Condition":{` + c + `}` }
	for statement, applies := range map[string]bool{
		all: true,
		`"Principal":{"AWS":"111122223333"},"Action":"*","Resource":"*"`:                                  true,
		`"Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"*","Resource":"*"`:                true,
		`"Principal":{"AWS":["444455556666","` + alice + `"]},"Action":"*","Resource":"*"`:                true,
		`"Principal":{"AWS":"arn:aws:iam::111122223333:user/bob"},"Action":"*","Resource":"*"`:            false,
		`"Principal":{"Service":"acm-pca.amazonaws.com"},"Action":"*","Resource":"*"`:                     false,
		`"NotPrincipal":{"AWS":"` + alice + `"},"Action":"*","Resource":"*"`:                              false,
		`"NotPrincipal":{"AWS":"444455556666"},"Action":"*","Resource":"*"`:                               true,
		`"Principal":"*","Action":"S3:get*","Resource":"*"`:                                               true,
		`"Principal":"*","Action":"s3:?etObject","Resource":"*"`:                                          true,
		`"Principal":"*","Action":["s3:PutObject","s3:GetObjectAcl"],"Resource":"*"`:                      false,
		`"Principal":"*","NotAction":"s3:Put*","Resource":"*"`:                                            true,
		`"Principal":"*","NotAction":"s3:*","Resource":"*"`:                                               false,
		`"Principal":"*","Action":"*","Resource":"arn:aws:s3:::bucket/*"`:                                 true,
		`"Principal":"*","Action":"*","Resource":"arn:aws:s3:::bucket"`:                                   false,
		`"Principal":"*","Action":"*","Resource":"arn:aws:s3:::Bucket/*"`:                                 false,
		`"Principal":"*","Action":"*","Resource":"arn:aws:s3:::b*t/c?l/*.crl"`:                            true,
		`"Principal":"*","Action":"*","Resource":"arn:*"`:                                                 true,
		`"Principal":"*","Action":"*","NotResource":"arn:aws:s3:::bucket/*"`:                              false,
		`"Principal":"*","Action":"*","Resource":"arn:aws:s3:::bucket/${aws:nobody}*"`:                    false,
		`"Principal":"*","Action":"*","Resource":"arn:aws:s3:::bucket/${aws:nobody, 'crl'}/*"`:            true,
		`"Principal":"*","Action":"*","NotResource":"arn:aws:s3:::bucket/${aws:nobody}"`:                  false, // never an allowance out of nothing
		`"Principal":"*","Action":"*","Resource":"arn:aws:s3:::bucket/crl/${*}"`:                          false,
		`"Principal":"*","Action":"*","Resource":"arn:aws:s3:::bucket/crl/${wild}"`:                       false, // a value's star is a character
		condition(`"StringEquals":{"aws:UserName":["bob","alice"]}`):                                      true,
		condition(`"StringEquals":{"aws:username":"Alice"}`):                                              false,
		condition(`"StringEquals":{"aws:username":"a*"}`):                                                 false,
		condition(`"StringEqualsIgnoreCase":{"aws:username":"Alice"}`):                                    true,
		condition(`"StringLike":{"aws:username":"a*e"}`):                                                  true,
		condition(`"StringNotLike":{"aws:username":"a*e"}`):                                               false,
		condition(`"StringNotEquals":{"aws:username":["bob","carol"]}`):                                   true,
		condition(`"StringNotEquals":{"aws:username":["bob","alice"]}`):                                   false,
		condition(`"StringEquals":{"aws:nokey":"x"}`):                                                     false,
		condition(`"StringNotEquals":{"aws:nokey":"x"}`):                                                  true,
		condition(`"StringEqualsIfExists":{"aws:nokey":"x"}`):                                             true,
		condition(`"StringEqualsIfExists":{"aws:username":"x"}`):                                          false,
		condition(`"StringNotEquals":{"aws:username":"${aws:nobody}"}`):                                   false,
		condition(`"StringEquals":{"aws:username":"${aws:username}"}`):                                    true,
		condition(`"StringEquals":{"aws:username":"alice"},"Bool":{"aws:SecureTransport":false}`):         false,
		condition(`"Bool":{"aws:SecureTransport":"TRUE"}`):                                                true,
		condition(`"Null":{"aws:nokey":"true"}`):                                                          true,
		condition(`"Null":{"aws:username":true}`):                                                         false,
		condition(`"Null":{"aws:username":"false"}`):                                                      true,
		condition(`"IpAddress":{"aws:SourceIp":["10.0.0.0/8","192.0.2.0/24"]}`):                           true,
		condition(`"IpAddress":{"aws:SourceIp":"192.0.2.7"}`):                                             true,
		condition(`"IpAddress":{"aws:SourceIp":"::/0"}`):                                                  false,
		condition(`"NotIpAddress":{"aws:SourceIp":"192.0.2.0/24"}`):                                       false,
		condition(`"NumericLessThanEquals":{"s3:max-keys":10}`):                                           true,
		condition(`"NumericLessThan":{"s3:max-keys":"10"}`):                                               false,
		condition(`"NumericGreaterThan":{"s3:max-keys":"9.5"}`):                                           true,
		condition(`"NumericNotEquals":{"s3:max-keys":"11"}`):                                              true,
		condition(`"NumericEquals":{"aws:username":"11"}`):                                                false,
		condition(`"DateLessThan":{"aws:CurrentTime":"2026-06-01"}`):                                      true,
		condition(`"DateGreaterThanEquals":{"aws:CurrentTime":"1777636800"}`):                             true,
		condition(`"DateGreaterThan":{"aws:CurrentTime":"2026-05-01T12:00:00Z"}`):                         false,
		condition(`"ArnLike":{"aws:SourceArn":"arn:aws:acm-pca:*:111122223333:certificate-authority/*"}`): true,
		condition(`"ArnEquals":{"aws:SourceArn":"arn:aws:acm-pca:*:certificate-authority/*"}`):            false, // a star does not span colons
		condition(`"ArnNotLike":{"aws:SourceArn":"arn:aws:acm-pca:*:*:*"}`):                               false,
		condition(`"ForAllValues:StringEquals":{"aws:TagKeys":["a","b","c"]}`):                            true,
		condition(`"ForAllValues:StringEquals":{"aws:TagKeys":["a"]}`):                                    false,
		condition(`"ForAllValues:StringEquals":{"aws:nokey":["a"]}`):                                      true,
		condition(`"ForAnyValue:StringEquals":{"aws:TagKeys":["b","x"]}`):                                 true,
		condition(`"ForAnyValue:StringEquals":{"aws:TagKeys":["x"]}`):                                     false,
		condition(`"ForAnyValue:StringEquals":{"aws:nokey":["x"]}`):                                       false,
		condition(`"ForAnyValue:StringNotEquals":{"aws:TagKeys":["a"]}`):                                  true,
		condition(`"ForAnyValue:StringNotEquals":{"aws:TagKeys":["a","b"]}`):                              false,
		condition(`"ForAllValues:StringNotEquals":{"aws:TagKeys":["x"]}`):                                 true,
		condition(`"BinaryEquals":{"aws:nokey":"QUJD"}`):                                                  false,
	} {
		d := parse(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",`+statement+`}]}`, Resource)
		if got := d.Evaluate(base).Decision == Allow; got != applies {
			t.Errorf("%s: applies %v, want %v", statement, got, applies)
		}
	}
	// The older version has no variables: they are text.
	old := parse(t, `{"Version":"2008-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:username":"${aws:username}"}}}}`, Resource)
	if old.Evaluate(base).Decision != Silent {
		t.Error("a variable of version 2008-10-17 was replaced")
	}
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	d := parse(t, `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"s3:*","Resource":"*"},
		{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/r"},"Action":"s3:GetObject","Resource":"*"},
		{"Effect":"Allow","Principal":{"Service":"acm-pca.amazonaws.com"},"Action":"s3:PutObject","Resource":"*"},
		{"Effect":"Deny","Principal":"*","Action":"s3:Delete*","Resource":"*"}]}`, Resource)
	session := Principal{ARN: "arn:aws:sts::111122223333:assumed-role/r/s", Role: "arn:aws:iam::111122223333:role/r", Account: "111122223333"}
	for _, c := range []struct {
		who    Principal
		action string
		want   Verdict
	}{
		{session, "s3:ListBucket", Verdict{Allow, 0, ViaAccount}},
		{session, "s3:GetObject", Verdict{Allow, 1, ViaRole}},
		{session, "s3:DeleteObject", Verdict{Deny, 3, ViaNone}},
		{Principal{}, "s3:GetObject", Verdict{Silent, -1, ViaNone}},
		{Principal{Service: "acm-pca.amazonaws.com"}, "s3:PutObject", Verdict{Allow, 2, ViaPrincipal}},
		{Principal{Service: "lambda.amazonaws.com"}, "s3:PutObject", Verdict{Silent, -1, ViaNone}},
	} {
		if got := d.Evaluate(Request{Principal: c.who, Action: c.action, Resource: "arn:aws:s3:::b/k"}); got != c.want {
			t.Errorf("%s as %+v: got %+v, want %+v", c.action, c.who, got, c.want)
		}
	}
	identity := parse(t, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`, Identity)
	if got := identity.Evaluate(Request{Action: "s3:GetObject", Resource: "x"}); got.Decision != Allow {
		t.Errorf("a policy of an identity: %+v", got)
	}
}

func FuzzPolicy(f *testing.F) {
	f.Add(`{"Version":"2012-10-17","Statement":[{"Sid":"a","Effect":"Allow","Principal":{"AWS":["111122223333"],"Service":"a.b"},"Action":["s3:*"],"NotResource":"arn:${aws:x, 'y'}*${*}"}]}`, "s3:GetObject", "arn:aws:s3:::b/k", "v")
	f.Add(`{"Statement":{"Effect":"Deny","NotPrincipal":"*","NotAction":"*","Resource":"*","Condition":{"ForAnyValue:ArnLikeIfExists":{"k":["*:*:*:*:*:*"]},"NumericLessThan":{"k":1e9},"DateEquals":{"k":"2026"},"IpAddress":{"k":"::1"}}}}`, "", "", "::1")
	f.Add(`{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"`+strings.Repeat("*a", 40)+`"}}`, "a:b", strings.Repeat("a", 300), "")
	f.Fuzz(func(t *testing.T, document, action, resource, value string) {
		for _, kind := range []Kind{Resource, Identity, Trust} {
			d, err := Parse([]byte(document), kind)
			if err != nil {
				continue
			}
			r := Request{Principal: Principal{ARN: value, Account: "111122223333"}, Action: action, Resource: resource, Keys: map[string][]string{"k": {value}, "aws:x": {value}}}
			v := d.Evaluate(r)
			if v.Decision == Silent != (v.Statement == -1) || v.Decision == Deny && !d.Statements[v.Statement].Deny {
				t.Fatalf("%+v", v)
			}
		}
	})
}

// TestTrust reads policies that say who may assume a role.
func TestTrust(t *testing.T) {
	t.Parallel()
	d := parse(t, `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"},
		{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"x1"}}}]}`, Trust)
	const role = "arn:aws:iam::111122223333:role/r"
	root := Principal{ARN: "arn:aws:iam::111122223333:root", Account: "111122223333"}
	for _, c := range []struct {
		who  Principal
		keys map[string][]string
		want Decision
	}{
		{Principal{Service: "lambda.amazonaws.com"}, nil, Allow},
		{Principal{Service: "ec2.amazonaws.com"}, nil, Silent},
		{root, nil, Silent},
		{root, map[string][]string{"sts:externalid": {"x2"}}, Silent},
		{root, map[string][]string{"sts:externalid": {"x1"}}, Allow},
	} {
		if got := d.Evaluate(Request{Principal: c.who, Action: "sts:AssumeRole", Resource: role, Keys: c.keys}).Decision; got != c.want {
			t.Errorf("%+v with %v: got %v, want %v", c.who, c.keys, got, c.want)
		}
	}
	if d.Version != "2012-10-17" {
		t.Errorf("version %q", d.Version)
	}
	for document, want := range map[string]Fault{
		`{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole"}}`:                                                                      FaultPrincipal,
		`{"Statement":{"Effect":"Allow","Principal":"*","NotPrincipal":"*","Action":"sts:AssumeRole"}}`:                                   FaultPrincipal,
		`{"Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"}}`:                                       FaultResource,
		`{"Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","NotResource":"arn:aws:iam::111122223333:role/other"}}`: FaultResource,
	} {
		_, err := Parse([]byte(document), Trust)
		var refused *ParseError
		if !errors.As(err, &refused) || refused.Fault != want {
			t.Errorf("%s: got %v, want a fault of %s", document, err, want)
		}
	}
}
