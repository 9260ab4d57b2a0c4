package functions

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

func TestMatchARN(t *testing.T) {
	t.Parallel()
	const call = "arn:aws:execute-api:eu-west-1:000000000000:a1b2c3d4e5/$default/GET/pets/7:x"
	for pattern, want := range map[string]bool{
		call: true,
		"arn:aws:execute-api:eu-west-1:000000000000:a1b2c3d4e5/*":                     true,
		"arn:aws:execute-api:eu-west-1:000000000000:a1b2c3d4e5/*/*":                   true,
		"arn:aws:execute-api:eu-west-1:000000000000:a1b2c3d4e5/*/GET/pets/*":          true,
		"arn:aws:execute-api:eu-west-1:000000000000:a1b2c3d4e5/$default/GET/pets/?:x": true,
		"arn:aws:execute-api:*:*:a1b2c3d4e5/*":                                        true,
		"arn:*:execute-api:eu-*-1:0000000000??:*":                                     true,
		"arn:aws:execute-api:eu-west-1:000000000000:a1b2c3d4e5/*/POST/*":              false,
		"arn:aws:execute-api:eu-west-1:000000000000:a1b2c3d4e5":                       false,
		"arn:aws:execute-api:eu-west-1:000000000000:other/*":                          false,
		"arn:aws:execute-api:us-east-1:000000000000:a1b2c3d4e5/*":                     false,
		"arn:aws:execute-api:eu-west-1:000000000000:A1B2C3D4E5/*":                     false,
		"arn:aws:execute-api:*":                                                       false, // a * does not reach over colons
		"*":                                                                           false,
		"":                                                                            false,
	} {
		if got := matchARN(pattern, call); got != want {
			t.Errorf("%s: %v", pattern, got)
		}
	}
	if matchARN("arn:aws:execute-api:eu-west-1:000000000000:*", "") {
		t.Error("no source matches")
	}
}

func TestPermits(t *testing.T) {
	t.Parallel()
	const function = "arn:aws:lambda:eu-west-1:000000000000:function:fn"
	q := question{service: "apigateway.amazonaws.com", action: "lambda:InvokeFunction", resource: function,
		source: "arn:aws:execute-api:eu-west-1:111111111111:api/stage/GET/"}
	ok := statement{Effect: "Allow", Principal: principal{service: "apigateway.amazonaws.com"}, Action: "lambda:InvokeFunction", Resource: function}
	for name, c := range map[string]struct {
		change func(*statement)
		want   bool
	}{
		"as it is":        {func(*statement) {}, true},
		"anybody":         {func(s *statement) { s.Principal = principal{any: true} }, true},
		"all actions":     {func(s *statement) { s.Action = "lambda:*" }, true},
		"any action":      {func(s *statement) { s.Action = "*" }, true},
		"case of actions": {func(s *statement) { s.Action = "lambda:invokefunction" }, true},
		"source":          {func(s *statement) { s.Condition = conds(arnLike, sourceARN, "arn:aws:execute-api:*:*:api/*") }, true},
		"account":         {func(s *statement) { s.Condition = conds(stringEquals, sourceAccount, "111111111111") }, true},
		"other account":   {func(s *statement) { s.Condition = conds(stringEquals, sourceAccount, "222222222222") }, false},
		"other source":    {func(s *statement) { s.Condition = conds(arnLike, sourceARN, "arn:aws:execute-api:*:*:other/*") }, false},
		"organisation":    {func(s *statement) { s.Condition = conds(stringEquals, "aws:PrincipalOrgID", "o-1") }, false},
		"other service":   {func(s *statement) { s.Principal = principal{service: "s3.amazonaws.com"} }, false},
		"an account":      {func(s *statement) { s.Principal = principal{aws: "arn:aws:iam::111111111111:root"} }, false},
		"other action":    {func(s *statement) { s.Action = "lambda:GetFunction" }, false},
		"other function":  {func(s *statement) { s.Resource = function + "2" }, false},
		"an alias":        {func(s *statement) { s.Resource = function + ":live" }, false},
		"deny":            {func(s *statement) { s.Effect = "Deny" }, false},
		"nobody":          {func(s *statement) { s.Principal = principal{} }, false},
	} {
		s := ok
		c.change(&s)
		if got := s.permits(q); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
		// What is stored means the same.
		text, err := json.Marshal(s)
		var back statement
		if err == nil {
			err = json.Unmarshal(text, &back)
		}
		if err != nil || back.permits(q) != c.want {
			t.Errorf("%s, stored: %v %s", name, err, text)
		}
	}
}

func conds(operator, key, value string) map[string]map[string]string {
	return map[string]map[string]string{operator: {key: value}}
}

func FuzzMatchWildcards(f *testing.F) {
	f.Add("a*b?c", "axxbyc")
	f.Add("**", "")
	f.Add("*a*a*a*b", "aaaaaaaaaaaaaaaa")
	f.Add("?", "é")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if len(pattern) > 100 || len(s) > 1000 || strings.ContainsFunc(pattern+s, func(r rune) bool { return r > 126 }) {
			return // ? is a byte to us and a character to the other
		}
		re := regexp.QuoteMeta(pattern)
		re = strings.ReplaceAll(strings.ReplaceAll(re, `\*`, `.*`), `\?`, `.`)
		if want := regexp.MustCompile(`(?s)\A` + re + `\z`).MatchString(s); matchWildcards(pattern, s) != want {
			t.Errorf("%q %q: want %v", pattern, s, want)
		}
	})
}
