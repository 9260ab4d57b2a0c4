package logs

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/smithy-go"
)

func TestPatterns(t *testing.T) {
	t.Parallel()
	for pattern, tests := range map[string]map[string]bool{
		"":                                    {"": true, "x": true},
		"  ":                                  {"x": true},
		"ERROR":                               {"[ERROR] x": true, "error": false},
		"ERROR ARGUMENTS":                     {"ARGUMENTS ERROR": true, "ERROR": false},
		`"INTERNAL ERROR"`:                    {"an INTERNAL ERROR": true, "INTERNAL  ERROR": false},
		`"a \"b\" \\"`:                        {`a "b" \`: true, `a b`: false},
		"ERROR -EXITING":                      {"ERROR": true, "ERROR EXITING": false},
		`-"a b"`:                              {"a b": false, "b a": true},
		"?ERROR ?WARN":                        {"WARN x": true, "ERROR": true, "INFO": false},
		`?"a b" ?c`:                           {"a b": true, "ab": false, "c": true},
		"?ERROR ?WARN INFO":                   {"INFO": true, "ERROR": false},
		"user-id":                             {"user-id 1": true, "user": false},
		`{ $.level = "warn" }`:                {`{"level":"warn"}`: true, `{"level":"warn"}` + "\n": true, `{"level":"info"}`: false, `warn`: false, `{}`: false, `{"level":1}`: false},
		`{ $.level = warn* }`:                 {`{"level":"warning"}`: true, `{"level":"a warning"}`: false},
		`{ $.a = "*b*c" }`:                    {`{"a":"xbyc"}`: true, `{"a":"bc"}`: true, `{"a":"cb"}`: false, `{"a":"bcx"}`: false},
		`{ $.a.b[1]["c d"] = x }`:             {`{"a":{"b":[0,{"c d":"x"}]}}`: true, `{"a":{"b":[{"c d":"x"}]}}`: false, `{"a":1}`: false},
		`{$.n=5}`:                             {`{"n":5}`: true, `{"n":5.0}`: true, `{"n":"5"}`: true, `{"n":50}`: false},
		`{ $.n >= 400 && $.n < 500 }`:         {`{"n":400}`: true, `{"n":499.5}`: true, `{"n":500}`: false, `{"n":"450"}`: false},
		`{ $.n != 9007199254740993 }`:         {`{"n":9007199254740992}`: true, `{"n":9007199254740993}`: false, `{}`: false},
		`{ $.a = 1 || $.b = 2 && $.c = 3 }`:   {`{"a":1}`: true, `{"b":2}`: false, `{"b":2,"c":3}`: true},
		`{ ($.a = 1 || $.b = 2) && $.c = 3 }`: {`{"a":1}`: false, `{"a":1,"c":3}`: true},
		`{ $.a IS NULL }`:                     {`{"a":null}`: true, `{}`: false, `{"a":0}`: false},
		`{ $.a IS TRUE }`:                     {`{"a":true}`: true, `{"a":"true"}`: false, `{"a":[]}`: false},
		`{ $.a IS FALSE }`:                    {`{"a":false}`: true, `{"a":null}`: false},
		`{ $.a NOT EXISTS }`:                  {`{"b":1}`: true, `{"a":null}`: false, `[]`: true, `text`: false},
		`{ $.a != "x*" }`:                     {`{"a":"y"}`: true, `{"a":"xy"}`: false, `{}`: false},
	} {
		fits, err := parsePattern(pattern)
		if err != nil {
			t.Errorf("%s: %v", pattern, err)
			continue
		}
		for message, want := range tests {
			if fits(message) != want {
				t.Errorf("%s on %q: %v", pattern, message, !want)
			}
		}
	}
	for _, pattern := range []string{
		"[a, b]", "%x%", `"a`, `""`, "- a", "?", `"a\`, "{", "{}", "{ $ = 1 }", "{ $.a }", "{ $.a = }", "{ $.a = 1", "{ a = 1 }", "{ $.a = 1 && }", "{ ($.a = 1 }", "{ $.a = 1) }", "{ $.a < b }", `{ $.a >= "1" }`,
		"{ $.a IS 1 }", "{ $.a[x] = 1 }", "{ $.a[-1] = 1 }", "{ $.* = 1 }", "{ $.a[*] = 1 }", `{ $.a = "x }`, "{ $.a = %x% }", "{ $.a = 1 } x", "{ $..a = 1 }", `{ $[""] = 1 }`, "{ $.a ~ 1 }",
	} {
		_, err := parsePattern(pattern)
		var coded smithy.APIError
		if !errors.As(err, &coded) || coded.ErrorCode() != "InvalidParameterException" {
			t.Errorf("%s: %v", pattern, err)
		}
	}
}

// No pattern crashes, on whatever message, and a refusal is an answer for the client.
func FuzzPattern(f *testing.F) {
	for _, seed := range []string{
		`a -b ?c "d \" e"`, `{ $.a = "b*" && ($.c[0]["d"] >= 1e3 || $.e IS NULL) }`, "{ $.a NOT EXISTS }", `{ $.a != -1.5 }`, strings.Repeat("(", 500), "{" + strings.Repeat("($.a=1", 100), "?", `"`, "{ $.a = * }", "{$.n=1e999999999}",
	} {
		f.Add(seed, `{"a":"bcd","c":[{"d":1000}],"e":null,"n":1e-999999999}`)
	}
	f.Fuzz(func(t *testing.T, pattern, message string) {
		if len(pattern) > 1024 { // the model's limit
			return
		}
		fits, err := parsePattern(pattern)
		if err != nil {
			if _, ok := err.(smithy.APIError); !ok {
				t.Fatalf("%q: %v is no answer for a client", pattern, err)
			}
			return
		}
		fits(message)
	})
}

// What is answered as a token is read again; other texts are refused.
func FuzzTokens(f *testing.F) {
	f.Add(*cut{1, 2}.token("f"))
	f.Add(*cut{1 << 62, 1<<64 - 1}.token("b"))
	f.Add(*place{1, "s", 2}.token())
	f.Add("f/s")
	f.Fuzz(func(t *testing.T, text string) {
		if forward, c, err := parseToken(text); err == nil {
			direction := map[bool]string{true: "f", false: "b"}[forward]
			if again := *c.token(direction); again != text {
				t.Fatalf("%q is read as %q", text, again)
			}
		}
		if p, err := parsePlace(text); err == nil {
			if again, err := parsePlace(*p.token()); err != nil || again.compare(p) != 0 {
				t.Fatalf("%q is read as %+v, and again as %+v", text, p, again)
			}
		}
	})
}
