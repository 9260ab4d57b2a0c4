package secrets

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"
)

// What is read of a selector names the same again, and stays within the names that are.
func FuzzSelector(f *testing.F) {
	for _, seed := range []string{
		"a", "/a/b", "/a/b:3", "a:label", parameterPrefix + "/a/b:1", referencePath + "team/db:AWSCURRENT", "arn:aws:ssm:::parameter/x", "a:", ":", "", " a ", "a:+1", "arn:", "//", "/aws/reference/secretsmanager/",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		sel, err := parseSelector(text, testAccount, testRegion)
		if err != nil {
			if _, ok := err.(smithy.APIError); !ok {
				t.Fatalf("%q: %v is no answer for a client", text, err)
			}
			return
		}
		if sel.version < 0 || sel.version > 0 && sel.label != "" || strings.Contains(sel.name, ":") {
			t.Fatalf("%q: %+v", text, sel)
		}
		if sel.secret == "" && !parameterName.MatchString(sel.name) || sel.secret != "" && !secretName.MatchString(sel.secret) {
			t.Fatalf("%q: %+v is no name", text, sel)
		}
		again, err := parseSelector(sel.name+sel.text, testAccount, testRegion)
		again.byARN = sel.byARN
		if err != nil || again != sel {
			t.Fatalf("%q: %+v, and read again %+v, %v", text, sel, again, err)
		}
	})
}

// Ids of secrets lead to names that secrets can have.
func FuzzSecretID(f *testing.F) {
	for _, seed := range []string{"a", "team/db", "arn:aws:secretsmanager:" + testRegion + ":" + testAccount + ":secret:team/db-abcdef", "arn:aws:secretsmanager:::secret:", "arn:", "-abcdef", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:-abcdef"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, id string) {
		names, err := candidates(id, testAccount, testRegion)
		if err != nil {
			if _, ok := err.(smithy.APIError); !ok {
				t.Fatalf("%q: %v is no answer for a client", id, err)
			}
			return
		}
		if len(names) == 0 {
			t.Fatalf("%q names nothing", id)
		}
		for _, n := range names {
			if !secretName.MatchString(n[0]) || n[1] != "" && len(n[1]) != suffixLength {
				t.Fatalf("%q: %q", id, n)
			}
		}
	})
}

// A dynamic reference that is read has all its text in its parts.
func FuzzSecretReference(f *testing.F) {
	for _, seed := range []string{"db", "db:SecretString:key", "db::key:stage", "db:SecretString:::version", "arn:aws:secretsmanager:r:a:secret:n:SecretString:k", "arn", "::::", "", "a:b:c:d:e:f"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := parseSecretReference(text)
		if err != nil {
			if _, ok := err.(smithy.APIError); !ok {
				t.Fatalf("%q: %v is no answer for a client", text, err)
			}
			return
		}
		joined := strings.TrimRight(strings.Join([]string{r.id, "", r.key, r.stage, r.version}, ":"), ":")
		if given := strings.TrimRight(strings.Replace(text, r.id+":SecretString", r.id+":", 1), ":"); r.id == "" || joined != given && joined != strings.TrimRight(text, ":") {
			t.Fatalf("%q: %+v", text, r)
		}
	})
}

// The value of a JSON key never comes from a text that is no JSON object, and errors hold none of it.
func FuzzJSONValue(f *testing.F) {
	for _, seed := range []string{`{"k":"v"}`, `{"k":1}`, `{"k":true}`, `{"k":null}`, `{"k":{}}`, `[]`, ``, `{"k":"\ud800"}`, `{"k":"a","k":"b"}`, ` { "k" : 1.0 } `} {
		f.Add(seed, "k")
	}
	f.Fuzz(func(t *testing.T, text, key string) {
		value, err := jsonValue(secretReference{id: "db", key: key}, text)
		if err != nil && value != "" {
			t.Fatalf("%q: both %q and %v", text, value, err)
		}
	})
}

// Patterns of callers neither hang nor crash.
func FuzzAllowedPattern(f *testing.F) {
	f.Add(`^\d+$`, "12")
	f.Add(`(a+)+$`, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!")
	f.Add(`)(`, "")
	f.Add(`\x`, "x")
	f.Add(`\Q`, "0")
	f.Fuzz(func(t *testing.T, pattern, value string) {
		in := &ssm.PutParameterInput{Name: aws.String("p"), Value: &value, Type: "String", AllowedPattern: &pattern}
		if _, err := new(parameter).next(in); err != nil {
			if _, ok := err.(smithy.APIError); !ok {
				t.Fatalf("%q: %v is no answer for a client", pattern, err)
			}
		}
	})
}
